//! A client of the calls for administration: what a command does in a ledger, done at the server that has it.
//!
//! The server is not trusted more than it must be. An answer has a bound, a redirect is not followed, and what is said
//! in a refusal is text for a terminal alone.

mod answer;
mod terms;
mod wire;

use std::path::Path;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hyper::Method;
use nodelock::{Random as _, SystemRandom};
use serde::de::DeserializeOwned;
use serde_json::Value;
use zeroize::Zeroizing;

use self::{
    answer::read,
    wire::{Trouble, Wire},
};
pub(crate) use self::{answer::unreadable, terms::terms};
use crate::{
    failure::Result,
    http::records::{
        Audit, AuditLine, CustomerBody, Customers, Deliveries, Delivery, Event, Events, LicenseBody,
        Licenses, MailBody, Mails, OneRequest, OrderBody, Orders, RefusalBody, RefusalPage, RequestPage,
        SeatBody, Seats,
    },
    service::Target,
};

/// How often a call is made whose connection broke before it was answered.
const ATTEMPTS: u32 = 2;
/// How many rows are asked for at a time. Notes of a customer may have 64 KiB.
const PAGE: u32 = 100;
const KEY_BYTES: usize = 16;

/// A server that is called with a token.
pub(crate) struct Remote(Wire);

/// What is asked.
struct Call<'a> {
    method: Method,
    /// Behind `/v1/admin`, with what stands behind its question mark.
    address: &'a str,
    body: Option<&'a Value>,
    /// The same for each attempt, so that it is done once.
    key: Option<String>,
    based_on: Option<u32>,
}

/// An answer as it came.
struct Answer {
    status: u16,
    is_problem: bool,
    body: Vec<u8>,
}

impl Remote {
    /// At that address, as [`Target`] reads it. `ca` is a file of certificates that are trusted in place of the
    /// system's.
    ///
    /// Fails with [`Failure::Usage`](crate::failure::Failure::Usage) for an address that a token must not go to, and
    /// for a token that is none.
    pub(crate) fn new(target: Target, token: &str, ca: Option<&Path>) -> Result<Self> {
        Ok(Self(Wire::new(target, token, ca)?))
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, address: &str) -> Result<T> {
        self.call(&Call { method: Method::GET, address, body: None, key: None, based_on: None }).await
    }

    /// Asks for a change, which is done once however often the connection breaks. It may be based on a version.
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        address: &str,
        body: &Value,
        based_on: Option<u32>,
    ) -> Result<T> {
        let mut key = [0; KEY_BYTES];
        SystemRandom.fill(&mut key)?;
        let key = Some(URL_SAFE_NO_PAD.encode(key));
        self.call(&Call { method: Method::POST, address, body: Some(body), key, based_on }).await
    }

    pub(crate) async fn delete(&self, address: &str) -> Result<()> {
        let call = Call { method: Method::DELETE, address, body: None, key: None, based_on: None };
        self.answer(&call).await.map(drop)
    }

    async fn call<T: DeserializeOwned>(&self, call: &Call<'_>) -> Result<T> {
        let answer = self.answer(call).await?;
        serde_json::from_slice(&answer.body).map_err(|error| unreadable(&error.to_string()))
    }

    /// Fails with what the server refuses with, as the ledger itself would.
    async fn answer(&self, call: &Call<'_>) -> Result<Answer> {
        let mut broken = None;
        for _ in 0..ATTEMPTS {
            match self.0.exchange(call).await {
                Ok(answer) => return read(answer),
                Err(Trouble::Unfit(why)) => return Err(unreadable(&why)),
                Err(Trouble::Unsent(why)) if broken.is_none() => return Err(self.0.unreachable(&why)),
                Err(Trouble::Unsent(_)) => break,
                Err(Trouble::Broken(why)) => broken = Some(why),
            }
        }
        let mut why = broken.unwrap_or_default();
        if call.method != Method::GET {
            why += "; it may have been done, so look before you ask for it again";
        }
        Err(self.0.unreachable(&why))
    }

    /// Shows the rows of a list that pass, page by page: those after a cursor, and at most so many.
    pub(crate) async fn rows<P: Page>(
        &self,
        list: &str,
        wanted: &[(&str, &str)],
        (mut after, most): (Option<String>, Option<u32>),
        mut show: impl FnMut(Result<P::Row>) -> Result<()>,
    ) -> Result<()> {
        let mut left = most.unwrap_or(u32::MAX);
        while left > 0 {
            let limit = left.min(PAGE).to_string();
            let mut members = vec![("limit", limit.as_str())];
            members.extend(wanted);
            members.extend(after.as_deref().map(|after| ("after", after)));
            let page: P = self.get(&address(list, &members)).await?;
            let (rows, next) = page.parts();
            for row in rows.into_iter().take(left as usize) {
                show(Ok(row))?;
                left -= if most.is_some() { 1 } else { 0 };
            }
            // Lists without an end have a next page after the last one too, which begins at the same place.
            if next.is_none() || next == after {
                break;
            }
            after = next;
        }
        Ok(())
    }
}

/// An address with members behind its question mark.
pub(crate) fn address(path: &str, members: &[(&str, &str)]) -> String {
    let mut address = path.to_owned();
    for (at, (name, value)) in members.iter().enumerate() {
        address += &format!("{}{name}={}", if at == 0 { '?' } else { '&' }, encoded(value));
    }
    address
}

/// Text as a part of an address.
pub(crate) fn encoded(text: &str) -> String {
    let letter = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(letter).collect()
}

/// A page of a list.
pub(crate) trait Page: DeserializeOwned {
    type Row;

    /// Its rows, and the cursor of the page behind it.
    fn parts(self) -> (Vec<Self::Row>, Option<String>);
}

macro_rules! pages {
    ($($page:ident { $rows:ident: $row:ident })*) => {
        $(impl Page for $page {
            type Row = $row;

            fn parts(self) -> (Vec<$row>, Option<String>) {
                (self.$rows, self.next)
            }
        })*
    };
}

pages! {
    Audit { lines: AuditLine }
    Customers { customers: CustomerBody }
    Deliveries { deliveries: Delivery }
    Events { events: Event }
    Licenses { licenses: LicenseBody }
    Mails { mails: MailBody }
    Orders { orders: OrderBody }
    RefusalPage { refusals: RefusalBody }
    RequestPage { requests: OneRequest }
    Seats { seats: SeatBody }
}

/// Reads a token from a file that only its owner may read.
pub(crate) fn token_in(path: &Path) -> Result<Zeroizing<String>> {
    let bytes = crate::keys::read(path, crate::keys::Readers::Owner)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| wire::no_token())?;
    Ok(Zeroizing::new(text.trim().to_owned()))
}

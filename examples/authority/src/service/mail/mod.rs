//! Mails to customers: a license key that is sent, a seat that is free again or replaced, a license that ends soon.
//!
//! A mail is a delivery of an event, as a message to a webhook is. A program of the operator's takes it to where it
//! goes. What it says is looked up for each attempt, so that nobody is told what is not so any more.

mod message;
mod texts;

use std::{borrow::Cow, sync::Arc};

use nodelock::{
    LicenseId, Timestamp,
    authority::{Allowance, Found, KeyHash, LicenseRecord, LicenseTerms, Query, Seat, SeatName},
};
use zeroize::Zeroizing;

pub(crate) use self::message::{About, Mail};
use super::{
    Database, Service,
    deliveries::{Came, End, LONGEST_REASON, put_again},
    license_keys::valid_one,
    permit::{On, permit},
    secrets::new_id,
};
use crate::{
    domain::{
        CustomerId, DeliveryRow, EventRow, Language, LicenseHint, LicenseRow, MAIL_DAYS, MailPolicy,
        MailPolicyChange, Mailed, Occasion, ProductId, Sender, is_mailable, noted_change,
        rights::{Act, Permit},
    },
    failure::{Failure, Result},
    store::{self, Addressee, AuditLine, Claim, Claimed, MAIL, Replay, Tx},
};

/// How many mails are on their way at a time, each by a program of its own.
const AT_A_TIME: u32 = 4;
/// Exit codes of a program that mails, as `sysexits.h` has them: what is not to be tried again.
const NEVER: [(i32, &str); 2] = [(65, "the mail is in a wrong form"), (67, "there is no such mailbox")];

/// What came of a program that was given a mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// It ended with this code.
    Ended(i32),
    /// It did not end by itself, or not begin; why, in words. Nothing of the mail is in them.
    Failed(String),
}

impl Sent {
    fn came(self) -> Came {
        let (code, said, end) = match self {
            Self::Ended(0) => (Some(0), None, End::Taken),
            Self::Ended(code) => match NEVER.iter().find(|(of, _)| *of == code) {
                Some((_, why)) => {
                    (Some(code), Some(format!("the program ended with {code}: {why}")), End::Never)
                }
                None => (Some(code), Some(format!("the program ended with {code}")), End::Later),
            },
            Self::Failed(why) => (None, Some(why.chars().take(LONGEST_REASON).collect()), End::Later),
        };
        Came { status: code.and_then(|code| code.try_into().ok()), said, end }
    }
}

/// Takes mails to where they go.
pub(crate) trait Mailer: Send + Sync + 'static {
    fn send(&self, mail: Zeroizing<Vec<u8>>) -> impl Future<Output = Sent> + Send;
}

/// What is said of mails.
pub(crate) struct MailPolicies {
    /// For every product that does not say otherwise.
    pub(crate) all: MailPolicy,
    /// By each product for itself.
    pub(crate) products: Vec<(ProductId, MailPolicy)>,
}

/// What is mailed, from whom and in which language.
pub(crate) async fn mail_policies(database: &Database) -> Result<MailPolicies> {
    let mut tx = database.read().await?;
    let all = store::mail_policy(&mut tx).await?;
    let mut products = Vec::new();
    for product in store::products(&mut tx).await? {
        let policy = store::mail_policy_of(&mut tx, &product.id).await?;
        products.push((product.id, policy.unwrap_or_default()));
    }
    Ok(MailPolicies { all, products })
}

/// Changes what is mailed from now on, for every product or by one for itself. Returns what that says now; `hand_over`
/// is given it before a change is stored.
///
/// Fails with [`Failure::UnknownProduct`], and with [`Failure::Usage`] for mails from nobody, of this product or of one
/// that says nothing of that itself; for days out of bounds; and for a product that says when licenses expire.
pub(crate) async fn edit_mail_policy(
    database: &Database,
    product: Option<&ProductId>,
    change: &MailPolicyChange,
    hand_over: impl FnOnce(&MailPolicy) -> Result<()>,
    occasion: &Occasion,
) -> Result<MailPolicy> {
    let occasion = &permit(database, occasion, Act::Products, On::Whole).await?;
    let mut tx = database.write().await?;
    let all = store::mail_policy(&mut tx).await?;
    let (before, below) = match product {
        None => (all, MailPolicy::default()),
        Some(id) => {
            let policy = store::mail_policy_of(&mut tx, id).await?;
            (policy.ok_or_else(|| Failure::UnknownProduct(id.to_string()))?, all)
        }
    };
    let after = change.of(&before);
    check_policy(&mut tx, product, &after, below).await?;
    if after != before {
        match product {
            None => store::set_mail_policy(&mut tx, &after).await?,
            Some(id) => store::set_mail_policy_of(&mut tx, id, &after).await?,
        }
        hand_over(&after)?;
        let change = noted_change(&serde_json::to_string(&before)?, &serde_json::to_string(&after)?);
        let detail = product.map_or_else(|| change.clone(), |id| format!("{id}: {change}"));
        AuditLine { action: "mail-policy-edited", license: None, detail: &detail }
            .write(&mut tx, occasion)
            .await?;
    }
    tx.commit().await?;
    Ok(after)
}

async fn check_policy(
    tx: &mut Tx,
    product: Option<&ProductId>,
    after: &MailPolicy,
    below: MailPolicy,
) -> Result<()> {
    for days in [after.expiring_days, after.wait_days].into_iter().flatten() {
        if !MAIL_DAYS.contains(&days) {
            let (least, most) = (MAIL_DAYS.start(), MAIL_DAYS.end());
            return Err(Failure::Usage(format!("{days} days are not from {least} to {most}")));
        }
    }
    if product.is_some() && after.expiring_days.is_some() {
        let text = "expiring_days is said for every product, because webhooks are told of it too";
        return Err(Failure::Usage(text.into()));
    }
    if after.clone().over(below).is_from_nobody() {
        return Err(Failure::Usage("say from whom mails are, too".into()));
    }
    if product.is_none() {
        for product in store::products(tx).await? {
            let policy = store::mail_policy_of(tx, &product.id).await?.unwrap_or_default();
            if policy.over(after.clone()).is_from_nobody() {
                let text = format!("product {} has mails sent, and does not say from whom", product.id);
                return Err(Failure::Usage(text));
            }
        }
    }
    Ok(())
}

/// Has the customer of a license be sent its key: the only valid one, or the one with that end. That is noted, and a
/// server sends it. `hand_over` is given the end of the key before anything is stored.
///
/// Fails with `ErrorKind::UnknownLicense`, [`Failure::Void`], [`Failure::NoSuchKey`], [`Failure::NotOneKey`],
/// [`Failure::KeyNotKept`] and [`Failure::NotMailed`].
pub(crate) async fn send_key(
    database: &Database,
    id: LicenseId,
    hint: Option<&str>,
    hand_over: impl FnOnce(&LicenseHint) -> Result<()>,
    occasion: &Occasion,
) -> Result<LicenseHint> {
    let occasion = &permit(database, occasion, Act::SendKey, On::License(id)).await?;
    let mut tx = database.write().await?;
    store::lock_license(&mut tx, id).await?;
    store::key_hint_of(&mut tx, id).await?.ok_or_else(|| Failure::unknown_license(id))?;
    if store::is_void(&mut tx, id).await? {
        return Err(Failure::Void(id));
    }
    let key = valid_one(&mut tx, id, hint).await?;
    if key.sealed.is_none() {
        return Err(Failure::KeyNotKept);
    }
    let sent = LicenseHint { id, key_hint: key.hint };
    hand_over(&sent)?;
    enter_key(&mut tx, &sent, key.hash, occasion).await?;
    tx.commit().await?;
    Ok(sent)
}

/// Notes that a kept key of a license is sent to its customer.
///
/// Fails with [`Failure::NotMailed`] where no mail can be made for it.
pub(super) async fn enter_key(
    tx: &mut Tx,
    of: &LicenseHint,
    hash: KeyHash,
    permit: &Permit<'_>,
) -> Result<()> {
    let addressee = store::addressee_of(tx, of.id).await?;
    let (email, from) = addressee.map_or_else(Default::default, |of| (of.email, of.policy.from));
    check_mail(&email, from.as_ref())?;
    let detail = format!("..{}", of.key_hint);
    let line = AuditLine { action: "license-key-sent", license: Some(of.id), detail: &detail };
    line.write_of_key(tx, hash, permit).await
}

/// The same before licenses are sold and their keys sent: fails as that would.
pub(super) async fn check_sale(tx: &mut Tx, customer: Option<CustomerId>, product: &str) -> Result<()> {
    let customer = match customer {
        Some(id) => store::customer(tx, id).await?,
        None => None,
    };
    let email = customer.map_or_else(String::new, |customer| customer.details.email);
    let products = store::products(tx).await?;
    let policy = match products.iter().find(|of| of.name == product) {
        Some(product) => store::mail_policy_of(tx, &product.id).await?.unwrap_or_default(),
        None => MailPolicy::default(),
    };
    let from = policy.over(store::mail_policy(tx).await?).from;
    check_mail(&email, from.as_ref())
}

fn check_mail(email: &str, from: Option<&Sender>) -> Result<()> {
    let why = if email.is_empty() {
        NO_ADDRESS
    } else if !is_mailable(email) {
        UNMAILABLE
    } else if from.is_none() {
        NOBODY
    } else {
        return Ok(());
    };
    Err(Failure::NotMailed(why))
}

const NO_ADDRESS: &str = "it has no customer with a mail address";
const NOBODY: &str = "nobody said from whom mails are; `authority mail policy --from` does";
const UNMAILABLE: &str = "the address of its customer is none that mail takes as it is";

/// What became of mails of the events after one, at most `most`, in the order in which they happened; in one state, or
/// in all.
pub(crate) async fn mails_after(
    database: &Database,
    (state, after): (Option<&str>, &str),
    most: u32,
    occasion: &Occasion,
) -> Result<Vec<DeliveryRow>> {
    permit(database, occasion, Act::Mails, On::Whole).await?;
    store::deliveries_after(&mut database.read_list().await?, MAIL, state, after, most).await
}

/// Has mails be sent once more. Returns how many. What was not to be mailed when it happened is not mailed now.
pub(crate) async fn replay_mails(database: &Database, replay: &Replay, occasion: &Occasion) -> Result<u64> {
    let permit = permit(database, occasion, Act::Mails, On::Whole).await?;
    put_again(database, MAIL, replay, ("mails-replayed", ""), &permit).await
}

/// A mail as a customer would get it, about somebody who does not exist: for people to look at.
///
/// Fails with [`Failure::UnknownProduct`] and as [`product`](super::product) does.
pub(crate) async fn sample(
    database: &Database,
    event: Mailed,
    (product, language, to): (Option<&ProductId>, Option<Language>, &str),
    now: Timestamp,
) -> Result<Mail> {
    let product = super::product(database, product).await?;
    let mut tx = database.read().await?;
    let all = store::mail_policy(&mut tx).await?;
    let policy = store::mail_policy_of(&mut tx, &product.id).await?.unwrap_or_default().over(all);
    let from = Sender { name: String::new(), address: "nobody@example.com".to_owned() };
    Ok(Mail {
        id: format!("sample_{}", new_id()?),
        at: now,
        from: policy.from.unwrap_or(from),
        to: ("Jane Doe".to_owned(), to.to_owned()),
        language: language.or(policy.language).unwrap_or(Language::English),
        product: product.name,
        license: LicenseId::from_bytes([0x5f, 0x0c, 0x1d, 0x2e, 0x3b, 0x4a, 0x59, 0x68]),
        hint: "H5J2Q".to_owned(),
        about: sample_about(event, now),
    })
}

fn sample_about(event: Mailed, now: Timestamp) -> About {
    match event {
        Mailed::KeySent => About::Key(Zeroizing::new("00000-00000-00000-00000-H5J2Q".to_owned())),
        Mailed::Expiring => About::Expiring(now.plus_days(14)),
        _ => {
            let computer = if event == Mailed::Deactivated { "" } else { "reception" };
            let reason = if matches!(event, Mailed::Released | Mailed::Deactivated) {
                "reported as stolen"
            } else {
                ""
            };
            let is_free = !matches!(event, Mailed::Replaced | Mailed::ReplacedByCustomer);
            let available = is_free.then_some((2, 5));
            About::Seat { event, computer: computer.to_owned(), reason: reason.to_owned(), available }
        }
    }
}

/// What becomes of a mail that was to be sent.
enum Composed {
    Mail(Box<Mail>),
    /// It is not sent now; why, in words for the vendor.
    Later(&'static str),
    /// It is not sent.
    Never(Cow<'static, str>),
}

impl Service {
    /// Whether a mail is to be sent now.
    pub(crate) async fn is_mail_due(&self, occasion: &Occasion) -> Result<bool> {
        self.permit(occasion, Act::Mails, On::Whole).await?;
        store::is_mail_due(&mut self.database.read().await?, occasion.time).await
    }

    /// Sends mails that are due, of at most [`AT_A_TIME`] licenses at once. Returns how many it tried to.
    ///
    /// An attempt is claimed before it is made, and counts once it is noted. Should this process end in between, the
    /// mail is sent again, under the id that it had. Fails with the first failure to note one.
    pub(crate) async fn mail(&self, mailer: &Arc<impl Mailer>, occasion: &Occasion) -> Result<usize> {
        let now = self.permit(occasion, Act::Mails, On::Whole).await?.time;
        let (Claim { claimed, unreadable }, again) = self.claim(MAIL, AT_A_TIME, now).await?;
        let mut attempts = Vec::new();
        for claimed in claimed {
            let composed = match self.composed(&claimed, now).await {
                Err(Failure::Damaged { .. }) => {
                    Ok(Composed::Never("its license or seat is damaged in the ledger".into()))
                }
                composed => composed,
            };
            let mailer = mailer.clone();
            let attempt = async move {
                let (said, end) = match composed {
                    Ok(Composed::Mail(mail)) => return mailer.send(mail.to_bytes()).await.came(),
                    Ok(Composed::Later(why)) => (why.to_owned(), End::Later),
                    Ok(Composed::Never(why)) => (why.into_owned(), End::Never),
                    Err(failure) => (failure.name(), End::Later),
                };
                Came { status: None, said: Some(said), end }
            };
            attempts.push((claimed, attempt));
        }
        self.attempt(MAIL, attempts, unreadable, (now, again)).await
    }

    async fn composed(&self, claimed: &Claimed, now: Timestamp) -> Result<Composed> {
        let event = &claimed.delivery.event;
        let Ok(mailed) = event.kind.parse::<Mailed>() else {
            return Ok(Composed::Never("nobody is mailed of that".into()));
        };
        let mut tx = self.database.read().await?;
        let (row, addressee) = (
            store::license_row_of(&mut tx, event.license).await?,
            store::addressee_of(&mut tx, event.license).await?,
        );
        let (Some(row), Some(addressee)) = (row, addressee) else {
            return Ok(Composed::Never("its customer has no address any more".into()));
        };
        if claimed.delivery.customer != Some(addressee.customer) {
            return Ok(Composed::Never("the license was given to another customer".into()));
        }
        let Addressee { name, email, language, policy, .. } = addressee;
        if !is_mailable(&email) {
            return Ok(Composed::Never(UNMAILABLE.into()));
        }
        let days = policy.wait_days();
        if claimed.since.plus_days(days) < now {
            return Ok(Composed::Never(format!("it waited for more than {days} days").into()));
        }
        let Some(from) = policy.from else { return Ok(Composed::Later("nobody said from whom mails are")) };
        let about = match mailed {
            Mailed::KeySent => self.about_key(&mut tx, &row, claimed.key).await?,
            Mailed::Expiring => {
                let days = store::mail_policy(&mut tx).await?.expiring_days();
                about_end(&row, now.plus_days(days))
            }
            _ => about_seat(&mut tx, mailed, event, &row, now).await?,
        };
        let about = match about {
            Ok(about) => about,
            Err(not_sent) => return Ok(not_sent),
        };
        let LicenseTerms { id: license, product, .. } = row.license.terms;
        let language = language.parse().ok().or(policy.language).unwrap_or(Language::English);
        let mail = Mail {
            id: event.id.clone(),
            at: event.at,
            from,
            to: (name, email),
            language,
            product,
            license,
            hint: row.key_hint,
            about,
        };
        Ok(Composed::Mail(Box::new(mail)))
    }

    async fn about_key(
        &self,
        tx: &mut Tx,
        row: &LicenseRow,
        hash: Option<KeyHash>,
    ) -> Result<Result<About, Composed>> {
        let id = row.license.terms.id;
        let key = store::keys_of(tx, id).await?.into_iter().find(|key| Some(key.hash) == hash);
        let Some(key) = key.filter(|key| key.revoked.is_none() && row.voided.is_none()) else {
            return Ok(Err(Composed::Never("the key activates nothing any more".into())));
        };
        let Some(sealed) = key.sealed else {
            return Ok(Err(Composed::Never("the key is kept no more".into())));
        };
        let vault = self.vault.as_ref().filter(|vault| vault.has_sealed(&sealed));
        let Some(vault) = vault else {
            return Ok(Err(Composed::Later("what opens the key is missing on the server")));
        };
        let text = vault.unseal(id, key.hash, &sealed);
        Ok(text.map(About::Key).ok_or(Composed::Never("the copy of the key is damaged".into())))
    }
}

/// Of the end of a license, unless that is another one by now.
fn about_end(row: &LicenseRow, until: Timestamp) -> Result<About, Composed> {
    let is_near = |end: &Timestamp| *end <= until;
    let end = row.license.terms.expires.filter(|end| is_near(end) && row.voided.is_none());
    end.map(About::Expiring).ok_or(Composed::Never("the license does not end then any more".into()))
}

/// Of a seat or all of them, unless what happened was taken back since.
async fn about_seat(
    tx: &mut Tx,
    mailed: Mailed,
    event: &EventRow,
    row: &LicenseRow,
    now: Timestamp,
) -> Result<Result<About, Composed>> {
    let seat = match event.seat {
        Some(name) => seat_of(tx, name).await?,
        None => None,
    };
    if seat.as_ref().is_some_and(|seat| seat.state().is_taken() && !seat.is_lapsed()) {
        return Ok(Err(Composed::Never("the seat is in use again".into())));
    }
    let said = |of: fn(&Seat) -> Option<&str>| seat.as_ref().and_then(of).unwrap_or_default().to_owned();
    let reason = if mailed == Mailed::Released { said(Seat::notice) } else { String::new() };
    let is_free = !matches!(mailed, Mailed::Replaced | Mailed::ReplacedByCustomer);
    let available = if is_free { available(row, now) } else { None };
    Ok(Ok(About::Seat { event: mailed, computer: said(|seat| Some(seat.label())), reason, available }))
}

async fn seat_of(tx: &mut Tx, name: SeatName) -> Result<Option<Seat>> {
    Ok(match store::find(tx, &Query::SeatsOfHandle(name.handle)).await? {
        Found::Seats(seats) => seats.into_iter().find(|seat| seat.name() == name),
        _ => None,
    })
}

/// How many seats of a license are free, and of how many, if its key activates a computer now: nobody is invited to
/// what the application would refuse.
fn available(row: &LicenseRow, now: Timestamp) -> Option<(u32, u32)> {
    let LicenseRecord { terms, usage, .. } = &row.license;
    let free = terms.seats.saturating_sub(usage.taken);
    let has_ended = terms.expires.is_some_and(|end| end <= now);
    let may_activate = row.license.left(Allowance::Activations, now) != Some(0);
    let activates = free > 0 && !has_ended && may_activate && !terms.suspended && row.voided.is_none();
    activates.then_some((free, terms.seats))
}

#[cfg(test)]
mod tests;

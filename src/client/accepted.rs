//! The one door for what the authority sends.

use super::{Client, Status, authority_message::AuthorityMessage};
use crate::{DeactivationReceipt, License, Result, Revocation, message::Kind};

/// What a file from the authority brought, and what a check finds now.
#[derive(Clone, Debug)]
pub struct Accepted {
    status: Status,
    license: Option<Box<License>>,
    receipts: Vec<DeactivationReceipt>,
    revocation: Option<Revocation>,
}

impl Accepted {
    /// What a check finds now.
    ///
    /// ```
    /// # use nodelock::testing::{Machine, TestAuthority};
    /// # let authority = TestAuthority::new("Example Editor");
    /// # let license_key = authority.sell(1)?;
    /// # let client = authority.client(&Machine::new("desk")).build()?;
    /// # client.activate(&license_key)?;
    /// let renewal = authority.vendor().check_in(&client.check_in_offline()?.to_bytes())?;
    /// assert!(client.accept(&renewal.to_bytes())?.status().is_usable());
    /// # Ok::<(), nodelock::Error>(())
    /// ```
    pub fn status(&self) -> &Status {
        &self.status
    }

    /// The same, by itself.
    pub fn into_status(self) -> Status {
        self.status
    }

    /// The license that came; none if none did. It is installed.
    pub fn license(&self) -> Option<&License> {
        self.license.as_deref()
    }

    /// The receipts that came: their seats are no longer outstanding.
    ///
    /// ```
    /// # use nodelock::testing::{Machine, TestAuthority};
    /// # let authority = TestAuthority::new("Example Editor");
    /// # let license_key = authority.sell(1)?;
    /// # let client = authority.client(&Machine::new("desk")).build()?;
    /// # client.activate(&license_key)?;
    /// # let given_up = client.deactivate_offline(nodelock::Reason::Moved)?;
    /// let receipt = authority.vendor().redeem(&given_up.to_bytes())?;
    /// for receipt in client.accept(receipt.as_bytes())?.receipts() {
    ///     println!("seat {} is {}", receipt.handle, receipt.outcome);
    /// }
    /// # assert_eq!(client.accept(receipt.as_bytes())?.receipts().len(), 1);
    /// # Ok::<(), nodelock::Error>(())
    /// ```
    pub fn receipts(&self) -> &[DeactivationReceipt] {
        &self.receipts
    }

    /// The revocation that came; none if none did. The license of its seat has ended.
    pub fn revocation(&self) -> Option<&Revocation> {
        self.revocation.as_ref()
    }
}

impl Client {
    /// Takes in whatever the authority sent, from a file in any form: a license, receipts, a revocation. All of it is
    /// verified first and then applied in one step.
    ///
    /// A renewal replaces the active license. The same license, receipt or revocation again is accepted and changes
    /// nothing. What comes along may be about seats that are long over: it is passed over, and is not in the result.
    ///
    /// Fails with the [kinds of the store](Client), and leaves everything as it was then:
    ///
    /// - as [`License::verify`](crate::License) does, for each message, and with
    ///   [`ErrorKind::WrongType`](crate::ErrorKind::WrongType) for anything that no authority sends to a device;
    /// - with [`ErrorKind::WrongMachine`](crate::ErrorKind::WrongMachine) for a message to another device;
    /// - for a license with [`ErrorKind::WrongProduct`](crate::ErrorKind::WrongProduct),
    ///   [`ErrorKind::WrongRequest`](crate::ErrorKind::WrongRequest),
    ///   [`ErrorKind::NotPending`](crate::ErrorKind::NotPending), [`ErrorKind::GivenUp`](crate::ErrorKind::GivenUp) if
    ///   that activation was given up here, [`ErrorKind::Outdated`](crate::ErrorKind::Outdated) if it is older than the
    ///   active one, and [`ErrorKind::CertificateExpired`](crate::ErrorKind::CertificateExpired) if the issuer's
    ///   certificate has ended by now: then ask for the license to be issued again;
    /// - for a receipt with [`ErrorKind::WrongRequest`](crate::ErrorKind::WrongRequest) if it answers another proof or
    ///   code;
    /// - with [`ErrorKind::UnknownSeat`](crate::ErrorKind::UnknownSeat) if no message of it is about a seat of this
    ///   store.
    ///
    /// ```
    /// # use nodelock::testing::{Machine, TestAuthority};
    /// # let authority = TestAuthority::new("Example Editor");
    /// # let license_key = authority.sell(1)?;
    /// # let client = authority.client(&Machine::new("desk")).build()?;
    /// let request = client.begin(&license_key)?;
    /// let answer = authority.vendor().activate(&request.to_bytes())?.to_text(); // by mail, say
    ///
    /// let accepted = client.accept(answer.as_bytes())?;
    /// assert!(accepted.license().is_some() && accepted.status().is_usable());
    /// # Ok::<(), nodelock::Error>(())
    /// ```
    pub fn accept(&self, input: &[u8]) -> Result<Accepted> {
        self.accept_with(input, None)
    }

    /// [`accept`](Self::accept), where a message of that kind must be there: C has a function for each.
    #[cfg(feature = "capi")]
    pub(crate) fn accept_kind(&self, input: &[u8], kind: Kind) -> Result<Accepted> {
        self.accept_with(input, Some(kind))
    }

    fn accept_with(&self, input: &[u8], kind: Option<Kind>) -> Result<Accepted> {
        let (mut license, mut receipts, mut revocation) = (None, Vec::new(), None);
        for answer in self.apply(input, kind)? {
            match answer {
                AuthorityMessage::License(it) => license = Some(it),
                AuthorityMessage::Receipt(it) => receipts.push(it),
                AuthorityMessage::Revocation(it) => revocation = Some(it),
            }
        }
        // People may have read the headers of the text.
        let changed_headers = license.as_ref().map(|license| license.changed_headers().into());
        let status = Status { changed_headers, ..self.check()? };
        Ok(Accepted { status, license, receipts, revocation })
    }
}

//! A check-in: what a device says to have its license renewed, over a network or as a file.

use super::{CheckIn, Client};
use crate::{
    Error, ErrorKind, Result,
    message::{CheckInBody, LicenseBody, Metadata, Signed, frame::Incoming, signed},
    record::{Active, Current, NO_LICENSE, Record},
    system,
};

impl Client {
    /// Asks for a renewal of the license without a network. Hand the result to the authority as a file, text or QR
    /// code, and give its answer to [`accept`](Self::accept): a license, or the revocation of a seat that the vendor
    /// released. Until then the store only notes what was asked and when.
    ///
    /// Each call makes another request. Hand in the latest: the authority refuses one that a later one has followed,
    /// and only the answer to the latest sets a wrong clock right.
    ///
    /// Fails with [`ErrorKind::NotActive`] without a license; one that has expired or is not usable for another reason
    /// will do. Fails with [`ErrorKind::NoRandom`] too.
    ///
    /// ```
    /// # use nodelock::testing::{Machine, TestAuthority};
    /// # let authority = TestAuthority::new("Example Editor");
    /// # let license_key = authority.sell(1)?;
    /// # let client = authority.client(&Machine::new("desk")).build()?;
    /// # client.activate(&license_key)?;
    /// let question = client.check_in_offline()?;
    /// let answer = authority.vendor().check_in(&question.to_bytes())?;
    /// client.accept(&answer.to_bytes())?;
    /// # Ok::<(), nodelock::Error>(())
    /// ```
    pub fn check_in_offline(&self) -> Result<CheckIn> {
        let now = self.reading();
        self.change(|record, _| {
            let active = active(record)?;
            // It was verified when it was installed. If the application has other roots by now, the token still tells
            // the authority that this is no copy of the store.
            let license = signed::parse::<LicenseBody>(&Incoming::new(active.license.0.clone())).ok();
            let body = CheckInBody {
                handle: active.activation.handle,
                nonce: system::random(&*self.random)?,
                sync_token: license.as_ref().map_or([0; 16], |license| license.sync_token),
                revision: active.revision,
                time: now.local,
                fingerprint: self.probe().fingerprint(&self.tag_key),
                library: env!("CARGO_PKG_VERSION").to_owned(),
                application: self.application.clone(),
                extensions: license
                    .iter()
                    .filter_map(LicenseBody::chain_again)
                    .chain(self.described(&Metadata::new())?)
                    .collect(),
            };
            let request = Signed::sign_by_device(body, &self.known_device_key()?)?;
            // The answer to a pending request may be in the mail: that one stays the latest question.
            self.note_change(record, now);
            if matches!(record.current, Current::Active(_)) {
                record.time.asked(request.digest(), now);
            }
            let license = self::active(record)?.license.0.clone();
            Ok(CheckIn::new(request, license, record.last_word.as_deref()))
        })
    }

    /// The active license, usable or not: whatever is wrong with it, its seat can be asked about.
    #[cfg(feature = "transport")]
    pub(super) fn active(&self) -> Result<Active> {
        self.change(|record, _| active(record).cloned())
    }
}

fn active(record: &Record) -> Result<&Active> {
    record.license().ok_or_else(|| Error::new(ErrorKind::NotActive, NO_LICENSE))
}

//! The messages of an authority: verified, then applied to the record.

use super::Client;
use crate::{
    Error, ErrorKind, PublicKey, Result, SigningKey,
    code::DeactivationCode,
    keys::sha256,
    licensing_time::Reading,
    message::{
        Binding, DeactivationReceipt, Kind, License, Reason, Revocation, Roots,
        frame::{self, Frame, Incoming, Wanted},
    },
    record::{LicenseFacts, Record, Replaced},
    store::Writer,
};

/// What an authority answers. What else a text holds, such as the request that it quotes, is passed over.
pub(super) const ANSWER: Wanted<'static> =
    Wanted { kinds: &[Kind::License, Kind::DeactivationReceipt, Kind::Revocation], along: &[] };

/// What a device asks. A receipt may come along with it, which was an answer once.
const QUESTION: Wanted<'static> =
    Wanted { kinds: &[Kind::ActivationRequest, Kind::CheckInRequest, Kind::RecoveryRequest], along: &[] };

/// A message from an authority to a device.
pub(super) enum AuthorityMessage {
    License(Box<License>),
    Receipt(DeactivationReceipt),
    Revocation(Revocation),
}

impl AuthorityMessage {
    fn verify(message: Incoming, roots: &Roots) -> Result<Self> {
        match message.frame()?.kind {
            Kind::License => Ok(Self::License(Box::new(License::open_by_authority(message, roots)?))),
            Kind::DeactivationReceipt => {
                DeactivationReceipt::open_by_authority(message, roots).map(Self::Receipt)
            }
            Kind::Revocation => Revocation::open_by_authority(message, roots).map(Self::Revocation),
            kind => {
                let text = format!("found: {}; expected here: what an authority sends", kind.words());
                Err(Error::new(ErrorKind::WrongType, text))
            }
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::License(_) => Kind::License,
            Self::Receipt(_) => Kind::DeactivationReceipt,
            Self::Revocation(_) => Kind::Revocation,
        }
    }
}

impl Client {
    /// Verifies everything in a file, then applies it in one commit. With `kind`, one of that kind must be there. What
    /// comes along with it, or with a license, may be old news.
    pub(super) fn apply(&self, input: &[u8], kind: Option<Kind>) -> Result<Vec<AuthorityMessage>> {
        let mut answers = Vec::new();
        for message in frame::read(input, ANSWER)? {
            let is_text = message.head.is_some();
            let answer = AuthorityMessage::verify(message, &self.roots)?;
            if is_text { self.keep_newest(answer, &mut answers)? } else { answers.push(answer) }
        }
        if let Some(kind) = kind.filter(|kind| !answers.iter().any(|answer| answer.kind() == *kind)) {
            let found = answers.first().map_or("nothing", |answer| answer.kind().words());
            let text = format!("found: {found}; expected here: {}", kind.words());
            return Err(Error::new(ErrorKind::WrongType, text));
        }
        let asks =
            |message: &Incoming| message.frame().is_ok_and(|frame| QUESTION.kinds.contains(&frame.kind));
        let is_question =
            kind.is_none() && frame::read(input, QUESTION).is_ok_and(|found| found.iter().any(asks));
        let is_license = |answer: &AuthorityMessage| answer.kind() == Kind::License;
        let main = kind.or_else(|| answers.iter().any(is_license).then_some(Kind::License));
        let now = self.reading();
        let unknown = self.change(|record, writer| {
            let is_news = |answer: &AuthorityMessage| match answer {
                AuthorityMessage::Receipt(receipt) => {
                    record.outstanding.iter().any(|o| o.activation.handle == receipt.handle)
                }
                AuthorityMessage::License(_) | AuthorityMessage::Revocation(_) => true,
            };
            if is_question && !answers.iter().any(is_news) {
                let text = "this is what this machine asks the vendor; the vendor's answer is expected here";
                return Err(Error::new(ErrorKind::WrongType, text));
            }
            let device = self.device_key()?;
            let mut unknown = Vec::new();
            for answer in &answers {
                let is_beside = main.is_none_or(|main| main != answer.kind());
                match self.apply_one(answer, record, writer, device.as_ref(), now) {
                    Err(e) if e.kind() == ErrorKind::UnknownSeat && is_beside => unknown.push(Some(e)),
                    applied => unknown.push(applied.map(|()| None)?),
                }
            }
            if unknown.iter().all(Option::is_some)
                && let Some(why) = unknown.pop().flatten()
            {
                return Err(why);
            }
            Ok(unknown)
        })?;
        // What was passed over has done nothing here.
        let taken_in = answers.into_iter().zip(unknown).filter(|(_, why)| why.is_none());
        Ok(taken_in.map(|(answer, _)| answer).collect())
    }

    /// Adds an answer that came in a text. Of several licenses there, which mail that quotes earlier mail has, the
    /// newest of this device counts.
    fn keep_newest(&self, answer: AuthorityMessage, answers: &mut Vec<AuthorityMessage>) -> Result<()> {
        let known = answers.iter_mut().find_map(|answer| match answer {
            AuthorityMessage::License(known) => Some(known),
            _ => None,
        });
        match (answer, known) {
            (AuthorityMessage::License(license), Some(known)) => {
                let device = self.device_key()?.map(|key| key.public_key());
                let rank = |license: &License| {
                    (Some(license.device_key) == device, license.issued, license.revision)
                };
                if rank(&license) > rank(known) {
                    *known = license;
                }
            }
            (answer, _) => answers.push(answer),
        }
        Ok(())
    }

    fn apply_one(
        &self,
        answer: &AuthorityMessage,
        record: &mut Record,
        writer: &mut Writer<'_>,
        device: Option<&SigningKey>,
        now: Reading,
    ) -> Result<()> {
        let for_this_device = |key: PublicKey| match device {
            Some(device) if device.public_key() == key => Ok(()),
            _ => {
                let here =
                    device.map_or_else(|| "none".to_owned(), |device| device.public_key().id().to_string());
                let (what, there) = (answer.kind().words(), key.id());
                let text = format!(
                    "the {what} was made for another machine: its device key is {there}, here {here}"
                );
                Err(Error::new(ErrorKind::WrongMachine, text))
            }
        };
        match answer {
            AuthorityMessage::License(license) => {
                if license.product != self.product {
                    return Err(Error::products("the license", &self.product, &license.product));
                }
                for_this_device(license.device_key)?;
                if self.has_any_tombstone(&license.device_key, license.handle, writer) {
                    let text = format!(
                        "the license is for seat {}, which was given up on this machine",
                        license.handle
                    );
                    return Err(Error::new(ErrorKind::GivenUp, text));
                }
                let was_active = record.license().is_some();
                if let Some(certificate) = license.certificate() {
                    // What is installed anew must be vouched for now; what is installed stays valid.
                    let time = record.time.install_time(license.issued, license.answers, now);
                    certificate.check_time(license.issued.max(time))?;
                }
                // The commit that installs a license gives up the seat that it replaces.
                let replaced = match (record.replaced_by(license.handle), device) {
                    (Some(release), Some(key)) => {
                        let proof = self.proof(&release, writer, key, Reason::Other, now.local)?;
                        Some(Replaced { proof, time: now.local })
                    }
                    _ => None,
                };
                let facts = LicenseFacts {
                    handle: license.handle,
                    request_digest: license.request_digest,
                    license_id: license.license_id,
                    deactivations_left: license.deactivations_left,
                    revision: license.revision,
                    envelope: license.as_bytes(),
                };
                record.install(&facts, replaced)?;
                record.time.license_came(license.issued, license.answers, was_active, now);
            }
            AuthorityMessage::Receipt(receipt) => {
                for_this_device(receipt.device_key)?;
                check_binding(receipt, record)?;
                // A receipt for a seat that ended long ago is no news, and no error.
                let given_up = || self.has_any_tombstone(&receipt.device_key, receipt.handle, writer);
                if !record.knows(receipt.handle) && given_up() {
                    return Ok(());
                }
                record.receipt(receipt.handle, receipt.as_bytes(), now.local)?;
            }
            AuthorityMessage::Revocation(revocation) => {
                for_this_device(revocation.device_key)?;
                record.revoke(revocation.handle, &revocation.reason, revocation.as_bytes(), now.local)?;
            }
        }
        Ok(())
    }
}

/// Whether a receipt answers what this device handed over, as far as that is still known.
fn check_binding(receipt: &DeactivationReceipt, record: &Record) -> Result<()> {
    let Some(given_up) = record.outstanding.iter().find(|o| o.activation.handle == receipt.handle) else {
        return Ok(());
    };
    let fits = match receipt.binding {
        Binding::Proof(digest) => digest == sha256(Frame::parse(&given_up.proof)?.body),
        binding @ Binding::Code(_) => {
            let secret = given_up.activation.secret.clone();
            binding == Binding::code(&DeactivationCode::new(receipt.handle, secret))
        }
    };
    if fits {
        return Ok(());
    }
    let text =
        format!("the receipt for seat {} answers another proof or code than this machine's", receipt.handle);
    Err(Error::new(ErrorKind::WrongRequest, text))
}

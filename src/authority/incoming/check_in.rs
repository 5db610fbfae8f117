//! Check-ins and preflights of devices that have a seat.

use std::fmt;

use super::{Claimed, LastWord, Messages, handed_in};
use crate::{
    Error, ErrorKind, Kind, LicenseBody, Page, Result,
    code::Handle,
    message::{
        CheckInBody, PreflightBody,
        frame::{self, Incoming},
    },
};

/// A check-in that was read and is not verified yet, with the license that its device has and the last receipt or
/// revocation that it got, if they came along.
#[derive(Clone)]
pub struct CheckInClaim {
    pub(in crate::authority) check_in: Claimed<CheckInBody>,
    pub(in crate::authority) license: Option<Claimed<LicenseBody>>,
    pub(in crate::authority) last: Option<LastWord>,
}

impl CheckInClaim {
    /// Reads a check-in or a check-in file in any form: bytes, armored text, base64url.
    ///
    /// Fails as [`CheckInRequest::verify`](crate::CheckInRequest::verify) does, less
    /// [`ErrorKind::BadSignature`].
    pub fn read(input: &[u8]) -> Result<Self> {
        Self::of(handed_in(input, Kind::CheckInRequest)?)
    }

    pub(super) fn of(mut messages: Messages) -> Result<Self> {
        let mut claim = Self::next(&mut messages)?;
        // Mail that quotes earlier mail has several check-ins: the newest of the seat counts.
        while messages.peek().is_some() {
            let other = Self::next(&mut messages)?;
            if other.handle() != claim.handle() {
                return Err(frame::several(Kind::CheckInRequest));
            }
            if other.check_in.body.time > claim.check_in.body.time {
                claim = other;
            } else if other.check_in.digest == claim.check_in.digest {
                claim.license = claim.license.or(other.license);
                claim.last = claim.last.or(other.last);
            }
        }
        Ok(claim)
    }

    /// A check-in with what comes along, up to the next one.
    fn next(messages: &mut Messages) -> Result<Self> {
        let first = messages.next().ok_or_else(|| {
            Error::new(ErrorKind::Malformed, "the check-in file has 0 check-ins; 1 is expected")
        })?;
        let check_in = Claimed::read(first)?;
        let is_license = |message: &Incoming| message.frame().is_ok_and(|frame| frame.kind == Kind::License);
        let license = messages.next_if(is_license).map(Claimed::read).transpose()?;
        let last = LastWord::next_if(messages)?;
        // A text may have earlier answers in any place; a file holds what it should.
        while let Some(more) = messages.peek() {
            if more.head.is_none() {
                let text = "the check-in file has a message behind its license that does not belong there";
                return Err(Error::new(ErrorKind::WrongType, text));
            }
            if more.kind() == Some(Kind::CheckInRequest) {
                break;
            }
            messages.next();
        }
        Ok(Self { check_in, license, last })
    }

    /// The seat that it claims to be of. Nothing is verified.
    pub fn handle(&self) -> Handle {
        self.check_in.body.handle
    }

    /// What the device says of the license that it has: its page, and the [digest of the chain](LicenseBody::chain) in
    /// it, if there is one. Nothing is verified.
    pub fn chain(&self) -> Option<(Page, [u8; 32])> {
        self.check_in.body.chain()
    }
}

impl fmt::Debug for CheckInClaim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CheckInClaim").field("handle", &self.handle()).finish_non_exhaustive()
    }
}

/// A preflight that was read and is not verified yet: a device's question whether its seat may be given up.
#[derive(Clone)]
pub struct PreflightClaim(pub(in crate::authority) Claimed<PreflightBody>);

impl PreflightClaim {
    /// Reads a preflight in any form: bytes, armored text, base64url.
    ///
    /// Fails as [`PreflightRequest::verify`](crate::PreflightRequest::verify) does, less
    /// [`ErrorKind::BadSignature`].
    pub fn read(input: &[u8]) -> Result<Self> {
        Ok(Self(Claimed::read(frame::read_one(input, Kind::PreflightRequest)?)?))
    }

    /// The seat that it claims to be of. Nothing is verified.
    pub fn handle(&self) -> Handle {
        self.0.body.handle
    }
}

impl fmt::Debug for PreflightClaim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PreflightClaim").field("handle", &self.handle()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        codec,
        message::{Body as _, armor, frame::Frame},
    };

    /// A message of the vectors, as text.
    fn vector(name: &str) -> String {
        let vectors: serde_json::Value =
            serde_json::from_str(include_str!("../../../tests/vectors/messages.json")).unwrap();
        vectors[name]["text"].as_str().unwrap().to_owned()
    }

    #[test]
    fn the_newest_check_in_of_a_text_has_the_license_that_came_with_it_and_with_an_older_one() {
        let (older, license) = (vector("check_in"), vector("license"));
        let message = frame::read_one(older.as_bytes(), Kind::CheckInRequest).unwrap();
        let frame = message.frame().unwrap();
        let mut body: CheckInBody =
            codec::decode(frame.body, CheckInBody::LIMIT, "a check-in of the vectors").unwrap();
        body.time = body.time.plus_days(1);
        let newer = Frame { body: &codec::encode(&body).unwrap(), ..frame }.to_bytes();
        let newer = armor::write(Kind::CheckInRequest, &[], &newer);
        for mail in [
            format!("{newer}\n{license}\n{older}\n{license}"),
            format!("{older}\n{license}\n{newer}\n{license}"),
            format!("{older}\n{license}\n{newer}\n{newer}\n{license}"),
        ] {
            let claim = CheckInClaim::read(mail.as_bytes()).unwrap();
            assert_eq!(claim.check_in.body.time, body.time);
            assert!(claim.license.is_some(), "{mail}");
        }
    }
}

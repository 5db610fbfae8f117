//! The one reader of what somebody types, pastes or uploads, for the command line, the API and the portal.

use nodelock::{
    Error, ErrorKind, Kind, Result, Roots,
    authority::{ActivationFile, CheckInClaim, HandedIn, ReleaseClaim, TypedCode},
    code::{LicenseKey, Reading, check_typing},
};

/// More symbols than anybody types for a code by mistake. Every file has more.
const MOST_SYMBOLS: usize = 40;
/// The longest text that a code is read from, in bytes.
const LONGEST_TYPED: usize = 256;

/// What somebody handed in. Signatures are verified as far as the message itself names its signer.
#[derive(Debug)]
pub(crate) enum Submission {
    /// A short text: a code, a license key, or neither.
    Typed(Typed),
    /// A request for a seat, with the seats that the device gave up before.
    Activation(Box<ActivationFile>),
    /// Proofs, each with the request that it cancels if that came along. Never none.
    Releases(Vec<ReleaseClaim>),
    /// A device's request for a renewal.
    CheckIn(Box<CheckInClaim>),
    /// Something that this authority signed: it belongs on a device.
    Issued(What),
}

/// A short text, and what it can be read as.
#[derive(Debug)]
pub(crate) struct Typed {
    code: Result<TypedCode>,
    key: Result<Vec<Reading<LicenseKey>>>,
}

/// What gives a seat up.
#[derive(Clone, Debug)]
pub(crate) enum Deactivation {
    /// By a message that the device signed.
    Proof(Box<ReleaseClaim>),
    /// By a code over the phone.
    Code(TypedCode),
}

/// What a submission is, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    LicenseKey,
    Code,
    Activation,
    Deactivation,
    Deactivations,
    CheckIn,
    License,
    Receipt,
    Revocation,
    /// A short text that is neither a license key nor a code.
    Unreadable,
}

impl Submission {
    /// Reads an input in any form. `roots` tell what this authority signed.
    ///
    /// What is [short](is_typed) never fails: a person typed it, and its readings say what is wrong. A file fails with
    /// [`ErrorKind::WrongType`] when it is nothing that is handed to an authority, and otherwise as
    /// [`ActivationFile::read`], [`ReleaseClaim::read_all`] and [`CheckInClaim::read`] do.
    pub(crate) fn read(input: &[u8], roots: &Roots) -> Result<Self> {
        if let Some(text) = is_typed(input) {
            return Ok(Self::Typed(Typed { code: TypedCode::read(text), key: LicenseKey::read(text) }));
        }
        match Self::read_file(input, roots) {
            // A short text with a link or such words in it may hold a code.
            Err(error) if error.kind() == ErrorKind::Malformed => {
                Self::read_code(input).map(Self::Typed).ok_or(error)
            }
            read => read,
        }
    }

    /// A text of the length of a code with something around it, if it holds a code or a key, or several of them.
    fn read_code(input: &[u8]) -> Option<Typed> {
        let text = str::from_utf8(input).ok().filter(|text| text.len() <= LONGEST_TYPED)?;
        let typed = Typed { code: TypedCode::read(text), key: LicenseKey::read(text) };
        let is_several =
            |error: Option<&Error>| error.is_some_and(|e| e.kind() == ErrorKind::SeveralMessages);
        let is_found = |error: Option<&Error>| error.is_none() || is_several(error);
        (is_found(typed.code.as_ref().err()) || is_found(typed.key.as_ref().err())).then_some(typed)
    }

    fn read_file(input: &[u8], roots: &Roots) -> Result<Self> {
        let nothing = || wrong("this is nothing that is handed to an authority");
        Ok(match HandedIn::read(input, roots) {
            Ok(HandedIn::Activation(file)) => Self::Activation(file),
            Ok(HandedIn::Releases(claims)) => Self::Releases(claims),
            Ok(HandedIn::CheckIn(claim)) => Self::CheckIn(claim),
            Ok(HandedIn::Issued(Kind::License)) => Self::Issued(What::License),
            Ok(HandedIn::Issued(Kind::DeactivationReceipt)) => Self::Issued(What::Receipt),
            Ok(HandedIn::Issued(Kind::Revocation)) => Self::Issued(What::Revocation),
            Err(error) if error.kind() != ErrorKind::UntrustedSigner => return Err(error),
            _ => return Err(nothing()),
        })
    }

    pub(crate) fn what(&self) -> What {
        match self {
            Self::Typed(Typed { key: Ok(_), .. }) => What::LicenseKey,
            Self::Typed(Typed { code: Ok(_), .. }) => What::Code,
            Self::Typed(_) => What::Unreadable,
            Self::Activation(_) => What::Activation,
            Self::Releases(claims) if claims.len() == 1 => What::Deactivation,
            Self::Releases(_) => What::Deactivations,
            Self::CheckIn(_) => What::CheckIn,
            Self::Issued(what) => *what,
        }
    }

    /// As an activation file.
    ///
    /// Fails with [`ErrorKind::WrongType`], and with [`ErrorKind::Malformed`] for a text that is nothing.
    pub(crate) fn activation(self) -> Result<ActivationFile> {
        match self {
            Self::Activation(file) => Ok(*file),
            other => Err(other.is_not("an activation file is expected, and this is none")),
        }
    }

    /// As a check-in.
    ///
    /// Fails with [`ErrorKind::WrongType`], and with [`ErrorKind::Malformed`] for a text that is nothing.
    pub(crate) fn check_in(self) -> Result<CheckInClaim> {
        match self {
            Self::CheckIn(claim) => Ok(*claim),
            other => Err(other.is_not("a check-in is expected, and this is none")),
        }
    }

    /// As one proof.
    ///
    /// Fails with [`ErrorKind::SeveralMessages`] for several, with [`ErrorKind::WrongType`], and with
    /// [`ErrorKind::Malformed`] for a text that is nothing.
    pub(crate) fn proof(self) -> Result<ReleaseClaim> {
        match self {
            Self::Releases(mut claims) if claims.len() == 1 => Ok(claims.remove(0)),
            Self::Releases(claims) => {
                let text = format!(
                    "these are {} deactivation proofs, and 1 is taken at a time; hand them in one after the other",
                    claims.len()
                );
                Err(Error::new(ErrorKind::SeveralMessages, text))
            }
            other => Err(other.is_not("one deactivation proof is expected, and this is none")),
        }
    }

    /// As a typed code.
    ///
    /// Fails as [`TypedCode::read`] does, and with [`ErrorKind::WrongType`] for a file.
    pub(crate) fn code(self) -> Result<TypedCode> {
        match self {
            Self::Typed(typed) => typed.code,
            _ => Err(wrong("a deactivation code is expected, and this is none")),
        }
    }

    /// As a proof or a code, whichever it is. Fails as [`proof`](Self::proof) and [`code`](Self::code) do.
    pub(crate) fn deactivation(self) -> Result<Deactivation> {
        match self {
            Self::Typed(typed) => typed.code.map(Deactivation::Code),
            other => other.proof().map(|claim| Deactivation::Proof(claim.into())),
        }
    }

    fn is_not(&self, expected: &'static str) -> Error {
        match self.what() {
            What::Unreadable => Error::about(ErrorKind::Malformed, expected),
            _ => wrong(expected),
        }
    }
}

fn wrong(message: &'static str) -> Error {
    Error::new(ErrorKind::WrongType, message)
}

/// The text of an input that a person typed, rather than a file in one of its forms: binary, armored, base64url,
/// base32, a link. A file is longer than any code, and an armored one or a link says so itself.
pub(crate) fn is_typed(input: &[u8]) -> Option<&str> {
    let text = str::from_utf8(input).ok().filter(|text| text.len() <= LONGEST_TYPED)?;
    let is_file = text.contains("NODELOCK")
        || text.contains("://")
        || text.chars().any(|character| character.is_control() && !character.is_whitespace());
    (!is_file && check_typing(text).symbols <= MOST_SYMBOLS).then_some(text)
}

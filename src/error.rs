//! The one error type of the crate.
//!
//! An [`Error`] is opaque; what a program branches on is its [`ErrorKind`]. The text never holds a key, a
//! code, a license key or a raw hardware identifier.

use std::{borrow::Cow, fmt, io};

use crate::SeatList;

/// The result of every fallible call in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, in a form a program can branch on.
///
/// Each kind means one thing that a user or a program would do something different about. Kinds are only ever
/// added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    // The caller.
    /// An argument is out of its documented range.
    #[error("invalid argument")]
    InvalidInput,
    /// The platform or this build of the crate cannot do it.
    #[error("not supported here")]
    Unsupported,

    // A message: license, request, proof, receipt, revocation, certificate.
    /// The bytes are truncated, have something left over, or break a rule of the format.
    #[error("damaged or not in this format")]
    Malformed,
    /// The input is longer than any message of its kind can be; it was not read.
    #[error("too large")]
    TooLarge,
    /// A valid message of another kind, such as a receipt where a license is expected.
    #[error("a message of another kind")]
    WrongType,
    /// Made by a later version of the format than this build knows.
    #[error("made by a newer version")]
    UnsupportedVersion,
    /// Holds an extension marked critical that this build does not know.
    #[error("needs a feature that this version does not have")]
    CriticalExtension,
    /// Made for another product.
    #[error("made for another product")]
    WrongProduct,
    /// Signed by a key that no configured root vouches for.
    #[error("signed by an unknown key")]
    UntrustedSigner,
    /// The signature does not fit the bytes.
    #[error("the signature does not fit")]
    BadSignature,
    /// The issuer's certificate was not valid when the message was signed.
    #[error("the issuer's certificate was not valid at that time")]
    CertificateExpired,
    /// A license that ends later than its issuer's certificate allows.
    #[error("the license ends later than the issuer's certificate allows")]
    LeaseTooLong,
    /// A public key for which anybody can forge signatures (one of the small-order points).
    #[error("a public key that must not be used")]
    WeakKey,
    /// A text holds several messages or codes of the kind of which one is expected, and nothing says which is meant.
    #[error("several where one is expected")]
    SeveralMessages,

    // The protocol.
    /// The message belongs to another machine's activation.
    #[error("made for another machine")]
    WrongMachine,
    /// The message answers another activation request than the one that is pending or active here.
    #[error("answers another activation request")]
    WrongRequest,
    /// That activation was given up on this machine; it cannot be used again.
    #[error("that activation has been given up")]
    GivenUp,
    /// An older message than one that counts already: a license than the installed one, a recovery than the seat's
    /// request. Or a request of more than five years ago.
    #[error("older than what counts already")]
    Outdated,
    /// A license is active or a request is pending; it must be given up or cancelled first.
    #[error("a license is active or a request is pending already")]
    AlreadyActive,
    /// There is no activation request to answer or cancel.
    #[error("no activation request is pending")]
    NotPending,
    /// There is no active license to give up.
    #[error("no license is active")]
    NotActive,
    /// The license allows no further deactivation without the authority.
    #[error("the license allows no more deactivations")]
    DeactivationNotAllowed,
    /// Too many deactivations wait for their receipts.
    #[error("too many deactivations without a receipt")]
    TooManyOutstanding,

    // Codes that people type.
    /// The code cannot be read, not even with its typing errors mended.
    #[error("the code cannot be read")]
    UnreadableCode,

    // The store.
    /// Another process is writing to the store.
    #[error("another process is writing to the store")]
    Busy,
    /// A file of the store is damaged.
    #[error("the store is damaged")]
    Corrupt,
    /// The disk is full or the quota used up.
    #[error("no space left")]
    NoSpace,
    /// The store is on read-only media.
    #[error("read-only")]
    ReadOnly,
    /// The operating system denies access to the store.
    #[error("access denied")]
    AccessDenied,
    /// Any other failure of reading or writing.
    #[error("input/output error")]
    Io,
    /// The file system that the store is on has no locks, so two programs could write at the same time.
    #[error("the file system has no locks")]
    NoLocks,
    /// The operating system gave no random bytes.
    #[error("no random bytes")]
    NoRandom,

    // The authority.
    /// No license has this license key.
    #[error("unknown license key")]
    UnknownLicense,
    /// Every seat of the license is taken.
    #[error("no free seat")]
    NoFreeSeat,
    /// Too many devices have asked for a seat under that handle. A new request draws another one.
    #[error("the handle is taken by too many devices; make a new request")]
    CrowdedHandle,
    /// The license has ended, or is suspended, at the authority.
    #[error("the license has ended or is suspended")]
    LicenseEnded,
    /// The activation request was cancelled before it arrived.
    #[error("the activation request was cancelled")]
    Cancelled,
    /// The seat is not known to the authority, or not yet.
    #[error("unknown seat")]
    UnknownSeat,
    /// The authority does not know this seat or its latest license, and asks for the license: its ledger may have been
    /// restored to an earlier copy.
    #[error("the authority asks for the license")]
    LicenseWanted,
    /// The deactivation code does not belong to the seat that it names.
    #[error("the code does not belong to this seat")]
    WrongCode,
    /// The seat was released by an administrator.
    #[error("the seat was released by the vendor")]
    Revoked,
    /// The seat is not held for its device, so there is nothing to return.
    #[error("the seat is not held")]
    NotHeld,
    /// Too many wrong codes or license keys came; try again later.
    #[error("too many attempts, try again later")]
    TooManyAttempts,

    // The way to the authority.
    /// No connection to the authority came about.
    #[error("the authority cannot be reached")]
    Unreachable,
    /// The authority did not answer in time.
    #[error("the authority did not answer in time")]
    TimedOut,
    /// The call was cancelled from another thread.
    #[error("interrupted")]
    Interrupted,
    /// The server's TLS certificate is from nobody who is trusted.
    #[error("the server's certificate is not trusted")]
    TlsUntrusted,
    /// The server's TLS certificate is for another host.
    #[error("the server's certificate is for another host")]
    TlsWrongHost,
    /// The server's TLS certificate has expired or is not valid yet; the local clock may be wrong.
    #[error("the server's certificate has expired or is not valid yet")]
    TlsExpired,
    /// The answer is not one that an authority gives.
    #[error("an answer that no authority gives")]
    BadReply,
    /// The authority asks to be left alone for a while.
    #[error("the authority is busy, try again later")]
    ServerBusy,
    /// The authority failed.
    #[error("the authority failed")]
    ServerFailed,
}

/// Each kind with its stable code.
macro_rules! codes {
    ($($kind:ident $code:literal,)*) => {
        impl ErrorKind {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$kind,)*];

            /// The kind's stable code, such as `no-free-seat`: what problem details, logs and `--json` carry.
            pub const fn code(self) -> &'static str {
                match self {
                    $(Self::$kind => $code,)*
                }
            }

            /// The same for C.
            #[cfg(feature = "capi")]
            pub(crate) const fn c_code(self) -> &'static std::ffi::CStr {
                match self {
                    $(Self::$kind => {
                        match std::ffi::CStr::from_bytes_with_nul(concat!($code, "\0").as_bytes()) {
                            Ok(code) => code,
                            Err(_) => unreachable!(),
                        }
                    })*
                }
            }

            /// The kind of that code.
            pub fn from_code(code: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|kind| kind.code() == code)
            }
        }
    };
}

codes! {
    InvalidInput "invalid-input",
    Unsupported "unsupported",
    Malformed "malformed",
    TooLarge "too-large",
    WrongType "wrong-type",
    UnsupportedVersion "unsupported-version",
    CriticalExtension "critical-extension",
    WrongProduct "wrong-product",
    UntrustedSigner "untrusted-signer",
    BadSignature "bad-signature",
    CertificateExpired "certificate-expired",
    LeaseTooLong "lease-too-long",
    WeakKey "weak-key",
    SeveralMessages "several-messages",
    WrongMachine "wrong-machine",
    WrongRequest "wrong-request",
    GivenUp "given-up",
    Outdated "outdated",
    AlreadyActive "already-active",
    NotPending "not-pending",
    NotActive "not-active",
    DeactivationNotAllowed "deactivation-not-allowed",
    TooManyOutstanding "too-many-outstanding",
    UnreadableCode "unreadable-code",
    Busy "busy",
    Corrupt "corrupt",
    NoSpace "no-space",
    ReadOnly "read-only",
    AccessDenied "access-denied",
    Io "io",
    NoLocks "no-locks",
    NoRandom "no-random",
    UnknownLicense "unknown-license",
    NoFreeSeat "no-free-seat",
    CrowdedHandle "crowded-handle",
    LicenseEnded "license-ended",
    Cancelled "cancelled",
    UnknownSeat "unknown-seat",
    LicenseWanted "license-wanted",
    WrongCode "wrong-code",
    Revoked "revoked",
    NotHeld "not-held",
    TooManyAttempts "too-many-attempts",
    Unreachable "unreachable",
    TimedOut "timed-out",
    Interrupted "interrupted",
    TlsUntrusted "tls-untrusted",
    TlsWrongHost "tls-wrong-host",
    TlsExpired "tls-expired",
    BadReply "bad-reply",
    ServerBusy "server-busy",
    ServerFailed "server-failed",
}

/// A failure: its [kind](Error::kind), what it was about, and where it came from.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    about: Cow<'static, str>,
    source: Option<io::Error>,
    seats: Option<Box<SeatList>>,
    already: Option<Already>,
}

/// What was in the way of a new activation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Already {
    /// A request waits for its answer.
    Pending,
    /// A license that has not ended, usable or not.
    Valid,
    /// A license that has expired, or whose lease has ended.
    Ended,
}

impl Error {
    /// An error of `kind` about `about` (a file, a field, an action; never a secret).
    pub fn new(kind: ErrorKind, about: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, about: about.into(), source: None, seats: None, already: None }
    }

    /// An I/O error about `about`, with the kind that the operating system's error maps to.
    pub fn io(about: impl Into<Cow<'static, str>>, source: io::Error) -> Self {
        use io::ErrorKind as Io;
        let kind = match source.kind() {
            Io::StorageFull | Io::QuotaExceeded => ErrorKind::NoSpace,
            Io::ReadOnlyFilesystem => ErrorKind::ReadOnly,
            Io::PermissionDenied => ErrorKind::AccessDenied,
            Io::ResourceBusy | Io::WouldBlock => ErrorKind::Busy,
            _ => ErrorKind::Io,
        };
        Self { kind, about: about.into(), source: Some(source), seats: None, already: None }
    }

    /// An [`ErrorKind::NoLocks`] about `file`.
    pub(crate) fn no_locks(file: String, source: io::Error) -> Self {
        Self { source: Some(source), ..Self::new(ErrorKind::NoLocks, file) }
    }

    /// An [`ErrorKind::AlreadyActive`] that says what is in the way.
    pub(crate) fn already_active(already: Already) -> Self {
        let about = match already {
            Already::Pending => "a request is pending",
            Already::Valid => "a license is there and has not ended",
            Already::Ended => "a license is there and has ended",
        };
        Self { already: Some(already), ..Self::new(ErrorKind::AlreadyActive, about) }
    }

    /// The same error with the seats that there are.
    #[cfg(any(feature = "authority", feature = "transport"))]
    pub(crate) fn with_seats(self, seats: Option<Box<SeatList>>) -> Self {
        Self { seats, ..self }
    }

    /// The seats that there are, with [`ErrorKind::NoFreeSeat`], if the authority told: whoever waits or chooses reads
    /// on there.
    pub fn seats(&self) -> Option<&SeatList> {
        self.seats.as_deref()
    }

    /// What went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What was in the way of a new activation, for [`ErrorKind::AlreadyActive`].
    pub fn already(&self) -> Option<Already> {
        self.already
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.about, self.kind)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|e| e as _)
    }
}

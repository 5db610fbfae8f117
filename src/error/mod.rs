//! The one error type of the crate.
//!
//! An [`Error`] is opaque; what a program branches on is its [`ErrorKind`]. Its text says what happened, to what, and
//! with which value or bound. It never holds a key, a code, a license key, a password or a raw hardware identifier.

mod catalogue;
mod network;

use std::{
    borrow::Cow,
    error::Error as StdError,
    fmt::{self, Write as _},
    io,
    path::{Path, PathBuf},
};

pub(crate) use self::catalogue::catalogue;
#[cfg(feature = "online")]
pub(crate) use self::network::Caused;
pub use self::network::NetworkFailure;
use crate::{SeatList, Timestamp};

/// The result of every fallible call in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The enumeration of kinds, and what the catalogue says of each.
macro_rules! kinds {
    (
        kinds { $($(#[$doc:meta])* $kind:ident, $status:ident = $number:literal, $code:literal, $says:ident,
            $http:literal, $text:literal, $advice:literal;)* }
        others { $($others:tt)* }
    ) => {
        /// What went wrong, in a form a program can branch on.
        ///
        /// Each kind means one thing that a user or a program would do something different about. Kinds are only ever
        /// added.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ErrorKind {
            $($(#[$doc])* $kind,)*
        }

        impl ErrorKind {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$kind,)*];

            /// The code and a NUL.
            const fn code_with_nul(self) -> &'static str {
                match self {
                    $(Self::$kind => concat!($code, "\0"),)*
                }
            }

            /// The kind in words, which a failure without words of its own says.
            pub const fn text(self) -> &'static str {
                match self {
                    $(Self::$kind => $text,)*
                }
            }

            /// What a person can do about it, in words that fit every application; none where there is nothing to do,
            /// or where the message says it. [`Error::advice`] knows the failure, and may know better.
            pub const fn advice(self) -> Option<&'static str> {
                let advice = match self {
                    $(Self::$kind => $advice,)*
                };
                if advice.is_empty() { None } else { Some(advice) }
            }

            /// The HTTP status of problem details of this kind. 500 is also that of every kind that an authority does
            /// not tell a device.
            #[cfg(feature = "authority")]
            pub const fn http_status(self) -> u16 {
                match self {
                    $(Self::$kind => $http,)*
                }
            }

            #[cfg(feature = "transport")]
            const fn says(self) -> Says {
                match self {
                    $(Self::$kind => says!($says),)*
                }
            }
        }
    };
}

/// Who says that something went wrong.
#[cfg(feature = "transport")]
#[derive(Clone, Copy, PartialEq)]
enum Says {
    /// This machine, or the way to the authority.
    Here,
    /// An authority.
    Authority,
    /// An authority, which refuses a request for good with it.
    Ends,
}

#[cfg(feature = "transport")]
macro_rules! says {
    (here) => {
        Says::Here
    };
    (authority) => {
        Says::Authority
    };
    (ends) => {
        Says::Ends
    };
}

catalogue!(kinds);

impl ErrorKind {
    /// The kind's stable code, such as `no-free-seat`: what problem details, logs and `--json` carry.
    pub const fn code(self) -> &'static str {
        let code = self.code_with_nul();
        code.split_at(code.len() - 1).0
    }

    /// The same for C.
    #[cfg(feature = "capi")]
    pub(crate) const fn c_code(self) -> &'static std::ffi::CStr {
        match std::ffi::CStr::from_bytes_with_nul(self.code_with_nul().as_bytes()) {
            Ok(code) => code,
            Err(_) => unreachable!(),
        }
    }

    /// The kind of that code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.code() == code)
    }

    /// Whether an authority may say that: what goes wrong on this machine or on the way is not for it to claim.
    #[cfg(feature = "transport")]
    pub(crate) fn is_an_authoritys(self) -> bool {
        self.says() != Says::Here
    }

    /// Whether the authority refuses an activation for good with it. The refusal is not signed: whoever forges one gets
    /// the request cancelled, which loses nothing.
    #[cfg(feature = "transport")]
    pub(crate) fn ends_a_request(self) -> bool {
        self.says() == Says::Ends
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

/// A failure: its [kind](Error::kind), what happened in words, and [where it came from](StdError::source).
///
/// `{}` says what happened. `{:#}` adds the causes in parentheses, such as the operating system's own words.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    text: Cow<'static, str>,
    /// Whether the kind's own words follow the text.
    is_about: bool,
    source: Option<Box<dyn StdError + Send + Sync>>,
    context: Option<Box<Context>>,
}

/// What an [`Error`] is about, for a program that has words of its own.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Context {
    /// A number or a length that is not allowed, and the bounds.
    Range {
        /// What was given.
        value: i64,
        /// The least that is allowed.
        least: i64,
        /// The most that is allowed.
        most: i64,
    },
    /// A message or a store of another product.
    Products {
        /// The product that this is.
        expected: String,
        /// The product that it was made for; of a hostile message, any text.
        found: String,
    },
    /// A file or a directory of the store.
    File(PathBuf),
    /// What was in the way of a new activation.
    Already(Already),
    /// The seats that there are, where none is free.
    Seats(SeatList),
    /// When the trial of this machine ended.
    TrialEnded(Timestamp),
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
    /// An error of `kind` that says `message`: what happened, to what, and with which value or bound. Never a secret.
    /// An empty message is the kind's own [text](ErrorKind::text).
    pub fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        let text = message.into();
        Self { kind, is_about: text.is_empty(), text, source: None, context: None }
    }

    /// An error of `kind` that says the kind's own [text](ErrorKind::text) about `what`: a file, a field, an action.
    /// Never a secret.
    pub fn about(kind: ErrorKind, what: impl Into<Cow<'static, str>>) -> Self {
        Self { is_about: true, ..Self::new(kind, what) }
    }

    /// An I/O error about `what`, with the kind that the operating system's error maps to.
    pub fn io(what: impl Into<Cow<'static, str>>, source: io::Error) -> Self {
        use io::ErrorKind as Io;
        let kind = match source.kind() {
            Io::StorageFull | Io::QuotaExceeded => ErrorKind::NoSpace,
            Io::ReadOnlyFilesystem => ErrorKind::ReadOnly,
            Io::PermissionDenied => ErrorKind::AccessDenied,
            Io::ResourceBusy | Io::WouldBlock => ErrorKind::Busy,
            _ => ErrorKind::Io,
        };
        Self::about(kind, what).with_source(source)
    }

    /// The same error with its cause. A [`NetworkFailure`] says what kept an authority from being reached. The cause
    /// must not hold a secret, such as a URL with a password.
    pub fn with_source(self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { source: Some(source.into()), ..self }
    }

    fn with_context(self, context: Context) -> Self {
        Self { context: Some(Box::new(context)), ..self }
    }

    /// The same error as another kind.
    pub(crate) fn with_kind(self, kind: ErrorKind) -> Self {
        Self { kind, ..self }
    }

    /// The same error with words in front.
    #[cfg(feature = "transport")]
    pub(crate) fn preceded_by(self, words: &str) -> Self {
        let text = match self.text.is_empty() {
            true => words.to_owned(),
            false => format!("{words}: {}", self.text),
        };
        Self { text: text.into(), ..self }
    }

    /// An error about a file or a directory of the store.
    pub(crate) fn of_file(kind: ErrorKind, file: &Path) -> Self {
        Self::about(kind, file.display().to_string()).with_context(Context::File(file.to_owned()))
    }

    /// An I/O error about a file or a directory of the store; `action` says what was done there.
    pub(crate) fn io_at(action: &str, file: &Path, source: io::Error) -> Self {
        Self::io(format!("{action}{}", file.display()), source).with_context(Context::File(file.to_owned()))
    }

    /// An [`ErrorKind::InvalidInput`]: `what` has another number of `units` than is allowed; without units, is another
    /// number.
    pub(crate) fn range(what: &str, units: &str, value: i64, least: i64, most: i64) -> Self {
        let mut text = format!("{what} {} {value}", if units.is_empty() { "is" } else { "has" });
        if !units.is_empty() {
            text.extend([" ", units]);
        }
        let _ = match (least, most) {
            (_, i64::MAX) => write!(text, "; {least} or more are allowed"),
            (0, _) if !units.is_empty() => write!(text, "; at most {most} are allowed"),
            _ => write!(text, "; {least} to {most} are allowed"),
        };
        Self::new(ErrorKind::InvalidInput, text).with_context(Context::Range { value, least, most })
    }

    /// [`range`](Self::range) of a length, from `least` on.
    pub(crate) fn length(what: &str, units: &str, length: usize, least: usize, most: usize) -> Self {
        let number = |length: usize| i64::try_from(length).unwrap_or(i64::MAX);
        Self::range(what, units, number(length), number(least), number(most))
    }

    /// An [`ErrorKind::TooLarge`]: how long `what` is, and may be.
    pub(crate) fn too_large(what: &str, length: usize, most: usize) -> Self {
        Self { kind: ErrorKind::TooLarge, ..Self::length(what, "bytes", length, 0, most) }
    }

    /// An [`ErrorKind::WrongProduct`]: `what` is of `found`, and this is `expected`.
    pub(crate) fn products(what: &str, expected: &str, found: &str) -> Self {
        let text =
            format!("{what} is for the product \"{}\" and not for \"{}\"", shown(found), shown(expected));
        Self::new(ErrorKind::WrongProduct, text)
            .with_context(Context::Products { expected: expected.to_owned(), found: found.to_owned() })
    }

    /// An [`ErrorKind::AlreadyActive`] that says what is in the way.
    pub(crate) fn already_active(already: Already) -> Self {
        let text = match already {
            Already::Pending => "a request is pending already",
            Already::Valid => "a license is there already and has not ended",
            Already::Ended => "a license is there already and has ended",
        };
        Self::new(ErrorKind::AlreadyActive, text).with_context(Context::Already(already))
    }

    /// The same error with the seats that there are.
    #[cfg(any(feature = "authority", feature = "transport"))]
    pub(crate) fn with_seats(self, seats: Option<Box<SeatList>>) -> Self {
        match seats {
            Some(seats) => self.with_context(Context::Seats(*seats)),
            None => self,
        }
    }

    /// The same error with the end of a trial.
    #[cfg(any(feature = "authority", feature = "transport"))]
    pub(crate) fn with_trial_ended(self, end: Option<Timestamp>) -> Self {
        match end {
            Some(end) => self.with_context(Context::TrialEnded(end)),
            None => self,
        }
    }

    /// That the trial of a machine ended then.
    #[cfg(feature = "authority")]
    pub(crate) fn trial_used(end: Timestamp) -> Self {
        let text = format!("the trial of this machine ended at {end}");
        Self::new(ErrorKind::TrialUsed, text).with_trial_ended(Some(end))
    }

    /// What went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What it is about, with its values, where a program may want them.
    pub fn context(&self) -> Option<&Context> {
        self.context.as_deref()
    }

    /// The seats that there are, with [`ErrorKind::NoFreeSeat`], if the authority told: whoever waits or chooses reads
    /// on there.
    pub fn seats(&self) -> Option<&SeatList> {
        match self.context() {
            Some(Context::Seats(seats)) => Some(seats),
            _ => None,
        }
    }

    /// When the trial of this machine ended, with [`ErrorKind::TrialUsed`]; none if the authority did not say.
    pub fn trial_ended(&self) -> Option<Timestamp> {
        match self.context() {
            Some(Context::TrialEnded(end)) => Some(*end),
            _ => None,
        }
    }

    /// What was in the way of a new activation, for [`ErrorKind::AlreadyActive`].
    pub fn already(&self) -> Option<Already> {
        match self.context() {
            Some(Context::Already(already)) => Some(*already),
            _ => None,
        }
    }

    /// What kept the authority from being reached, for [`ErrorKind::Unreachable`] and [`ErrorKind::TimedOut`], as far
    /// as the [transport](crate::Transport) says.
    pub fn network(&self) -> Option<NetworkFailure> {
        network::of(self.source.as_deref()?)
    }

    /// What a person can do about it, in words that fit every application; none where there is nothing to do, or where
    /// the message says it.
    pub fn advice(&self) -> Option<&'static str> {
        let is_key =
            |context: &Context| matches!(context, Context::File(file) if file.ends_with("device.key"));
        if self.kind == ErrorKind::Corrupt && self.context().is_some_and(is_key) {
            return Some(NO_DEVICE_KEY);
        }
        self.network().and_then(NetworkFailure::advice).or_else(|| self.kind.advice())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        clean(f, &self.text, LONGEST)?;
        if self.is_about {
            f.write_str(if self.text.is_empty() { "" } else { ": " })?;
            f.write_str(self.kind.text())?;
        }
        if f.alternate() { causes(f, &self.text, self.source()) } else { Ok(()) }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_ref().map(|source| source.as_ref() as _)
    }
}

/// Adds the causes that the text does not name already.
fn causes(f: &mut fmt::Formatter<'_>, text: &str, first: Option<&(dyn StdError + 'static)>) -> fmt::Result {
    let mut open = false;
    let mut next = first;
    while let Some(cause) = next {
        next = cause.source();
        let words = cause.to_string();
        if text.ends_with(&words) {
            continue;
        }
        f.write_str(if open { ": " } else { " (" })?;
        clean(f, &words, LONGEST)?;
        open = true;
    }
    f.write_str(if open { ")" } else { "" })
}

/// What helps where a store cannot prove any more whose seat it was.
const NO_DEVICE_KEY: &str = "Put the file back from a copy if there is one. Otherwise ask the vendor to release the \
                             seat, and ask for a new one.";

/// The most characters of a text that a message shows; a path may be long.
const LONGEST: usize = 1024;
/// The most characters of somebody else's text within a message.
const LONGEST_NAME: usize = 64;

/// A name or another text from a message or a file, for a message of ours: bounded, on one line, and without signs that
/// nobody sees.
pub(crate) fn shown(text: &str) -> String {
    bounded(text, LONGEST_NAME)
}

/// The same with another bound.
pub(crate) fn bounded(text: &str, most: usize) -> String {
    let mut out = String::new();
    clean(&mut out, text, most).expect("a String takes any text");
    out
}

/// Writes a text without control characters and marks that change how the rest is shown, and no more of it than `most`
/// characters.
fn clean(out: &mut (impl fmt::Write + ?Sized), text: &str, most: usize) -> fmt::Result {
    let mut rest = text.chars();
    for c in rest.by_ref().take(most) {
        let is_seen = !c.is_control()
            && !matches!(c, '\u{AD}' | '\u{61C}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}'
                | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{E0000}'..='\u{E007F}');
        out.write_char(if is_seen { c } else { char::REPLACEMENT_CHARACTER })?;
    }
    if rest.next().is_some() { out.write_str("...") } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_their_kinds_and_no_two_kinds_say_the_same() {
        for (at, kind) in ErrorKind::ALL.iter().enumerate() {
            assert_eq!(ErrorKind::from_code(kind.code()), Some(*kind));
            assert!(
                !kind.code().contains('\0') && !kind.text().is_empty() && !kind.text().ends_with('.'),
                "{kind}"
            );
            assert!(kind.advice().is_none_or(|advice| advice.ends_with(['.', '?'])), "{kind}");
            for other in &ErrorKind::ALL[..at] {
                assert!(kind.code() != other.code() && kind.text() != other.text(), "{kind}");
            }
        }
    }

    #[test]
    fn a_message_shows_its_causes_once_and_none_of_them_unasked() {
        let refused = || io::Error::new(io::ErrorKind::ConnectionRefused, "no\u{1b}[31m");
        let error = Error::io("lock", refused());
        assert_eq!(error.to_string(), "lock: input/output error");
        assert_eq!(format!("{error:#}"), "lock: input/output error (no\u{fffd}[31m)");
        let twice = Error::new(ErrorKind::Io, "it broke: no room").with_source("no room");
        assert_eq!(format!("{twice:#}"), "it broke: no room");
        assert_eq!(
            format!("{:#}", Error::new(ErrorKind::Io, "").with_source("why")),
            "input/output error (why)"
        );
    }

    #[test]
    fn hostile_text_is_bounded_and_has_no_controls() {
        let hostile = format!("\u{202e}evil\r\n\0{}", "x".repeat(5000));
        let error = Error::products("the license", "editor", &hostile).to_string();
        assert!(
            error.starts_with("the license is for the product \"\u{fffd}evil\u{fffd}\u{fffd}\u{fffd}xxx"),
            "{error}"
        );
        assert!(error.ends_with("...\" and not for \"editor\"") && error.chars().count() < 150, "{error}");
        let long = Error::new(ErrorKind::Io, hostile).to_string();
        assert!(long.chars().count() == LONGEST + 3 && !long.contains(char::is_control));
    }

    #[test]
    fn bounds_are_said_as_people_say_them() {
        let said = |error: Error| error.to_string();
        assert_eq!(
            said(Error::range("host id", "characters", 3, 4, 256)),
            "host id has 3 characters; 4 to 256 are allowed"
        );
        assert_eq!(said(Error::range("weight", "", -1, 0, 127)), "weight is -1; 0 to 127 are allowed");
        assert_eq!(
            said(Error::range("name", "bytes", 65, 0, 64)),
            "name has 65 bytes; at most 64 are allowed"
        );
        assert_eq!(said(Error::range("margin", "", 2, 3, i64::MAX)), "margin is 2; 3 or more are allowed");
        let error = Error::too_large("input", 9, 8);
        assert_eq!(
            (error.kind(), said(error)),
            (ErrorKind::TooLarge, "input has 9 bytes; at most 8 are allowed".into())
        );
    }
}

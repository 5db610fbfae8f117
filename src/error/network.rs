//! What kept an authority from being reached.

#[cfg(feature = "online")]
use std::io;
use std::{error::Error, fmt};

/// What kept an authority from being reached, without an address, a password or a server's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NetworkFailure {
    /// The authority's name has no address, or the name service does not answer.
    NameLookUp,
    /// The connection was refused: nobody listens there.
    Refused,
    /// The connection was cut.
    Reset,
    /// There is no way to that network or host.
    NoRoute,
    /// The proxy cannot be reached, or does not let the call through.
    Proxy,
    /// The proxy asks for a user and a password.
    ProxyAuthorization,
    /// The other side speaks no TLS, or none that this side can speak.
    Tls,
    /// No connection came about in time.
    ConnectTimedOut,
    /// The connection came about, and the answer did not come in time.
    AnswerTimedOut,
    /// Anything else.
    Other,
}

impl NetworkFailure {
    /// In words that end a sentence.
    const fn text(self) -> &'static str {
        match self {
            Self::NameLookUp => "its name cannot be looked up",
            Self::Refused => "the connection was refused",
            Self::Reset => "the connection was cut",
            Self::NoRoute => "there is no way to that network",
            Self::Proxy => "the proxy does not let the call through",
            Self::ProxyAuthorization => "the proxy asks for a user and a password",
            Self::Tls => "no TLS connection came about",
            Self::ConnectTimedOut => "no connection came about in time",
            Self::AnswerTimedOut => "no answer came in time",
            Self::Other => "the connection failed",
        }
    }

    /// What a person can do about it, where that is more than the kind of error says.
    pub(super) const fn advice(self) -> Option<&'static str> {
        Some(match self {
            Self::NameLookUp => {
                "Check the authority's address and the network's name service. Nothing was lost."
            }
            Self::Proxy | Self::ProxyAuthorization => {
                "Check the proxy that is set (HTTPS_PROXY, ALL_PROXY), or leave the authority's host out (NO_PROXY). \
                 Nothing was lost."
            }
            Self::Tls => "Check that the authority's address is one of HTTPS. Nothing was lost.",
            _ => return None,
        })
    }
}

impl fmt::Display for NetworkFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl Error for NetworkFailure {}

/// A failure with the system's own error.
#[cfg(feature = "online")]
#[derive(Debug)]
pub(crate) struct Caused {
    pub(crate) failure: NetworkFailure,
    pub(crate) system: Option<io::Error>,
}

#[cfg(feature = "online")]
impl fmt::Display for Caused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.failure.fmt(f)
    }
}

#[cfg(feature = "online")]
impl Error for Caused {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.system.as_ref().map(|system| system as _)
    }
}

/// The failure that an error's source says.
pub(super) fn of(source: &(dyn Error + Send + Sync + 'static)) -> Option<NetworkFailure> {
    #[cfg(feature = "online")]
    if let Some(caused) = source.downcast_ref::<Caused>() {
        return Some(caused.failure);
    }
    source.downcast_ref().copied()
}

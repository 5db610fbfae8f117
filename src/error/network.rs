//! What kept an authority from being reached.

use std::error::Error;
#[cfg(feature = "online")]
use std::io;

/// What kept an authority from being reached, without an address, a password or a server's words. Its text ends a
/// sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum NetworkFailure {
    /// The authority's name has no address, or the name service does not answer.
    #[error("its name cannot be looked up")]
    NameLookUp,
    /// The connection was refused: nobody listens there.
    #[error("the connection was refused")]
    Refused,
    /// The connection was cut.
    #[error("the connection was cut")]
    Reset,
    /// There is no way to that network or host.
    #[error("there is no way to that network")]
    NoRoute,
    /// The proxy cannot be reached, or does not let the call through.
    #[error("the proxy does not let the call through")]
    Proxy,
    /// The proxy asks for a user and a password.
    #[error("the proxy asks for a user and a password")]
    ProxyAuthorization,
    /// The other side speaks no TLS, or none that this side can speak.
    #[error("no TLS connection came about")]
    Tls,
    /// No connection came about in time.
    #[error("no connection came about in time")]
    ConnectTimedOut,
    /// The connection came about, and the answer did not come in time.
    #[error("no answer came in time")]
    AnswerTimedOut,
    /// Anything else.
    #[error("the connection failed")]
    Other,
}

impl NetworkFailure {
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

/// A failure with the system's own error.
#[cfg(feature = "online")]
#[derive(Debug, thiserror::Error)]
#[error("{failure}")]
pub(crate) struct Caused {
    pub(crate) failure: NetworkFailure,
    #[source]
    pub(crate) system: Option<io::Error>,
}

/// The failure that an error's source says.
pub(super) fn of(source: &(dyn Error + Send + Sync + 'static)) -> Option<NetworkFailure> {
    #[cfg(feature = "online")]
    if let Some(caused) = source.downcast_ref::<Caused>() {
        return Some(caused.failure);
    }
    source.downcast_ref().copied()
}

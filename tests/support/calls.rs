//! Calls over the library's own transport, and what comes of them.

use std::sync::OnceLock;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use nodelock::{ErrorKind, HttpOptions, HttpTransport};

/// One transport for all tests of a program: building one reads the system's settings.
pub fn http() -> HttpTransport {
    static HTTP: OnceLock<HttpTransport> = OnceLock::new();
    HTTP.get_or_init(|| HttpOptions::default().no_proxy().build().unwrap()).clone()
}

/// The kinds whose failures take servers with certificates. The authority's tests provoke each
/// (`examples/authority/tests/http/tls.rs`); the table of messages has a failure of every other kind.
pub const OVER_TLS: [ErrorKind; 3] =
    [ErrorKind::TlsUntrusted, ErrorKind::TlsWrongHost, ErrorKind::TlsExpired];

/// A message's bytes as the one line that members of requests hold.
pub fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The kind of an error; panics if there is none.
pub fn kind(result: nodelock::Result<impl Sized>) -> ErrorKind {
    match result {
        Ok(_) => panic!("it went well"),
        Err(error) => error.kind(),
    }
}

//! The transport that feature `online` ships: reqwest, with rustls on ring.

use std::{
    fmt, io,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::{Arc, OnceLock},
    thread,
    time::Duration,
};

use hyper_util::client::proxy::matcher::Matcher;
use reqwest::{
    Client, Proxy, Url,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER, USER_AGENT},
    redirect::Policy,
};
use rustls::{
    CertificateError, ClientConfig, RootCertStore,
    crypto::{CryptoProvider, KeyProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, UnixTime, pem::PemObject as _},
    sign::SigningKey,
};
use tokio::time::timeout;

use crate::{
    Error, ErrorKind, NetworkFailure, Result, Timestamp,
    client::address,
    error::Caused,
    transport::{self, Answer, CANCEL_INTERVAL, Post, Transport},
};

/// How an [`HttpTransport`] is set up.
#[derive(Clone, Default)]
#[must_use]
pub struct HttpOptions {
    proxy: ProxyChoice,
    certificates: Vec<CertificateDer<'static>>,
    only_given: bool,
    connect_timeout: Option<Duration>,
}

#[derive(Clone, Default)]
enum ProxyChoice {
    /// What `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` say, but none for plain HTTP to this computer.
    #[default]
    Environment,
    None,
    Explicit(String),
}

impl HttpOptions {
    /// Uses this proxy (`http://user:password@host:port`) whatever the environment says. `socks4`, `socks4a`, `socks5`
    /// and `socks5h` take the feature `socks`.
    ///
    /// ```
    /// # use nodelock::{ErrorKind, HttpOptions};
    /// let transport = HttpOptions::default().proxy("http://jane:secret@proxy.example.com:3128").build()?;
    /// assert_eq!(HttpOptions::default().proxy("ftp://proxy").build().unwrap_err().kind(), ErrorKind::InvalidInput);
    /// # Ok::<(), nodelock::Error>(())
    /// ```
    pub fn proxy(mut self, url: impl Into<String>) -> Self {
        self.proxy = ProxyChoice::Explicit(url.into());
        self
    }

    /// Uses no proxy whatever the environment says.
    pub fn no_proxy(mut self) -> Self {
        self.proxy = ProxyChoice::None;
        self
    }

    /// Trusts the certificates in this PEM text too.
    ///
    /// Fails with [`ErrorKind::InvalidInput`] when it holds none.
    ///
    /// ```
    /// # use nodelock::{ErrorKind, HttpOptions};
    /// assert_eq!(HttpOptions::default().trust_pem(b"no certificate").unwrap_err().kind(), ErrorKind::InvalidInput);
    /// ```
    pub fn trust_pem(mut self, pem: &[u8]) -> Result<Self> {
        let wrong = || {
            Error::new(
                ErrorKind::InvalidInput,
                "no certificate in PEM is in the text, or one that is damaged",
            )
        };
        let before = self.certificates.len();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            self.certificates.push(certificate.map_err(|_| wrong())?);
        }
        if self.certificates.len() == before { Err(wrong()) } else { Ok(self) }
    }

    /// Trusts only the given certificates, not the system's.
    pub fn only_given_certificates(mut self) -> Self {
        self.only_given = true;
        self
    }

    /// How long a connection may take to come about. Default: 10 seconds.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = Some(timeout);
        self
    }

    /// The transport.
    ///
    /// Fails with [`ErrorKind::InvalidInput`] for a proxy that is no URL or of a scheme that this build does not have,
    /// or a certificate that cannot be used, and with [`ErrorKind::TlsUntrusted`] when the system's certificates are
    /// not to be trusted and no other was given.
    ///
    /// The system's certificates are read at the first call and not here, because an application makes its transport at
    /// every start, and a license is checked without a network. Where there are none, as in a small container, calls
    /// over HTTPS fail with [`ErrorKind::TlsUntrusted`].
    ///
    /// ```
    /// use std::time::Duration;
    /// use nodelock::{Authority, HttpOptions};
    ///
    /// let transport = HttpOptions::default().connect_timeout(Duration::from_secs(3)).build()?;
    /// let authority = Authority::new("https://licenses.example.com", transport);
    /// # Ok::<(), nodelock::Error>(())
    /// ```
    pub fn build(self) -> Result<HttpTransport> {
        let mut given = RootCertStore::empty();
        for certificate in self.certificates {
            given.add(certificate).map_err(|_| {
                Error::new(ErrorKind::InvalidInput, "a given certificate cannot be used to trust others")
            })?;
        }
        if given.is_empty() && self.only_given {
            let text = "0 certificates were given, and only given ones are to be trusted";
            return Err(Error::new(ErrorKind::TlsUntrusted, text));
        }
        let proxy = match self.proxy {
            ProxyChoice::Environment => ProxySetting::Environment,
            ProxyChoice::None => ProxySetting::None,
            ProxyChoice::Explicit(url) => {
                if let Some(scheme) = unknown_scheme(&url) {
                    return Err(Error::new(ErrorKind::InvalidInput, no_such_proxy(&scheme)));
                }
                let wrong =
                    |_| Error::new(ErrorKind::InvalidInput, "the proxy is no URL such as http://HOST:PORT");
                let matcher = Matcher::builder().all(url.as_str()).build();
                ProxySetting::Explicit(Box::new(Proxy::all(url).map_err(wrong)?), Arc::new(matcher))
            }
        };
        let connect_timeout = self.connect_timeout.unwrap_or(Duration::from_secs(10));
        let trust = Arc::new(Trust { given, only_given: self.only_given, tls: OnceLock::new() });
        Ok(HttpTransport { trust, proxy, connect_timeout })
    }
}

/// Whose certificates are trusted.
struct Trust {
    given: RootCertStore,
    only_given: bool,
    tls: OnceLock<Tls>,
}

struct Tls {
    config: ClientConfig,
    trusts_nobody: bool,
}

impl Trust {
    fn tls(&self) -> &Tls {
        self.tls.get_or_init(|| {
            let mut roots = self.given.clone();
            if !self.only_given {
                // What of the system's store cannot be read is left out, as every client does.
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            }
            let trusts_nobody = roots.is_empty();
            // The provider is handed over, never installed: the process default is the host application's business.
            let provider = CryptoProvider { key_provider: &NoClientKeys, ..ring::default_provider() };
            let config = ClientConfig::builder_with_provider(Arc::new(provider))
                .with_safe_default_protocol_versions()
                .expect("ring supports the default versions")
                .with_root_certificates(roots)
                .with_no_client_auth();
            Tls { config, trusts_nobody }
        })
    }
}

/// No client shows a certificate, so what reads private keys and signs with them need not be in the library.
#[derive(Debug)]
struct NoClientKeys;

impl KeyProvider for NoClientKeys {
    fn load_private_key(
        &self,
        _: PrivateKeyDer<'static>,
    ) -> std::result::Result<Arc<dyn SigningKey>, rustls::Error> {
        Err(rustls::Error::General("client certificates are not supported".into()))
    }
}

#[derive(Clone)]
enum ProxySetting {
    Environment,
    None,
    Explicit(Box<Proxy>, Arc<Matcher>),
}

/// The schemes of proxies that this build can use.
const PROXY_SCHEMES: &[&str] = match cfg!(feature = "socks") {
    true => &["http", "https", "socks4", "socks4a", "socks5", "socks5h"],
    false => &["http", "https"],
};

/// The scheme of a proxy's URL, if this build has none of the kind. A URL without a scheme is one of HTTP.
fn unknown_scheme(url: &str) -> Option<String> {
    let scheme = url.split_once("://")?.0.to_ascii_lowercase();
    (!PROXY_SCHEMES.contains(&scheme.as_str())).then_some(scheme)
}

fn no_such_proxy(scheme: &str) -> String {
    let feature = if scheme.starts_with("socks") { " (feature `socks`)" } else { "" };
    format!("this build has no proxies of the scheme {scheme}{feature}")
}

/// HTTP through reqwest. A call runs on a thread of its own, so that it may be made from inside an asynchronous
/// runtime; one of an `AsyncClient` (feature `tokio`) runs on the thread of tokio's pool that it has already. A name
/// that has to be looked up takes one more thread, because the operating system's look-up blocks.
///
/// A panic inside of a call is [`ErrorKind::Unreachable`]. So is a call of an `AsyncClient` that a transport of the
/// host hands on to this one from inside of `Handle::block_on`: a runtime cannot be entered from inside another.
///
/// The threads, the connections and everything else that the call holds are gone when the call returns, within its time
/// limit or soon after its cancellation, whatever the peer does. The one exception is a name look-up that hangs in the
/// operating system, which cannot be called off: its thread ends when the system gives up.
#[derive(Clone)]
pub struct HttpTransport {
    trust: Arc<Trust>,
    proxy: ProxySetting,
    connect_timeout: Duration,
}

/// Without the proxy, whose URL may hold a password.
impl fmt::Debug for HttpOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpOptions").field("certificates", &self.certificates.len()).finish_non_exhaustive()
    }
}

/// Without the proxy, whose URL may hold a password.
impl fmt::Debug for HttpTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpTransport").finish_non_exhaustive()
    }
}

/// How long a call that ends waits for the thread of a name look-up.
const LOOK_UP_GRACE: Duration = Duration::from_millis(100);

impl HttpTransport {
    /// The whole call: a runtime of its own, which takes every task and connection along when it ends.
    fn call(&self, post: &Post<'_>) -> Result<Answer> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|e| Error::io("a runtime for the call", e))?;
        let answer = runtime.block_on(async {
            let mut exchange = pin!(self.exchange(post));
            let ended = timeout(post.timeout, async {
                loop {
                    match timeout(CANCEL_INTERVAL, &mut exchange).await {
                        Ok(answer) => return answer,
                        Err(_) => post.cancel.check()?,
                    }
                }
            });
            ended.await.unwrap_or_else(|_| {
                let (place, limit) = (address::place(post.url), post.timeout.as_millis());
                let text = format!("the authority at {place} did not answer within {limit} ms");
                Err(Error::new(ErrorKind::TimedOut, text).with_source(NetworkFailure::AnswerTimedOut))
            })
        });
        runtime.shutdown_timeout(LOOK_UP_GRACE);
        answer
    }

    /// The proxy that a call goes through: its scheme, and where it is, without the password that its URL may hold.
    fn proxy_of(&self, url: &str) -> Option<(String, String)> {
        let from_environment;
        let matcher = match &self.proxy {
            ProxySetting::None => return None,
            ProxySetting::Environment if is_plain_and_here(url) => return None,
            ProxySetting::Explicit(_, matcher) => matcher,
            ProxySetting::Environment => {
                from_environment = Matcher::from_env();
                &from_environment
            }
        };
        let proxy = matcher.intercept(&url.parse().ok()?)?;
        let uri = proxy.uri();
        let port = uri.port_u16().map_or_else(String::new, |port| format!(":{port}"));
        Some((uri.scheme_str()?.to_owned(), format!("{}{port}", uri.host()?)))
    }

    async fn exchange(&self, post: &Post<'_>) -> Result<Answer> {
        let proxy = self.proxy_of(post.url);
        if let Some((scheme, place)) = &proxy
            && let Some(scheme) = unknown_scheme(&format!("{scheme}://"))
        {
            let text = format!("the proxy {place} is set in the environment, but {}", no_such_proxy(&scheme));
            return Err(Error::new(ErrorKind::Unsupported, text).with_source(NetworkFailure::Proxy));
        }
        let proxy = proxy.as_ref().map(|(_, place)| place.as_str());
        let classify = |error: reqwest::Error| classify(&error, address::place(post.url), proxy);
        let tls = self.trust.tls();
        let builder = Client::builder()
            .tls_backend_preconfigured(tls.config.clone())
            .redirect(Policy::none())
            .connect_timeout(self.connect_timeout.min(post.timeout));
        let builder = match &self.proxy {
            ProxySetting::Environment if is_plain_and_here(post.url) => builder.no_proxy(),
            ProxySetting::Environment => builder,
            ProxySetting::None => builder.no_proxy(),
            ProxySetting::Explicit(proxy, _) => builder.no_proxy().proxy(Proxy::clone(proxy)),
        };
        let mut request = builder
            .build()
            .map_err(classify)?
            .post(post.url)
            .header(USER_AGENT, post.user_agent)
            .header(CONTENT_TYPE, "application/json");
        if let Some(authorization) = post.authorization {
            let no_header = |_| Error::new(ErrorKind::InvalidInput, "the authorization cannot be a header");
            let mut value = HeaderValue::from_str(authorization).map_err(no_header)?;
            // No text of the HTTP library shows it.
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        let mut response = request
            .body(post.body.to_vec())
            .send()
            .await
            .map_err(|error| match classify(error) {
                error if tls.trusts_nobody && error.kind() == ErrorKind::TlsUntrusted => {
                    let text = "this system has 0 root certificates, so no server can be trusted; install them, or give one";
                    Error::new(ErrorKind::TlsUntrusted, text)
                }
                error => error,
            })?;
        let status = response.status().as_u16();
        let retry_after =
            response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        let mut body = Vec::new();
        // An error here is a connection that was cut.
        while let Some(chunk) = response.chunk().await.map_err(classify)? {
            if chunk.len() > post.limit - body.len() {
                return Err(transport::too_long(post.limit));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { status, body, retry_after: retry_after.map(Duration::from_secs) })
    }
}

impl Transport for HttpTransport {
    fn post(&self, post: &Post<'_>) -> Result<Answer> {
        post.cancel.check()?;
        let panicked = |_| Err(Error::new(ErrorKind::Unreachable, "the call to the authority broke off"));
        if post.cancel.may_block() {
            return catch_unwind(AssertUnwindSafe(|| self.call(post))).unwrap_or_else(panicked);
        }
        thread::scope(|scope| {
            let call = thread::Builder::new()
                .name("nodelock-http".into())
                .spawn_scoped(scope, || self.call(post))
                .map_err(|e| Error::io("a thread for the call", e))?;
            call.join().unwrap_or_else(panicked)
        })
    }
}

/// Whether a call is plain HTTP to this computer, which is allowed because it stays here: a proxy that the environment
/// names for all addresses would get it in the clear.
fn is_plain_and_here(url: &str) -> bool {
    Url::parse(url).is_ok_and(|url| {
        let host = url.host_str().map(|host| host.trim_matches(['[', ']']));
        url.scheme() == "http" && host.is_some_and(address::is_here)
    })
}

/// What kept a request to `place` from being answered. The error's own text is left out: it may hold a proxy's
/// password.
fn classify(error: &reqwest::Error, place: &str, proxy: Option<&str>) -> Error {
    let mut found = None;
    let mut system = None;
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(e) = cause {
        if let Some(rustls::Error::InvalidCertificate(reason)) = e.downcast_ref() {
            let kind = certificate_kind(reason);
            return Error::new(kind, certificate_text(kind, reason, place));
        }
        let io = e.downcast_ref::<io::Error>();
        found = io.and_then(|io| of_system(io.kind())).or(found);
        system = io.and_then(io::Error::raw_os_error).or(system);
        if e.is::<rustls::Error>() {
            found = Some(NetworkFailure::Tls);
        }
        // These types are private to the library that connects; what they print is short and fixed.
        match e.to_string().as_str() {
            "dns error" => found = Some(NetworkFailure::NameLookUp),
            words if words.contains("proxy authorization required") => {
                found = Some(NetworkFailure::ProxyAuthorization);
            }
            _ => {}
        }
        // An I/O error does not count what it wraps among its sources, and they are wrapped in one another.
        let wrapped = io.and_then(io::Error::get_ref);
        cause = wrapped.map(|inner| inner as _).or_else(|| e.source());
    }
    if error.is_builder() {
        return Error::new(
            ErrorKind::InvalidInput,
            format!("no request can be made for the address of {place}"),
        );
    }
    let why = found.unwrap_or(match (error.is_timeout(), error.is_connect()) {
        (true, true) => NetworkFailure::ConnectTimedOut,
        (true, false) => NetworkFailure::AnswerTimedOut,
        (false, true) => NetworkFailure::Other,
        (false, false) => NetworkFailure::Reset,
    });
    // Where a proxy is in between, it may be what failed.
    let through = proxy.map_or_else(String::new, |proxy| format!(" through the proxy {proxy}"));
    let failure = match proxy {
        Some(_) if why != NetworkFailure::ProxyAuthorization && !error.is_timeout() => NetworkFailure::Proxy,
        _ => why,
    };
    let kind = if error.is_timeout() { ErrorKind::TimedOut } else { ErrorKind::Unreachable };
    let text = format!("the authority at {place} cannot be reached{through}: {why}");
    Error::new(kind, text).with_source(Caused { failure, system: system.map(io::Error::from_raw_os_error) })
}

/// What an error of the system says of a connection, where it says something.
fn of_system(kind: io::ErrorKind) -> Option<NetworkFailure> {
    use io::ErrorKind as Io;
    Some(match kind {
        Io::ConnectionRefused => NetworkFailure::Refused,
        Io::ConnectionReset | Io::ConnectionAborted | Io::BrokenPipe | Io::UnexpectedEof => {
            NetworkFailure::Reset
        }
        Io::NetworkUnreachable | Io::HostUnreachable | Io::NetworkDown | Io::AddrNotAvailable => {
            NetworkFailure::NoRoute
        }
        Io::TimedOut => NetworkFailure::ConnectTimedOut,
        _ => return None,
    })
}

/// What is wrong with the certificate of the server at `place`.
fn certificate_text(kind: ErrorKind, reason: &CertificateError, place: &str) -> String {
    use CertificateError as Reason;
    let time = |time: &UnixTime| Timestamp::from_unix_seconds(time.as_secs());
    match reason {
        Reason::ExpiredContext { time: now, not_after: end } => {
            format!(
                "the certificate of {place} ended at {}, and the clock here says {}",
                time(end),
                time(now)
            )
        }
        Reason::NotValidYetContext { time: now, not_before: start } => {
            format!(
                "the certificate of {place} begins at {}, and the clock here says {}",
                time(start),
                time(now)
            )
        }
        _ => format!("the server at {place}: {kind}"),
    }
}

fn certificate_kind(reason: &CertificateError) -> ErrorKind {
    use CertificateError as Reason;
    match reason {
        Reason::Expired
        | Reason::ExpiredContext { .. }
        | Reason::NotValidYet
        | Reason::NotValidYetContext { .. } => ErrorKind::TlsExpired,
        Reason::NotValidForName | Reason::NotValidForNameContext { .. } => ErrorKind::TlsWrongHost,
        _ => ErrorKind::TlsUntrusted,
    }
}

//! One call over one connection: TLS unless the server is on this machine, no redirect, no proxy, and an end.

use std::{net::IpAddr, path::Path, time::Duration};

use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::{Request, body::Bytes, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use nodelock::ErrorKind;
use tokio::{
    net::{TcpStream, lookup_host},
    task::JoinSet,
    time::timeout,
};
use tokio_rustls::{TlsConnector, rustls::pki_types::ServerName};
use zeroize::Zeroizing;

use super::{Answer, Call};
use crate::{
    failure::{Failure, Result},
    http::tls,
    service::Target,
};

/// How long a call may take, from the name's resolution to the last byte of the answer.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long one connection may take to come about: a name may have several addresses.
const CONNECTING: Duration = Duration::from_secs(10);
/// The longest head of an answer.
const LONGEST_HEAD: usize = 64 * 1024;
/// The longest answer: a page of customers with all that may be noted of each fits.
const LONGEST_ANSWER: usize = 16 * 1024 * 1024;
const LONGEST_TOKEN: usize = 4096;
const CALLS: &str = "/v1/admin";

/// Why there is no answer.
pub(super) enum Trouble {
    /// Nothing was asked.
    Unsent(String),
    /// It may have been asked, and done.
    Broken(String),
    /// What came is no answer that can be read.
    Unfit(String),
}

/// Where calls go, and what they bring.
pub(super) struct Wire {
    target: Target,
    /// What stands before the path of each call.
    base: String,
    authorization: Zeroizing<String>,
    tls: Option<TlsConnector>,
}

pub(super) fn no_token() -> Failure {
    Failure::Usage("there is no token where one is expected".into())
}

impl Wire {
    pub(super) fn new(target: Target, token: &str, ca: Option<&Path>) -> Result<Self> {
        let is_token = (1..=LONGEST_TOKEN).contains(&token.len());
        if !is_token || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(no_token());
        }
        if target.path.contains('?') {
            return Err(Failure::Usage("the address of a server ends before its `?`".into()));
        }
        if !target.is_secure && !is_here(&target.host) {
            return Err(Failure::Usage(format!(
                "a token is not sent to {} without TLS, where others can read it; name the server with https://, or \
                 reach it through a tunnel that ends on this machine",
                target.host
            )));
        }
        let roots = || ca.map_or_else(|| Ok(tls::system_roots()), tls::roots_of);
        let tls = target.is_secure.then(|| roots().map(tls::connector)).transpose()?;
        let base = target.path.trim_end_matches('/').to_owned() + CALLS;
        let authorization = Zeroizing::new(format!("Bearer {token}"));
        Ok(Self { target, base, authorization, tls })
    }

    pub(super) fn unreachable(&self, why: &str) -> Failure {
        Failure::rule(ErrorKind::Unreachable, format!("{}: {why}", self.target.authority))
    }

    pub(super) async fn exchange(&self, call: &Call<'_>) -> Result<Answer, Trouble> {
        let stream = match timeout(CONNECTING, self.connect()).await {
            Ok(stream) => stream.map_err(Trouble::Unsent)?,
            Err(_) => {
                return Err(Trouble::Unsent(format!(
                    "no connection within {} seconds",
                    CONNECTING.as_secs()
                )));
            }
        };
        let asked = async {
            match &self.tls {
                Some(tls) => {
                    let name = ServerName::try_from(self.target.host.clone());
                    let unfit = |_| Trouble::Unsent("its host has no name of a certificate".into());
                    let stream = tls.connect(name.map_err(unfit)?, stream).await;
                    let stream = stream.map_err(|error| Trouble::Unsent(format!("TLS: {error}")))?;
                    self.ask(TokioIo::new(stream), call).await
                }
                None => self.ask(TokioIo::new(stream), call).await,
            }
        };
        let late = |_| Trouble::Broken(format!("no answer within {} seconds", PATIENCE.as_secs()));
        timeout(PATIENCE, asked).await.map_err(late)?
    }

    /// Without TLS it is this machine that is connected to, whatever its name leads to.
    async fn connect(&self) -> Result<TcpStream, String> {
        let mut why = "its name has no address".to_owned();
        let named = lookup_host((self.target.host.as_str(), self.target.port)).await;
        for address in named.map_err(|error| format!("its name: {error}"))? {
            if self.tls.is_none() && !address.ip().is_loopback() {
                continue;
            }
            match TcpStream::connect(address).await {
                Ok(stream) => return Ok(stream),
                Err(error) => why = format!("connecting: {error}"),
            }
        }
        Err(why)
    }

    async fn ask<S>(&self, stream: S, call: &Call<'_>) -> Result<Answer, Trouble>
    where
        S: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
    {
        let broken = |error: hyper::Error| Trouble::Broken(format!("the connection broke: {error}"));
        let request = self.request(call).map_err(|error| Trouble::Unfit(error.to_string()))?;
        let mut builder = http1::Builder::new();
        builder.max_buf_size(LONGEST_HEAD);
        let (mut sender, connection) = builder.handshake(stream).await.map_err(broken)?;
        // It ends with this function.
        let mut driver = JoinSet::new();
        driver.spawn(connection);
        let response = sender.send_request(request).await.map_err(broken)?;
        let status = response.status().as_u16();
        let kind = response.headers().get(header::CONTENT_TYPE);
        let is_problem = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/problem+json"));
        match Limited::new(response.into_body(), LONGEST_ANSWER).collect().await {
            Ok(body) => Ok(Answer { status, is_problem, body: body.to_bytes().to_vec() }),
            Err(error) if error.is::<LengthLimitError>() => {
                Err(Trouble::Unfit(format!("it has more than {LONGEST_ANSWER} bytes")))
            }
            Err(error) => Err(Trouble::Broken(format!("the connection broke: {error}"))),
        }
    }

    fn request(&self, call: &Call<'_>) -> Result<Request<Full<Bytes>>, hyper::http::Error> {
        let mut request = Request::builder()
            .method(call.method.clone())
            .uri(format!("{}{}", self.base, call.address))
            .header(header::HOST, &self.target.authority)
            .header(header::USER_AGENT, concat!("nodelock-authority/", env!("CARGO_PKG_VERSION")))
            .header(header::AUTHORIZATION, self.authorization.as_str())
            .header(header::CONNECTION, "close");
        if let Some(key) = &call.key {
            request = request.header("idempotency-key", key);
        }
        if let Some(version) = call.based_on {
            request = request.header(header::IF_MATCH, format!("\"{version}\""));
        }
        if call.body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let body = call.body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
        request.body(Full::new(body))
    }
}

/// Whether a host is this machine by its name.
fn is_here(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

//! Messages to webhooks, over HTTP: one connection and one request each.
//!
//! A webhook is an address that a person typed, so it must not lead inside: to this machine, to its neighbors, or to
//! what a cloud tells its machines. Names are resolved here, and the address that is connected to is the one that was
//! checked. No redirect is followed, no proxy is asked, and nothing of an answer is read but its status.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{Arc, OnceLock},
    time::Duration,
};

use http_body_util::Full;
use hyper::{Request, body::Bytes, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpStream, lookup_host},
    sync::Semaphore,
    task::JoinSet,
    time::timeout,
};
use tokio_rustls::{TlsConnector, rustls::pki_types::ServerName};

use super::tls;
use crate::service::{self, Letter, Posted, Target};

/// How long a message may take, from the name's resolution to the answer's status.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long one connection may take to come about: a name may have several addresses.
const CONNECTING: Duration = Duration::from_secs(5);
/// How many names are looked up at a time. Each takes a thread for as long as the name's server likes.
const LOOKUPS: usize = 16;
/// The longest head of an answer.
const LONGEST_HEAD: usize = 64 * 1024;

/// What brings messages to webhooks.
pub(crate) struct Courier {
    /// Hosts that may be inside, and may be told without TLS.
    allowed: Vec<String>,
    tls: OnceLock<TlsConnector>,
    lookups: Arc<Semaphore>,
}

impl Courier {
    /// With the hosts that the operator allows though they are inside.
    pub(crate) fn new(allowed: &[String]) -> Self {
        let allowed = allowed.iter().map(|host| host.trim_matches(['[', ']']).to_ascii_lowercase());
        let lookups = Arc::new(Semaphore::new(LOOKUPS));
        Self { allowed: allowed.collect(), tls: OnceLock::new(), lookups }
    }

    async fn send(&self, letter: Letter) -> Result<u16, String> {
        let target = &letter.target;
        let is_allowed = self.allowed.contains(&target.host);
        if !target.is_secure && !is_allowed {
            return Err("it is told without TLS, and its host is not allowed by --webhook-allow".into());
        }
        let stream = connect(self.addresses(target).await?, is_allowed).await?;
        if target.is_secure {
            let name = ServerName::try_from(target.host.clone());
            let name = name.map_err(|_| "its host has no name of a certificate".to_owned())?;
            let stream = self.tls().connect(name, stream).await.map_err(|error| in_words("TLS", &error))?;
            exchange(TokioIo::new(stream), &letter).await
        } else {
            exchange(TokioIo::new(stream), &letter).await
        }
    }

    /// The addresses of a host. A lookup cannot be broken off: it has its place until it ends, though nobody waits for
    /// it any more.
    async fn addresses(&self, target: &Target) -> Result<Vec<SocketAddr>, String> {
        let failed = |error: io::Error| in_words("its name", &error);
        let place = self.lookups.clone().acquire_owned().await;
        let place = place.map_err(|error| failed(io::Error::other(error)))?;
        let (host, port) = (target.host.clone(), target.port);
        let lookup = tokio::spawn(async move {
            let found = lookup_host((host.as_str(), port)).await.map(Iterator::collect);
            drop(place);
            found
        });
        lookup.await.map_err(|error| failed(io::Error::other(error)))?.map_err(failed)
    }

    /// Trusts the certificates that this system does, which are read at the first message.
    fn tls(&self) -> &TlsConnector {
        self.tls.get_or_init(|| tls::connector(tls::system_roots()))
    }
}

impl service::Courier for Courier {
    async fn post(&self, letter: Letter) -> Posted {
        match timeout(PATIENCE, self.send(letter)).await {
            Ok(Ok(status)) => Posted::Answered(status),
            Ok(Err(why)) => Posted::Failed(why),
            Err(_) => Posted::Failed(format!("no answer within {} seconds", PATIENCE.as_secs())),
        }
    }
}

fn in_words(what: &str, error: &io::Error) -> String {
    format!("{what}: {error}")
}

/// Connects to the first address that is not inside, unless its host is allowed to be.
async fn connect(addresses: Vec<SocketAddr>, is_allowed: bool) -> Result<TcpStream, String> {
    let mut why = "its name has no address".to_owned();
    for address in addresses {
        if !is_allowed && is_inside(address.ip()) {
            why = "its address is inside, and its host is not allowed by --webhook-allow".into();
            continue;
        }
        match timeout(CONNECTING, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => why = in_words("connecting", &error),
            Err(_) => why = format!("no connection within {} seconds", CONNECTING.as_secs()),
        }
    }
    Err(why)
}

/// Sends a message over a connection. Returns the status of the answer, and reads no more of it.
async fn exchange<S>(stream: S, letter: &Letter) -> Result<u16, String>
where
    S: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    let failed = |error: hyper::Error| format!("HTTP: {error}");
    let mut builder = http1::Builder::new();
    builder.max_buf_size(LONGEST_HEAD);
    let (mut sender, connection) = builder.handshake(stream).await.map_err(failed)?;
    // It ends with this function.
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    let request = Request::post(&letter.target.path)
        .header(header::HOST, &letter.target.authority)
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::USER_AGENT, concat!("nodelock-authority/", env!("CARGO_PKG_VERSION")))
        .header(header::CONNECTION, "close")
        .header("webhook-id", &letter.id)
        .header("webhook-timestamp", letter.timestamp)
        .header("webhook-signature", &letter.signature)
        .body(Full::new(Bytes::from(letter.body.clone())))
        .map_err(|error| format!("HTTP: {error}"))?;
    Ok(sender.send_request(request).await.map_err(failed)?.status().as_u16())
}

/// Whether an address is of this machine, of its neighbors, or of nobody that can be a receiver.
fn is_inside(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_inside_v4(address),
        IpAddr::V6(address) => is_inside_v6(address),
    }
}

fn is_inside_v4(address: Ipv4Addr) -> bool {
    let [first, second, third, _] = address.octets();
    address.is_loopback()
        || address.is_private()
        // What clouds tell their machines is there.
        || address.is_link_local()
        || address.is_documentation()
        // Of this network; shared by the customers of a provider; for protocols; for measurements.
        || first == 0
        || (first == 100 && second & 0xc0 == 64)
        || (first, second, third) == (192, 0, 0)
        || (first == 198 && second & 0xfe == 18)
        // To several, reserved, to all.
        || first >= 224
}

fn is_inside_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    let embedded = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        is_inside_v4(Ipv4Addr::new(a, b, c, d))
    };
    match segments {
        // An address of IPv4 behind a translator.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => embedded(high, low),
        // 6to4, which has one too.
        [0x2002, high, low, ..] => embedded(high, low),
        // Teredo and other protocols; documentation.
        [0x2001, second, ..] if second < 0x200 || second == 0xdb8 => true,
        // Whatever else is not of the public network: this machine, unique-local, link-local, to several.
        [first, ..] => first & 0xe000 != 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::is_inside;

    #[test]
    fn an_address_is_inside_or_public() {
        let inside = [
            "127.0.0.1",
            "127.8.8.8",
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "100.100.100.200",
            "192.0.0.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "::7f00:1",
            "fe80::1",
            "fec0::1",
            "fc00::1",
            "fd00:ec2::254",
            "ff02::1",
            "64:ff9b::7f00:1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::1",
            "2002:7f00:1::1",
            "2001::1",
            "2001:db8::1",
        ];
        for address in inside {
            assert!(is_inside(address.parse::<IpAddr>().unwrap()), "{address}");
        }
        let public =
            ["8.8.8.8", "172.32.0.1", "100.128.0.1", "198.20.0.1", "2606:4700::1", "64:ff9b::808:808"];
        for address in public.into_iter().chain(["::ffff:8.8.8.8", "2001:4860::8888", "2002:808:808::1"]) {
            assert!(!is_inside(address.parse::<IpAddr>().unwrap()), "{address}");
        }
    }
}

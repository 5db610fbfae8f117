//! Requests over kept connections, each timed.

use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use socket2::{Domain, Socket, Type};

/// What a phase came to.
pub struct Measured {
    pub count: usize,
    /// Requests a second.
    pub rate: f64,
    pub median: Duration,
    /// The 99th percentile.
    pub late: Duration,
}

/// Posts each body once, over so many connections, and expects each answer to be 200 and to contain `expected`.
pub fn run(
    server: SocketAddr,
    path: &str,
    bodies: Vec<String>,
    connections: usize,
    expected: &str,
) -> Measured {
    // Customers of their own, because one is not served as fast as all of them.
    let peers: Vec<_> = (1..=connections).map(|n| Ipv4Addr::from_bits(0x7f00_0100 + n as u32)).collect();
    run_from(&peers, server, path, bodies, expected)
}

/// The same, with a connection from each of these addresses.
pub fn run_from(
    peers: &[Ipv4Addr],
    server: SocketAddr,
    path: &str,
    bodies: Vec<String>,
    expected: &str,
) -> Measured {
    let next = AtomicUsize::new(0);
    let bodies = &bodies;
    let of_next = || std::iter::from_fn(|| bodies.get(next.fetch_add(1, Ordering::Relaxed)));
    let customers = peers.iter().map(|peer| (*peer, of_next()));
    measure(customers, server, path, expected)
}

/// The same, with a connection for each of these lists, which posts its own bodies.
pub fn run_each(server: SocketAddr, path: &str, bodies: &[Vec<String>], expected: &str) -> Measured {
    let customers =
        (1..).zip(bodies).map(|(n, bodies)| (Ipv4Addr::from_bits(0x7f00_0100 + n), bodies.iter()));
    measure(customers, server, path, expected)
}

fn measure<'a>(
    customers: impl Iterator<Item = (Ipv4Addr, impl Iterator<Item = &'a String> + Send)>,
    server: SocketAddr,
    path: &str,
    expected: &str,
) -> Measured {
    let start = Instant::now();
    let customer = |peer, bodies: &mut dyn Iterator<Item = &'a String>| {
        let mut connection = Connection::open(peer, server).unwrap();
        let mut times = Vec::new();
        for body in bodies {
            let start = Instant::now();
            let (status, answer) = connection.post(path, body).unwrap();
            times.push(start.elapsed());
            assert!(status == 200 && answer.contains(expected), "{status} {answer}");
        }
        times
    };
    let mut times: Vec<Duration> = thread::scope(|scope| {
        let customers: Vec<_> =
            customers.map(|(peer, mut bodies)| scope.spawn(move || customer(peer, &mut bodies))).collect();
        customers.into_iter().flat_map(|customer| customer.join().unwrap()).collect()
    });
    let time = start.elapsed();
    times.sort_unstable();
    Measured {
        count: times.len(),
        rate: times.len() as f64 / time.as_secs_f64(),
        median: times[times.len() / 2],
        late: times[times.len() * 99 / 100],
    }
}

pub struct Connection(BufReader<TcpStream>);

impl Connection {
    /// A connection from an address of the loopback interface.
    pub fn open(peer: Ipv4Addr, server: SocketAddr) -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.bind(&SocketAddr::from((peer, 0)).into())?;
        socket.connect(&server.into())?;
        socket.set_tcp_nodelay(true)?;
        Ok(Self(BufReader::new(socket.into())))
    }

    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.get_mut().write_all(bytes)
    }

    pub fn post(&mut self, path: &str, body: &str) -> io::Result<(u16, String)> {
        self.send(&[head(path, body.len()).as_bytes(), body.as_bytes()].concat())?;
        self.answer()
    }

    /// Whether an answer begins to come, or the connection ends.
    pub fn answers_within(&mut self, time: Duration) -> bool {
        self.0.get_ref().set_read_timeout(Some(time)).unwrap();
        let is_over = self.0.fill_buf().is_ok();
        self.0.get_ref().set_read_timeout(None).unwrap();
        is_over
    }

    pub fn answer(&mut self) -> io::Result<(u16, String)> {
        let gone = || io::Error::from(io::ErrorKind::UnexpectedEof);
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        let status = line.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(gone)?;
        let mut length = 0;
        loop {
            line.clear();
            if self.0.read_line(&mut line)? == 0 {
                return Err(gone());
            }
            let header = line.trim_end().to_ascii_lowercase();
            if header.is_empty() {
                break;
            }
            if let Some(value) = header.strip_prefix("content-length: ") {
                length = value.parse().unwrap();
            }
        }
        let mut answer = vec![0; length];
        self.0.read_exact(&mut answer)?;
        Ok((status, String::from_utf8(answer).unwrap()))
    }
}

/// The head of a request with a body of that length.
pub fn head(path: &str, length: usize) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: authority\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    )
}

//! Requests over kept connections, each timed.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

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
    let next = AtomicUsize::new(0);
    let start = Instant::now();
    let mut times: Vec<Duration> = thread::scope(|scope| {
        let customer = || {
            let mut connection = Connection::open(server);
            let mut times = Vec::new();
            while let Some(body) = bodies.get(next.fetch_add(1, Ordering::Relaxed)) {
                let start = Instant::now();
                let (status, answer) = connection.post(path, body);
                times.push(start.elapsed());
                assert!(status == 200 && answer.contains(expected), "{status} {answer}");
            }
            times
        };
        let customers: Vec<_> = (0..connections).map(|_| scope.spawn(customer)).collect();
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

struct Connection(BufReader<TcpStream>);

impl Connection {
    fn open(server: SocketAddr) -> Self {
        let stream = TcpStream::connect(server).unwrap();
        stream.set_nodelay(true).unwrap();
        Self(BufReader::new(stream))
    }

    fn post(&mut self, path: &str, body: &str) -> (u16, String) {
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: authority\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.0.get_mut().write_all(request.as_bytes()).unwrap();
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        let status = line.split(' ').nth(1).unwrap().parse().unwrap();
        let mut length = 0;
        loop {
            line.clear();
            self.0.read_line(&mut line).unwrap();
            let header = line.trim_end().to_ascii_lowercase();
            if header.is_empty() {
                break;
            }
            if let Some(value) = header.strip_prefix("content-length: ") {
                length = value.parse().unwrap();
            }
        }
        let mut answer = vec![0; length];
        self.0.read_exact(&mut answer).unwrap();
        (status, String::from_utf8(answer).unwrap())
    }
}

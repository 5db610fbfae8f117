//! Something that speaks HTTP as badly as it is told to.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Received {
    pub path: String,
    /// In small letters, up to the empty line.
    pub head: String,
    /// The same as it was sent.
    pub sent_head: String,
    pub body: Vec<u8>,
}

type Respond = Arc<dyn Fn(&Received, &mut TcpStream) + Send + Sync>;

/// Listens until the test ends, and answers each connection's one request.
#[derive(Clone)]
pub struct Responder {
    pub address: SocketAddr,
    answer: Arc<Mutex<Respond>>,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Responder {
    /// One that writes what `answer` writes, and then hangs up.
    pub fn new(answer: impl Fn(&Received, &mut TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let responder = Self {
            address: listener.local_addr().unwrap(),
            answer: Arc::new(Mutex::new(Arc::new(answer))),
            received: Arc::default(),
        };
        let serving = responder.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let responder = serving.clone();
                thread::spawn(move || responder.serve(stream.unwrap()));
            }
        });
        responder
    }

    /// One that always says the same.
    pub fn saying(answer: Vec<u8>) -> Self {
        Self::new(move |_, stream| {
            let _ = stream.write_all(&answer);
        })
    }

    /// From now on it answers this.
    pub fn answer(&self, answer: impl Fn(&Received, &mut TcpStream) + Send + Sync + 'static) {
        *self.answer.lock().unwrap() = Arc::new(answer);
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What came since this was asked last.
    pub fn take_received(&self) -> Vec<Received> {
        std::mem::take(&mut self.received.lock().unwrap())
    }

    fn serve(&self, mut stream: TcpStream) {
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let Some(received) = read(&mut stream) else { return };
        self.received.lock().unwrap().push(received.clone());
        let answer = self.answer.lock().unwrap().clone();
        answer(&received, &mut stream);
        // Whoever closes with something unread takes back what was written.
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let _ = stream.set_read_timeout(Some(Duration::from_millis(200)));
        let _ = stream.read(&mut [0; 64]);
    }
}

fn read(stream: &mut TcpStream) -> Option<Received> {
    let mut bytes = Vec::new();
    let mut some = [0; 16 * 1024];
    loop {
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let (sent_head, head) = (head.to_owned(), head.to_lowercase());
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.map_or(0, |length| length.parse().unwrap());
            if body.len() >= length {
                let path = head.split(' ').nth(1).unwrap().to_owned();
                let body = body.as_bytes()[..length].to_vec();
                return Some(Received { path, head, sent_head, body });
            }
        }
        match stream.read(&mut some) {
            Ok(length @ 1..) if bytes.len() < 1 << 22 => bytes.extend_from_slice(&some[..length]),
            _ => return None,
        }
    }
}

/// A whole answer.
pub fn http(status: &str, headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

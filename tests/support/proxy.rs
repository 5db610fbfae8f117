//! A proxy for HTTP, as companies have them.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::responder::http as answer;

/// A proxy that forwards plain requests and tunnels the others, if it is shown the right password.
#[derive(Clone)]
pub struct Proxy {
    pub address: SocketAddr,
    /// The head of each request, as it came, and what went through the tunnel from the client.
    seen: Arc<Mutex<Vec<String>>>,
    pub tunneled: Arc<Mutex<Vec<u8>>>,
}

impl Proxy {
    pub fn start(credentials: Option<&str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy =
            Self { address: listener.local_addr().unwrap(), seen: Arc::default(), tunneled: Arc::default() };
        let wanted = credentials.map(|pair| format!("proxy-authorization: basic {}", STANDARD.encode(pair)));
        let serving = proxy.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (proxy, wanted) = (serving.clone(), wanted.clone());
                thread::spawn(move || proxy.serve(stream.unwrap(), wanted.as_deref()));
            }
        });
        proxy
    }

    pub fn url(&self, credentials: &str) -> String {
        format!("http://{credentials}{}", self.address)
    }

    pub fn take_seen(&self) -> Vec<String> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }

    fn serve(&self, mut client: TcpStream, wanted: Option<&str>) {
        client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut bytes = Vec::new();
        let end = loop {
            if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            let mut some = [0; 4096];
            match client.read(&mut some) {
                Ok(length @ 1..) => bytes.extend_from_slice(&some[..length]),
                _ => return,
            }
        };
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        self.seen.lock().unwrap().push(head.clone());
        if wanted.is_some_and(|wanted| {
            let (name, value) = wanted.split_at("proxy-authorization: basic ".len());
            !head.lines().any(|line| line.to_lowercase().starts_with(name) && line.ends_with(value))
        }) {
            let _ = client.write_all(&answer("407 Proxy Authentication Required", "", ""));
            return;
        }
        let mut words = head.split(' ');
        let (method, target) = (words.next().unwrap(), words.next().unwrap());
        let server = if method == "CONNECT" {
            let server = TcpStream::connect(target).unwrap();
            client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").unwrap();
            server
        } else {
            let rest = target.strip_prefix("http://").expect("the absolute form");
            let (host, path) = rest.split_at(rest.find('/').unwrap());
            let mut server = TcpStream::connect(host).unwrap();
            let head = head.replacen(target, path, 1);
            server.write_all(head.as_bytes()).and_then(|()| server.write_all(&bytes[end..])).unwrap();
            server
        };
        let (mut up, mut from) = (server.try_clone().unwrap(), client.try_clone().unwrap());
        let tunneled = self.tunneled.clone();
        thread::spawn(move || {
            let mut some = [0; 4096];
            while let Ok(length @ 1..) = from.read(&mut some) {
                tunneled.lock().unwrap().extend_from_slice(&some[..length]);
                if up.write_all(&some[..length]).is_err() {
                    break;
                }
            }
            let _ = up.shutdown(std::net::Shutdown::Write);
        });
        let _ = std::io::copy(&mut &server, &mut client);
        let _ = client.shutdown(std::net::Shutdown::Both);
    }
}

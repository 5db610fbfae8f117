//! Administrators' programs on a bad network: each call is made again under its key until it is answered.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use serde_json::{Value, json};

use super::{
    network::{Counts, Network},
    server::Installation,
};

/// After so many attempts in vain the network delivers what is sent.
const PATIENCE: usize = 6;
/// How often a call that waits looks whether it is in vain.
const LOOK: Duration = Duration::from_millis(20);
/// How long a call that is made again gets the answer that was kept: less than the server's week.
const KEPT: u64 = 6 * 24 * 60 * 60;

/// A program with a token, and its way to the listener for administration.
pub struct Administrator {
    network: Network,
    token: String,
    number: u64,
    calls: u64,
    /// A fault: each attempt has a key of its own.
    is_forgetful: bool,
    /// From when on messages may be under way.
    since: u64,
}

/// What a call was answered with: what it asked for, or the code of a refusal.
pub type Answer = Result<Value, String>;

impl Administrator {
    /// One of an authority whose server has such a listener, with a number of its own there.
    pub fn new(authority: &Installation, number: u64, is_forgetful: bool) -> Self {
        let scopes = ["licenses:read", "licenses:write", "seats:write"].map(|scope| ["--scope", scope]);
        let new = [&["token", "new", "--name", "a program"][..], scopes.as_flattened()].concat();
        let token = authority.vendor(&new)["token"].as_str().unwrap().to_owned();
        let network = Network::without_swaps(authority.listener("admin-listening"), number);
        Self { network, token, number, calls: 0, is_forgetful, since: 0 }
    }

    /// The server was started anew: its listener has another port.
    pub fn moved(&self, authority: &Installation) {
        self.network.moved(authority.listener("admin-listening"));
    }

    /// It is that time. What is under way for longer than answers are kept does not arrive any more.
    pub fn set_time(&mut self, now: u64) {
        if now > self.since + KEPT {
            self.forget(now);
        }
    }

    /// Nothing that was sent arrives any more.
    pub fn forget(&mut self, now: u64) {
        self.network.forget();
        self.since = now;
    }

    /// Everything that was sent arrives once more.
    pub fn replay(&self) {
        self.network.heal();
        self.network.replay(&mut super::dice::Dice(self.number));
    }

    pub fn counts(&self) -> Counts {
        self.network.counts()
    }

    /// What the server must never say, if it did.
    pub fn failure(&self) -> Option<String> {
        self.network.failure()
    }

    /// Looks something up, and at its version.
    pub fn get(&mut self, path: &str) -> (Value, String) {
        let (head, answer) = self.ask("GET", path, "", "");
        let tag = head.lines().find_map(|line| line.to_lowercase().strip_prefix("etag:").map(str::to_owned));
        (answer.unwrap(), tag.unwrap_or_default().trim().to_owned())
    }

    /// Asks for a change; one that is based on a version names it.
    pub fn post(&mut self, path: &str, based_on: Option<&str>, body: &Value) -> Answer {
        let based_on = based_on.map_or(String::new(), |version| format!("If-Match: {version}\r\n"));
        self.ask("POST", path, &based_on, &body.to_string()).1
    }

    /// The same of what needs no words.
    pub fn act(&mut self, path: &str) -> Answer {
        self.post(path, None, &json!({}))
    }

    fn ask(&mut self, method: &str, path: &str, headers: &str, body: &str) -> (String, Answer) {
        self.calls += 1;
        for attempt in 0.. {
            if attempt == PATIENCE {
                self.network.set_bad(false);
            }
            let key = if self.is_forgetful { self.calls * 1000 + attempt as u64 } else { self.calls };
            let key = format!("Idempotency-Key: {}-{key}\r\n", self.number);
            let request = format!(
                "{method} /v1/admin/{path} HTTP/1.1\r\nHost: authority\r\nAuthorization: Bearer {}\r\n{}{headers}\
                 Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                self.token,
                if method == "POST" { &key } else { "" },
                body.len()
            );
            let Some((status, head, said)) = self.exchange(&request) else {
                assert!(attempt < PATIENCE, "a network that loses nothing loses {path}");
                continue;
            };
            self.network.set_bad(true);
            if status < 300 {
                return (head, Ok(said));
            }
            let code = said["type"].as_str().unwrap_or_default().rsplit(':').next().unwrap_or_default();
            return (head, Err(code.to_owned()));
        }
        unreachable!("it goes on until there is an answer")
    }

    /// Sends a request. None where no whole answer comes.
    fn exchange(&self, request: &str) -> Option<(u16, String, Value)> {
        let cancel = self.network.cancel();
        let mut stream = TcpStream::connect(self.network.address()).unwrap();
        stream.set_read_timeout(Some(LOOK)).unwrap();
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = Vec::new();
        let mut buffer = [0; 16 * 1024];
        loop {
            match stream.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => answer.extend_from_slice(&buffer[..read]),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    if cancel.is_cancelled() {
                        return None;
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return None,
            }
        }
        let answer = String::from_utf8(answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        // Of two answers the first one counts. A body that was cut is no JSON.
        let body = serde_json::Deserializer::from_str(body).into_iter::<Value>().next()?.ok()?;
        Some((status, head.to_owned(), body))
    }
}

//! Nothing of a call outlives it, whatever its peer does: no thread and no open file.

use std::{
    env, fs,
    io::{Read as _, Write as _},
    net::TcpListener,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use nodelock::{CancelToken, ErrorKind, HttpOptions, Post, Transport as _};

use crate::support::calls::{http, kind};

const TIMEOUT: Duration = Duration::from_secs(2);
/// When the calls that are cancelled are cancelled.
const CANCELLED: Duration = Duration::from_millis(300);

/// How a peer keeps a call busy, and how the call ends when it is not cancelled.
struct Case {
    name: &'static str,
    way: Way,
    /// What the peer sends once something came, and what it sends again and again after each pause.
    first: &'static [u8],
    again: &'static [u8],
    pause: Duration,
    ends: ErrorKind,
}

/// What the peer is to the call.
enum Way {
    Http,
    Https,
    Proxy,
}

const DRIP: Duration = Duration::from_millis(500);

const CASES: [Case; 8] = [
    Case { name: "silence", way: Way::Http, first: b"", again: b"", pause: DRIP, ends: ErrorKind::TimedOut },
    Case {
        name: "a head that drips",
        way: Way::Http,
        first: b"HTTP/1.1 200 OK\r\nX: ",
        again: b"x",
        pause: DRIP,
        ends: ErrorKind::TimedOut,
    },
    Case {
        name: "a head without end",
        way: Way::Http,
        first: b"HTTP/1.1 200 OK\r\nX: ",
        again: &[b'x'; 4096],
        pause: Duration::ZERO,
        ends: ErrorKind::Unreachable,
    },
    Case {
        name: "interim answers without end",
        way: Way::Http,
        first: b"",
        again: b"HTTP/1.1 102 Processing\r\n\r\n",
        pause: Duration::from_millis(1),
        ends: ErrorKind::TimedOut,
    },
    Case {
        name: "a body that drips",
        way: Way::Http,
        first: b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        again: b"1\r\n \r\n",
        pause: DRIP,
        ends: ErrorKind::TimedOut,
    },
    Case {
        name: "a body without end",
        way: Way::Http,
        first: b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n",
        again: &[b'x'; 64],
        pause: Duration::ZERO,
        ends: ErrorKind::BadReply,
    },
    Case {
        name: "a TLS handshake that drips",
        way: Way::Https,
        first: b"\x16\x03\x03\x3f\xff\x02\0\x3f\xfb",
        again: b"\0",
        pause: DRIP,
        ends: ErrorKind::TimedOut,
    },
    Case {
        name: "a proxy that drips",
        way: Way::Proxy,
        first: b"HTTP/1.1 200 OK\r\nX: ",
        again: b"x",
        pause: DRIP,
        ends: ErrorKind::TimedOut,
    },
];

impl Case {
    /// Starts the peer, for as long as this process lives.
    fn start(&'static self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                thread::spawn(move || {
                    let _ = stream.read(&mut [0; 4096]);
                    let mut sent = stream.write_all(self.first);
                    while sent.is_ok() {
                        thread::sleep(self.pause);
                        sent = stream.write_all(self.again);
                    }
                });
            }
        });
        address
    }

    /// Calls the peer, and says what is wrong with how the call ended or with what it left.
    fn call(&self, peer: &str, cancelled: bool) -> Option<String> {
        let (transport, url) = match self.way {
            Way::Http => (http(), format!("http://{peer}/")),
            Way::Https => (http(), format!("https://{peer}/")),
            Way::Proxy => {
                let proxied = HttpOptions::default().proxy(format!("http://{peer}")).build().unwrap();
                (proxied, "https://licenses.example.com/".to_owned())
            }
        };
        let cancel = CancelToken::new();
        let post = Post::new(&url, b"{}", TIMEOUT, &cancel);
        let before = held();
        let start = Instant::now();
        let ended = thread::scope(|scope| {
            if cancelled {
                scope.spawn(|| {
                    thread::sleep(CANCELLED);
                    cancel.cancel();
                });
            }
            kind(transport.post(&post))
        });
        let took = start.elapsed();
        let limit = if cancelled { CANCELLED } else { TIMEOUT } + Duration::from_secs(1);
        while held() != before && start.elapsed() < limit {
            thread::sleep(Duration::from_millis(10));
        }
        let (threads, files) = held();
        let left = (threads - before.0, files - before.1);
        // What ends at once is over before it is cancelled.
        let expected =
            if cancelled && self.ends == ErrorKind::TimedOut { ErrorKind::Cancelled } else { self.ends };
        (ended != expected || took >= limit || left != (0, 0)).then(|| {
            let how = if cancelled { ", cancelled" } else { "" };
            format!("{}{how}: {ended:?} after {took:?}, left (threads, files): {left:?}", self.name)
        })
    }
}

/// How many threads this process has, and how many files open.
fn held() -> (isize, isize) {
    let count = |directory| fs::read_dir(directory).unwrap().count() as isize;
    (count("/proc/self/task"), count("/proc/self/fd"))
}

/// The calls are made by a process of their own, in which nothing else goes on.
#[test]
fn nothing_of_a_call_outlives_it() {
    let peers: Vec<_> = CASES.iter().map(Case::start).collect();
    let status = Command::new(env::current_exe().unwrap())
        .args(["--exact", "leftovers::what_the_child_does", "--nocapture"])
        .env("NODELOCK_TEST_PEERS", peers.join(","))
        .status()
        .unwrap();
    assert!(status.success());
}

#[test]
fn what_the_child_does() {
    let Ok(peers) = env::var("NODELOCK_TEST_PEERS") else { return };
    // The first call of a process may open what the process keeps: tokio has two files for signals where another
    // package of the same build wants those.
    let cancel = CancelToken::new();
    let post = Post::new("http://127.0.0.1:1/", b"{}", TIMEOUT, &cancel);
    assert_eq!(kind(http().post(&post)), ErrorKind::Unreachable);
    let mut wrong = Vec::new();
    for (case, peer) in CASES.iter().zip(peers.split(',')) {
        wrong.extend([false, true].into_iter().filter_map(|cancelled| case.call(peer, cancelled)));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

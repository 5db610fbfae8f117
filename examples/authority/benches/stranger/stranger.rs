//! One address that sends as many junk requests as it can: a program of its own, because it has a computer of its own.

use std::{
    env, fs,
    io::{self, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    process::{self, Child, Command, Stdio},
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use crate::common::load::{Connection, head};

/// Where the stranger is.
const ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 66);
/// By this argument the bench becomes the stranger.
const ARGUMENT: &str = "--stranger";

/// What the stranger sends again and again.
pub struct Junk {
    pub name: &'static str,
    pub path: &'static str,
    pub bodies: Vec<String>,
    /// How many bodies it sends at a time.
    pub connections: usize,
    /// The bodies come a byte at a time.
    pub is_slow: bool,
}

/// A stranger that is at it.
pub struct Stranger {
    process: Child,
    since: Instant,
}

impl Stranger {
    pub fn start(junk: &Junk, server: SocketAddr, folder: &Path) -> Self {
        let file = folder.join("junk");
        fs::write(&file, junk.bodies.join("\n")).unwrap();
        // The customers and the server share this machine's processors with it, which a real stranger does not.
        let mut command = Command::new("nice");
        command.args(["-n", "19"]).arg(env::current_exe().unwrap()).arg(ARGUMENT);
        command.arg(server.to_string()).arg(junk.path).arg(junk.is_slow.to_string());
        command.arg(junk.connections.to_string()).arg(file);
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        // It says so once it is at it.
        process.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
        Self { process, since: Instant::now() }
    }

    /// How many requests it sent in a second, until now.
    pub fn stop(mut self) -> f64 {
        let time = self.since.elapsed();
        drop(self.process.stdin.take());
        let mut sent = String::new();
        self.process.stdout.take().unwrap().read_to_string(&mut sent).unwrap();
        assert!(self.process.wait().unwrap().success());
        sent.trim().parse::<f64>().unwrap() / time.as_secs_f64()
    }
}

/// Is the stranger, if the arguments say so, until standard input ends.
pub fn be_one_if_told() {
    let mut arguments = env::args().skip_while(|argument| argument != ARGUMENT).skip(1);
    let Some(server) = arguments.next() else { return };
    let server: SocketAddr = server.parse().unwrap();
    let path: &'static str = arguments.next().unwrap().leak();
    let is_slow = arguments.next().unwrap() == "true";
    let connections: usize = arguments.next().unwrap().parse().unwrap();
    let bodies = fs::read_to_string(arguments.next().unwrap()).unwrap();
    let bodies: &'static [&'static str] = bodies.leak().lines().collect::<Vec<_>>().leak();
    static SENT: AtomicU64 = AtomicU64::new(0);
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let next = || bodies[NEXT.fetch_add(1, Ordering::Relaxed) % bodies.len()];
    for _ in 0..connections {
        thread::spawn(move || {
            loop {
                let send = if is_slow { drip } else { flood };
                // The server closed the connection, or took none.
                if send(server, path, &next, &SENT).is_err() {
                    thread::sleep(Duration::from_millis(10));
                }
            }
        });
    }
    thread::sleep(Duration::from_millis(500));
    SENT.store(0, Ordering::Relaxed);
    print!("!");
    io::stdout().flush().unwrap();
    let _ = io::stdin().read(&mut [0]);
    println!("{}", SENT.load(Ordering::Relaxed));
    process::exit(0);
}

fn flood(
    server: SocketAddr,
    path: &str,
    next: &dyn Fn() -> &'static str,
    sent: &AtomicU64,
) -> io::Result<()> {
    let mut connection = Connection::open(ADDRESS, server)?;
    loop {
        sent.fetch_add(1, Ordering::Relaxed);
        connection.post(path, next())?;
    }
}

fn drip(server: SocketAddr, path: &str, next: &dyn Fn() -> &'static str, sent: &AtomicU64) -> io::Result<()> {
    let mut connection = Connection::open(ADDRESS, server)?;
    let body = next().as_bytes();
    sent.fetch_add(1, Ordering::Relaxed);
    connection.send(head(path, body.len()).as_bytes())?;
    for byte in body {
        connection.send(&[*byte])?;
        if connection.answers_within(Duration::from_secs(1)) {
            break;
        }
    }
    connection.answer().map(drop)
}

//! A network that does its worst: a proxy for HTTP/1.1 between the clients' own transport and the authority's server.
//!
//! It sees whole messages, requests and replies alike, and loses, doubles, delays, reorders and cuts them. Every
//! decision comes from a [`Dice`], and one message is dealt with at a time, so the same calls over the same dice meet
//! the same faults.

use std::{
    collections::BTreeMap,
    io::{ErrorKind, Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use nodelock::CancelToken;
use socket2::{Domain, SockRef, Socket, Type};

use super::dice::Dice;

/// A whole request or reply, as it came.
#[derive(Clone)]
struct Message {
    bytes: Vec<u8>,
    head: usize,
}

/// No message here is nearly that long.
const LONGEST: usize = 1 << 21;

impl Message {
    /// None when the stream ends before the message does.
    fn read(stream: &mut TcpStream) -> Option<Self> {
        let mut bytes = Vec::new();
        let mut buffer = [0; 16 * 1024];
        loop {
            if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
                let head = at + 4;
                let length = content_length(&bytes[..head])?;
                if bytes.len() >= head + length {
                    return Some(Self { bytes, head });
                }
            }
            // A process that was stopped and goes on is interrupted where a read has a time-out.
            let read = match stream.read(&mut buffer) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                read => read.ok().filter(|read| *read > 0)?,
            };
            bytes.extend_from_slice(&buffer[..read]);
            assert!(bytes.len() < LONGEST);
        }
    }

    fn first_line(&self) -> String {
        String::from_utf8_lossy(self.bytes.split(|byte| *byte == b'\r').next().unwrap()).into_owned()
    }

    /// What a request asks for; for a reply, its status.
    fn second_word(&self) -> String {
        self.first_line().split(' ').nth(1).unwrap_or_default().to_owned()
    }

    /// The code of a reply that says no.
    fn code(&self) -> Option<String> {
        let problem: serde_json::Value = serde_json::from_slice(&self.bytes[self.head..]).ok()?;
        Some(problem["type"].as_str()?.rsplit(':').next()?.to_owned())
    }

    /// The reply with the beginning of its body for the whole of it.
    fn shortened(&self, at: usize) -> Vec<u8> {
        let body = &self.bytes[self.head..];
        let body = &body[..at % (body.len() + 1)];
        let head = format!(
            "{}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            self.first_line(),
            body.len()
        );
        [head.as_bytes(), body].concat()
    }
}

fn content_length(head: &[u8]) -> Option<usize> {
    let head = String::from_utf8_lossy(head).to_lowercase();
    let line = head.lines().find_map(|line| line.strip_prefix("content-length:"))?;
    line.trim().parse().ok()
}

/// How a connection ends without a reply.
#[derive(Clone, Copy)]
enum End {
    Close,
    Reset,
    /// Nothing is said any more, until whoever waits gives up.
    Silence,
}

/// What becomes of a request and its reply.
#[derive(Clone, Copy)]
enum Fate {
    Pass,
    /// The request gets nowhere.
    Lost(End),
    /// The request arrives at some time, when nobody waits for a reply.
    Late(End),
    /// The beginning of the request arrives.
    Cut(usize, End),
    /// The request arrives twice, one after the other; the second reply is the one that is passed on.
    Doubled,
    /// The request arrives now, and once more at some time.
    Echoed,
    ReplyLost(End),
    /// The reply comes when nobody waits for it any more.
    ReplyLate,
    ReplyCut(usize, End),
    /// The beginning of the body passes for the whole of it.
    ReplyShortened(usize),
    ReplyDoubled,
    /// An earlier reply of the same endpoint, to whomever, comes in its place.
    ReplySwapped(usize),
}

impl Fate {
    fn name(self) -> &'static str {
        match self {
            Self::Pass => "passed",
            Self::Lost(_) => "request lost",
            Self::Late(_) => "request delayed",
            Self::Cut(..) => "request cut",
            Self::Doubled => "request doubled",
            Self::Echoed => "request echoed later",
            Self::ReplyLost(_) => "reply lost",
            Self::ReplyLate => "reply delayed",
            Self::ReplyCut(..) => "reply cut",
            Self::ReplyShortened(_) => "reply shortened",
            Self::ReplyDoubled => "reply doubled",
            Self::ReplySwapped(_) => "reply swapped",
        }
    }

    fn draw(dice: &mut Dice) -> Self {
        let end = match dice.below(16) {
            0 => End::Silence,
            1..=6 => End::Reset,
            _ => End::Close,
        };
        let at = dice.below(1 << 20);
        match dice.below(20) {
            0 => Self::Lost(end),
            1 | 2 => Self::Late(end),
            3 => Self::Cut(at, end),
            4 => Self::Doubled,
            5 => Self::Echoed,
            6 | 7 => Self::ReplyLost(end),
            8 if dice.once_in(3) => Self::ReplyLate,
            9 => Self::ReplyCut(at, end),
            10 => Self::ReplyShortened(at),
            11 => Self::ReplyDoubled,
            12 | 13 => Self::ReplySwapped(at),
            _ => Self::Pass,
        }
    }
}

/// How often what happened.
pub type Counts = BTreeMap<&'static str, u64>;

struct State {
    server: SocketAddr,
    /// The address that the server sees: limits by peer are then each network's own.
    from: IpAddr,
    dice: Dice,
    bad: bool,
    /// Whether somebody may get another one's reply.
    swaps: bool,
    /// Requests that are still under way.
    late: Vec<Message>,
    /// Connections of those who gave up, with the replies that come too late.
    hanging: Vec<(TcpStream, Option<Message>)>,
    /// Every request there ever was.
    sent: Vec<Message>,
    replies: Vec<(String, Message)>,
    /// Ends the call that is being waited for in vain.
    cancel: CancelToken,
    counts: Counts,
    /// How often the server said no with which code.
    refusals: BTreeMap<String, u64>,
    /// A server that fails.
    failure: Option<String>,
}

/// The network of a few clients, until it is dropped.
pub struct Network {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Network {
    /// A bad one. `number` tells it from the others at that server.
    pub fn new(server: SocketAddr, number: u64) -> Self {
        Self::of(server, number, true)
    }

    /// One that confuses no connections: what is said over it is not signed, and has TLS.
    pub fn without_swaps(server: SocketAddr, number: u64) -> Self {
        Self::of(server, number, false)
    }

    fn of(server: SocketAddr, number: u64, swaps: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let [.., high, middle, low] = number.to_be_bytes();
        // Only Linux has the whole of 127.0.0.0/8 on its loopback interface.
        let from =
            if cfg!(target_os = "linux") { [127, high | 64, middle, low.max(1)] } else { [127, 0, 0, 1] };
        let state = Arc::new(Mutex::new(State {
            server,
            from: Ipv4Addr::from(from).into(),
            dice: Dice(number),
            bad: true,
            swaps,
            late: Vec::new(),
            hanging: Vec::new(),
            sent: Vec::new(),
            replies: Vec::new(),
            cancel: CancelToken::new(),
            counts: Counts::new(),
            refusals: BTreeMap::new(),
            failure: None,
        }));
        let over = Arc::new(AtomicBool::new(false));
        let thread = thread::spawn({
            let (state, over) = (state.clone(), over.clone());
            move || {
                for stream in listener.incoming() {
                    if over.load(Ordering::Relaxed) {
                        break;
                    }
                    state.lock().unwrap().serve(stream.unwrap());
                }
            }
        });
        Self { address, state, over, thread: Some(thread) }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The server is at another address from now on.
    pub fn moved(&self, server: SocketAddr) {
        self.state().server = server;
    }

    /// Nothing that was sent arrives any more.
    pub fn forget(&self) {
        let mut state = self.state();
        state.late.clear();
        state.sent.clear();
    }

    /// Where clients find the authority.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The token that the next call must be given: it is used when the network stays silent.
    pub fn cancel(&self) -> CancelToken {
        let mut state = self.state();
        state.cancel = CancelToken::new();
        state.cancel.clone()
    }

    /// From now on it is bad, or delivers what is sent to it. What is still under way stays so.
    pub fn set_bad(&self, is_bad: bool) {
        self.state().bad = is_bad;
    }

    pub fn is_bad(&self) -> bool {
        self.state().bad
    }

    /// From now on it delivers everything, beginning with what was still under way.
    pub fn heal(&self) {
        let mut state = self.state();
        state.bad = false;
        while !state.late.is_empty() {
            state.deliver_a_late_one();
        }
    }

    /// Delivers every request there ever was once more, in the order given by `dice`.
    pub fn replay(&self, dice: &mut Dice) {
        let mut state = self.state();
        let mut sent = state.sent.clone();
        while !sent.is_empty() {
            let message = sent.swap_remove(dice.below(sent.len()));
            state.deliver(&message);
            *state.counts.entry("replayed").or_default() += 1;
        }
    }

    pub fn counts(&self) -> Counts {
        self.state().counts.clone()
    }

    /// How often the server said no with which code, whether or not anybody heard it.
    pub fn refusals(&self) -> BTreeMap<String, u64> {
        self.state().refusals.clone()
    }

    /// What the server must never say, if it did.
    pub fn failure(&self) -> Option<String> {
        self.state().failure.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
        let ended = self.thread.take().unwrap().join();
        assert!(ended.is_ok() || thread::panicking(), "the network broke");
    }
}

impl State {
    fn serve(&mut self, mut stream: TcpStream) {
        for (mut gone, reply) in std::mem::take(&mut self.hanging) {
            // Nobody reads this any more.
            let _ = reply.map(|reply| gone.write_all(&reply.bytes));
        }
        let Some(request) = Message::read(&mut stream) else { return };
        self.sent.push(request.clone());
        if self.bad && self.dice.once_in(3) && !self.late.is_empty() {
            self.deliver_a_late_one();
            self.count("request overtaken");
        }
        let fate = if self.bad { Fate::draw(&mut self.dice) } else { Fate::Pass };
        self.count(fate.name());
        self.meet(fate, &request, stream);
    }

    fn meet(&mut self, fate: Fate, request: &Message, mut stream: TcpStream) {
        match fate {
            Fate::Lost(end) => return self.end(stream, end),
            Fate::Late(end) => {
                self.late.push(request.clone());
                return self.end(stream, end);
            }
            Fate::Cut(at, end) => {
                let mut server = self.connect();
                let _ = server.write_all(&request.bytes[..at % request.bytes.len()]);
                let _ = server.shutdown(Shutdown::Write);
                // Whatever it says to that, it has said it before anything else happens.
                let _ = server.read_to_end(&mut Vec::new());
                return self.end(stream, end);
            }
            Fate::Doubled => drop(self.deliver(request)),
            Fate::Echoed => self.late.push(request.clone()),
            _ => {}
        }
        let path = request.second_word();
        let Some(reply) = self.deliver(request) else { return };
        let earlier: Vec<Message> =
            self.replies.iter().filter(|(of, _)| *of == path).map(|(_, reply)| reply.clone()).collect();
        self.replies.push((path, reply.clone()));
        let said = match fate {
            Fate::ReplyLost(end) => return self.end(stream, end),
            Fate::ReplyLate => {
                self.hanging.push((stream, Some(reply)));
                return self.cancel.cancel();
            }
            Fate::ReplyCut(at, end) => {
                let _ = stream.write_all(&reply.bytes[..at % reply.bytes.len()]);
                return self.end(stream, end);
            }
            Fate::ReplyShortened(at) => reply.shortened(at),
            Fate::ReplyDoubled => reply.bytes.repeat(2),
            Fate::ReplySwapped(at) if self.swaps && !earlier.is_empty() => {
                earlier[at % earlier.len()].bytes.clone()
            }
            _ => reply.bytes,
        };
        let _ = stream.write_all(&said);
    }

    fn end(&mut self, stream: TcpStream, end: End) {
        match end {
            End::Close => drop(stream),
            End::Reset => {
                self.count("connection reset");
                // What was written is lost along with the connection.
                SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
            }
            End::Silence => {
                self.count("silence");
                self.hanging.push((stream, None));
                self.cancel.cancel();
            }
        }
    }

    fn deliver_a_late_one(&mut self) {
        let at = self.dice.below(self.late.len());
        let message = self.late.swap_remove(at);
        if let Some(reply) = self.deliver(&message) {
            self.replies.push((message.second_word(), reply));
        }
    }

    /// Brings a request to the server and returns what it says.
    fn deliver(&mut self, request: &Message) -> Option<Message> {
        let mut server = self.connect();
        self.count("delivered");
        let reply = server.write_all(&request.bytes).ok().and_then(|()| Message::read(&mut server));
        let status = reply.as_ref().map(Message::second_word).unwrap_or_default();
        if let Some(code) = reply.as_ref().and_then(Message::code) {
            *self.refusals.entry(code).or_default() += 1;
        }
        if status.starts_with('5') || status.is_empty() {
            let said = reply.as_ref().map(|reply| String::from_utf8_lossy(&reply.bytes).into_owned());
            self.failure = Some(format!("{}: {}", request.first_line(), said.unwrap_or_default()));
        }
        reply
    }

    fn connect(&self) -> TcpStream {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::new(self.from, 0).into()).unwrap();
        socket.connect(&self.server.into()).unwrap();
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream
    }

    fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }
}

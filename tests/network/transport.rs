//! The transport that the library ships: proxies, patience, time limits, cancellation.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};

use nodelock::{
    Answer, CancelToken, Client, ErrorKind, HttpOptions, HttpTransport, Post, Progress, Roots, SigningKey,
    Store, SystemRandom, Transport, code::LicenseKey,
};

use crate::support::{
    calls::{http, kind},
    proxy::Proxy,
    responder::{Responder, http as answer},
    vendor::PRODUCT,
};

/// The usual patience of these tests.
fn post<'a>(url: &'a str, cancel: &'a CancelToken) -> Post<'a> {
    let mut post = Post::new(url, b"{}", Duration::from_secs(10), cancel);
    (post.user_agent, post.limit) = ("test/1", 1024);
    post
}

fn send(transport: &HttpTransport, url: &str) -> nodelock::Result<Answer> {
    transport.post(&post(url, &CancelToken::new()))
}

/// A client of nobody in particular, with a request pending.
fn device(responder: &Responder, attempts: u32) -> Client {
    let root = SigningKey::generate(&SystemRandom).unwrap().public_key();
    let device = Client::builder(PRODUCT, Roots::new([root]))
        .store(Store::in_memory())
        .authority(
            nodelock::Authority::new(responder.url(), http())
                .timeout(Duration::from_secs(2))
                .attempts(attempts),
        )
        .build()
        .unwrap();
    device.begin(license_key()).unwrap();
    device
}

fn license_key() -> String {
    LicenseKey::from_random([4; 12]).to_string()
}

#[test]
fn the_password_of_a_proxy_is_in_no_text() {
    const PASSWORD: &str = "s3cret-word";
    let proxy = Proxy::start(Some("somebody:else"));
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let with = |address: &dyn std::fmt::Display| format!("http://jane:{PASSWORD}@{address}");
    let mut texts = Vec::new();
    for url in
        [with(&proxy.address), with(&closed), with(&silent.local_addr().unwrap()), with(&"nowhere.invalid:1")]
    {
        let options = HttpOptions::default().proxy(&url);
        texts.push(format!("{options:?}"));
        let transport = options.build().unwrap();
        texts.push(format!("{transport:?}"));
        for target in ["http://127.0.0.1:9/v1/x", "https://127.0.0.1:9/v1/x"] {
            let cancel = CancelToken::new();
            let mut post = post(target, &cancel);
            post.timeout = Duration::from_secs(1);
            let ended = transport.post(&post);
            texts.push(match ended {
                Ok(answer) => format!("{answer:?}"),
                Err(error) => format!("{error} {error:?} {:?}", std::error::Error::source(&error)),
            });
        }
    }
    for url in [
        format!("http://jane:{PASSWORD}@[::"),
        format!("jane:{PASSWORD}"),
        format!("http://jane:{PASSWORD}@"),
    ] {
        let error = HttpOptions::default()
            .proxy(&url)
            .build()
            .and_then(|transport| send(&transport, "http://127.0.0.1:9/"));
        texts.push(format!("{:?}", error.map(|answer| answer.status)));
    }
    assert!(texts.len() >= 19);
    for text in texts {
        assert!(!text.contains(PASSWORD), "{text}");
    }
}

#[test]
fn an_address_that_is_none_is_said_to_be_wrong_before_anything_is_sent() {
    let transport = HttpOptions::default().no_proxy().build().unwrap();
    for url in [
        "",
        "licenses.example.com",
        "https://",
        "https://[::",
        "https://a b/",
        "ftp://127.0.0.1/",
        "https://bücher.example/",
    ] {
        assert_eq!(send(&transport, url).unwrap_err().kind(), ErrorKind::InvalidInput, "{url}");
    }
}

#[test]
fn a_name_in_punycode_is_asked_for_as_it_is() {
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let transport = HttpOptions::default().proxy(format!("http://{}", proxy.local_addr().unwrap()));
    let asked = thread::spawn(move || {
        let (mut stream, _) = proxy.accept().unwrap();
        let mut line = String::new();
        BufReader::new(&stream).read_line(&mut line).unwrap();
        stream.write_all(&answer("502 Bad Gateway", "", "")).unwrap();
        line
    });
    let refused = send(&transport.build().unwrap(), "https://xn--bcher-kva.example/").unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unreachable);
    assert_eq!(asked.join().unwrap(), "CONNECT xn--bcher-kva.example:443 HTTP/1.1\r\n");
}

#[test]
fn a_call_says_who_it_is_and_follows_nothing() {
    let responder =
        Responder::saying(answer("302 Found", "Location: /elsewhere\r\nRetry-After: 5\r\n", "{}"));
    let answer = send(&http(), &format!("{}/v1/x", responder.url())).unwrap();
    assert_eq!((answer.status, answer.retry_after), (302, Some(Duration::from_secs(5))));
    let [received] = &responder.take_received()[..] else { panic!("one request") };
    for header in ["user-agent: test/1", "content-type: application/json", "content-length: 2"] {
        assert!(received.head.lines().any(|line| line == header), "{header}: {}", received.head);
    }
    assert_eq!((received.path.as_str(), received.body.as_slice()), ("/v1/x", &b"{}"[..]));
    assert!(!received.head.contains("authorization"), "{}", received.head);
}

#[test]
fn a_credential_goes_to_the_address_that_was_asked_and_along_with_no_redirect() {
    let elsewhere = Responder::saying(answer("200 OK", "", "{}"));
    let location = format!("Location: {}/v1/x\r\n", elsewhere.url());
    let responder = Responder::saying(answer("307 Temporary Redirect", &location, "{}"));
    let (url, cancel) = (format!("{}/v1/x", responder.url()), CancelToken::new());
    let with = |credential: &'static str| {
        let mut post = post(&url, &cancel);
        post.authorization = Some(credential);
        assert!(!format!("{post:?}").contains(credential));
        http().post(&post)
    };
    assert_eq!(with("Bearer nld_Secret").unwrap().status, 307);
    let [received] = &responder.take_received()[..] else { panic!("one request") };
    assert!(received.sent_head.lines().any(|line| line == "authorization: Bearer nld_Secret"));
    assert!(elsewhere.take_received().is_empty());
    let refused = with("Bearer nld_Secret\r\nX: y").unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidInput);
    assert!(!format!("{refused} {refused:?}").contains("nld_") && responder.take_received().is_empty());
}

/// reqwest's blocking client must not run there; the transport's thread may.
#[test]
fn a_call_may_be_made_from_inside_an_asynchronous_runtime() {
    let responder = Responder::saying(answer("200 OK", "", "{}"));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let answer = runtime.block_on(async { send(&http(), &responder.url()) });
    assert_eq!(answer.unwrap().status, 200);
}

/// How often a call asked, with what pauses, what it came to, and how long it took.
fn attempts(responder: &Responder, attempts: u32) -> (usize, Vec<Duration>, ErrorKind, Duration) {
    let device = device(responder, attempts);
    let pauses = Mutex::new(Vec::new());
    let watch = |progress| {
        if let Progress::Waiting { pause } = progress {
            pauses.lock().unwrap().push(pause);
        }
    };
    let start = Instant::now();
    let ended = device.online().progress(&watch).activate(license_key());
    let received = responder.take_received();
    assert!(received.windows(2).all(|two| two[0].body == two[1].body), "the very same request again");
    (received.len(), pauses.into_inner().unwrap(), kind(ended), start.elapsed())
}

#[test]
fn what_may_pass_is_tried_again_with_growing_pauses_and_what_may_not_is_not() {
    let busy = ErrorKind::ServerBusy;
    for (said, expected) in [
        (answer("503 Busy", "", ""), busy),
        (answer("429 Slow Down", "", ""), busy),
        (answer("500 Failed", "", ""), ErrorKind::ServerFailed),
        (answer("502 Bad Gateway", "", "<html>"), ErrorKind::ServerFailed),
        (Vec::new(), ErrorKind::Unreachable),
        (answer("200 OK", "", "{}")[..40].to_vec(), ErrorKind::Unreachable),
    ] {
        let responder = Responder::saying(said);
        let (asked, pauses, error, took) = attempts(&responder, 3);
        assert_eq!((asked, error), (3, expected));
        let [first, second] = pauses[..] else { panic!("{pauses:?}") };
        let ms = Duration::from_millis;
        assert!((ms(250)..=ms(500)).contains(&first) && (ms(500)..=ms(1000)).contains(&second), "{pauses:?}");
        assert!(took >= first + second);
        assert_eq!(attempts(&responder, 1).0, 1);
    }
    let problem = |code: &str| format!("{{\"type\":\"urn:nodelock:problem:{code}\"}}");
    for (status, code) in [
        ("400 Bad Request", "malformed"),
        ("403 Forbidden", "license-ended"),
        ("404 Not Found", "unknown-license"),
        ("409 Conflict", "no-free-seat"),
        ("410 Gone", "request-cancelled"),
        ("413 Too Large", "too-large"),
        ("429 Too Many", "too-many-attempts"),
        ("400 Bad Request", ""),
        ("401 Unauthorized", ""),
        ("404 Not Found", ""),
        ("415 Unsupported", ""),
        ("302 Found", ""),
        ("200 OK", ""),
    ] {
        let responder = Responder::saying(answer(status, "", problem(code)));
        let (asked, pauses, error, _) = attempts(&responder, 3);
        let expected = ErrorKind::from_code(code).unwrap_or(ErrorKind::BadReply);
        assert_eq!((asked, pauses.len(), error), (1, 0, expected), "{status}");
    }
    // Once it has passed, the call goes on.
    let count = Mutex::new(0);
    let responder = Responder::new(move |_, stream| {
        *count.lock().unwrap() += 1;
        let answer = match *count.lock().unwrap() {
            1 => answer("503 Busy", "", ""),
            _ => answer("409 Conflict", "", problem("no-free-seat")),
        };
        let _ = stream.write_all(&answer);
    });
    let (asked, pauses, error, _) = attempts(&responder, 3);
    assert_eq!((asked, pauses.len(), error), (2, 1, ErrorKind::NoFreeSeat));
}

#[test]
fn a_server_is_left_alone_for_as_long_as_it_asks() {
    let responder = Responder::saying(answer("503 Busy", "Retry-After: 2\r\n", ""));
    let (asked, pauses, error, took) = attempts(&responder, 2);
    assert_eq!((asked, error), (2, ErrorKind::ServerBusy));
    assert_eq!(pauses, [Duration::from_secs(2)]);
    assert!(took >= Duration::from_secs(2));
    let responder = Responder::saying(answer("503 Busy", "Retry-After: 0\r\n", ""));
    assert_eq!(attempts(&responder, 3).1, [Duration::ZERO; 2]);
}

#[test]
fn a_call_that_takes_too_long_ends_at_its_limit() {
    let responder = Responder::new(|_, _| thread::sleep(Duration::from_secs(6)));
    let (asked, _, error, took) = attempts(&responder, 1);
    assert_eq!((asked, error), (1, ErrorKind::TimedOut));
    assert!((Duration::from_millis(1900)..Duration::from_secs(5)).contains(&took), "{took:?}");
    let (asked, _, error, took) = attempts(&responder, 2);
    assert_eq!((asked, error), (2, ErrorKind::TimedOut), "{took:?}");
    // The limit is for the whole exchange, not for the time since the last byte.
    let dripping = Responder::new(|_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
        while stream.write_all(b" ").is_ok() {
            thread::sleep(Duration::from_millis(50));
        }
    });
    let (_, _, error, took) = attempts(&dripping, 1);
    assert_eq!(error, ErrorKind::TimedOut);
    assert!((Duration::from_millis(1900)..Duration::from_secs(5)).contains(&took), "{took:?}");
}

/// An address at which connections neither come about nor are refused, for as long as what comes with it is kept.
#[cfg(target_os = "linux")]
fn black_hole() -> (SocketAddr, impl Sized) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let listener = runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        socket.listen(1).unwrap()
    });
    let address = listener.local_addr().unwrap();
    // Nobody accepts, so its queue is full soon.
    let quick = Duration::from_millis(200);
    let waiting: Vec<_> = (0..8).map(|_| TcpStream::connect_timeout(&address, quick)).collect();
    assert!(waiting.iter().any(Result::is_err), "the queue is never full");
    (address, (runtime, listener, waiting))
}

#[cfg(target_os = "linux")]
#[test]
fn a_connection_has_a_limit_of_its_own() {
    let (address, _held) = black_hole();
    let options = HttpOptions::default().no_proxy().connect_timeout(Duration::from_millis(500));
    let transport = options.build().unwrap();
    let start = Instant::now();
    assert_eq!(kind(send(&transport, &format!("http://{address}"))), ErrorKind::TimedOut);
    assert!((Duration::from_millis(450)..Duration::from_secs(4)).contains(&start.elapsed()));
}

/// Wherever the call is, it ends soon.
#[test]
fn a_call_can_be_cancelled_in_each_of_its_phases() {
    let silent = Responder::new(|_, _| thread::sleep(Duration::from_secs(8)));
    let dripping = Responder::new(|_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
        while stream.write_all(b" ").is_ok() {
            thread::sleep(Duration::from_millis(50));
        }
    });
    // Neither a TLS handshake nor a proxy's permission comes.
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let mute = mute.local_addr().unwrap();
    let proxied = HttpOptions::default().proxy(format!("http://{mute}")).build().unwrap();
    let direct = http();
    let mut phases = vec![
        ("waiting for the head", &direct, silent.url()),
        ("reading the body", &direct, dripping.url()),
        ("shaking hands", &direct, format!("https://{mute}")),
        ("asking a proxy", &proxied, "https://licenses.example.com".to_owned()),
    ];
    #[cfg(target_os = "linux")]
    let (black_hole, _held) = black_hole();
    #[cfg(target_os = "linux")]
    phases.push(("connecting", &direct, format!("http://{black_hole}")));
    for (phase, transport, url) in &phases {
        let cancel = CancelToken::new();
        let start = Instant::now();
        let ended = thread::scope(|scope| {
            let cancel = &cancel;
            scope.spawn(move || {
                thread::sleep(Duration::from_millis(300));
                cancel.cancel();
            });
            transport.post(&post(url, cancel))
        });
        assert_eq!(kind(ended), ErrorKind::Cancelled, "{phase}");
        assert!((250..2500).contains(&start.elapsed().as_millis()), "{phase}: {:?}", start.elapsed());
        // It stays used: the next call does not even begin.
        let start = Instant::now();
        assert_eq!(kind(transport.post(&post(url, &cancel))), ErrorKind::Cancelled);
        assert!(start.elapsed() < Duration::from_millis(200));
    }

    // Between two attempts.
    let busy = Responder::saying(answer("503 Busy", "Retry-After: 20\r\n", ""));
    let device = device(&busy, 3);
    let cancel = CancelToken::new();
    let watch = |progress| {
        if matches!(progress, Progress::Waiting { .. }) {
            let cancel = cancel.clone();
            thread::spawn(move || {
                thread::sleep(Duration::from_millis(300));
                cancel.cancel();
            });
        }
    };
    let start = Instant::now();
    let ended = device.online().cancel_with(&cancel).progress(&watch).activate(license_key());
    assert_eq!(kind(ended), ErrorKind::Cancelled);
    assert!(start.elapsed() < Duration::from_secs(3));
    assert_eq!(busy.take_received().len(), 1);
    assert!(device.pending().unwrap().is_some(), "what was begun is still there");
}

#[test]
fn what_is_no_setting_is_refused_when_it_is_set_up() {
    for pem in ["", "no certificate", "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n"] {
        assert_eq!(kind(HttpOptions::default().trust_pem(pem.as_bytes())), ErrorKind::InvalidInput, "{pem}");
    }
    let no_certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let options = HttpOptions::default().trust_pem(no_certificate.as_bytes()).unwrap();
    assert_eq!(kind(options.build()), ErrorKind::InvalidInput);
    assert_eq!(kind(HttpOptions::default().proxy("http://[").build()), ErrorKind::InvalidInput);
    assert_eq!(kind(HttpOptions::default().only_given_certificates().build()), ErrorKind::TlsUntrusted);
    for url in ["", "licenses.example.com", "ftp://127.0.0.1/", "http://"] {
        let error = kind(send(&http(), url));
        assert!(matches!(error, ErrorKind::InvalidInput | ErrorKind::Unreachable), "{url}: {error:?}");
    }
}

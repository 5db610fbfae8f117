//! TLS between the library's own transport and the real server, and what connections may do to that server.

use std::{
    collections::BTreeSet,
    fs,
    io::{ErrorKind as Io, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use nodelock::{Client, ErrorKind, Reason, Verdict, code::LicenseKey};
use rustls::{
    ClientConnection, ProtocolVersion, ServerConfig, ServerConnection, StreamOwned, SupportedProtocolVersion,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    version::{TLS12, TLS13},
};
use serde_json::Value;
#[cfg(target_os = "linux")]
use socket2::{Domain, Socket, Type};

use crate::support::{
    calls::{OVER_TLS, http, kind},
    server::{Authority, PRODUCT, client_program},
    tls::{Ca, Files, NOW},
};

/// The files of a device's store, and the seats and the length of the audit at the authority.
type Everything = (Vec<(PathBuf, Vec<u8>)>, Vec<Value>, usize);

/// What must not change.
/// All but the state of a license that is active: a check-in notes there what it asked and when, before it is sent.
fn everything(authority: &Authority, device: &str) -> Everything {
    let folder = authority.folder.path().join(device);
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let files = files.filter(|path| !path.ends_with("active/state"));
    let mut files: Vec<_> = files.map(|path| (path.clone(), fs::read(path).unwrap())).collect();
    files.sort();
    (files, authority.seats(), authority.actions().len())
}

#[test]
fn a_seat_goes_round_over_tls() {
    let ca = Ca::new();
    let files = ca.issue_over_another("server", &["localhost", "127.0.0.1"]);
    let authority = Authority::new();
    let server = authority.serve(&files.options());
    let key = authority.sell("1", &[]);
    for host in ["localhost", "127.0.0.1"] {
        let device = authority.device_at(host, server.url("https", host), ca.http());
        assert!(device.activate(&key).unwrap().is_usable());
        assert_eq!(authority.taken().len(), 1);
        let issued = device.check().unwrap().license().unwrap().revision;
        assert_eq!(device.check_in().unwrap().license().unwrap().revision, issued + 1);
        device.deactivate(Reason::Moved).unwrap();
        assert!(device.outstanding().unwrap().is_empty() && authority.taken().is_empty());
    }
}

/// Each with an error of its own, at the library and on the command line; and nothing is changed anywhere.
#[test]
fn a_server_that_is_not_to_be_trusted_is_refused_with_its_own_error() {
    let ca = Ca::new();
    let here: &[&str] = &["localhost", "127.0.0.1"];
    let good = ca.issue("good", here, NOW);
    let authority = Authority::new();
    let key = authority.sell("2", &[]);
    let started = |files: &Files| authority.serve(&files.options());
    let refused = [
        (started(&ca.issue("other", &["licenses.example.com"], NOW)), "localhost", ErrorKind::TlsWrongHost),
        // The name is right; that it is reached by its address is another matter.
        (started(&ca.issue("name", &["localhost"], NOW)), "127.0.0.1", ErrorKind::TlsWrongHost),
        (started(&ca.self_signed("self", here)), "localhost", ErrorKind::TlsUntrusted),
        (started(&Ca::new().issue("stranger", here, NOW)), "localhost", ErrorKind::TlsUntrusted),
        (started(&ca.issue("past", here, (2000, 2020))), "localhost", ErrorKind::TlsExpired),
        (started(&ca.issue("future", here, (2900, 2999))), "localhost", ErrorKind::TlsExpired),
    ];
    let provoked: BTreeSet<_> = refused.iter().map(|(_, _, kind)| kind.code()).collect();
    assert_eq!(provoked, OVER_TLS.map(ErrorKind::code).into(), "each kind has a server here");
    let good = started(&good);
    authority.device_at("active", good.url("https", "localhost"), ca.http()).activate(&key).unwrap();
    authority.device_at("pending", good.url("https", "localhost"), ca.http()).begin(&key).unwrap();
    let given_up = authority.device_at("given up", good.url("https", "localhost"), ca.http());
    given_up.activate(&key).unwrap();
    given_up.deactivate_offline(Reason::Moved).unwrap();
    let before = ["active", "pending", "given up"].map(|device| everything(&authority, device));

    for (server, host, expected) in &refused {
        let device =
            |name: &str| -> Client { authority.device_at(name, server.url("https", host), ca.http()) };
        assert_eq!(kind(device("pending").activate(&key)), *expected);
        assert_eq!(kind(device("active").check_in()), *expected);
        let error = device("active").deactivate(Reason::Moved).unwrap_err();
        assert_eq!((error.error().kind(), error.deactivation().is_none()), (*expected, true));
        assert_eq!(kind(device("given up").online().hand_in()), *expected);
        assert_eq!(*device("active").check().unwrap().verdict(), Verdict::Active);

        let words = command_line(&authority, &ca, &server.url("https", host), &["check-in"], false);
        let advice = match expected {
            ErrorKind::TlsWrongHost => "Check --authority",
            ErrorKind::TlsExpired => "clock",
            _ => "--trust",
        };
        let said = match expected {
            ErrorKind::TlsExpired => "the certificate of localhost",
            _ => expected.text(),
        };
        assert!(words.contains(said) && words.contains(host) && words.contains(advice), "{words}");
        let json = command_line(&authority, &ca, &server.url("https", host), &["check-in"], true);
        assert_eq!(serde_json::from_str::<Value>(&json).unwrap()["error"], expected.code(), "{json}");
    }
    assert_eq!(["active", "pending", "given up"].map(|device| everything(&authority, device)), before);

    // All of that was only said of the servers: the devices go on where they were.
    let device = |name: &str| authority.device_at(name, good.url("https", "localhost"), ca.http());
    assert_eq!(device("given up").online().hand_in().unwrap().len(), 1);
    assert!(device("pending").activate(&key).unwrap().is_usable());
    assert!(device("active").check_in().unwrap().is_usable());
}

/// A small container has no certificates of its own. What needs none works there: the check, files, and plain HTTP.
#[cfg(target_os = "linux")]
#[test]
fn a_system_without_root_certificates_keeps_nobody_from_working() {
    let ca = Ca::new();
    let authority = Authority::new();
    let key = authority.sell("1", &[]);
    let server = authority.serve(&ca.issue("server", &["localhost"], NOW).options());
    let plain = format!("http://{}", authority.address);
    let nodelock = |url: &str, command: &[&str]| {
        let mut program = Command::new(client_program());
        program.args(command).args(["--product", PRODUCT, "--authority", url]);
        program
            .arg(format!("--root={}", authority.root))
            .arg("--store")
            .arg(authority.folder.path().join("device"));
        program.env("NO_PROXY", "*").env("SSL_CERT_FILE", "/dev/null").env("SSL_CERT_DIR", "/nonexistent");
        program.output().unwrap()
    };
    assert!(nodelock(&plain, &["activate", &key]).status.success());
    assert!(nodelock(&plain, &["status"]).status.success());
    assert!(nodelock(&plain, &["check-in"]).status.success());
    let refused = nodelock(&server.url("https", "localhost"), &["check-in"]);
    let words = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(words.contains("this system has 0 root certificates"), "{words}");

    // A start hands in what waits.
    assert!(nodelock(&plain, &["deactivate", "--offline"]).status.success());
    let started = nodelock(&plain, &["start", "--json"]);
    let started: Value = serde_json::from_slice(&started.stdout).unwrap();
    assert_eq!((&started["renewal"], &started["outstanding"]), (&"done".into(), &0.into()), "{started}");
}

/// An application makes its transport at every start, and most starts need no network.
#[cfg(target_os = "linux")]
#[test]
fn a_start_reads_no_certificates() {
    const CHILD: &str = "NODELOCK_TEST_CHILD";
    if std::env::var_os(CHILD).is_some() {
        let root = nodelock::SigningKey::generate(&nodelock::SystemRandom).unwrap().public_key();
        let client = Client::builder(PRODUCT, nodelock::Roots::new([root]))
            .store(nodelock::Store::in_memory())
            .authority(nodelock::Authority::new(
                "https://localhost",
                nodelock::HttpOptions::default().build().unwrap(),
            ))
            .build()
            .unwrap();
        assert_eq!(*client.check().unwrap().verdict(), Verdict::Unlicensed { pending: false });
        return;
    }
    // Whoever opens a pipe that nobody writes to waits for ever.
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "tls::a_start_reads_no_certificates"])
        .env(CHILD, "1")
        .env("SSL_CERT_FILE", &pipe)
        .spawn()
        .unwrap();
    let end = Instant::now() + Duration::from_secs(10);
    while child.try_wait().unwrap().is_none() && Instant::now() < end {
        thread::sleep(Duration::from_millis(5));
    }
    // One that has ended keeps its status.
    let _ = child.kill();
    assert!(child.wait().unwrap().success());
}

/// What the command-line client says of a refusal, on the store of the active device.
fn command_line(authority: &Authority, ca: &Ca, url: &str, call: &[&str], json: bool) -> String {
    let call = [call, json.then_some("--json").as_slice()].concat();
    let output = client_says(authority, Some(ca), url, &call);
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8(output.stderr).unwrap()
}

/// What the client program says on the computer that is active, with `trusted` given to it or nobody.
fn client_says(authority: &Authority, trusted: Option<&Ca>, url: &str, call: &[&str]) -> Output {
    let mut command = Command::new(client_program());
    command.args(call).args(["--product", PRODUCT, "--authority", url]);
    command.arg(format!("--root={}", authority.root));
    if let Some(ca) = trusted {
        let trust = ca.folder.path().join("trust.pem");
        fs::write(&trust, ca.pem()).unwrap();
        command.arg("--trust").arg(trust);
    }
    command.arg("--store").arg(authority.folder.path().join("active")).env("NO_PROXY", "*");
    command.output().unwrap()
}

/// What the program says to do about a server's certificate is done, and then the license is renewed.
#[test]
fn what_is_advised_about_a_server_leads_out() {
    let ca = Ca::new();
    let here: &[&str] = &["localhost", "127.0.0.1"];
    let authority = Authority::new();
    let key = authority.sell("1", &[]);
    let server = authority.serve(&ca.issue("good", here, NOW).options());
    let good = server.url("https", "localhost");
    let activated = client_says(&authority, Some(&ca), &good, &["activate", &key]);
    assert_eq!(activated.status.code(), Some(0), "{}", String::from_utf8_lossy(&activated.stderr));
    let advised = |trusted: Option<&Ca>, url: &str, kind: ErrorKind, words: &str| {
        let output = client_says(&authority, trusted, url, &["check-in", "--json"]);
        let said: Value = serde_json::from_slice(&output.stderr).unwrap();
        assert_eq!(said["error"], kind.code(), "{said}");
        assert!(said["hint"].as_str().unwrap().contains(words), "{said}");
        let status = client_says(&authority, None, url, &["status"]);
        assert_eq!(status.status.code(), Some(0), "nothing was lost");
    };
    let renewed = |trusted: &Ca, url: &str| {
        let output = client_says(&authority, Some(trusted), url, &["check-in"]);
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    };
    // As behind a proxy that inspects traffic: its certificate is given with --trust.
    advised(None, &good, ErrorKind::TlsUntrusted, "give its certificate with --trust");
    renewed(&ca, &good);
    // Another host answers there: the address is put right.
    let other = authority.serve(&ca.issue("other", &["licenses.example.com"], NOW).options());
    advised(Some(&ca), &other.url("https", "localhost"), ErrorKind::TlsWrongHost, "Check --authority");
    renewed(&ca, &good);
    // The clock is right, so the vendor is told, who has the server get a new certificate.
    let past = authority.serve(&ca.issue("past", here, (2000, 2020)).options());
    advised(Some(&ca), &past.url("https", "localhost"), ErrorKind::TlsExpired, "tell the vendor");
    drop(past);
    let anew = authority.serve(&ca.issue("anew", here, NOW).options());
    renewed(&ca, &anew.url("https", "localhost"));
}

#[test]
fn what_speaks_no_tls_is_unreachable_under_https_and_the_other_way_round() {
    let ca = Ca::new();
    let authority = Authority::new();
    let key = authority.sell("1", &[]);
    let server = authority.serve(&ca.issue("server", &["localhost"], NOW).options());
    let plain = format!("https://localhost:{}", authority.address.port());
    let device = authority.device_at("device", plain, ca.http());
    device.begin(&key).unwrap();
    let before = everything(&authority, "device");
    assert_eq!(kind(device.activate(&key)), ErrorKind::Unreachable);
    let device = authority.device_at("device", server.url("http", "localhost"), http());
    assert_eq!(kind(device.activate(&key)), ErrorKind::Unreachable);
    assert_eq!(everything(&authority, "device"), before);
    let device = authority.device_at("device", server.url("https", "localhost"), ca.http());
    assert!(device.activate(&key).unwrap().is_usable());
}

#[test]
fn a_server_wants_a_certificate_with_its_own_private_key() {
    let ca = Ca::new();
    let authority = Authority::new();
    let refusal = |files: &Files| {
        let mut command = authority.command(&["serve", "--json"]);
        let output = command.args(["--listen", "127.0.0.1:0"]).args(files.options()).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        serde_json::from_slice::<Value>(&output.stdout).unwrap()["error"].as_str().unwrap().to_owned()
    };
    let one = ca.issue("one", &["localhost"], NOW);
    let other = ca.issue("other", &["localhost"], NOW);
    assert_eq!(
        refusal(&Files { key: other.key.clone(), ..ca.issue("one", &["localhost"], NOW) }),
        "invalid-input"
    );
    assert_eq!(
        refusal(&Files { certificate: one.key.clone(), ..ca.issue("x", &["localhost"], NOW) }),
        "malformed"
    );
    fs::write(&other.key, "").unwrap();
    assert_eq!(refusal(&other), "malformed");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let open = ca.issue("open", &["localhost"], NOW);
        fs::set_permissions(&open.key, fs::Permissions::from_mode(0o640)).unwrap();
        assert_eq!(refusal(&open), "access-denied");
    }
}

/// A TLS connection by hand. Returns its version and the server's certificate, after an answer came over it.
fn look(
    ca: &Ca,
    address: SocketAddr,
    versions: &[&'static SupportedProtocolVersion],
) -> (ProtocolVersion, CertificateDer<'static>) {
    let client = ClientConnection::new(ca.client(versions), "localhost".try_into().unwrap()).unwrap();
    let mut stream = StreamOwned::new(client, TcpStream::connect(address).unwrap());
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let certificate = stream.conn.peer_certificates().unwrap()[0].clone().into_owned();
    (stream.conn.protocol_version().unwrap(), certificate)
}

#[test]
fn both_current_versions_of_tls_are_spoken() {
    let ca = Ca::new();
    let authority = Authority::new();
    let files = ca.issue("server", &["localhost"], NOW);
    let server = authority.serve(&files.options());
    assert_eq!(look(&ca, server.address, &[&TLS12]).0, ProtocolVersion::TLSv1_2);
    assert_eq!(look(&ca, server.address, &[&TLS13]).0, ProtocolVersion::TLSv1_3);
    assert_eq!(look(&ca, server.address, &[&TLS12, &TLS13]).0, ProtocolVersion::TLSv1_3);

    // The library's transport takes the older one from a server that has no other.
    for version in [&TLS12, &TLS13] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let answering = answer_once(listener, &files, version);
        let device = authority.device_at("device", format!("https://localhost:{port}"), ca.http());
        let key = LicenseKey::from_random([3; 12]).to_string();
        assert_eq!(kind(device.activate(&key)), ErrorKind::TooManyAttempts);
        assert_eq!(answering.join().unwrap(), version.version);
    }
}

/// Answers one request, over one version of TLS. Returns the version that came about.
fn answer_once(
    listener: TcpListener,
    files: &Files,
    version: &'static SupportedProtocolVersion,
) -> thread::JoinHandle<ProtocolVersion> {
    let key = PrivateKeyDer::from_pem_file(&files.key).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![files.der.clone()], key)
        .unwrap();
    thread::spawn(move || {
        let connection = ServerConnection::new(Arc::new(config)).unwrap();
        let mut stream = StreamOwned::new(connection, listener.accept().unwrap().0);
        let mut request = Vec::new();
        while !request.ends_with(b"\"}") {
            let mut some = [0; 4096];
            let length = stream.read(&mut some).unwrap();
            assert!(length > 0);
            request.extend_from_slice(&some[..length]);
        }
        let body = r#"{"type":"urn:nodelock:problem:too-many-attempts"}"#;
        let head = "HTTP/1.1 429 Too Many Requests\r\nConnection: close\r\nContent-Length";
        write!(stream, "{head}: {}\r\n\r\n{body}", body.len()).unwrap();
        stream.conn.send_close_notify();
        stream.flush().unwrap();
        stream.conn.protocol_version().unwrap()
    })
}

#[cfg(unix)]
#[test]
fn a_renewed_certificate_is_taken_in_without_a_restart_and_a_broken_one_is_not() {
    let ca = Ca::new();
    let authority = Authority::new();
    let first = ca.issue("server", &["localhost"], NOW);
    let server = authority.serve(&first.options());
    let log = || fs::read_to_string(authority.directory().join("log")).unwrap();
    let hang_up = |event: &str, count: usize| {
        let process = server.process.id().to_string();
        assert!(Command::new("kill").args(["-HUP", &process]).status().unwrap().success());
        let start = Instant::now();
        while log().matches(event).count() < count {
            assert!(start.elapsed() < Duration::from_secs(20), "{event}: {}", log());
            thread::sleep(Duration::from_millis(20));
        }
    };
    let shown = || look(&ca, server.address, &[&TLS13]).1;
    assert_eq!(shown(), first.der);
    let second = ca.issue("server", &["localhost"], NOW);
    assert_eq!(shown(), first.der, "not before it is told");
    hang_up("\"tls-certificate-read\"", 1);
    assert_eq!(shown(), second.der);
    let works = fs::read(&second.certificate).unwrap();
    for broken in [
        &b""[..],
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        &works[..works.len() / 2],
    ] {
        fs::write(&second.certificate, broken).unwrap();
        let before = log().matches("\"tls-certificate-kept\"").count();
        hang_up("\"tls-certificate-kept\"", before + 1);
        assert_eq!(shown(), second.der);
    }
    let third = ca.issue("server", &["localhost"], NOW);
    hang_up("\"tls-certificate-read\"", 2);
    assert_eq!(shown(), third.der);
}

/// How long until the server ends a connection by itself.
fn until_it_ends(mut stream: TcpStream) -> Duration {
    let start = Instant::now();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut bytes = [0; 4096];
    loop {
        match stream.read(&mut bytes) {
            Ok(0) => return start.elapsed(),
            Err(e) if matches!(e.kind(), Io::WouldBlock | Io::TimedOut) => panic!("it is held for ever"),
            Err(_) => return start.elapsed(),
            Ok(_) => {}
        }
    }
}

#[test]
fn a_connection_that_says_nothing_is_ended_and_keeps_nobody_waiting() {
    let ca = Ca::new();
    let authority = Authority::new();
    let server = authority.serve(&ca.issue("server", &["localhost"], NOW).options());
    let key = authority.sell("2", &[]);
    let connect = |address| TcpStream::connect(address).unwrap();
    let silent: Vec<TcpStream> = (0..100).map(|_| connect(server.address)).collect();
    for junk in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0x16, 3, 1, 0xff, 0xff, 1], &[0; 64]] {
        let mut stream = connect(server.address);
        stream.write_all(junk).unwrap();
    }
    let mut half = connect(authority.address);
    half.write_all(b"POST /v1/activations HTTP/1.1\r\nHost: x\r\nX-Slow: ").unwrap();
    let mut idle = connect(authority.address);
    idle.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let plain = connect(authority.address);
    // A byte now and then does not make a head longer than it may take.
    let mut slow = connect(authority.address);
    let dripping = thread::spawn(move || {
        slow.write_all(b"GET /healthz HTTP/1.1\r\nX-Slow: ").unwrap();
        let start = Instant::now();
        while slow.write_all(b"a").is_ok() {
            assert!(start.elapsed() < Duration::from_secs(60), "it is held for ever");
            thread::sleep(Duration::from_millis(200));
        }
    });

    let start = Instant::now();
    let device = authority.device_at("device", server.url("https", "localhost"), ca.http());
    assert!(device.activate(&key).unwrap().is_usable());
    assert!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());

    let ending: Vec<_> = silent
        .into_iter()
        .take(3)
        .chain([half, idle, plain])
        .map(|stream| thread::spawn(|| until_it_ends(stream)))
        .collect();
    for ended in ending {
        assert!(ended.join().unwrap() < Duration::from_secs(40));
    }
    dripping.join().unwrap();
    assert!(device.check_in().unwrap().is_usable());
}

/// Connections that say nothing, from an address of the loopback interface.
#[cfg(target_os = "linux")]
fn silent(from: [u8; 4], server: SocketAddr, count: usize) -> Vec<Socket> {
    let connect = |_| {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from((from, 0)).into()).unwrap();
        socket.connect(&server.into()).unwrap();
        socket
    };
    (0..count).map(connect).collect()
}

#[cfg(target_os = "linux")]
#[test]
fn connections_of_one_address_leave_places_for_others() {
    let authority = Authority::new();
    let silent = silent([127, 0, 0, 2], authority.address, 600);
    // The first ones are kept, and the others reset at once: none of them waits in a queue.
    let is_reset = |socket: &Socket| {
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        (&mut &*socket).read(&mut [0]).is_err_and(|error| error.kind() == Io::ConnectionReset)
    };
    assert!(silent[128..].iter().all(is_reset));
    let device = authority.device("device");
    assert!(device.activate(authority.sell("1", &[])).unwrap().is_usable());
}

#[cfg(target_os = "linux")]
#[test]
fn more_connections_than_there_are_places_wait_and_are_served() {
    let ca = Ca::new();
    let authority = Authority::new();
    let server = authority.serve(&ca.issue("server", &["localhost"], NOW).options());
    let key = authority.sell("1", &[]);
    let silent: Vec<_> = (2..7).map(|n| silent([127, 0, 0, n], server.address, 120)).collect();
    let files = |process: &Path| fs::read_dir(process.join("fd")).map_or(0, Iterator::count);
    thread::sleep(Duration::from_secs(1));
    assert!(files(&Path::new("/proc").join(server.process.id().to_string())) < 600);
    let device = authority.device_at("device", server.url("https", "localhost"), ca.http());
    let start = Instant::now();
    while device.activate(&key).is_err() {
        assert!(start.elapsed() < Duration::from_secs(60));
    }
    drop(silent);
}

#[cfg(unix)]
#[test]
fn a_server_with_open_connections_stops_in_good_order() {
    let ca = Ca::new();
    let authority = Authority::new();
    let mut server = authority.serve(&ca.issue("server", &["localhost"], NOW).options());
    let silent = TcpStream::connect(server.address).unwrap();
    let client = ClientConnection::new(ca.client(&[&TLS13]), "localhost".try_into().unwrap()).unwrap();
    let mut idle = StreamOwned::new(client, TcpStream::connect(server.address).unwrap());
    idle.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    assert!(idle.read(&mut [0; 64]).unwrap() > 0);
    let start = Instant::now();
    assert!(
        Command::new("kill").args(["-TERM", &server.process.id().to_string()]).status().unwrap().success()
    );
    assert!(server.process.wait().unwrap().success());
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    drop(silent);
}

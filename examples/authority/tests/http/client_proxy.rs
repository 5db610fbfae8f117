//! Calls to the authority that go through a proxy.

use std::{fs, net::TcpListener, process::Command, time::Duration};

use nodelock::{CancelToken, ErrorKind, HttpOptions, HttpTransport, Post, Reason, Transport as _};

use crate::support::{
    calls::kind,
    proxy::Proxy,
    server::{Authority, PRODUCT, client_program},
    tls::{Ca, NOW},
};

fn send(transport: &HttpTransport, url: &str) -> nodelock::Result<nodelock::Answer> {
    let (timeout, cancel) = (Duration::from_secs(10), &CancelToken::new());
    transport.post(&Post::new(url, b"{}", timeout, cancel))
}

#[test]
fn an_explicit_proxy_carries_everything() {
    let ca = Ca::new();
    let authority = Authority::new();
    let tls = ca.issue("server", &["localhost"], NOW).options();
    let secure = authority.serve(&tls);
    let key = authority.sell("1", &[]);
    let proxy = Proxy::start(Some("jane:s3cret-p@ss"));
    let trusting =
        || HttpOptions::default().only_given_certificates().trust_pem(ca.pem().as_bytes()).unwrap();
    let through = |credentials: &str| trusting().proxy(proxy.url(credentials)).build().unwrap();
    let right = "jane:s3cret-p%40ss@";
    let plain_url = format!("http://{}", authority.address);
    let secure_url = format!("https://localhost:{}", secure.address.port());

    for (url, form) in [(&plain_url, "POST http://127.0.0.1:"), (&secure_url, "CONNECT localhost:")] {
        let device = authority.device_at(form, url.clone(), through(right));
        device.activate(&key).unwrap();
        device.check_in().unwrap();
        device.deactivate(Reason::Moved).unwrap();
        let seen = proxy.take_seen();
        assert_eq!(seen.len(), 4, "{seen:?}");
        for head in seen {
            assert!(head.starts_with(form), "{head}");
        }
    }
    // Inside of the tunnel it is TLS with the authority itself.
    let tunneled = proxy.tunneled.lock().unwrap().clone();
    assert!(!tunneled.is_empty() && !String::from_utf8_lossy(&tunneled).contains("/v1/"));

    for wrong in ["", "jane:wr0ng-p%40ss@"] {
        let plain = send(&through(wrong), &plain_url).unwrap();
        assert_eq!(plain.status, 407);
        assert_eq!(kind(send(&through(wrong), &secure_url)), ErrorKind::Unreachable);
    }
    // Whoever answers in the proxy's place is not the authority.
    let other = Ca::new();
    let stranger =
        HttpOptions::default().only_given_certificates().trust_pem(other.pem().as_bytes()).unwrap();
    let stranger = stranger.proxy(proxy.url(right)).build().unwrap();
    assert_eq!(kind(send(&stranger, &secure_url)), ErrorKind::TlsUntrusted);
}

/// The command-line client in a process of its own, whose environment is given.
fn command_line(
    authority: &Authority,
    url: &str,
    call: &[&str],
    environment: &[(&str, &str)],
) -> (bool, String) {
    let mut command = Command::new(client_program());
    command.args(call).args(["--product", PRODUCT, "--authority", url]);
    command.arg(format!("--root={}", authority.root));
    command.arg("--store").arg(authority.folder.path().join("store"));
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"] {
        command.env_remove(name).env_remove(name.to_lowercase());
    }
    let output = command.envs(environment.iter().copied()).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(text).unwrap())
}

#[test]
fn the_environment_names_proxies_and_exceptions() {
    let ca = Ca::new();
    let authority = Authority::new();
    let tls = ca.issue("server", &["localhost"], NOW).options();
    let secure = authority.serve(&tls);
    let trust = authority.folder.path().join("trust.pem");
    fs::write(&trust, ca.pem()).unwrap();
    let trust = trust.to_str().unwrap();
    let plain_url = format!("http://{}", authority.address);
    let secure_url = format!("https://localhost:{}", secure.address.port());
    let key = authority.sell("1", &[]);
    let proxy = Proxy::start(Some("jane:s3cret"));
    let url = proxy.url("jane:s3cret@");
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let closed = format!("http://jane:s3cret@{closed}");

    let activate = ["activate", &key, "--trust", trust];
    let (done, text) = command_line(&authority, &secure_url, &activate, &[("HTTPS_PROXY", &url)]);
    assert!(done, "{text}");
    assert_eq!(proxy.take_seen().len(), 1);
    for (target, environment, through) in [
        (&secure_url, vec![("HTTPS_PROXY", url.as_str())], true),
        (&secure_url, vec![("https_proxy", &url)], true),
        (&secure_url, vec![("ALL_PROXY", &url)], true),
        // For the other kind of address, or with an exception, the proxy is not asked: it could not be.
        (&plain_url, vec![("HTTPS_PROXY", closed.as_str())], false),
        (&secure_url, vec![("HTTP_PROXY", &closed)], false),
        (&secure_url, vec![("ALL_PROXY", &closed), ("no_proxy", "example.com,localhost")], false),
        (&secure_url, vec![("HTTPS_PROXY", &closed), ("NO_PROXY", "localhost")], false),
        (&secure_url, vec![("HTTPS_PROXY", &closed), ("NO_PROXY", "*")], false),
        (&secure_url, vec![], false),
        // Plain HTTP to this computer stays here.
        (&plain_url, vec![("HTTP_PROXY", &closed)], false),
        (&plain_url, vec![("http_proxy", &closed)], false),
        (&plain_url, vec![("ALL_PROXY", &closed)], false),
    ] {
        let (done, text) = command_line(&authority, target, &["check-in", "--trust", trust], &environment);
        assert!(done, "{environment:?}: {text}");
        assert_eq!(!proxy.take_seen().is_empty(), through, "{environment:?}");
    }
    // A proxy that is not there is an error, not a reason to go around it; and its password is not told.
    let check_in = ["check-in", "--trust", trust];
    let (done, text) = command_line(&authority, &secure_url, &check_in, &[("HTTPS_PROXY", &closed)]);
    assert!(!done && text.contains("cannot be reached") && !text.contains("s3cret"), "{text}");
}

//! Addresses of authorities and proxies that cannot be, and proxies that cannot be used: each is named.

use std::{env, net::TcpListener, process::Command, time::Duration};

use nodelock::{
    Answer, CancelToken, Client, ErrorKind, HttpOptions, HttpTransport, Post, Roots, SigningKey, Store,
    SystemRandom, Transport,
};

use crate::support::{calls::http, proxy::Proxy, vendor::PRODUCT};

fn build(url: &str, plain: bool) -> nodelock::Result<Client> {
    let root = SigningKey::generate(&SystemRandom).unwrap().public_key();
    Client::builder(PRODUCT, Roots::new([root]))
        .store(Store::in_memory())
        .authority(nodelock::Authority::new(url, http()).plain_http(plain))
        .build()
}

#[test]
fn an_address_that_cannot_be_is_an_error_of_the_builder() {
    for url in [
        "",
        "licenses.example.com",
        "https://",
        "https:///v1",
        "https://:443",
        "ftp://licenses.example.com",
        "https//licenses.example.com",
        "https://a b/",
        "https://licenses.example.com:port",
        "https://licenses.example.com:0",
        "https://licenses.example.com:65536",
        "https://[::",
        "https://[licenses]",
        "https://user:s3cret@licenses.example.com",
        "https://licenses.example.com/?license",
        "https://licenses.example.com/#license",
        "https://licenses..example.com",
    ] {
        for plain in [false, true] {
            let error = build(url, plain).expect_err(url);
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{url}");
            assert!(!error.to_string().contains("s3cret"), "{error}");
        }
    }
    for url in [
        "https://licenses.example.com",
        "HTTPS://licenses.example.com:8443/some/where/",
        "https://xn--bcher-kva.example/",
        "https://10.0.0.1",
        "https://[2001:db8::1]:8443",
        "https://my_host",
        "https://licenses.example.com.",
    ] {
        build(url, false).expect(url);
    }
}

#[test]
fn plain_http_is_for_this_computer_unless_the_host_says_so() {
    for url in [
        "http://127.0.0.1:8080",
        "http://127.1.2.3",
        "http://localhost",
        "http://LocalHost:1/x",
        "http://[::1]:8080",
    ] {
        build(url, false).expect(url);
    }
    for url in [
        "http://licenses.example.com",
        "HTTP://licenses.example.com",
        "http://10.0.0.1",
        "http://localhost.example.com",
        "http://127.0.0.1.example.com",
        "http://[2001:db8::1]",
    ] {
        let error = build(url, false).expect_err(url);
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{url}");
        assert!(error.to_string().contains("https"), "{error}");
        build(url, true).expect(url);
    }
}

const FAR: &str = "https://licenses.example.com/v1/activations";

fn send(transport: &HttpTransport, url: &str) -> nodelock::Result<Answer> {
    transport.post(&Post::new(url, b"{}", Duration::from_secs(5), &CancelToken::new()))
}

/// A place where nobody listens.
fn dead() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

#[test]
fn a_proxy_that_cannot_be_used_is_named() {
    let dead = dead();
    let refusing = Proxy::start(Some("somebody:else"));
    for (url, address) in [
        (format!("http://jane:secret@{dead}"), dead),
        (format!("http://jane:secret@{}", refusing.address), refusing.address.to_string()),
    ] {
        let error = send(&HttpOptions::default().proxy(url).build().unwrap(), FAR).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unreachable);
        let text = error.to_string();
        assert!(text.contains("proxy") && text.contains(&address) && !text.contains("secret"), "{text}");
    }
}

#[test]
fn a_proxy_of_a_scheme_that_this_build_does_not_have_is_refused_by_name() {
    let schemes: &[&str] = match cfg!(feature = "socks") {
        true => &["ftp", "socks9"],
        false => &["ftp", "socks5", "socks5h", "socks4", "socks4a"],
    };
    for scheme in schemes {
        let refused = HttpOptions::default().proxy(format!("{scheme}://jane:secret@127.0.0.1:9")).build();
        let error = refused.expect_err(scheme);
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        let text = error.to_string();
        assert!(text.contains(scheme) && !text.contains("secret"), "{text}");
    }
}

/// A proxy that speaks SOCKS 5 and connects to nothing: what it was asked for.
#[cfg(feature = "socks")]
#[test]
fn a_socks_proxy_is_spoken_to() {
    use std::io::{Read as _, Write as _};

    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let transport =
        HttpOptions::default().proxy(format!("socks5h://{}", proxy.local_addr().unwrap())).build().unwrap();
    let asked = std::thread::spawn(move || {
        let (mut stream, _) = proxy.accept().unwrap();
        let mut greeting = [0; 2];
        stream.read_exact(&mut greeting).unwrap();
        let mut methods = vec![0; greeting[1].into()];
        stream.read_exact(&mut methods).unwrap();
        stream.write_all(&[5, 0]).unwrap();
        let mut request = [0; 5];
        stream.read_exact(&mut request).unwrap();
        let mut name = vec![0; request[4].into()];
        stream.read_exact(&mut name).unwrap();
        stream.write_all(&[5, 4, 0, 1, 0, 0, 0, 0, 0, 0]).unwrap();
        String::from_utf8(name).unwrap()
    });
    let error = send(&transport, FAR).unwrap_err();
    assert_eq!(asked.join().unwrap(), "licenses.example.com");
    assert!(error.to_string().contains("proxy"), "{error}");
}

#[test]
fn a_proxy_of_the_environment_is_named_too() {
    let dead = dead();
    let socks = format!("socks5://jane:secret@{dead}");
    let plain = format!("http://jane:secret@{dead}");
    for (variable, url) in [("HTTPS_PROXY", &plain), ("ALL_PROXY", &plain), ("https_proxy", &socks)] {
        let text = in_environment(FAR, variable, url, "");
        assert!(
            text.contains("proxy") && text.contains(&dead) && !text.contains("secret"),
            "{variable}: {text}"
        );
    }
    let text = in_environment(FAR, "HTTPS_PROXY", &plain, "example.com");
    assert!(!text.contains("proxy"), "it was not used: {text}");
}

/// What is plain may stay on this computer alone, so no proxy that is named for all addresses sees it.
#[test]
fn plain_http_to_this_computer_goes_through_no_proxy_of_the_environment() {
    let proxy = Proxy::start(None);
    let port = dead().split_once(':').unwrap().1.to_owned();
    for variable in ["HTTP_PROXY", "http_proxy", "ALL_PROXY"] {
        for host in ["127.0.0.1", "127.1", "localhost", "LocalHost.", "[::1]"] {
            let text = in_environment(&format!("http://{host}:{port}/x"), variable, &proxy.url(""), "");
            assert!(!text.contains("proxy"), "{variable} {host}: {text}");
        }
    }
    assert_eq!(proxy.take_seen(), [""; 0]);
    // Another computer is reached through the proxy, and so is this one where the application says so.
    let text =
        in_environment("http://licenses.example.com/x", "HTTP_PROXY", &format!("http://{}", dead()), "");
    assert!(text.contains("proxy"), "{text}");
    let refusing = Proxy::start(Some("somebody:else"));
    let explicit = HttpOptions::default().proxy(refusing.url("")).build().unwrap();
    assert_eq!(send(&explicit, &format!("http://127.0.0.1:{port}/x")).unwrap().status, 407);
}

/// What a call comes to in a process with such a variable.
fn in_environment(address: &str, variable: &str, url: &str, no_proxy: &str) -> String {
    let mut command = Command::new(env::current_exe().unwrap());
    for name in [
        "HTTPS_PROXY",
        "https_proxy",
        "ALL_PROXY",
        "all_proxy",
        "HTTP_PROXY",
        "http_proxy",
        "NO_PROXY",
        "no_proxy",
    ] {
        command.env_remove(name);
    }
    let output = command
        .args(["--exact", "addresses::what_the_child_does", "--nocapture"])
        .env("NODELOCK_TEST_CHILD", address)
        .env("NO_PROXY", no_proxy)
        .env(variable, url)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().find_map(|line| line.split_once("error: ")).unwrap().1.to_owned()
}

#[test]
fn what_the_child_does() {
    if let Ok(address) = env::var("NODELOCK_TEST_CHILD") {
        println!("\nerror: {}", send(&HttpOptions::default().build().unwrap(), &address).unwrap_err());
    }
}

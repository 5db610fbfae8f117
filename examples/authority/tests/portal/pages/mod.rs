//! The self-help portal of the reference authority, through plain forms: what a customer can do there without
//! JavaScript, and what every outcome is called. The browser's part is `portal/browser.py`.

mod activate;
mod redeem;
mod seats;

use nodelock::{Client, Deactivation, Reason};

use crate::support::{
    html::{File, Text},
    portal::Page,
    server::Authority,
};

/// A computer that was activated, and gave its seat back without a network.
fn given_up(authority: &Authority, name: &str, key: &str) -> (Client, Deactivation) {
    let client = authority.device(name);
    assert!(client.activate(key).unwrap().is_usable());
    let deactivation = client.deactivate_offline(Reason::Moved).unwrap();
    (client, deactivation)
}

fn redeem(authority: &Authority, typed: &str) -> Page {
    authority.submit("/redeem", &[Text("deactivation", typed), File("file", b"")])
}

fn seats_of(authority: &Authority, key: &str) -> Page {
    authority.submit("/seats", &[Text("license_key", key)])
}

/// A code with other symbols at these places.
fn mistyped(code: &str, places: &[usize]) -> String {
    let mut symbols: Vec<char> = code.chars().collect();
    for &place in places {
        symbols[place] = if symbols[place] == 'Z' { 'Y' } else { 'Z' };
    }
    symbols.into_iter().collect()
}

#[test]
fn what_belongs_elsewhere_is_told_what_it_is() {
    let authority = Authority::new();
    let key = authority.sell("2", &[]);
    let client = authority.device("device");
    let request = client.begin(&key).unwrap().to_text();
    let granted = authority.submit("/activate", &[Text("request", &request)]);
    let (_, license) = authority.download(&granted);
    client.accept(license.as_bytes()).unwrap();
    let deactivation = client.deactivate_offline(Reason::Other).unwrap();
    let (proof, code) = (deactivation.to_text(), deactivation.code().to_string());
    let other = authority.device("other");
    other.activate(&key).unwrap();
    let settled = other.deactivate_offline(Reason::Other).unwrap();
    let (_, receipt) = authority.download(&redeem(&authority, &settled.to_text()));

    let before = (authority.seats(), authority.actions());
    let field = |path: &str| match path {
        "/seats" => "license_key",
        "/redeem" => "deactivation",
        _ => "request",
    };
    for (input, title, home) in [
        (key.as_str(), "This is a license key", "/seats"),
        (code.as_str(), "This is a deactivation code", "/redeem"),
        (request.as_str(), "This is an activation request", "/activate"),
        (proof.as_str(), "This is a deactivation file", "/redeem"),
        (license.as_str(), "This is a license", ""),
        (receipt.as_str(), "This is a receipt", ""),
    ] {
        for path in ["/seats", "/redeem", "/activate"].into_iter().filter(|path| *path != home) {
            let page = authority.submit(path, &[Text(field(path), input)]);
            assert_eq!((page.status, page.title().as_str()), (400, title), "{path}");
            assert_eq!(home.is_empty(), !page.html.contains("<ul class=\"links\">"), "{path}");
            assert!(home.is_empty() || page.html.contains(&format!("<li><a href=\"{home}\">")), "{path}");
        }
    }
    let two = format!("{proof}\n{}", settled.to_text());
    let page = redeem(&authority, &two);
    assert_eq!((page.status, page.title()), (400, "These are several deactivations".into()));
    assert!(page.words().contains("Hand them in one after the other"), "{}", page.words());
    assert_eq!((authority.seats(), authority.actions()), before);
}

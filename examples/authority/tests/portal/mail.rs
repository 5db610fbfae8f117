//! What came by mail, handed in through the portal, the HTTP interface and a code's field (docs/THREATS.md, Test 22).

use std::sync::{Arc, Mutex};

use nodelock::{
    Answer, Client, Error, ErrorKind, License, Post, PreflightRequest, Reason, Result, Transport,
};
use serde_json::{Value, json};

use crate::support::{
    forms::{REFUSED, TAKEN},
    html::{File, Text},
    server::Authority,
};

#[test]
fn each_message_is_taken_in_every_form_that_mail_gives_it() {
    let authority = Authority::new();
    let key = authority.sell("1", &[]);
    let client = authority.device("device");
    let request = client.begin(&key).unwrap().to_text();
    for (form, make) in TAKEN {
        let page = authority.submit("/activate", &[File("file", &make(&request))]);
        assert_eq!((page.status, page.title()), (200, "The license is ready".into()), "{form}");
    }
    for (form, make, why) in REFUSED {
        let page = authority.submit("/activate", &[File("file", &make(&request))]);
        assert_ne!(page.status, 200, "{form}: taken, although {why}");
    }
    let granted = over_http(&authority, "/v1/activations", "request", &request).remove(0);
    client.accept(granted["license"].as_str().unwrap().as_bytes()).unwrap();
    let answer: License = client.check().unwrap().license().unwrap().clone();

    let asked = client.check_in_offline().unwrap().to_text();
    for answered in over_http(&authority, "/v1/checkins", "request", &asked) {
        assert!(answered["license"].is_string(), "{answered}");
    }
    let preflight = preflight_of(&authority, &client);
    for answered in over_http(&authority, "/v1/deactivations/preflight", "request", &preflight) {
        assert_eq!(answered["allowed"], true, "{answered}");
    }

    let deactivation = client.deactivate_offline(Reason::Moved).unwrap();
    let (proof, code) = (deactivation.to_text(), deactivation.code());
    let redeem = |input: &[u8]| authority.submit("/redeem", &[Text("deactivation", ""), File("file", input)]);
    for (form, make, why) in REFUSED {
        assert_ne!(redeem(&make(&proof)).status, 200, "{form}: taken, although {why}");
    }
    for (form, make) in TAKEN {
        let page = redeem(&make(&proof));
        assert_eq!(page.status, 200, "{form}: {}", page.title());
    }
    for answered in over_http(&authority, "/v1/deactivations", "proof", &proof) {
        assert!(answered["receipt"].is_string(), "{answered}");
    }
    // A reply below which the vendor's answer and the request are quoted.
    let quoted: String =
        [answer.to_text(), request].concat().lines().map(|line| format!("> {line}\n")).collect();
    let mail = format!("Please take this back:\n\n{proof}\nOn Monday you wrote:\n{quoted}");
    let page = authority.submit("/redeem", &[Text("deactivation", &mail), File("file", b"")]);
    assert_eq!(page.status, 200, "{}", page.title());
    for typed in [
        format!("My code: **{code}**"),
        format!("https://licenses.example/redeem#{code}"),
        format!("Hello, here is the code of my old computer: {code}. Thank you very much, Jane Doe"),
    ] {
        let page = authority.submit("/redeem", &[Text("deactivation", &typed), File("file", b"")]);
        assert_eq!(page.status, 200, "{typed}: {}", page.title());
    }
}

/// Posts every form of a text that JSON can hold, and returns the answers to those that are taken.
fn over_http(authority: &Authority, path: &str, member: &str, text: &str) -> Vec<Value> {
    let mut answers = Vec::new();
    for (form, make) in TAKEN {
        let Some(text) = in_json(make(text)) else { continue };
        let reply = authority.post(path, &json!({ member: text }));
        assert_eq!(reply.status, 200, "{path}, {form}: {}", reply.body);
        answers.push(reply.json());
    }
    for (form, make, why) in REFUSED {
        let Some(text) = in_json(make(text)) else { continue };
        let reply = authority.post(path, &json!({ member: text }));
        assert_ne!(reply.status, 200, "{path}, {form}: taken, although {why}");
    }
    assert!(answers.len() >= 100, "{path}: {}", answers.len());
    answers
}

/// A form as a text of JSON, which holds no other encoding; none of them has a NUL, as UTF-16 has where it is taken for
/// UTF-8.
fn in_json(form: Vec<u8>) -> Option<String> {
    String::from_utf8(form).ok().filter(|text| !text.contains('\0'))
}

/// What a device asks before it gives its seat up, as text.
fn preflight_of(authority: &Authority, client: &Client) -> String {
    let heard = Heard::default();
    let asking = authority.device_over("device", heard.clone());
    assert!(asking.deactivate(Reason::Moved).unwrap_err().deactivation().is_none());
    let heard = heard.0.lock().unwrap().clone();
    let device = client.check().unwrap().license().unwrap().device_key;
    PreflightRequest::verify(heard.as_bytes(), &device).unwrap().to_text()
}

/// A transport that keeps what it is to post, and reaches nobody.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<String>>);

impl Transport for Heard {
    fn post(&self, post: &Post<'_>) -> Result<Answer> {
        let body: Value = serde_json::from_slice(post.body).unwrap();
        *self.0.lock().unwrap() = body["request"].as_str().unwrap().to_owned();
        Err(Error::new(ErrorKind::Unreachable, "nobody"))
    }
}

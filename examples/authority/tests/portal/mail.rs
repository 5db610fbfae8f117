//! What came by mail, handed in through the portal, the HTTP interface and a code's field (docs/THREATS.md, Test 22).

use nodelock::{License, Reason};
use serde_json::json;

use crate::support::{
    forms::TAKEN,
    html::{File, Text},
    server::Authority,
};

#[test]
fn a_request_and_a_proof_are_taken_in_the_forms_that_mail_gives_them() {
    let authority = Authority::new();
    let key = authority.sell("1", &[]);
    let client = authority.device("device");
    let request = client.begin(&key).unwrap().to_text();
    for (form, make) in TAKEN.iter().step_by(9) {
        let page = authority.submit("/activate", &[File("file", &make(&request))]);
        assert_eq!((page.status, page.title()), (200, "The license is ready".into()), "{form}");
    }
    let mut license = None;
    for (form, make) in TAKEN.iter().skip(4).step_by(9) {
        let Ok(text) = String::from_utf8(make(&request)) else { continue };
        let reply = authority.post("/v1/activations", &json!({ "request": text }));
        assert_eq!(reply.status, 200, "{form}: {}", reply.body);
        license = reply.json()["license"].as_str().map(str::to_owned);
    }
    client.accept(license.unwrap().as_bytes()).unwrap();
    let answer: License = client.check().unwrap().license().unwrap().clone();

    let deactivation = client.deactivate_offline(Reason::Moved).unwrap();
    let (proof, code) = (deactivation.to_text(), deactivation.code());
    for (form, make) in TAKEN.iter().skip(2).step_by(9) {
        let page = authority.submit("/redeem", &[Text("deactivation", ""), File("file", &make(&proof))]);
        assert_eq!(page.status, 200, "{form}: {}", page.title());
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

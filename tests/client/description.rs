//! What requests and check-ins say of their machine for people, where the host asks for it.

use std::sync::{Arc, Mutex};

use nodelock::{
    ActivationRequestOptions, Client, Metadata, Verdict,
    testing::{Machine, TestAuthority},
};

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

/// What the pending request says: the application's words, and the description.
fn said(client: &Client) -> (Metadata, Metadata) {
    let pending = client.pending().unwrap().unwrap();
    (pending.request().metadata.clone(), pending.request().description())
}

#[test]
fn a_request_describes_its_machine_where_the_host_asks_for_it_and_not_otherwise() {
    let authority = TestAuthority::new("Example Editor");
    let key = authority.sell(3).unwrap();
    let client = |name| authority.client(&Machine::new(name));
    for quiet in [client("quiet"), client("quiet").describe_machine(true).describe_machine(false)] {
        let quiet = quiet.build().unwrap();
        quiet.begin(ActivationRequestOptions::of_key(&key).metadata("team", "red")).unwrap();
        assert_eq!(said(&quiet), (vec![pair("team", "red")], Metadata::new()));
    }

    let telling = client("telling").describe_machine(true).build().unwrap();
    telling.begin(ActivationRequestOptions::of_key(&key).metadata("team", "red")).unwrap();
    let (metadata, description) = said(&telling);
    let of =
        |name: &str| description.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    assert_eq!((metadata, of("architecture")), (vec![pair("team", "red")], Some(std::env::consts::ARCH)));
    #[cfg(target_os = "linux")]
    {
        let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
        assert_eq!(of("computer").unwrap_or_default(), name.trim());
        assert!(of("system").is_some(), "{description:?}");
    }
    // The vendor's lists and the portal call its seat so.
    let seat = telling.activate(&key).unwrap().license().unwrap().handle;
    assert_eq!(Some(authority.vendor().seat(seat).unwrap().label()), of("computer"));
    assert_eq!(telling.check_in_offline().unwrap().request().description(), description);

    let named = client("named").describe_machine(true).build().unwrap();
    named.begin(ActivationRequestOptions::of_key(&key).metadata("computer", "the big one")).unwrap();
    let (metadata, description) = said(&named);
    assert_eq!(metadata, [pair("computer", "the big one")]);
    assert!(!description.is_empty() && description.iter().all(|(name, _)| name != "computer"));
}

#[test]
fn a_check_in_brings_up_to_date_what_a_computer_is_called() {
    let authority = TestAuthority::new("Example Editor");
    let key = authority.sell(3).unwrap();
    let name = Arc::new(Mutex::new("old"));
    let client = |machine: &str| {
        let name = name.clone();
        let describe = move || vec![pair("computer", *name.lock().unwrap()), pair("system", "Linux 6.12")];
        authority.client(&Machine::new(machine)).describe_machine_as(describe)
    };
    // What the vendor shows of a seat: its label, and all that its device says.
    let shown = |client: &Client| {
        let vendor = authority.vendor();
        let seat = vendor.seat(client.check().unwrap().license().unwrap().handle).unwrap();
        (seat.label().to_owned(), vendor.ledger.description(seat.name()).to_vec())
    };
    let of = |computer: &str| vec![pair("computer", computer), pair("system", "Linux 6.12")];
    let (renamed, named) = (client("renamed").build().unwrap(), client("named").build().unwrap());
    renamed.activate(&key).unwrap();
    named.activate(ActivationRequestOptions::of_key(&key).metadata("Computer", "Jane's desk")).unwrap();
    let quiet = authority.client(&Machine::new("quiet")).build().unwrap();
    quiet.activate(&key).unwrap();
    assert_eq!(shown(&renamed), ("old".into(), of("old")));
    assert_eq!(shown(&named), ("Jane's desk".into(), vec![pair("system", "Linux 6.12")]));

    *name.lock().unwrap() = "new";
    assert_eq!(*renamed.check().unwrap().verdict(), Verdict::Active, "a check says nothing to anybody");
    assert_eq!(shown(&renamed), ("old".into(), of("old")));
    for client in [&renamed, &named, &quiet] {
        client.check_in().unwrap();
    }
    assert_eq!(shown(&renamed), ("new".into(), of("new")));
    assert_eq!(shown(&named), ("Jane's desk".into(), of("new")));
    assert_eq!(shown(&quiet), (String::new(), Metadata::new()));

    // A file that is carried by hand says the same.
    *name.lock().unwrap() = "newer";
    let question = renamed.check_in_offline().unwrap();
    let answer = authority.vendor().check_in(&question.to_bytes()).unwrap();
    renamed.accept(&answer.to_bytes()).unwrap();
    assert_eq!(shown(&renamed), ("newer".into(), of("newer")));
    // It is the latest that counts: the same question again changes nothing.
    *name.lock().unwrap() = "newest";
    renamed.check_in().unwrap();
    assert!(authority.vendor().check_in(&question.to_bytes()).is_err());
    assert_eq!(shown(&renamed), ("newest".into(), of("newest")));
}

/// Whatever an application says, its license is renewed.
#[test]
fn no_description_keeps_a_license_from_being_renewed() {
    let authority = TestAuthority::new("Example Editor");
    let key = authority.sell(1).unwrap();
    let describe = || {
        let long = "ü\n".repeat(5000);
        (0..5000)
            .map(|n| (format!("{n}{long}"), long.clone()))
            .chain([pair("", "x"), pair("x", "\r\n")])
            .collect()
    };
    let client = authority.client(&Machine::new("desk")).describe_machine_as(describe).build().unwrap();
    let seat = client.activate(&key).unwrap().license().unwrap().handle;
    assert_eq!(client.check_in().unwrap().license().unwrap().revision, 2);
    let vendor = authority.vendor();
    let description = vendor.ledger.description(vendor.seat(seat).unwrap().name());
    assert_eq!(description.len(), 8);
    assert!(description.iter().all(|(name, value)| name.len() <= 64 && value.len() <= 64));
}

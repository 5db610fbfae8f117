//! What a request says of its machine for people, where the host asks for it.

use nodelock::{
    ActivationRequestOptions, Client,
    testing::{Machine, TestAuthority},
};

fn metadata(client: &Client) -> Vec<(String, String)> {
    client.pending().unwrap().unwrap().request().metadata.clone()
}

#[test]
fn a_request_describes_its_machine_where_the_host_asks_for_it_and_not_otherwise() {
    let authority = TestAuthority::new("Example Editor");
    let key = authority.sell(3).unwrap();
    let client = |name| authority.client(&Machine::new(name));
    let quiet = client("quiet").build().unwrap();
    quiet.begin(ActivationRequestOptions::of_key(&key).metadata("team", "red")).unwrap();
    assert_eq!(metadata(&quiet), [("team".to_owned(), "red".to_owned())]);

    let telling = client("telling").describe_machine(true).build().unwrap();
    telling.begin(ActivationRequestOptions::of_key(&key).metadata("team", "red")).unwrap();
    let said = metadata(&telling);
    let of = |name: &str| said.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    assert_eq!((of("team"), of("architecture")), (Some("red"), Some(std::env::consts::ARCH)));
    #[cfg(target_os = "linux")]
    {
        let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
        assert_eq!(of("computer").unwrap_or_default(), name.trim());
        assert!(of("system").is_some(), "{said:?}");
    }
    // The vendor's lists and the portal call its seat so.
    let seat = telling.activate(&key).unwrap().license().unwrap().handle;
    assert_eq!(Some(authority.vendor().seat(seat).unwrap().label()), of("computer"));

    let named = client("named").describe_machine(true).build().unwrap();
    named.begin(ActivationRequestOptions::of_key(&key).metadata("computer", "the big one")).unwrap();
    assert_eq!(metadata(&named)[0], ("computer".to_owned(), "the big one".to_owned()));
}

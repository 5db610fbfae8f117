//! Deployment keys: which request brings one, and what is left of it.

use std::sync::{Arc, Mutex};

use nodelock::{
    ActivationRequestOptions, Answer, Authority, Client, ErrorKind, Post, Reason, Result, Store, Transport,
    testing::{Fault, Machine, TestAuthority},
};

const PRODUCT: &str = "Example Editor";

/// The path of a call, and the header that it brings.
type Call = (String, Option<String>);

/// Notes which calls bring the header, and what it says.
#[derive(Clone)]
struct Seen {
    authority: TestAuthority,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl Transport for Seen {
    fn post(&self, post: &Post<'_>) -> Result<Answer> {
        assert!(!format!("{post:?}").contains("nld_"));
        let path = post.url.trim_start_matches(TestAuthority::URL).to_owned();
        self.calls.lock().unwrap().push((path, post.authorization.map(str::to_owned)));
        self.authority.post(post)
    }
}

impl Seen {
    fn new() -> Self {
        Self { authority: TestAuthority::new(PRODUCT), calls: Arc::default() }
    }

    fn client(&self, store: &Store, key: &str) -> Client {
        let authority = Authority::new(TestAuthority::URL, self.clone()).attempts(1);
        let builder = self.authority.client(&Machine::new("runner")).authority(authority).deployment_key(key);
        assert!(!format!("{builder:?}").contains("nld_"));
        let client = builder.store(store.clone()).build().unwrap();
        assert!(!format!("{client:?}").contains("nld_"));
        client
    }

    /// The paths of the calls, each with whether it brought the header.
    fn take(&self) -> Vec<(String, Option<String>)> {
        std::mem::take(&mut self.calls.lock().unwrap())
    }
}

fn unattended() -> ActivationRequestOptions {
    ActivationRequestOptions::new()
}

#[test]
fn a_deployment_key_goes_with_activations_that_name_no_license_key_and_with_nothing_else() {
    let seen = Seen::new();
    let license_key = seen.authority.sell(9).unwrap();
    let key = seen.authority.vendor().new_deployment_key(&license_key, 1).unwrap();
    let store = Store::in_memory();
    let client = seen.client(&store, &format!(" {key}\n"));
    client.activate(unattended()).unwrap();
    client.check_in().unwrap();
    client.deactivate(Reason::Moved).unwrap();
    client.activate(&license_key).unwrap();
    let brought = Some(format!("Bearer {key}"));
    let paths = [
        ("/v1/activations", brought.clone()),
        ("/v1/checkins", None),
        ("/v1/deactivations/preflight", None),
        ("/v1/deactivations", None),
        ("/v1/activations", None),
    ];
    assert_eq!(seen.take(), paths.map(|(path, brought)| (path.to_owned(), brought)));

    // The request of a start is the same.
    let store = Store::in_memory();
    let client = seen.client(&store, &key);
    client.begin(unattended()).unwrap();
    let started = client.start(std::time::Duration::from_secs(60)).unwrap();
    assert_eq!(seen.take(), [("/v1/activations".to_owned(), brought)]);
    let nodelock::Renewal::Due(why) = started.renewal() else { panic!("{started:?}") };
    assert_eq!(why.kind(), ErrorKind::DeploymentKeyUsedUp);
}

#[test]
fn a_request_whose_deployment_key_is_refused_waits_for_another_one() {
    let seen = Seen::new();
    let license_key = seen.authority.sell(9).unwrap();
    let store = Store::in_memory();
    let new = |most| seen.authority.vendor().new_deployment_key(&license_key, most).unwrap();
    let (revoked, good) = (new(9), new(1));
    seen.authority.vendor().revoke_deployment_key(&revoked).unwrap();
    let again = seen.authority.vendor().revoke_deployment_key(&revoked).unwrap_err();
    assert_eq!(again.kind(), ErrorKind::DeploymentKeyRefused);
    for key in [&revoked, "nld_nobodys"] {
        let refused = seen.client(&store, key).activate(unattended()).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::DeploymentKeyRefused);
        assert!(!refused.to_string().contains("nld_"), "{refused}");
    }
    let client = seen.client(&store, &good);
    let pending = client.pending().unwrap().expect("it is kept").request().handle;
    assert_eq!(client.check().unwrap().outstanding(), 0);
    // An answer that was lost counts, and so does the request that comes again: once.
    seen.authority.fail_next(Fault::AnswerLost);
    assert_eq!(client.activate(unattended()).unwrap_err().kind(), ErrorKind::Unreachable);
    let status = client.activate(unattended()).unwrap();
    assert_eq!(status.license().unwrap().handle, pending);
    let other = seen.client(&Store::in_memory(), &good).activate(unattended()).unwrap_err();
    assert_eq!(other.kind(), ErrorKind::DeploymentKeyUsedUp);
    assert_eq!(seen.authority.usage(&license_key).unwrap().taken, 1);
}

#[test]
fn what_cannot_be_a_deployment_key_is_refused_before_anything_is_sent() {
    let authority = TestAuthority::new(PRODUCT);
    let build = |key: &str| authority.client(&Machine::new("runner")).deployment_key(key).build();
    for (key, why) in [
        ("", "0 bytes; 1 to 1024"),
        (" \n", "0 bytes; 1 to 1024"),
        (&"a".repeat(1025), "1025 bytes"),
        ("nld_a b", "one word"),
        ("nld_a\r\nX: y", "one word"),
        ("nld_\u{fc}", "one word"),
        ("nld_\0", "one word"),
    ] {
        let refused = build(key).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidInput, "{key:?}");
        assert!(refused.to_string().contains(why) && !refused.to_string().contains("nld_"), "{refused}");
    }
    build(&"a".repeat(1024)).unwrap();
}

//! The code of the guides (docs/guides), to the letter, and what it does.

use std::{fs, future, path::Path};

#[cfg(feature = "tokio")]
use nodelock::AsyncClient;
use nodelock::{
    ErrorKind, Feature, Store,
    fingerprint::Component,
    testing::{Fault, Machine, TestAuthority},
};

#[path = "guides/ci.rs"]
mod ci_guide;
#[path = "guides/offline.rs"]
mod offline_guide;
#[cfg(feature = "online")]
#[path = "guides/rust.rs"]
mod rust_guide;
#[path = "guides/testing.rs"]
mod testing_guide;
#[cfg(feature = "tokio")]
#[path = "guides/tokio.rs"]
mod tokio_guide;
#[path = "guides/trials.rs"]
mod trials_guide;

const GUIDES: [(&str, &str); 6] = [
    ("ci", include_str!("guides/ci.rs")),
    ("offline", include_str!("guides/offline.rs")),
    ("rust", include_str!("guides/rust.rs")),
    ("testing", include_str!("guides/testing.rs")),
    ("tokio", include_str!("guides/tokio.rs")),
    ("trials", include_str!("guides/trials.rs")),
];

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

#[test]
fn the_code_that_is_tested_is_the_guides() {
    for (name, code) in GUIDES {
        let guide = read(&format!("docs/guides/{name}.md"));
        let blocks: Vec<_> = guide.split("```rust\n").skip(1).map(|rest| rest.split("```").next()).collect();
        assert_eq!(blocks, [Some(code)], "docs/guides/{name}.md and tests/client/guides/{name}.rs");
    }
}

/// The names of crates in lines such as `tokio = "1"`.
fn crates(toml: &str) -> impl Iterator<Item = &str> {
    toml.lines().filter_map(|line| Some(line.split_once(" = ")?.0)).filter(|name| !name.contains(['#', '.']))
}

#[test]
fn each_crate_that_a_guide_uses_is_among_the_dependencies_that_it_names() {
    let manifest = read("Cargo.toml");
    // The code is built with these, so it uses no others.
    let tests = manifest.split("\n[dev-dependencies]\n").nth(1).unwrap().split("\n[").next().unwrap();
    for (name, code) in GUIDES {
        let guide = read(&format!("docs/guides/{name}.md"));
        let named: Vec<_> = guide
            .split("```toml\n")
            .skip(1)
            .flat_map(|rest| crates(rest.split("```").next().unwrap()))
            .collect();
        let used: Vec<_> = crates(tests).filter(|used| code.contains(&format!("{used}::"))).collect();
        assert!(used.contains(&"nodelock"), "{used:?}");
        // A guide without such lines is for an application that has the library already.
        for used in used.into_iter().filter(|used| *used != "nodelock" || !named.is_empty()) {
            assert!(named.contains(&used), "docs/guides/{name}.md uses {used} and names {named:?}");
        }
    }
}

#[cfg(feature = "tokio")]
#[test]
fn the_guide_to_tokio_starts_activates_and_gives_back() {
    let authority = TestAuthority::new("Example Editor");
    let license_key = authority.sell(1).unwrap();
    let client = AsyncClient::new(authority.client(&Machine::new("desk")).build().unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        assert!(!tokio_guide::start(&client).await.unwrap());
        authority.fail(Fault::Silent);
        assert!(tokio_guide::activate(&client, &license_key, async {}).await.is_none());
        authority.fail(None);
        let activated = tokio_guide::activate(&client, &license_key, future::pending()).await;
        assert!(activated.unwrap().unwrap());
        assert!(tokio_guide::start(&client).await.unwrap());

        authority.fail(Fault::Down);
        assert!(tokio_guide::give_back(&client).await.is_err());
        authority.fail_next(None);
        let code = tokio_guide::give_back(&client).await.unwrap().unwrap();
        assert_eq!(code.len(), 29);
        authority.vendor().redeem_code(&code).unwrap();
        assert_eq!(authority.usage(&license_key).unwrap().taken, 0);
    });
}

#[cfg(feature = "online")]
#[test]
fn the_guide_to_rust_is_an_application() {
    let authority = TestAuthority::new("Example Editor");
    let features = vec![Feature::new("projects").up_to(2)];
    let license_key = authority.vendor().sell_with(1, |terms| terms.features = features).unwrap();
    let root = authority.vendor().root().to_string();
    assert!(rust_guide::client("no key", "https://licenses.example.com").is_err());
    assert!(rust_guide::client(&root, "licenses.example.com").is_err());
    let client = authority.client(&Machine::new("desk")).build().unwrap();
    assert_eq!(rust_guide::start(&client).unwrap().unwrap(), "Enter your license key.");
    assert!(!rust_guide::may_open(&client, 0).unwrap());
    assert!(rust_guide::activate(&client, &license_key).unwrap().starts_with("Licensed to "));
    assert_eq!(rust_guide::start(&client).unwrap(), None);
    let open = [0, 1, 2].map(|projects| rust_guide::may_open(&client, projects).unwrap());
    assert_eq!(open, [true, true, false]);

    let other = authority.client(&Machine::new("laptop")).build().unwrap();
    assert!(rust_guide::activate(&other, &license_key).unwrap().contains("One is free on "));
    authority.clock().advance_days(91);
    authority.fail(Fault::Down);
    assert!(rust_guide::start(&client).unwrap().unwrap().starts_with("not renewed by "));
    authority.fail(None);
    authority.clock().advance_days(1);
    assert_eq!(rust_guide::start(&client).unwrap(), None, "it was renewed");
    assert_eq!(rust_guide::give_back(&client).unwrap(), None);
    assert_eq!(rust_guide::give_back(&client).unwrap_err().kind(), ErrorKind::NotActive);
}

#[test]
fn the_guide_to_trials_tries_once_and_buys() {
    let authority = TestAuthority::new("Example Editor");
    let trial = authority.vendor().sell_with(9, |terms| terms.trial_days = Some(14)).unwrap();
    authority.vendor().give_trials(Some(&trial)).unwrap();
    let paid = authority.sell(1).unwrap();
    let desk = Machine::new("desk");
    let client = authority.client(&desk).replace_license(true).build().unwrap();
    let end = authority.clock().now_plus(14).to_string();
    assert_eq!(trials_guide::try_out(&client).unwrap(), format!("You can try it until {end}."));
    authority.clock().advance_days(14);
    let again = authority.client(&desk).build().unwrap();
    assert!(
        trials_guide::try_out(&again)
            .unwrap()
            .starts_with(&format!("The trial on this computer ended on {end}."))
    );
    let bare = authority.client(&desk.hidden()).build().unwrap();
    assert!(trials_guide::try_out(&bare).unwrap().starts_with("This computer shows no hardware"));
    let seat = client.check().unwrap().license().unwrap().handle;
    let later = authority.clock().now_plus(7);
    authority.vendor().extend_trial(seat, later).unwrap();
    assert!(client.check_in().unwrap().is_usable());
    assert!(trials_guide::buy(&client, "23456-7").is_err());
    assert!(client.check().unwrap().is_usable(), "a mistyped key costs nothing");
    assert!(trials_guide::buy(&client, &paid).unwrap());
    assert_eq!(client.check().unwrap().license().unwrap().expires, None);
    client.online().hand_in().unwrap();
    assert_eq!([&trial, &paid].map(|key| authority.usage(key).unwrap().taken), [0, 1]);
    authority.vendor().give_trials(None).unwrap();
    let other = authority.client(&Machine::new("laptop")).build().unwrap();
    assert_eq!(trials_guide::try_out(&other).unwrap_err().kind(), ErrorKind::UnknownLicense);
}

#[test]
fn the_guide_without_a_network_activates_renews_and_gives_back() {
    let authority = TestAuthority::new("Example Editor");
    let license_key = authority.sell(1).unwrap();
    let client = authority.client(&Machine::new("desk")).replace_request(true).build().unwrap();
    authority.fail(Fault::Down);
    let folder = tempfile::tempdir().unwrap();
    let [sent, came] = ["sent.txt", "came.txt"].map(|name| folder.path().join(name));

    offline_guide::ask(&client, &license_key, &sent).unwrap();
    let request = fs::read(&sent).unwrap();
    offline_guide::ask(&client, &license_key, &sent).unwrap();
    assert_eq!(fs::read(&sent).unwrap(), request, "the same request again");
    // Another key is another request, which carries along that the one before is taken back.
    offline_guide::ask(&client, &authority.sell(1).unwrap(), &sent).unwrap();
    assert_eq!(client.outstanding().unwrap().len(), 1);
    offline_guide::ask(&client, &license_key, &sent).unwrap();
    let request = fs::read(&sent).unwrap();
    fs::write(&came, authority.vendor().activate(&request).unwrap().to_text()).unwrap();
    assert!(offline_guide::take_in(&client, &came).unwrap());

    authority.clock().advance_days(60);
    assert!(client.check().unwrap().renewal_due());
    offline_guide::ask_for_a_renewal(&client, &sent).unwrap();
    fs::write(&came, authority.vendor().check_in(&fs::read(&sent).unwrap()).unwrap().to_text()).unwrap();
    assert!(offline_guide::take_in(&client, &came).unwrap());
    assert!(!client.check().unwrap().renewal_due());

    let code = offline_guide::give_up(&client, &sent).unwrap();
    let by_file = authority.vendor().redeem(&fs::read(&sent).unwrap()).unwrap();
    assert_eq!(authority.usage(&license_key).unwrap().taken, 0);
    authority.vendor().redeem_code(&code).unwrap();
    fs::write(&came, by_file.to_text()).unwrap();
    assert!(!offline_guide::take_in(&client, &came).unwrap());
    assert_eq!(client.check().unwrap().outstanding(), 0);
}

#[test]
fn the_guide_to_containers_keeps_its_license_on_another_host() {
    let authority = TestAuthority::new("Example Editor");
    let license_key = authority.sell(1).unwrap();
    let volume = tempfile::tempdir().unwrap();
    let on = |machine: &str| {
        let builder = authority.client(&Machine::new(machine));
        ci_guide::in_a_container(builder, volume.path(), "contract 4711").build().unwrap()
    };
    let client = on("host");
    assert_eq!(client.probe().components().collect::<Vec<_>>(), [Component::HostId]);
    assert!(client.activate(&license_key).unwrap().is_usable());
    assert!(on("another host").check().unwrap().is_usable());

    let secret = volume.path().join("secret");
    let enrolled = |machine: &str, store: &Store| {
        ci_guide::enrolled(|| authority.client(&Machine::new(machine)).store(store.clone()), &secret)
    };
    let store = Store::in_memory();
    assert_eq!(enrolled("runner", &store).unwrap_err().kind(), ErrorKind::Io);
    let license_key = authority.sell(9).unwrap();
    let key = authority.vendor().new_deployment_key(&license_key, 1).unwrap();
    fs::write(&secret, format!("{key}\n")).unwrap();
    assert!(enrolled("runner", &store).unwrap().check().unwrap().is_usable());
    assert_eq!(enrolled("another", &Store::in_memory()).unwrap_err().kind(), ErrorKind::DeploymentKeyUsedUp);
    // A machine that has its seat needs no secret.
    fs::remove_file(&secret).unwrap();
    assert!(enrolled("runner", &store).unwrap().check().unwrap().is_usable());
}

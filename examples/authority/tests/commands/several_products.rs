//! Several products in one authority: each has keys of its own, and nothing of one counts in another.

use std::fs;

use nodelock::{
    Client, License, Random, Reason, Result, Roots, Store, SystemRandom, Verdict,
    fingerprint::{Component, Probe},
};
use serde_json::{Value, json};

use crate::{
    program::{Authority, field},
    support::{
        calls::http,
        ledger::Ledger,
        server::{Authority as Server, PRODUCT},
    },
};

const OTHER: &str = "Other Tool";

/// Draws one handle for every device, and with `key` one device key too.
#[derive(Clone, Copy)]
struct Alike {
    key: bool,
}

impl Random for Alike {
    fn fill(&self, bytes: &mut [u8]) -> Result<()> {
        SystemRandom.fill(bytes)?;
        if bytes.len() == 4 || (self.key && bytes.len() == 32) {
            bytes.fill(4);
        }
        Ok(())
    }
}

/// A second product, and its root.
fn second(authority: &Authority) -> (String, Roots) {
    let made = authority.done(&["product", "new", "--name", OTHER, "--deactivations", "none"]);
    assert_eq!(field(&made, "id"), "other-tool");
    let root = field(&made, "root").to_owned();
    (root.clone(), Roots::new([root.parse().unwrap()]))
}

fn device(authority: &Authority, product: &str, name: &str, random: Option<Alike>) -> Client {
    let root = match product {
        OTHER => field(&authority.done(&["product", "show", "other-tool"]), "root").to_owned(),
        _ => authority.root.clone(),
    };
    let store = Store::in_directory(authority.path(name), None);
    let client = Client::builder(product, Roots::new([root.parse().unwrap()])).store(store).probe(|| {
        Probe::from_values(
            [(Component::HwUuid, "4c4c4544-0042-3510-8052-b7c04f380001".to_owned())],
            true,
            false,
        )
    });
    match random {
        Some(random) => client.random(random).build().unwrap(),
        None => client.build().unwrap(),
    }
}

/// A license of each product: its key.
fn sell(authority: &Authority) -> [String; 2] {
    let sell = |product: &str| {
        let new = ["license", "new", "--licensee", "Jane Doe", "--seats", "2", "--deactivations", "none"];
        let sold = authority.done(&[&new[..], &["--product", product]].concat());
        field(&sold, "key").to_owned()
    };
    ["example", "other-tool"].map(sell)
}

fn activated(authority: &Authority, client: &Client, key: &str) {
    let request = client.begin(key).unwrap().to_bytes();
    let granted = authority.done_with(&["activate", "-"], &request);
    client.accept(field(&granted, "reply").as_bytes()).unwrap();
    assert_eq!(*client.check().unwrap().verdict(), Verdict::Active);
}

fn redeemed(authority: &Authority, input: &[u8]) -> Value {
    authority.done_with(&["redeem", "-"], input)
}

#[test]
fn each_product_is_signed_for_with_its_own_keys() {
    let authority = Authority::new();
    let (_, roots) = second(&authority);
    assert_eq!(authority.run(&["license", "new", "--licensee", "x"], b"").code, 2, "which product?");
    let [key, other] = sell(&authority);
    let (one, two) = (device(&authority, PRODUCT, "one", None), device(&authority, OTHER, "two", None));
    activated(&authority, &one, &key);
    activated(&authority, &two, &other);
    let license = two.check().unwrap().license().unwrap().as_bytes().to_vec();
    assert!(License::verify(&license, &roots).is_ok());
    assert!(License::verify(&license, &Roots::new([authority.root.parse().unwrap()])).is_err());

    // Renewed, given back by file and by code, released and recovered, each by the keys of its product.
    for (client, key) in [(&one, &key), (&two, &other)] {
        let renewed = authority.done_with(&["check-in", "-"], &client.check_in_offline().unwrap().to_bytes());
        client.accept(field(&renewed, "license").as_bytes()).unwrap();
        let given_up = client.deactivate_offline(Reason::Moved).unwrap();
        let freed = redeemed(&authority, &given_up.to_bytes());
        client.accept(field(&freed, "receipt").as_bytes()).unwrap();
        activated(&authority, client, key);
        let code = client.deactivate_offline(Reason::Moved).unwrap().code().to_string();
        client.accept(field(&redeemed(&authority, code.as_bytes()), "receipt").as_bytes()).unwrap();
        activated(&authority, client, key);
    }
    for (client, name) in [(&one, "one"), (&two, "two")] {
        fs::remove_file(authority.path(name).join("state")).unwrap();
        let recovery = client.recover_offline().unwrap().to_bytes();
        client
            .accept(field(&authority.done_with(&["activate", "-"], &recovery), "reply").as_bytes())
            .unwrap();
        let handle = client.check().unwrap().license().unwrap().handle.to_string();
        let released = authority.done(&["release", &handle, "--reason", "lost", "--yes"]);
        client.accept(field(&released, "revocation").as_bytes()).unwrap();
    }
    let dir = authority.path("authority/keys");
    assert!(dir.join("root.public").exists() && dir.join("other-tool/root.public").exists());
    authority.done(&["verify"]);
    authority.check_consistency();
}

#[test]
fn what_is_of_one_product_counts_in_no_other() {
    let authority = Authority::new();
    second(&authority);
    let [key, other] = sell(&authority);
    // A key of the other product, each way round.
    for (product, key, name) in [(PRODUCT, &other, "a"), (OTHER, &key, "b")] {
        let request = device(&authority, product, name, None).begin(key).unwrap().to_bytes();
        assert_eq!(authority.refused(&["activate", "-"], &request), "wrong-product");
    }
    assert_eq!(authority.taken(), 0);
    // A request of the other product takes no seat when the vendor says which license, either.
    let listed = authority.done(&["license", "list"])["licenses"].clone();
    let id = listed.as_array().unwrap().iter().find(|row| row["product"] == PRODUCT).unwrap()["id"].clone();
    let request =
        device(&authority, OTHER, "c", None).begin(nodelock::ActivationRequestOptions::new()).unwrap();
    let assigned = ["activate", "-", "--license", id.as_str().unwrap()];
    assert_eq!(authority.refused(&assigned, &request.to_bytes()), "unknown-license");

    // An issuer that is certified for one product signs nothing for the other: its certificate is not of that root.
    let keys = authority.path("authority/keys");
    let (certificate, copy) = (keys.join("issuer.certificate"), keys.join("other-tool/issuer.certificate"));
    let kept = fs::read(&copy).unwrap();
    fs::copy(&certificate, &copy).unwrap();
    assert_eq!(authority.refused(&["activate", "-"], &request.to_bytes()), "wrong-keys");
    assert_eq!(authority.run(&["verify"], b"").code, 1);
    fs::write(&copy, kept).unwrap();
    authority.done(&["verify"]);
}

/// Devices of two products draw one handle.
#[test]
fn a_handle_that_two_products_share_leads_to_the_seat_of_the_device_that_asks() {
    let authority = Authority::new();
    second(&authority);
    let [key, other] = sell(&authority);
    let alike = Some(Alike { key: false });
    let (one, two) = (device(&authority, PRODUCT, "one", alike), device(&authority, OTHER, "two", alike));
    activated(&authority, &one, &key);
    activated(&authority, &two, &other);
    let handle = |client: &Client| client.check().unwrap().license().unwrap().handle;
    assert_eq!(handle(&one), handle(&two));
    assert_eq!(authority.refused(&["renew", &handle(&one).to_string()], b""), "ambiguous-seat");
    for client in [&one, &two] {
        let renewed = authority.done_with(&["check-in", "-"], &client.check_in_offline().unwrap().to_bytes());
        client.accept(field(&renewed, "license").as_bytes()).unwrap();
    }
    // By file, then by code: each frees its own seat, and the other one runs on.
    let states = || authority.seats().iter().map(|seat| field(seat, "state").to_owned()).collect::<Vec<_>>();
    let proof = two.deactivate_offline(Reason::Moved).unwrap();
    let freed = redeemed(&authority, &proof.to_bytes());
    assert_eq!(field(&freed, "outcome"), "freed");
    two.accept(field(&freed, "receipt").as_bytes()).unwrap();
    let renewed = authority.done_with(&["check-in", "-"], &one.check_in_offline().unwrap().to_bytes());
    one.accept(field(&renewed, "license").as_bytes()).unwrap();
    let code = one.deactivate_offline(Reason::Moved).unwrap().code().to_string();
    let freed = redeemed(&authority, code.as_bytes());
    assert_eq!(field(&freed, "outcome"), "freed");
    one.accept(field(&freed, "receipt").as_bytes()).unwrap();
    assert_eq!(states(), ["returned", "returned"]);
    authority.done(&["verify"]);
    authority.check_consistency();
}

/// One that nobody's client makes: one key and one handle for two products.
#[test]
fn a_device_key_and_a_handle_of_one_product_are_no_seat_of_another() {
    let authority = Authority::new();
    second(&authority);
    let [key, other] = sell(&authority);
    let alike = Some(Alike { key: true });
    let (one, two) = (device(&authority, PRODUCT, "one", alike), device(&authority, OTHER, "two", alike));
    activated(&authority, &one, &key);
    let request = two.begin(&other).unwrap().to_bytes();
    assert_eq!(authority.refused(&["activate", "-"], &request), "wrong-product");
    // Nor is it given up there.
    let proof = two.cancel().unwrap();
    assert_eq!(authority.refused(&["redeem", "-"], &proof.to_bytes()), "wrong-product");
    let renewed = authority.done_with(&["check-in", "-"], &one.check_in_offline().unwrap().to_bytes());
    one.accept(field(&renewed, "license").as_bytes()).unwrap();
    assert_eq!(authority.taken(), 1);
    authority.check_consistency();
}

/// A seat of the second product that the ledger has lost comes back with its license, and not with the first product's
/// keys.
#[test]
fn a_lost_seat_comes_back_to_its_own_product() {
    let authority = Authority::new();
    second(&authority);
    let [_, other] = sell(&authority);
    let client = device(&authority, OTHER, "two", None);
    activated(&authority, &client, &other);
    let mut ledger = Ledger::open(&authority);
    ledger.execute(
        "DELETE FROM tag; DELETE FROM seat; DELETE FROM tally; DELETE FROM page; DELETE FROM history; \
         DELETE FROM audit WHERE handle IS NOT NULL; UPDATE license SET taken = 0",
    );
    drop(ledger);
    let renewed = authority.done_with(&["check-in", "-"], &client.check_in_offline().unwrap().to_bytes());
    client.accept(field(&renewed, "license").as_bytes()).unwrap();
    let mut ledger = Ledger::open(&authority);
    assert_eq!(ledger.texts("SELECT product_id FROM seat"), [Some("other-tool".to_owned())]);
}

#[test]
fn a_product_is_made_once_and_its_certificate_is_its_own() {
    let authority = Authority::new();
    second(&authority);
    for name in [OTHER, "other tool", PRODUCT, ""] {
        let refused = authority.run(&["product", "new", "--name", name], b"");
        assert!(matches!(refused.code, 1 | 2), "{name}");
    }
    let listed = authority.done(&["product", "list"])["products"].clone();
    assert_eq!(listed.as_array().unwrap().len(), 2);
    let serial =
        |product: &str| authority.done(&["certificate", "show", "--product", product])["serial"].clone();
    assert_eq!(authority.run(&["certificate", "show"], b"").code, 2);
    authority.done(&["certificate", "new", "--product", "other-tool"]);
    assert_eq!([serial("example"), serial("other-tool")], [json!(1), json!(2)]);
    // What an interrupted call left is gone on with; keys that had a product are not taken for another.
    let keys = authority.path("authority/keys");
    let mark = |name: &str| keys.join(name).join("unfinished");
    authority.done(&["product", "new", "--name", "Third"]);
    assert!(!mark("third").exists());
    Ledger::open(&authority).execute(
        "DELETE FROM product WHERE id = 'third'; \
         DELETE FROM audit WHERE action = 'product-created' AND detail LIKE 'third%'; \
         UPDATE audit SET seal = NULL; DELETE FROM audit_seal",
    );
    assert_eq!(authority.refused(&["product", "new", "--name", "Third"], b""), "in-the-way");
    authority.done(&["product", "new", "--name", "Third", "--keep-keys"]);
    assert_eq!(
        authority.refused(&["product", "new", "--name", "Fourth", "--keep-keys"], b""),
        "keys-missing"
    );
    assert_eq!(authority.run(&["serve", "--product", "Nothing"], b"").code, 1);
    // Without the keys of one product nothing is signed, and a verification says that they are not here.
    fs::rename(keys.join("third"), keys.join("away")).unwrap();
    assert_eq!(authority.done(&["verify"])["keys_are_here"], false);
}

#[test]
fn a_server_takes_in_a_product_that_was_made_meanwhile() {
    let server = Server::new();
    let made = server.vendor(&["product", "new", "--name", OTHER, "--deactivations", "none"]);
    let sold = server.vendor(&["license", "new", "--licensee", "Jane Doe", "--product", "other-tool"]);
    server.kill();
    server.restart();
    let roots = Roots::new([made["root"].as_str().unwrap().parse().unwrap()]);
    let client = Client::builder(OTHER, roots)
        .store(Store::in_directory(server.path("two"), None))
        .authority(nodelock::Authority::new(format!("http://{}/", server.address), http()))
        .build()
        .unwrap();
    client.activate(sold["key"].as_str().unwrap()).unwrap();
    client.check_in().unwrap();
    client.deactivate(Reason::Moved).unwrap();
    assert_eq!(server.get("/readyz").status, 200);
    // The pages are one for all products, so none is named on them.
    assert!(!server.get("/seats").body.contains(PRODUCT));
}

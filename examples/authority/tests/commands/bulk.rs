//! Many seats taken back from one file, by the real program.

use std::{fs, path::PathBuf};

use crate::support::{calls::base64url, server::Authority};
use nodelock::{Client, DeactivationReceipt, MAX_INPUT, Reason, Roots};
use serde_json::Value;

/// What the program said, and the lines that it wrote.
fn redeem_all(authority: &Authority, content: &[u8]) -> (bool, Value, Vec<Value>) {
    let folder = tempfile::tempdir_in(authority.folder.path()).unwrap();
    let (input, output) = (folder.path().join("input"), folder.path().join("output"));
    fs::write(&input, content).unwrap();
    let arguments = ["redeem-all", input.to_str().unwrap(), "--out", output.to_str().unwrap(), "--json"];
    let said = authority.command(&arguments).output().unwrap();
    let report = serde_json::from_slice(&said.stdout).unwrap_or_else(|e| panic!("{e}: {said:?}"));
    let lines = fs::read_to_string(output).unwrap();
    (said.status.success(), report, lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

fn activated(authority: &Authority, name: &str, key: &str) -> Client {
    let device = authority.device(name);
    assert!(device.activate(key).unwrap().is_usable());
    device
}

fn root(authority: &Authority) -> Roots {
    Roots::new([authority.root.parse().unwrap()])
}

#[test]
fn every_form_is_redeemed_in_order_and_again_for_the_same_receipts() {
    let authority = Authority::new();
    let key = authority.sell("10", &[]);
    let devices: Vec<Client> = (0..5).map(|n| activated(&authority, &format!("device {n}"), &key)).collect();
    let given_up: Vec<_> = devices.iter().map(|d| d.deactivate_offline(Reason::Moved).unwrap()).collect();
    let pending = authority.device("pending");
    pending.begin(&key).unwrap();
    let cancelled = pending.cancel().unwrap();
    let content = [
        given_up[0].to_base64url(),
        String::new(),
        given_up[1].to_text(),
        // Two blocks: the proof, and the request that it cancels.
        cancelled.to_text(),
        given_up[2].code().to_string().to_lowercase().replace('-', " "),
        format!("https://example.com/redeem#{}", given_up[3].to_base32()),
        "\r".to_owned(),
        given_up[4].to_text(),
    ]
    .join("\n");
    let (done, report, lines) = redeem_all(&authority, content.as_bytes());
    assert!(done, "{report}");
    assert_eq!(report["outcomes"]["freed"], 6, "{lines:#?}");
    let handles: Vec<&str> = lines.iter().map(|line| line["handle"].as_str().unwrap()).collect();
    let expected = [0, 1, 5, 2, 3, 4].map(|at| given_up.get(at).unwrap_or(&cancelled).handle().to_string());
    assert_eq!(handles, expected);
    assert_eq!(authority.taken(), [""; 0]);
    for (device, line) in [(0, 0), (1, 1), (2, 3), (3, 4), (4, 5)] {
        let receipt = lines[line]["receipt"].as_str().unwrap().as_bytes();
        DeactivationReceipt::verify(receipt, &root(&authority)).unwrap();
        devices[device].accept(receipt).unwrap();
        assert!(devices[device].outstanding().unwrap().is_empty());
    }
    let (done, again, repeated) = redeem_all(&authority, content.as_bytes());
    assert!(done && again["outcomes"]["already-freed"] == 6, "{again}");
    for (first, second) in lines.iter().zip(&repeated) {
        let receipt = |line: &Value| authority.but_for_page(&line["receipt"]);
        assert_eq!((receipt(first), &first["line"]), (receipt(second), &second["line"]));
    }
}

#[test]
fn what_is_refused_is_named_by_its_line_and_holds_up_nothing() {
    let authority = Authority::new();
    let key = authority.sell("4", &[]);
    let (one, two) = (activated(&authority, "one", &key), activated(&authority, "two", &key));
    let given_up = |name: &str| activated(&authority, name, &key).deactivate_offline(Reason::Moved).unwrap();
    let (three, four) = (given_up("three").to_text().trim_end().to_owned(), given_up("four").to_base64url());
    let (one, two) =
        (one.deactivate_offline(Reason::Moved).unwrap(), two.deactivate_offline(Reason::Moved).unwrap());
    let mut forged = one.proof().to_vec();
    *forged.last_mut().unwrap() ^= 1;
    let stranger = authority.device("stranger");
    stranger.begin(nodelock::ActivationRequestOptions::new()).unwrap();
    let never_seen = stranger.cancel().unwrap();
    let lines = [
        "not a code".to_owned(),
        base64url(&forged),
        one.to_base64url(),
        "A".repeat(3 * MAX_INPUT),
        base64url(never_seen.proof()),
        "-----BEGIN NODELOCK DEACTIVATION PROOF-----".to_owned(),
        "Seat: 000000".to_owned(),
        "-----END NODELOCK DEACTIVATION PROOF-----".to_owned(),
        two.to_base64url(),
    ];
    let mut content = lines.join("\n").into_bytes();
    // Blocks without an end take nothing along that stands behind them.
    let (begin, rest) = three.split_once('\n').unwrap();
    content.extend(format!("\n{begin}\n{four}\n{begin}\n{rest}").bytes());
    content.extend(b"\n\xff\xfe\0\n-----BEGIN NODELOCK DEACTIVATION PROOF-----\nand then nothing");
    let (done, report, lines) = redeem_all(&authority, &content);
    assert!(!done);
    assert_eq!(report["error"], "not-all-redeemed");
    let came: Vec<(u64, &str)> = lines
        .iter()
        .map(|line| {
            let outcome = line["error"].as_str().or(line["outcome"].as_str());
            (line["line"].as_u64().unwrap(), outcome.unwrap())
        })
        .collect();
    let last = 10 + 1 + 1 + three.lines().count() as u64;
    let expected = [
        (1, "unreadable-code"),
        (2, "bad-signature"),
        (3, "freed"),
        (4, "too-large"),
        (5, "unknown"),
        (6, "malformed"),
        (9, "freed"),
        (10, "malformed"),
        (11, "freed"),
        (12, "freed"),
        (last, "malformed"),
        (last + 1, "malformed"),
        (last + 2, "unreadable-code"),
    ];
    assert_eq!(came, expected);
    assert_eq!(authority.taken(), [""; 0]);
}

#[test]
fn many_licenses_are_sold_at_once() {
    let authority = Authority::new();
    let sold =
        authority.vendor(&["license", "new", "--licensee", "Reseller", "--seats", "1", "--count", "300"]);
    let sold = sold["licenses"].as_array().unwrap();
    assert_eq!(sold.len(), 300);
    let key = sold[299]["key"].as_str().unwrap();
    activated(&authority, "device", key);
    let list = authority.vendor(&["license", "list"]);
    let taken = list["licenses"].as_array().unwrap().iter().filter(|l| l["seats"]["taken"] == 1).count();
    assert_eq!((list["licenses"].as_array().unwrap().len(), taken), (300, 1));
    let output: PathBuf = authority.folder.path().join("output");
    let missing = authority.command(&["redeem-all", "nowhere", "--out", output.to_str().unwrap()]);
    assert!(!{ missing }.output().unwrap().status.success() && !output.exists());
    // What is there is not written over: it may be the input.
    fs::write(&output, "proofs").unwrap();
    let file = output.to_str().unwrap();
    let same = authority.command(&["redeem-all", file, "--out", file]).output().unwrap();
    assert!(!same.status.success());
    assert_eq!(fs::read_to_string(&output).unwrap(), "proofs");
}

/// Another process holds the writer's lock most of the time, and a customer still gets an answer.
#[test]
fn a_server_goes_on_beside_it() {
    let authority = Authority::new();
    let key = authority.sell("2", &[]);
    let proof =
        activated(&authority, "busy", &key).deactivate_offline(Reason::Moved).unwrap().to_base64url() + "\n";
    let device = authority.device("device");
    let input = proof.repeat(100_000);
    let path = |name: &str| authority.folder.path().join(name);
    fs::write(path("input"), input).unwrap();
    let (input, output) = (path("input"), path("output"));
    let arguments = ["redeem-all", input.to_str().unwrap(), "--out", output.to_str().unwrap()];
    let mut child = authority.command(&arguments).spawn().unwrap();
    for _ in 0..5 {
        assert!(device.activate(&key).unwrap().is_usable());
        device.deactivate(Reason::Moved).unwrap();
    }
    assert!(child.try_wait().unwrap().is_none(), "it was over before the customer was");
    child.kill().unwrap();
    child.wait().unwrap();
}

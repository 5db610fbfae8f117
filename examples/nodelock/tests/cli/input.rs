//! What the client is given: files, arguments, an environment and stores that are wrong in every way.

use std::{
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use nodelock::PublicKey;
use serde_json::Value;

use crate::{
    forms::TAKEN,
    user::{PRODUCT, User, content, nodelock, vendor},
    vendor::Vendor,
};

#[test]
fn bad_input_is_refused_with_clear_words_and_changes_nothing() {
    let mut vendor = vendor(3);
    let user = User::new(&vendor);
    let mut stranger = Vendor::new(PRODUCT, 1).unwrap();
    let mut other_product = Vendor::new("Example Player", 1).unwrap();
    other_product.issuer = vendor.issuer.clone();

    // Files that are genuine, and wrong here.
    let other_user = User { product: "Example Player".into(), ..User::new(&vendor) };
    let request = other_user.run(0, &["request", &other_product.license_key.clone()]);
    let for_other_product = user.write("other-product.txt", other_product.activate(&request).unwrap());
    let unknown_user = User::new(&stranger);
    let request = unknown_user.run(0, &["request", &stranger.license_key.clone()]);
    let by_stranger = user.write("stranger.txt", stranger.activate(&request).unwrap());
    let neighbor = User::new(&vendor);
    let request = neighbor.run(0, &["request", &vendor.license_key.clone()]);
    let for_neighbor = user.write("neighbor.txt", vendor.activate(&request).unwrap());
    neighbor.run(0, &["install", &for_neighbor]);
    neighbor.deactivate();
    let proof = neighbor.run(0, &["code", "--format", "text"]);
    let receipt = vendor.redeem(&proof).unwrap();
    let receipt = user.write("receipt.txt", receipt.to_text());

    let request = user.run(0, &["request", &vendor.license_key.clone()]);
    let license = vendor.activate(&request).unwrap();
    let request = user.write("request.txt", request);
    let in_certificate = license.find("\n\n").unwrap() + 42;
    let mut flipped = license.clone();
    let other = if flipped.as_bytes()[in_certificate] == b'A' { "B" } else { "A" };
    flipped.replace_range(in_certificate..=in_certificate, other);
    let headers = license.replace("Jane Doe", "John Doe");

    let empty = user.write("empty", "");
    let garbage = user.write("garbage", (0..2000_u32).map(|i| ((i * i) >> 3) as u8).collect::<Vec<_>>());
    let binary = user.write("binary", b"NL\x01\x01 and then nothing that makes sense");
    let newer = user.write("newer", b"NL\x02\x01 of a later version");
    let text = user.write("text", "Dear customer, your license is attached.");
    let oversized = user.write("oversized", vec![b'A'; 1024 * 1024]);
    let truncated = user.write("truncated", &license[..license.len() / 2]);
    let flipped = user.write("flipped", flipped);
    let headers = user.write("headers", headers);
    let folder = user.path("store");
    let folder = folder.to_str().unwrap();
    let missing = user.path("missing");
    let missing = missing.to_str().unwrap();

    for command in ["install", "receipt"] {
        for (file, kind, words) in [
            (missing, "input", "cannot read"),
            (folder, "input", "cannot read"),
            (&empty, "malformed", "no message was found"),
            (&garbage, "malformed", "no message was found"),
            (&binary, "malformed", "the message is cut off"),
            (&newer, "unsupported-version", "the message has version 2"),
            (&text, "malformed", "no message was found"),
            (&oversized, "too-large", "bytes; at most "),
            (&truncated, "malformed", "the text of the message is damaged"),
            (&flipped, "bad-signature", "the signature does not fit"),
            (&by_stranger, "untrusted-signer", "signed by key "),
            (&request, "wrong-type", "found: activation request; expected here: "),
        ] {
            user.refused(1, &[command, file], kind, words);
        }
    }
    user.refused(1, &["install", &for_other_product], "wrong-product", "is for the product");
    user.refused(1, &["install", &for_neighbor], "wrong-machine", "made for another machine");
    // Both take whatever the vendor sent, so neither says that the other is meant.
    for command in ["install", "receipt"] {
        user.refused(1, &[command, &receipt], "wrong-machine", "made for another machine");
    }
    user.refused(1, &["receipt", &for_neighbor], "wrong-machine", "made for another machine");
    user.refused(1, &["request", "2BNYW-D0EKF"], "unreadable-code", "license key");
    user.refused(1, &["request", &stranger.license_key], "already-active", "a request is pending");
    user.refused(1, &["deactivate", "--offline"], "not-active", "no license is active");

    let text_of_license = license.clone();
    let license = user.write("license.txt", license);
    user.run(0, &["install", &license]);
    // What its readable lines say is no reason to refuse a license, and people are told.
    let installed = user.json(0, &["install", &headers]);
    assert_eq!(installed["changed_headers"], serde_json::json!(["Licensee: Jane Doe"]));
    assert_eq!(user.json(0, &["install", &license])["changed_headers"], serde_json::json!([]));
    for (form, make) in TAKEN.iter().step_by(11) {
        let mailed = user.write("mailed.txt", make(&text_of_license));
        assert_eq!(user.json(0, &["install", &mailed])["usable"], true, "{form}");
    }
    let key = user.root;
    for roots in [format!("\u{feff}# the vendor's\r\n> \"{key}\"\r\n"), format!("Root key: {key}\n\n")] {
        let roots = user
            .write("mailed-roots.txt", roots.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>());
        user.run(0, &["status", "--roots", &roots]);
    }
    user.refused(1, &["install", &for_neighbor], "wrong-machine", "made for another machine");
    user.refused(
        1,
        &["request", &vendor.license_key.clone()],
        "already-active",
        "a license is there already",
    );
    user.refused(1, &["cancel"], "not-pending", "no activation request is pending");

    // A valid license gives way where that is asked for, and is as before when the request is cancelled.
    user.run(0, &["request", &vendor.license_key.clone(), "--replace-license"]);
    user.refused(1, &["request", &stranger.license_key], "already-active", "a request is pending");
    user.run(0, &["request", &stranger.license_key, "--replace-request"]);
    user.run(0, &["status"]);
    user.run(0, &["cancel"]);
    user.run(0, &["status"]);
}

#[test]
fn what_comes_on_standard_input_is_read_and_limited() {
    let mut vendor = vendor(1);
    let user = User::new(&vendor);
    let feed = |arguments: &[&str], input: &[u8]| {
        let mut command = user.command(nodelock(), arguments);
        let mut child =
            command.stdin(Stdio::piped()).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        // The program stops reading where its limit is.
        let written = child.stdin.take().unwrap().write_all(input);
        let output = child.wait_with_output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap(), written)
    };
    let request = user.run(0, &["request", &vendor.license_key.clone()]);
    let (exit, stderr, written) = feed(&["install", "-"], &vec![b'A'; 16 * 1024 * 1024]);
    assert!(exit == Some(1) && stderr.contains("at most 524288 are allowed") && written.is_err(), "{stderr}");
    let license = vendor.activate(&request).unwrap();
    assert_eq!(feed(&["install", "-"], license.as_bytes()).0, Some(0));
    let receipt = vendor.redeem(user.deactivate_to_file().as_slice()).unwrap();
    assert_eq!(feed(&["receipt", "-"], receipt.to_base64url().as_bytes()).0, Some(0));
}

#[test]
fn wrong_usage_is_told_from_refusals() {
    let vendor = vendor(1);
    let user = User::new(&vendor);
    let root = vendor.root.to_string();
    let empty = user.write("no-roots", "# none yet\n\n");
    let wrong = user.write("wrong-roots", "not a key\n");
    let weak = PublicKey::from_bytes([0; 32]).is_err().then(|| "A".repeat(43)).unwrap();
    let product = ["--product", PRODUCT];
    let with_root = ["--product", PRODUCT, "--root", root.as_str()];
    let bad: &[(&[&str], &[&str], &str)] = &[
        (&["--root", &root], &["status"], "--product"),
        (&product, &["status"], "--root"),
        (&product, &["install", "license.txt"], "--root"),
        (&["--product", "", "--root", &root], &["status"], "which product"),
        (&["--product", "two\nlines", "--root", &root], &["status"], "product"),
        (&["--product", PRODUCT, "--root", "short"], &["status"], "43 characters"),
        (&["--product", PRODUCT, "--root", &weak], &["status"], "must not be used"),
        (&["--product", PRODUCT, "--roots", &empty], &["status"], "--root"),
        (&["--product", PRODUCT, "--roots", &wrong], &["status"], "wrong-roots"),
        (&with_root, &["install"], "<FILE>"),
        (&with_root, &["frobnicate"], "frobnicate"),
        (&with_root, &["code", "--format", "carrier-pigeon"], "carrier-pigeon"),
        (&with_root, &["code", "--link", "https://example.com"], "--format qr"),
        (&with_root, &["code", "--seat", "no"], "seat"),
        (&with_root, &["deactivate", "--offline", "--reason", "boredom"], "boredom"),
        (&with_root, &["request", "--metadata", "nothing"], "NAME=VALUE"),
        (&with_root, &["deactivate"], "NODELOCK_AUTHORITY"),
    ];
    for (configuration, arguments, words) in bad {
        for json in [false, true] {
            let mut command = user.bare(nodelock());
            command.args(*configuration).arg("--store").arg(user.path("store")).args(*arguments);
            let output = command.args(json.then_some("--json")).output().unwrap();
            let stderr = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(2), "{arguments:?}: {stderr}");
            assert!(stderr.contains(words) && output.stdout.is_empty(), "{arguments:?}: {stderr}");
            if json {
                let error: Value = serde_json::from_str(&stderr).unwrap();
                assert!(error["error"].is_string(), "{error}");
            }
        }
    }
    user.refused(2, &["deactivate"], "no-authority", "--offline");
    assert!(!user.path("store").exists(), "nothing of that made a store");
    let help = user.bare(nodelock()).arg("--help").output().unwrap();
    assert_eq!(help.status.code(), Some(0));
}

#[test]
fn a_root_key_may_begin_with_a_dash() {
    let user = User { root: PublicKey::from_bytes([0xfb; 32]).unwrap(), ..User::new(&vendor(1)) };
    assert!(user.root.to_string().starts_with('-'));
    assert_eq!(user.status(), ("unlicensed".to_owned(), false));
}

#[test]
fn product_and_roots_come_from_the_environment_too() {
    let vendor = vendor(1);
    let user = User::new(&vendor);
    let roots = user.write("roots", format!("# the vendor's keys\r\n\r\n{}\r\n", vendor.root));
    let mut command = user.bare(nodelock());
    command.env("NODELOCK_PRODUCT", PRODUCT).env("NODELOCK_ROOTS", roots).args(["request", "--json"]);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    // Without --store it is the user's own place.
    let states = content(user.home.path()).into_keys().filter(|path| path.ends_with("state")).count();
    assert!(states >= 1);
    assert!(!user.path("store").exists());
}

#[test]
#[cfg(unix)]
fn a_store_that_cannot_be_written_to_is_still_read() {
    use std::os::unix::{
        fs::{MetadataExt as _, PermissionsExt as _},
        process::CommandExt as _,
    };

    let mut vendor = vendor(1);
    let user = User::new(&vendor);
    let license = user.activate(&mut vendor);
    let program = user.path("program");
    // By another process: while this one has a program open for writing, no thread's child can start it.
    assert!(Command::new("cp").arg(nodelock()).arg(&program).status().unwrap().success());
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    for path in fs::read_dir(user.path("store")).unwrap().map(|entry| entry.unwrap().path()) {
        mode(&path, 0o444);
    }
    mode(&user.path("store"), 0o555);
    mode(user.home.path(), 0o555);
    // Permissions do not bind root, so that root has somebody else look.
    let is_root = fs::metadata(user.home.path()).unwrap().uid() == 0;
    let run = |arguments: &[&str]| {
        let mut command = user.command(&program, arguments);
        if is_root {
            command.uid(65534).gid(65534);
        }
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
    };
    let before = content(&user.path("store"));
    let (exit, said) = run(&["status"]);
    assert!(exit == Some(0) && said.starts_with("active\n"), "{said}");
    for arguments in [["deactivate", "--offline"], ["install", license.as_str()]] {
        let (exit, said) = run(&arguments);
        assert!(exit == Some(1) && said.starts_with("error: ") && said.contains("access denied"), "{said}");
    }
    assert_eq!(run(&["status", "--json"]).0, Some(0));
    assert!(content(&user.path("store")) == before);
    mode(user.home.path(), 0o755);
    mode(&user.path("store"), 0o755);
}

#[test]
fn a_deployment_key_is_read_from_a_file_and_shown_by_nothing() {
    let vendor = vendor(1);
    let user = User::new(&vendor);
    let file = |name: &str, content: &[u8]| user.write(name, content);
    let (empty, words) = (file("no key", b" \n"), file("words", b"nld_one nld_two\n"));
    let (binary, long) = (file("no text", b"nld_\xff"), file("long", &[b'a'; 5000]));
    let missing = user.path("missing").display().to_string();
    let one = file("key", b"nld_secret\n");
    let ask = |file: &str, error: &str, exit: i32, said: &str| {
        let nowhere = ["activate", "--authority", "http://127.0.0.1:1", "--deployment-key-file", file];
        user.refused(exit, &nowhere, error, said);
    };
    ask(&empty, "invalid-input", 2, "deployment key has 0 bytes");
    ask(&words, "invalid-input", 2, "one word");
    ask(&long, "invalid-input", 2, "bytes; 1 to 1024");
    ask(&binary, "usage", 2, "no deployment key is in it");
    ask(&missing, "input", 1, "missing");
    for words in [&[][..], &["--json"]] {
        let asked = ["activate", "--authority", "http://127.0.0.1:1", "--deployment-key-file", &one];
        let asked = [words, &asked].concat();
        let output = user.output(&asked);
        let said = [output.stdout, output.stderr].concat();
        assert_eq!(output.status.code(), Some(1));
        assert!(!String::from_utf8_lossy(&said).contains("nld_"));
    }
    for (path, bytes) in content(user.home.path()) {
        let is_the_file = path.file_name().is_some_and(|name| name == "key" || name == "words");
        let holds = bytes.is_some_and(|bytes| bytes.windows(4).any(|window| window == b"nld_"));
        assert!(!holds || is_the_file || path.ends_with("no text"), "{}", path.display());
    }
}

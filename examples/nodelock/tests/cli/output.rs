//! What the client says: every format, every documented field, no secret too many, and output that nobody takes.

use std::{fs, io};

use nodelock::{
    authority::{Evidence, ReleaseClaim},
    code::{DeactivationCode, base32},
    qr,
};
use serde_json::Value;

use crate::user::{User, nodelock, vendor};

#[test]
fn every_format_of_a_code_says_the_same() {
    let mut vendor = vendor(1);
    let user = User::new(&vendor);
    user.activate(&mut vendor);
    let given_up = user.json(0, &["deactivate", "--offline", "--reason", "retired"]);
    let seat = given_up["seat"].as_str().unwrap();
    assert_eq!(given_up["reason"], "retired");

    let phone = user.text(&["code"]);
    assert_eq!(phone.trim(), given_up["code"].as_str().unwrap());
    assert_eq!(DeactivationCode::read(phone.trim()).unwrap()[0].code.handle().to_string(), seat);

    let file = user.run(0, &["code", "--format", "file"]);
    assert!(file.len() <= 110, "{} bytes", file.len());
    let text = user.text(&["code", "--format", "text"]);
    let base64url = given_up["base64url"].as_str().unwrap();
    for form in [text.as_bytes(), base64url.as_bytes(), &file] {
        let claim = ReleaseClaim::read(form).unwrap();
        assert_eq!(claim.handle().to_string(), seat);
        assert_eq!(Evidence::Proof(Box::new(claim)).to_bytes(), file);
    }
    let base32 = base32::encode(&file);
    assert_eq!(user.text(&["code", "--format", "svg"]), qr::svg(&base32).unwrap());
    assert_eq!(user.text(&["code", "--format", "qr"]), qr::terminal(&base32).unwrap());
    for link in ["https://example.com/return", "https://example.com/return#"] {
        let linked = format!("https://example.com/return#{base32}");
        assert_eq!(user.text(&["code", "--format", "svg", "--link", link]), qr::svg(&linked).unwrap());
    }

    for (format, content) in [("text", text.as_str()), ("file", base64url)] {
        let json = user.json(0, &["code", "--format", format]);
        assert_eq!((&json["format"], &json["content"]), (&format.into(), &content.into()));
        let out = user.path("out");
        let json = user.json(0, &["code", "--format", format, "--out", out.to_str().unwrap()]);
        assert!(json["out"].is_string() && json["content"].is_null());
        assert_eq!(fs::read(out).unwrap(), user.run(0, &["code", "--format", format]));
    }
    // All of it again, to the vendor: one seat, freed once.
    for form in [text.as_bytes(), base64url.as_bytes(), &file] {
        vendor.redeem(form).unwrap();
    }
    vendor.redeem_code(&phone).unwrap();
    assert_eq!((vendor.usage().taken, vendor.usage().deactivated), (0, 1));
}

#[test]
fn of_several_codes_one_is_chosen() {
    let mut vendor = vendor(1);
    let user = User::new(&vendor);
    user.activate(&mut vendor);
    let code = user.deactivate();
    user.run(0, &["request", &vendor.license_key.clone()]);
    user.run(0, &["cancel"]);
    assert!(user.text(&["code"]).starts_with(&code));
    assert_eq!(user.text(&["code"]).lines().count(), 2);
    for format in ["file", "text", "qr", "svg"] {
        user.refused(2, &["code", "--format", format], "usage", "--seat");
    }
    let outstanding = user.json(0, &["code"]);
    for given_up in outstanding["outstanding"].as_array().unwrap() {
        let seat = given_up["seat"].as_str().unwrap();
        let file = user.run(0, &["code", "--format", "file", "--seat", seat]);
        let claim = ReleaseClaim::read(&file).unwrap();
        assert_eq!(claim.handle().to_string(), seat);
        // A request that was cancelled comes along, because the vendor may never have seen it.
        assert_eq!(claim.request().is_some(), given_up["reason"] == "cancelled");
        vendor.redeem(&file).unwrap();
    }
    user.refused(1, &["code", "--seat", "000000"], "nothing-outstanding", "no seat waits");
}

#[test]
fn objects_have_the_documented_fields() {
    let mut vendor = vendor(1);
    let user = User::new(&vendor);
    let fields = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ");
    let status_fields = "changed_headers clock_error hint license licensing_time message outstanding pending \
         power_cuts_covered renewal_due usable verdict";

    let found = user.json(0, &["fingerprint"]);
    assert_eq!(fields(&found), "components container signs virtual_machine");
    assert_eq!(fields(&found["components"][0]), "class found name");
    let status = user.json(3, &["status"]);
    assert_eq!(fields(&status), status_fields);
    assert!(status["license"].is_null() && status["hint"].as_str().unwrap().contains("request"));
    let request =
        user.json(0, &["request", &vendor.license_key.clone(), "--metadata", "computer=office: a=b"]);
    assert_eq!(fields(&request), "content created format new releases seat");
    assert_eq!((&request["new"], &request["format"]), (&true.into(), &"text".into()));
    let answer = vendor.activate(request["content"].as_str().unwrap().as_bytes()).unwrap();
    let installed = user.json(0, &["install", &user.write("license.txt", answer)]);
    let of_install = status_fields.replace("renewal_due", "receipts renewal_due revoked");
    assert_eq!(fields(&installed), of_install);
    let started = status_fields.replace("renewal_due", "renewal renewal_due renewal_error");
    assert_eq!(fields(&user.json(0, &["start", "--limit", "0"])), started);
    assert_eq!(
        fields(&installed["license"]),
        "deactivations_left edition expires features id issued lease_until licensee metadata product renew_after \
         revision seat starts updates_until"
    );
    assert_eq!(fields(&installed["license"]["features"][0]), "expires limit name");
    assert_eq!(installed["license"]["seat"], request["seat"]);
    let mut given_up = user.json(0, &["deactivate", "--offline"]);
    assert_eq!(fields(&given_up), "base64url code reason seat time tombstone");
    assert_eq!(given_up.as_object_mut().unwrap().remove("tombstone"), Some(true.into()));
    assert_eq!(given_up["reason"], "other");
    let shown = user.json(0, &["code"]);
    assert_eq!(shown["outstanding"], Value::from(vec![given_up.clone()]));
    let receipt = vendor.redeem(given_up["base64url"].as_str().unwrap().as_bytes()).unwrap();
    let receipt = user.json(0, &["receipt", &user.write("receipt.txt", receipt.to_text())]);
    assert_eq!(fields(&receipt), of_install);
    assert_eq!(fields(&receipt["receipts"][0]), "outcome seat time");
    user.run(0, &["request"]);
    assert_eq!(fields(&user.json(0, &["cancel"])), "outstanding seat time");
}

#[test]
fn a_tombstone_that_cannot_be_left_is_a_warning() {
    let mut vendor = vendor(2);
    for as_json in [false, true] {
        let user = User::new(&vendor);
        // A file where the directory for tombstones would be.
        user.write(if cfg!(target_os = "macos") { "Library" } else { ".local" }, "");
        user.write("nodelock", "");
        let request = user.text(&["request", &vendor.license_key.clone()]);
        user.run(0, &["install", &user.write("license.txt", vendor.activate(request.as_bytes()).unwrap())]);
        if as_json {
            assert_eq!(user.json(0, &["deactivate", "--offline"])["tombstone"], false);
        } else {
            let output = user.output(&["deactivate", "--offline"]);
            let notes = String::from_utf8(output.stderr).unwrap();
            assert!(output.status.success() && notes.contains("Warning: no tombstone"), "{notes}");
        }
    }
}

#[test]
fn the_machine_is_described_without_a_product_and_without_values() {
    let user = User::new(&vendor(1));
    let run = |arguments: &[&str]| {
        let output = user.bare(nodelock()).args(arguments).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (exit, text) = run(&["fingerprint"]);
    assert_eq!(exit, Some(0));
    for name in ["os_id", "disk_serial", "mac", "cpu", "virtual", "container"] {
        assert!(text.lines().any(|line| line.starts_with(name)), "{name} is missing in:\n{text}");
    }
    let machine_id = fs::read_to_string("/etc/machine-id").unwrap_or_default();
    assert!(machine_id.trim().is_empty() || !text.contains(machine_id.trim()));
    // A machine without any identity says so; the same one answers the same every time.
    let (exit, id) = run(&["fingerprint", "--id", "app"]);
    assert!(exit == Some(0) && id.trim().len() == 32 || exit == Some(1) && id.is_empty());
    assert_eq!(run(&["fingerprint", "--id", "app"]).1, id);
    assert!(exit == Some(1) || run(&["fingerprint", "--id", "other"]).1 != id);
    assert_eq!(run(&["fingerprint", "--id", ""]).0, Some(2));
}

#[test]
fn no_secret_is_shown_before_it_is_asked_for() {
    let mut vendor = vendor(2);
    let user = User::new(&vendor);
    let key = vendor.license_key.clone();
    let mut said = String::new();
    let mut say = |arguments: &[&str]| {
        let output = user.output(arguments);
        said += &String::from_utf8_lossy(&[output.stdout.clone(), output.stderr].concat());
        output.stdout
    };
    say(&["request", &key, "--json"]);
    say(&["cancel"]);
    let request = say(&["request", &key]);
    let license = user.write("license.txt", vendor.activate(&request).unwrap());
    say(&["install", &license]);
    say(&["status"]);
    say(&["status", "--json"]);
    let code = user.deactivate();
    say(&["status", "--json"]);
    let listed = user.text(&["code"]);
    assert!(listed.contains(&code));
    for secret in listed.lines().map(|line| line[..29].to_owned()).chain([key]) {
        assert!(!said.contains(&secret) && !said.contains(&secret[6..]), "{secret} in:\n{said}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_reason_to_panic() {
    let mut vendor = vendor(1);
    let user = User::new(&vendor);
    user.activate(&mut vendor);
    let unread = |arguments: &[&str]| {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let output = user.command(nodelock(), arguments).stdout(writer).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(!stderr.contains("panicked"), "{stderr}");
        output.status.code()
    };
    assert_eq!(unread(&["status"]), Some(0));
    assert_eq!(unread(&["--help"]), Some(0));
    assert_eq!(unread(&["deactivate", "--offline"]), Some(0));
    assert_eq!(unread(&["status", "--json"]), Some(3));
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    let mut both = user.command(nodelock(), &["install", "missing"]);
    assert_eq!(both.stderr(writer).output().unwrap().status.code(), Some(1));
    // What was not read is not lost.
    assert_eq!(vendor.redeem_code(user.text(&["code"]).trim()).unwrap().1.len(), 0);
}

#[test]
#[cfg(target_os = "linux")]
fn a_code_that_could_not_be_written_is_shown_again() {
    let mut vendor = vendor(1);
    let user = User::new(&vendor);
    user.activate(&mut vendor);
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let mut command = user.command(nodelock(), &["deactivate", "--offline"]);
    let output = command.stdout(full).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("cannot write to standard output") && stderr.contains("`code`"), "{stderr}");
    user.refused(1, &["code", "--out", "/dev/full"], "output", "cannot write to /dev/full");
    vendor.redeem_code(user.text(&["code"]).trim()).unwrap();
    assert_eq!(vendor.usage().taken, 0);
}

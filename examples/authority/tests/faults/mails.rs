//! Mails are sent at least once, in order and with one id each, wherever the server is killed.
#![cfg(unix)]

use std::{collections::BTreeSet, fs, path::Path, time::SystemTime};

use nodelock::Timestamp;

use super::waiting::{CLAIM, wait};
use crate::support::server::{Authority, PRODUCT};

/// Keeps each mail in the folder, under the number of those before it, and goes on while a file is there.
const PROGRAM: &str = "cat > \"$1/new.$$\"; n=$(ls \"$1\" | grep -c came); mv \"$1/new.$$\" \"$1/came.$n\"; \
                       while [ -e \"$1/hold\" ]; do sleep 0.05; done";

/// The ids of the mails that came, in order.
fn came(folder: &Path) -> Vec<String> {
    let mail = |number: usize| fs::read_to_string(folder.join(format!("came.{number}"))).ok();
    let id = |mail: String| {
        let line = mail.lines().find_map(|line| line.strip_prefix("Message-ID: ")).map(str::to_owned);
        line.unwrap_or_else(|| panic!("no id: {mail}"))
    };
    (0..).map_while(mail).map(id).collect()
}

#[test]
fn a_mail_is_sent_at_least_once_and_in_order_wherever_the_server_is_killed() {
    let _up = crate::database_stays();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let mut now = Timestamp::from(SystemTime::now()).unix_seconds();
    let argument = |text: &str| format!("--mail-argument={text}");
    let arguments = ["-c", PROGRAM, "sh", path.to_str().unwrap()].map(argument);
    let mut options = vec!["--mail-command", "/bin/sh"];
    options.extend(arguments.iter().map(String::as_str));
    let Some(authority) = Authority::over_time_with(PRODUCT, now, &options) else { return };
    authority.vendor(&["mail", "policy", "--from", "sales@example.com"]);
    let customer = authority.vendor(&["customer", "new", "--name", "Jane", "--email", "jane@example.com"]);
    let sold = authority.vendor(&["license", "new", "--customer", customer["id"].as_str().unwrap()]);
    let license = sold["license"].as_str().unwrap().to_owned();
    let send = || drop(authority.vendor(&["license", "send-key", &license]));
    let is_done = || {
        let mails = authority.vendor(&["mail", "list"]);
        mails["mails"].as_array().unwrap().iter().all(|row| row["state"] == "delivered")
    };
    let hold = path.join("hold");

    // Before it has heard of the mail.
    authority.kill();
    send();
    authority.restart();
    wait("the first", &authority, &mut now, is_done);
    // While the program has the mail: it does not end with the server. Another one waits behind it.
    fs::write(&hold, "").unwrap();
    send();
    send();
    wait("the second", &authority, &mut now, || came(path).len() == 2);
    authority.kill();
    fs::remove_file(&hold).unwrap();
    now += CLAIM;
    authority.clock().set(now);
    authority.restart();
    wait("all", &authority, &mut now, is_done);
    // Once it has ended, whether that is noted or not.
    send();
    wait("the fourth", &authority, &mut now, || came(path).len() >= 5);
    authority.kill();
    now += CLAIM;
    authority.clock().set(now);
    authority.restart();
    wait("the end", &authority, &mut now, is_done);

    let came = came(path);
    let events = authority.vendor(&["event", "list", "--license", &license]);
    let of_event = |event: &serde_json::Value| format!("<{}@example.com>", event["id"].as_str().unwrap());
    let sent =
        events["events"].as_array().unwrap().iter().filter(|event| event["type"] == "license.key-sent");
    let expected: Vec<String> = sent.map(of_event).collect();
    let mut once = came.clone();
    once.dedup();
    assert_eq!(once, expected, "in order, and no other: {came:?}");
    assert_eq!(came.iter().collect::<BTreeSet<_>>().len(), 4);
    assert!(came.len() >= 5, "what was not noted was sent again: {came:?}");
    authority.vendor(&["verify"]);
}

//! The receiver of docs/guides/webhooks.md, to the letter: an independent verification of the scheme.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
};

use crate::support::{
    hosts::{folder, skipped},
    requests::request,
    responder::{Received, Responder, http},
    server::Installation,
};

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_guides_receiver_takes_what_is_genuine_and_refuses_what_is_forged() {
    if skipped(&["python3"]) {
        return;
    }
    let installation = Installation::new();
    // What is sent is caught first, and shown to the receiver afterwards.
    let caught = Responder::saying(http("200 OK", "", b""));
    let made = installation.vendor(&["webhook", "add", &caught.url()]);
    let (id, secret) = (made["id"].as_str().unwrap(), made["secret"].as_str().unwrap());
    let test = ["webhook", "test", id, "--webhook-allow", "127.0.0.1"];
    assert_eq!(installation.vendor(&test)["taken"], true);
    let genuine = caught.take_received().remove(0);

    let guide = fs::read_to_string(folder("docs/guides/webhooks.md")).unwrap();
    let program = guide.split("```python\n").nth(1).and_then(|rest| rest.split("```\n").next()).unwrap();
    let main = installation.path("receiver.py");
    fs::write(&main, program).unwrap();
    let mut command = Command::new("python3");
    command.args(["-B", "-Werror"]).arg(&main).env("WEBHOOK_SECRET", secret).stdout(Stdio::piped());
    let mut receiver = Running(command.spawn().unwrap());
    let mut said = BufReader::new(receiver.0.stdout.take().unwrap()).lines();
    let port: u16 = said.next().unwrap().unwrap().parse().unwrap();
    let show = |message: &Received| {
        let headers: Vec<(&str, &str)> =
            message.sent_head.lines().filter_map(|line| line.split_once(": ")).collect();
        let ours: Vec<_> = headers.into_iter().filter(|(name, _)| name.starts_with("webhook-")).collect();
        request(([127, 0, 0, 1], port).into(), "POST", "/", &ours, &message.body).status
    };
    assert_eq!(show(&genuine), 204);
    let forged = |change: &dyn Fn(&mut Received)| {
        let mut message = genuine.clone();
        change(&mut message);
        message
    };
    let replaced = |from: &'static str, to: &'static str| {
        move |message: &mut Received| message.sent_head = message.sent_head.replace(from, to)
    };
    let timestamp =
        genuine.sent_head.lines().find_map(|line| line.strip_prefix("webhook-timestamp: ")).unwrap();
    let later = (timestamp.parse::<u64>().unwrap() + 1).to_string();
    let changes: [&dyn Fn(&mut Received); 5] = [
        &|message| message.body.push(b' '),
        &replaced("test_", "rest_"),
        &replaced("v1,", "v1,A"),
        &replaced("webhook-signature", "webhook-unsigned"),
        &|message| message.sent_head = message.sent_head.replace(timestamp, &later),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        assert_eq!(show(&forged(change)), 401, "forgery {number}");
    }
    // With another secret; and with two, of which the receiver has the former one.
    let other = installation.vendor(&["webhook", "add", &caught.url()]);
    let of_other = ["webhook", "test", other["id"].as_str().unwrap(), "--webhook-allow", "127.0.0.1"];
    installation.vendor(&of_other);
    assert_eq!(show(&caught.take_received()[0]), 401);
    installation.vendor(&["webhook", "secret", id]);
    installation.vendor(&test);
    assert_eq!(show(&caught.take_received()[0]), 204);
    // Each once, however often it comes.
    assert_eq!(show(&genuine), 204);
    drop(receiver);
    assert_eq!(said.map(Result::unwrap).collect::<Vec<_>>(), ["webhook.test", "webhook.test"]);
}

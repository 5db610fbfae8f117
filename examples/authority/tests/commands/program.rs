//! What the tests of commands share: an authority without a server, and what its program says.

use std::{
    io::Write as _,
    ops::Deref,
    process::{Child, Command, Stdio},
};

use nodelock::{Client, Verdict};
use serde_json::Value;

use crate::{
    schema,
    support::server::{Installation, with_deactivations},
};

/// An authority without a server.
pub struct Authority(Installation);

impl Deref for Authority {
    type Target = Installation;

    fn deref(&self) -> &Installation {
        &self.0
    }
}

/// What the finished program said.
pub struct Finished {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Finished {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|e| panic!("{e}: {:?} {:?}", self.stdout, self.stderr))
    }
}

impl Authority {
    pub fn new() -> Self {
        Self(Installation::new())
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.0.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub fn start(&self, arguments: &[&str], input: &[u8]) -> Child {
        let mut child = self.command(arguments).arg("--json").spawn().unwrap();
        // A program that does not read its input closes it; that is its right.
        let _ = child.stdin.take().unwrap().write_all(input);
        child
    }

    pub fn run(&self, arguments: &[&str], input: &[u8]) -> Finished {
        finish(self.start(arguments, input))
    }

    pub fn text(&self, arguments: &[&str]) -> Finished {
        finish(self.command(arguments).spawn().unwrap())
    }

    /// What must succeed.
    pub fn done(&self, arguments: &[&str]) -> Value {
        self.done_with(arguments, b"")
    }

    pub fn done_with(&self, arguments: &[&str], input: &[u8]) -> Value {
        let answer = self.run(arguments, input);
        assert_eq!(answer.code, 0, "{arguments:?}: {} {}", answer.stdout, answer.stderr);
        let value = answer.json();
        schema::check(arguments, &value);
        value
    }

    /// What must be refused; returns the stable name of why.
    pub fn refused(&self, arguments: &[&str], input: &[u8]) -> String {
        let answer = self.run(arguments, input);
        assert_eq!(answer.code, 1, "{arguments:?}: {} {}", answer.stdout, answer.stderr);
        let value = answer.json();
        schema::check_refused(&value);
        value["error"].as_str().unwrap().to_owned()
    }

    /// A license and its key, with deactivations without limit unless `more` says otherwise.
    pub fn sell(&self, seats: &str, more: &[&str]) -> (String, String) {
        let arguments = [&["license", "new", "--licensee", "Jane Doe", "--seats", seats], more].concat();
        let sold = self.done(&with_deactivations(&arguments));
        (sold["license"].as_str().unwrap().to_owned(), sold["key"].as_str().unwrap_or_default().to_owned())
    }

    pub fn device(&self, name: &str) -> Client {
        self.client(name).build().unwrap()
    }

    /// A device that holds a seat.
    pub fn activated(&self, name: &str, key: &str) -> Client {
        let device = self.device(name);
        let request = device
            .begin(nodelock::ActivationRequestOptions::of_key(key).metadata("host", name))
            .unwrap()
            .to_bytes();
        let reply = self.done_with(&["activate", "-"], &request);
        device.accept(reply["reply"].as_str().unwrap().as_bytes()).unwrap();
        assert_eq!(*device.check().unwrap().verdict(), Verdict::Active);
        device
    }

    pub fn taken(&self) -> u64 {
        self.count_taken()
    }

    /// The ledger agrees with its audit: every seat was granted or cancelled once, and is where its last line left it.
    pub fn check_consistency(&self) {
        let (seats, audit) = (self.seats(), self.audit());
        for seat in &seats {
            let of_seat =
                |line: &&Value| line["handle"] == seat["handle"] && line["device"] == seat["device"];
            let lines: Vec<&Value> = audit.iter().filter(of_seat).collect();
            assert_eq!(lines.iter().filter(|line| line["from"].is_null()).count(), 1, "{lines:?}");
            assert_eq!(lines.last().unwrap()["to"], seat["state"], "{lines:?}");
        }
        assert_eq!(
            seats.len(),
            audit.iter().filter(|l| l["from"].is_null() && !l["handle"].is_null()).count()
        );
        let held = |seat: &&Value| seat["state"] == "active" || seat["state"] == "held";
        assert_eq!(self.taken(), seats.iter().filter(held).count() as u64);
        self.done(&["verify"]);
    }
}

pub fn finish(child: Child) -> Finished {
    let output = child.wait_with_output().unwrap();
    Finished {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

pub fn field<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("no {name} in {value}"))
}

/// Other symbols in place of these.
pub fn mistype(code: &str, places: &[usize]) -> String {
    let mut typed: Vec<char> = code.chars().collect();
    for &place in places {
        typed[place] = if typed[place] == 'X' { 'Y' } else { 'X' };
    }
    typed.into_iter().collect()
}

pub fn base64url(bytes: &[u8]) -> String {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    URL_SAFE_NO_PAD.encode(bytes)
}

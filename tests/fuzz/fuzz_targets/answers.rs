//! Any answer of an authority to each online call.
//!
//! An input is the place of a state, a call's number, and the answers, a line each: three digits of the status, then
//! the body. `$` and a letter stand for a genuine message in base64url, so that JSON around messages can be changed.
#![no_main]

use std::{sync::Mutex, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use nodelock::{Answer, Error, ErrorKind, Post, Reason, Result, Transport};
use nodelock_fuzz::{mutate_text, planted, world};

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutate_text(data, size, max_size, 2, seed).unwrap_or_else(|| fuzzer_mutate(data, size, max_size))
});

/// Says one answer after the other.
struct Script(Mutex<Vec<Vec<u8>>>);

impl Transport for Script {
    fn post(&self, post: &Post<'_>) -> Result<Answer> {
        assert!(post.body.starts_with(b"{") && post.url.contains("/v1/"));
        let next = self.0.lock().expect("one thread").pop();
        let line = next.ok_or_else(|| Error::new(ErrorKind::Unreachable, "no more answers"))?;
        let (status, body) = line.split_at(line.len().min(3));
        let status = str::from_utf8(status).ok().and_then(|status| status.parse().ok()).unwrap_or(200);
        let body = with_messages(body);
        if let Ok(json) = serde_json::from_slice::<serde_json::Value>(&body)
            && let Some(receipts) = json["receipts"].as_array()
            && json["license"].is_string()
        {
            planted(receipts.len(), 2);
        }
        Ok(Answer::new(status, body).with_retry_after(Duration::ZERO))
    }
}

fn with_messages(body: &[u8]) -> Vec<u8> {
    let messages = &world().messages;
    let mut whole = Vec::new();
    let mut bytes = body.iter();
    while let Some(&byte) = bytes.next() {
        match (byte, bytes.as_slice().first()) {
            (b'$', Some(letter @ b'a'..=b'z')) => {
                bytes.next();
                let message = &messages[usize::from(letter - b'a') % messages.len()];
                whole.extend_from_slice(URL_SAFE_NO_PAD.encode(&message.envelope).as_bytes());
            }
            _ => whole.push(byte),
        }
    }
    whole
}

fuzz_target!(|data: &[u8]| {
    let Some((&[state, call], script)) = data.split_first_chunk::<2>() else { return };
    let world = world();
    let state = usize::from(state) % world.states.len();
    let call = call % 6;
    // A new request derives a key, which is slow: an activation or a recovery sends what is pending.
    if call == 0 && !matches!(state, 1 | 2 | 4) || call == 5 && state != world.states.len() - 1 {
        return;
    }
    let store = world.store(&world.states[state]);
    let mut answers: Vec<_> = script.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    answers.truncate(8);
    answers.reverse();
    let client = world.online_client(&store, Script(Mutex::new(answers)));
    let before = client.check().expect("memory can be read");
    match call {
        0 => {
            let key = if state == 4 { "" } else { &world.license_key };
            if let Ok(status) = client.activate(key) {
                // An answer may bring a receipt of this very seat too: then it was given up.
                let is_over = *status.verdict() == nodelock::Verdict::Deactivated;
                assert!(status.license().is_some() || is_over, "an activation ends with a license");
            }
        }
        1 => match client.deactivate(Reason::Moved) {
            Ok(_) => assert!(client.check().is_ok_and(|status| status.license().is_none())),
            Err(error) => {
                let is_kept = client.check().is_ok_and(|s| s.license() == before.license());
                assert!(is_kept || error.deactivation().is_some(), "a license is lost without a proof");
            }
        },
        2 => drop(client.check_in()),
        3 => drop(client.online().hand_in()),
        4 => drop(client.start(std::time::Duration::from_secs(3))),
        _ => drop(client.recover()),
    }
    let after = client.check().expect("memory can be read");
    if let Some(license) = after.license() {
        let is_genuine = world.messages.iter().any(|message| message.envelope == license.as_bytes());
        assert!(is_genuine, "a license that nobody signed");
    }
    let again = world.client(&store).check().expect("memory can be read");
    assert_eq!(after.verdict(), again.verdict(), "another process sees the same");
});

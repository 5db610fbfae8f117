//! What a server answers, in the words and with the exit codes of a command that works on the ledger itself.

use super::Answer;
use crate::{
    failure::{Failure, Result},
    http::records::Details,
};

/// The longest text of a refusal that is shown.
const LONGEST_TEXT: usize = 2000;
const URN: &str = "urn:nodelock:problem:";

/// An answer that is none of this authority's.
pub(crate) fn unreadable(why: &str) -> Failure {
    let message = format!("the answer cannot be read: {why}; the server may be of another version");
    Failure::Told { code: "unreadable-answer".into(), message: line(&message) }
}

/// Fails with what the server refuses with.
pub(super) fn read(answer: Answer) -> Result<Answer> {
    match answer.status {
        200..=299 => Ok(answer),
        300..=399 => {
            let why = "a redirect, which is not followed; name the address that it leads to with --server";
            Err(Failure::Told { code: "redirect".into(), message: format!("{}: {why}", answer.status) })
        }
        status => {
            let details = serde_json::from_slice(&answer.body).ok().filter(|_| answer.is_problem);
            Err(details.map_or_else(|| unknown(status), |details| refused(status, details)))
        }
    }
}

/// What comes from something before the server, such as a proxy.
fn unknown(status: u16) -> Failure {
    Failure::Told { code: "unreadable-answer".into(), message: format!("the server answered {status}") }
}

fn refused(status: u16, Details { r#type, title, detail, .. }: Details) -> Failure {
    let message = line(&detail.unwrap_or(title));
    let Some(code) = r#type.strip_prefix(URN).filter(|code| is_code(code)) else {
        let message = format!("the server answered {status}: {message}");
        return Failure::Told { code: "unreadable-answer".into(), message };
    };
    match code {
        "malformed" => Failure::Usage(message),
        "unauthenticated" => Failure::Unauthenticated,
        "ambiguous-seat" => Failure::AmbiguousSeat,
        "key-in-use" => Failure::KeyInUse,
        "key-not-kept" => Failure::KeyNotKept,
        code => Failure::Told { code: code.to_owned(), message },
    }
}

fn is_code(code: &str) -> bool {
    (1..=60).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')
}

/// Text of a server on one line, and not too much of it.
fn line(text: &str) -> String {
    let shown = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
    text.chars().take(LONGEST_TEXT).map(shown).collect()
}

//! Reading what an authority answers.

use serde::Deserialize;

use super::authority_message::ANSWER;
use crate::{
    Error, ErrorKind, Result, SeatList, Timestamp,
    error::bounded,
    message::{frame, may_hold_a_code},
    transport::Answer,
};

/// The body of a good answer, whatever was asked: messages in base64url. A member of another type, or twice, spoils it;
/// members of other names are passed over.
#[derive(Deserialize)]
pub(super) struct ReplyBody {
    pub(super) allowed: Option<bool>,
    pub(super) license: Option<String>,
    pub(super) receipt: Option<String>,
    pub(super) receipts: Option<Vec<String>>,
    pub(super) revocation: Option<String>,
}

/// Problem details (RFC 9457), of which one member counts, whatever the others are.
#[derive(Deserialize)]
struct Problem {
    /// `urn:nodelock:problem:no-free-seat`, or any URL that ends in the code.
    r#type: String,
}

/// Their words, if they have any, and when a trial ended.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Words {
    detail: String,
    trial_ended: Option<Timestamp>,
}

/// The most characters of an authority's own words that a message shows.
const LONGEST_DETAIL: usize = 300;

/// What an authority refuses with, in its own words if it has any.
fn refusal(kind: ErrorKind, body: &[u8]) -> Error {
    let Words { detail, trial_ended } = serde_json::from_slice(body).unwrap_or_default();
    let error = match detail.trim() {
        "" => Error::about(kind, "the authority says"),
        _ if may_hold_a_code(&detail) => Error::about(kind, "the authority says"),
        words => Error::new(kind, format!("the authority says: {}", bounded(words, LONGEST_DETAIL))),
    };
    error.with_trial_ended(trial_ended.filter(|_| kind == ErrorKind::TrialUsed))
}

pub(super) fn bad_reply(what: &str) -> Error {
    Error::new(ErrorKind::BadReply, format!("the answer is not an authority's: {what}"))
}

/// The seats that come along with `no-free-seat`; whatever is wrong with them, the refusal stands.
fn seats(kind: ErrorKind, body: &[u8]) -> Option<Box<SeatList>> {
    let seats = serde_json::from_slice::<SeatList>(body).ok().filter(SeatList::is_bounded);
    seats.filter(|_| kind == ErrorKind::NoFreeSeat).map(Box::new)
}

/// A good answer; the error that problem details stand for otherwise.
pub(super) fn read(answer: &Answer) -> Result<ReplyBody> {
    // For serde an array of the right items would do too.
    let body = if answer.body.trim_ascii_start().starts_with(b"{") { &answer.body[..] } else { &[] };
    let bad = || bad_reply(&format!("status {}, and no answer or problem of an authority", answer.status));
    if answer.status == 200 {
        return serde_json::from_slice(body).map_err(|_| bad());
    }
    let problem = serde_json::from_slice::<Problem>(body).ok();
    let code = problem.as_ref().and_then(|problem| problem.r#type.rsplit([':', '/', '#']).next());
    match (answer.status, code.and_then(ErrorKind::from_code).filter(|kind| kind.is_an_authoritys())) {
        (_, Some(kind)) => Err(refusal(kind, body).with_seats(seats(kind, body))),
        (status @ (429 | 503), None) => {
            let text = format!("the authority is busy (status {status}); try again later");
            Err(Error::new(ErrorKind::ServerBusy, text))
        }
        (500.., None) => Err(Error::new(
            ErrorKind::ServerFailed,
            format!("the authority failed with status {}", answer.status),
        )),
        (_, None) => Err(bad()),
    }
}

/// Messages of an answer as one file; there must be one.
pub(super) fn bundle<'m>(messages: impl IntoIterator<Item = &'m String>) -> Result<Vec<u8>> {
    let mut envelopes = Vec::new();
    for message in messages {
        let bad = |error| bad_reply("it holds something else than a message").with_source(error);
        envelopes.extend(frame::read(message.as_bytes(), ANSWER).map_err(bad)?);
    }
    if envelopes.is_empty() {
        return Err(bad_reply("the message is missing"));
    }
    Ok(frame::bundle(&envelopes.iter().map(|message| message.envelope.as_slice()).collect::<Vec<_>>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authoritys_words_are_repeated_unless_a_key_or_a_code_may_be_in_them() {
        let code = "17KX2-M928T-5CY4T-QKFFW-EZFWM";
        for secret in [
            code.to_owned(),
            code.to_lowercase(),
            code.replace('-', ""),
            code.replace('-', " "),
            code.replace('-', "\n"),
            code.replace('-', "\u{2013}"),
            format!("no such license: ({code})."),
            // A part of one, and a key of another length.
            code.replace('-', "")[..20].to_owned(),
            "0123456789abcdef0123".to_owned(),
        ] {
            assert!(may_hold_a_code(&secret), "{secret}");
            let body = serde_json::json!({ "type": "x", "detail": secret }).to_string();
            let shown = refusal(ErrorKind::UnknownLicense, body.as_bytes()).to_string();
            let words = format!("the authority says: {}", ErrorKind::UnknownLicense.text());
            assert_eq!(shown, words, "{secret}");
        }
        for harmless in [
            "",
            "no seat is free: all 12 are taken",
            "the license ended at 2027-01-31T12:00:00Z; ask for a renewal",
            // Four words of five letters, and five with another one between them.
            "seats taken since March",
            "these three seats taken by other users",
            "a word of 19: 0123456789abcdef012",
        ] {
            assert!(!may_hold_a_code(harmless), "{harmless}");
        }
    }
}

//! The calls of devices as an authority answers them: JSON that carries signed messages.

use serde::Deserialize;
use serde_json::{Value, json};

use super::Vendor;
use crate::{
    Answer, Error, ErrorKind, Outcome, Result,
    authority::{
        ReleaseClaim, TypedCode,
        decision::{self, Ruling},
    },
};

/// What is asked, in any call.
#[derive(Deserialize)]
struct Asked {
    request: Option<String>,
    proof: Option<String>,
    phone_code: Option<String>,
}

/// Answers a call to the path at the end of `url`.
pub(super) fn answer(vendor: &mut Vendor, url: &str, authorization: Option<&str>, body: &[u8]) -> Answer {
    match decide(vendor, url, authorization, body) {
        Ok(body) => Answer { status: 200, body: body.to_string().into_bytes(), retry_after: None },
        Err(error) => refusal(&error),
    }
}

/// Problem details (RFC 9457). A client goes by the code at the end of `type`; the status tells proxies that it is no
/// success.
pub(super) fn refusal(error: &Error) -> Answer {
    let status = error.kind().http_status();
    let mut body = json!({
        "type": format!("urn:nodelock:problem:{}", error.kind().code()),
        "title": error.kind().to_string(),
        "detail": error.to_string(),
        "status": status,
    });
    if let Some(Ok(Value::Object(list))) = error.seats().map(serde_json::to_value) {
        body.as_object_mut().into_iter().for_each(|body| body.extend(list.clone()));
    }
    if let Some(end) = error.trial_ended() {
        body["trial_ended"] = end.unix_seconds().into();
    }
    Answer { status, body: body.to_string().into_bytes(), retry_after: None }
}

fn decide(vendor: &mut Vendor, url: &str, authorization: Option<&str>, body: &[u8]) -> Result<Value> {
    let malformed = || Error::about(ErrorKind::Malformed, "the request");
    let asked: Asked = serde_json::from_slice(body).map_err(|_| malformed())?;
    let request = || asked.request.as_deref().map(str::as_bytes).ok_or_else(malformed);
    let path = url.find("/v1/").map_or("", |at| &url[at..]);
    match path {
        "/v1/activations" => {
            let reply = match authorization {
                Some(authorization) => vendor.activate_as(authorization, request()?)?,
                None => vendor.activate(request()?)?,
            };
            let receipts: Vec<_> = reply.receipts.iter().map(|receipt| receipt.to_base64url()).collect();
            Ok(
                json!({ "license": reply.license.map(|license| license.to_base64url()), "receipts": receipts }),
            )
        }
        "/v1/checkins" => {
            let reply = vendor.check_in(request()?)?;
            Ok(match (reply.license, reply.revocation) {
                (Some(license), _) => json!({ "license": license.to_base64url() }),
                (None, revocation) => json!({ "revocation": revocation.map(|r| r.to_base64url()) }),
            })
        }
        "/v1/deactivations/preflight" => {
            let ruling = vendor.preflight(request()?)?;
            let left = match ruling {
                Ruling::Preflight { deactivations_left } => deactivations_left,
                _ => None,
            };
            Ok(json!({ "allowed": ruling.is_allowed(), "deactivations_left": left }))
        }
        "/v1/deactivations" => {
            let (ruling, reply) = match (&asked.proof, &asked.phone_code) {
                (Some(proof), None) => {
                    let claim = ReleaseClaim::read(proof.as_bytes())?;
                    vendor.decide(|records, moment| decision::redeem(&claim, records, moment))?
                }
                (None, Some(code)) => {
                    let typed = TypedCode::read(code)?;
                    vendor.decide(|records, moment| decision::redeem_code(&typed, records, moment))?
                }
                _ => return Err(malformed()),
            };
            match (ruling, reply.receipts.last()) {
                (Ruling::Released { outcome, deactivations_left, changed, .. }, Some(receipt)) => {
                    let outcome = match (outcome, changed) {
                        (Outcome::Held, _) => "held",
                        (_, true) => "freed",
                        (_, false) => "already-freed",
                    };
                    Ok(json!({
                        "receipt": receipt.to_base64url(),
                        "outcome": outcome,
                        "deactivations_left": deactivations_left,
                    }))
                }
                // What was handed over is kept until the request of its seat comes.
                _ => Err(Error::new(
                    ErrorKind::UnknownSeat,
                    "the seat is not known yet: what came is kept until its request comes",
                )),
            }
        }
        _ => Err(malformed()),
    }
}

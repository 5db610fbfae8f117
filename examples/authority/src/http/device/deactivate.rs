//! `POST /v1/deactivations`

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use nodelock::{ErrorKind, code::Correction};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::{
    super::{
        Shared,
        body::Json,
        description::{MessageProblems, Seconds},
        peer::Peer,
        problem::{Details, Members, Problem},
    },
    JsonAnswer, Message, finish,
};
use crate::service::{self, Effect, Redeemed};

/// What gives the seat up.
#[derive(Deserialize, ToSchema)]
#[serde(untagged, try_from = "Given")]
pub(super) enum Deactivation {
    Proof {
        proof: Message,
    },
    Code {
        /// 25 symbols; case, spaces and dashes do not matter, and typing errors are mended.
        #[schema(examples("17KX2-M928T-5CY4T-QKFFW-EZFWM"))]
        phone_code: String,
    },
}

/// The members as they come: of an untagged enumeration all of them would be kept in memory, known or not.
#[derive(Deserialize)]
struct Given {
    #[serde(default, deserialize_with = "present")]
    proof: Option<Message>,
    #[serde(default, deserialize_with = "present")]
    phone_code: Option<String>,
}

/// A member that is there is no null.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(input: D) -> Result<Option<T>, D::Error> {
    T::deserialize(input).map(Some)
}

impl TryFrom<Given> for Deactivation {
    type Error = &'static str;

    fn try_from(given: Given) -> Result<Self, Self::Error> {
        match (given.proof, given.phone_code) {
            (Some(proof), None) => Ok(Self::Proof { proof }),
            (None, Some(phone_code)) => Ok(Self::Code { phone_code }),
            _ => Err("either a proof or a code is expected"),
        }
    }
}

/// `held`: no deactivation is left, and the seat stays reserved for the same machine.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
enum SeatEffect {
    Freed,
    AlreadyFreed,
    Held,
}

impl From<Effect> for SeatEffect {
    fn from(effect: Effect) -> Self {
        match effect {
            Effect::Freed => Self::Freed,
            Effect::AlreadyFreed => Self::AlreadyFreed,
            Effect::Held => Self::Held,
        }
    }
}

#[derive(Serialize, ToSchema)]
pub(super) struct Released {
    receipt: Message,
    #[schema(inline)]
    outcome: SeatEffect,
    /// Deactivations the license has left; null is without limit.
    #[schema(required, minimum = 0, format = "uint32")]
    deactivations_left: Option<u32>,
    /// Typing errors that were mended, in words.
    mended: Vec<String>,
}

/// The seat is given up, and its receipt cannot be signed yet.
#[derive(Serialize, ToSchema)]
pub(super) struct Pending {
    /// Why there is no receipt.
    #[schema(format = "uri-reference", examples("urn:nodelock:problem:certificate-expired"))]
    r#type: String,
    #[schema(inline)]
    outcome: SeatEffect,
    /// Deactivations the license has left; null is without limit.
    #[schema(required, minimum = 0, format = "uint32")]
    deactivations_left: Option<u32>,
    /// Typing errors that were mended, in words.
    mended: Vec<String>,
}

/// A seat that is given up, with its receipt or without.
pub(super) enum ReleaseAnswer {
    Done(Released),
    Pending(Pending),
}

impl ReleaseAnswer {
    fn new(released: &service::Released, mended: Vec<String>) -> Self {
        let (outcome, deactivations_left) =
            (SeatEffect::from(released.effect()), released.deactivations_left);
        match &released.receipt {
            Some(receipt) => {
                Self::Done(Released { receipt: Message::from(receipt), outcome, deactivations_left, mended })
            }
            None => {
                let r#type = format!("urn:nodelock:problem:{}", ErrorKind::CertificateExpired.code());
                Self::Pending(Pending { r#type, outcome, deactivations_left, mended })
            }
        }
    }
}

impl IntoResponse for ReleaseAnswer {
    fn into_response(self) -> Response {
        match self {
            Self::Done(released) => JsonAnswer(released).into_response(),
            Self::Pending(pending) => (StatusCode::ACCEPTED, JsonAnswer(pending)).into_response(),
        }
    }
}

/// Give a seat up
///
/// Takes a proof, or the code that stands for it over the phone. A genuine one is never refused.
#[utoipa::path(
    post,
    path = "/v1/deactivations",
    operation_id = "deactivate",
    request_body = inline(Deactivation),
    responses(
        (status = 200, description = "Done.", body = inline(Released)),
        (
            status = 202,
            description = "Done, and the authority cannot sign the receipt yet: the device keeps its proof and hands it \
                           in again. Codes: `certificate-expired`.",
            body = inline(Pending),
        ),
        (
            status = 403,
            description = "Of another seat or device. Codes: `bad-signature`, `wrong-code`.",
            body = Details,
            content_type = "application/problem+json",
        ),
        (
            status = 404,
            description = "No such seat yet. With `kept: true` the evidence is kept and judged when the seat's request \
                           arrives; the device keeps it too. Codes: `unknown-seat`.",
            body = Details,
            content_type = "application/problem+json",
        ),
        (
            status = 409,
            description = "Of another activation. Codes: `wrong-request`.",
            body = Details,
            content_type = "application/problem+json",
        ),
        (
            status = 422,
            description = "Not a code, even with errors mended. Codes: `unreadable-code`.",
            body = Details,
            content_type = "application/problem+json",
        ),
        (
            status = 429,
            description = "Too many codes from here or at that seat, or too many messages for unknown seats. Codes: `too-many-attempts`.",
            body = Details,
            content_type = "application/problem+json",
            headers(("Retry-After" = inline(Seconds), description = "Seconds to wait.")),
        ),
        MessageProblems,
    ),
)]
pub(super) async fn deactivate(
    State(server): Shared,
    peer: Peer,
    Json(given): Json<Deactivation>,
) -> Result<ReleaseAnswer, Problem> {
    finish(async move {
        let (service, occasion) = (&server.service, peer.occasion());
        let (redeemed, reading) = match given {
            Deactivation::Proof { proof } => {
                let claim = service.read(proof.0.into_bytes()).await?.proof()?;
                (service.redeem_proof(&claim, &occasion).await?, None)
            }
            Deactivation::Code { phone_code } => {
                let typed = service.read(phone_code.into_bytes()).await?.code()?;
                service.redeem_code(&typed, &occasion).await?
            }
        };
        let corrections = reading.map(|reading| reading.corrections).unwrap_or_default();
        let mended = corrections.iter().map(Correction::to_string).collect();
        match redeemed {
            Redeemed::Released(released) => Ok(ReleaseAnswer::new(&released, mended)),
            // Not a success: the device must keep its proof until it has a receipt.
            Redeemed::Kept(_) => Err(Problem::of(ErrorKind::UnknownSeat)
                .detail("kept until the activation request of this seat arrives")
                .with(Members { kept: Some(true), mended: Some(mended), ..Members::default() })),
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use nodelock::Reason;
    use serde_json::json;

    use super::super::super::fixture::Authority;

    const PATH: &str = "/v1/deactivations";

    #[tokio::test]
    async fn a_proof_frees_its_seat_once_and_gets_the_same_receipt_again() {
        let authority = Authority::new().await;
        let device = authority.activated("device", &authority.sell(1, Some(2)).await).await;
        let proof = device.deactivate_offline(Reason::Moved).unwrap().to_base64url();
        let freed = authority.call(PATH, json!({ "proof": proof })).await.json();
        assert_eq!((&freed["outcome"], &freed["deactivations_left"]), (&json!("freed"), &json!(1)));
        let again = authority.call(PATH, json!({ "proof": proof })).await.json();
        assert_eq!((&again["outcome"], &again["receipt"]), (&json!("already-freed"), &freed["receipt"]));
    }

    #[tokio::test]
    async fn a_mistyped_code_is_mended_and_a_seat_without_deactivations_is_held() {
        let authority = Authority::new().await;
        let key = authority.sell(2, Some(1)).await;
        let (device, other) =
            (authority.activated("device", &key).await, authority.activated("other", &key).await);
        let proof = other.deactivate_offline(Reason::Moved).unwrap().to_base64url();
        assert_eq!(authority.call(PATH, json!({ "proof": proof })).await.json()["deactivations_left"], 0);
        let code = device.deactivate_offline(Reason::Moved).unwrap().code().to_string();
        let (head, last) = code.split_at(code.len() - 1);
        let typed = format!("{head}{}", if last == "7" { "8" } else { "7" });
        let held = authority.call(PATH, json!({ "phone_code": typed })).await.json();
        assert_eq!(held["outcome"], "held");
        assert_eq!(held["mended"].as_array().unwrap().len(), 1);
    }

    #[tokio::test]
    async fn a_seat_is_free_while_its_receipt_cannot_be_signed() {
        let authority = Authority::new().await;
        let device = authority.activated("device", &authority.sell(1, Some(2)).await).await;
        let given_up = device.deactivate_offline(Reason::Moved).unwrap();
        authority.certify(-100, 10);
        authority.reload().await;
        let pending = authority.call(PATH, json!({ "proof": given_up.to_base64url() })).await;
        let expected = json!({
            "type": "urn:nodelock:problem:certificate-expired", "outcome": "freed", "deactivations_left": 1,
            "mended": [],
        });
        assert_eq!((pending.status.as_u16(), pending.json()), (202, expected));
        let again = authority.call(PATH, json!({ "phone_code": given_up.code().to_string() })).await;
        assert_eq!((again.status.as_u16(), &again.json()["outcome"]), (202, &json!("already-freed")));
        authority.certify(0, 10);
        authority.reload().await;
        let answer = authority.call(PATH, json!({ "proof": given_up.to_base64url() })).await;
        assert_eq!(answer.status, 200);
        device.accept(answer.json()["receipt"].as_str().unwrap().as_bytes()).unwrap();
        assert!(device.outstanding().unwrap().is_empty());
    }

    #[tokio::test]
    async fn evidence_for_a_seat_to_come_is_kept_and_no_success() {
        let authority = Authority::new().await;
        let (device, _) = authority.device("device", &authority.sell(1, None).await);
        let code = device.cancel().unwrap().code().to_string();
        let kept = authority.call(PATH, json!({ "phone_code": code })).await;
        assert_eq!(kept.problem(), (404, "unknown-seat".into()));
        assert_eq!((&kept.json()["kept"], &kept.json()["mended"]), (&json!(true), &json!([])));
    }

    #[tokio::test]
    async fn a_body_has_either_a_proof_or_a_code() {
        let authority = Authority::new().await;
        for body in [
            json!({}),
            json!({ "other": "x" }),
            json!({ "proof": "x", "phone_code": "x" }),
            json!({ "proof": null, "phone_code": "x" }),
            json!({ "phone_code": 17 }),
        ] {
            let refused = authority.call(PATH, body.clone()).await;
            assert_eq!(refused.problem(), (400, "malformed".into()), "{body}");
        }
        let passed_over = authority.call(PATH, json!({ "phone_code": "17KX2", "other": { "x": [1] } })).await;
        assert_eq!(passed_over.problem(), (422, "unreadable-code".into()));
    }
}

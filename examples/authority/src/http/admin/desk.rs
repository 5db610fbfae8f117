//! What the vendor's people take in for customers: a code over the phone, and the files of devices without a network.

use nodelock::{
    License, Revocation,
    authority::{Reply, TypedCode, decision::Ruling},
    code::Correction,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    super::{
        device::Message,
        problem::{Details, Members, Problem},
    },
    description::ActRefusals,
    once::{JsonText, Posted, once},
};
use crate::{
    domain::{Deactivation, rights::Act},
    service::{CheckedIn, Redeemed},
};

/// What gives a seat up.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Redeem {
    /// A code as it was read out, whose typing errors are mended, or a deactivation file in its text form.
    input: Message,
}

#[derive(Serialize, ToSchema)]
pub(super) struct GivenUp {
    handle: String,
    /// `freed`, `already-freed`, or `held` where no deactivation was left.
    outcome: &'static str,
    /// Deactivations that the license has left; null is without limit.
    deactivations_left: Option<u32>,
    /// Typing errors that were mended, in words.
    mended: Vec<String>,
    /// For its device; null while the authority cannot sign: the same proof or code gets it later, under another
    /// `Idempotency-Key`.
    receipt: Option<Message>,
}

impl GivenUp {
    /// None for what is kept until the request of its seat arrives.
    fn of(redeemed: &Redeemed, typed: Option<&TypedCode>) -> Option<Self> {
        let Redeemed::Released(released) = redeemed else { return None };
        Some(Self {
            handle: released.seat.handle().to_string(),
            outcome: released.effect().name(),
            deactivations_left: released.deactivations_left,
            mended: mended(redeemed, typed),
            receipt: released.receipt.as_ref().map(Message::from),
        })
    }
}

fn mended(redeemed: &Redeemed, typed: Option<&TypedCode>) -> Vec<String> {
    let reading = typed.and_then(|typed| redeemed.reading(typed));
    let corrections = reading.map(|reading| reading.corrections).unwrap_or_default();
    corrections.iter().map(Correction::to_string).collect()
}

/// Take a seat back
///
/// By the code that a customer reads out, or by a deactivation file. The limits for strangers do not hold here, but ten
/// codes are tried at a seat within a day, whoever tries. A token of one product finds the seats of that one alone.
#[utoipa::path(
    post,
    path = "/v1/admin/redeem",
    operation_id = "redeem",
    params(("Idempotency-Key" = String, Header)),
    request_body = Redeem,
    responses(
        (status = 200, description = "Done, now or before.", body = GivenUp),
        ActRefusals,
        (
            status = 400,
            description = "Neither a proof nor a code, or several. Codes: `malformed`, `wrong-type`, `several-messages`.",
            body = Details,
            content_type = "application/problem+json",
        ),
        (
            status = 403,
            description = "Not within the rights, or of another seat or device. Codes: `forbidden`, `bad-signature`, \
                           `wrong-code`.",
            body = Details,
            content_type = "application/problem+json",
        ),
        (
            status = 404,
            description = "No such seat yet. With `kept: true` it is judged when the seat's request arrives. Codes: \
                           `unknown-seat`.",
            body = Details,
            content_type = "application/problem+json",
        ),
        (
            status = 409,
            description = "Of another activation. Codes: `wrong-request`, `answered-before`.",
            body = Details,
            content_type = "application/problem+json",
        ),
        (
            status = 422,
            description = "Not a code, even with errors mended; or something else was asked under that \
                           `Idempotency-Key`. Codes: `unreadable-code`, `key-reused`.",
            body = Details,
            content_type = "application/problem+json",
        ),
    ),
)]
pub(super) async fn redeem(posted: Posted<Redeem>) -> Result<JsonText, Problem> {
    once(posted, Act::Redeem, |call, asked: Redeem| async move {
        let (service, occasion) = (&call.server.service, &call.caller.occasion);
        let given = service.read(asked.input.into_bytes()).await?.deactivation()?;
        let typed = match &given {
            Deactivation::Code(typed) => Some(typed.clone()),
            Deactivation::Proof(_) => None,
        };
        let said = typed.clone();
        call.keep_along_of(move |ruling, reply| {
            GivenUp::of(&Redeemed::released(ruling, reply)?, said.as_ref())
        });
        let redeemed = match &given {
            Deactivation::Proof(claim) => service.redeem_proof(claim, occasion).await?,
            Deactivation::Code(typed) => service.redeem_code(typed, occasion).await?.0,
        };
        GivenUp::of(&redeemed, typed.as_ref()).ok_or_else(|| {
            let mended = Some(mended(&redeemed, typed.as_ref()));
            Problem::of(nodelock::ErrorKind::UnknownSeat)
                .detail("kept until the activation request of this seat arrives")
                .with(Members { kept: Some(true), mended, ..Members::default() })
        })
    })
    .await
}

/// A check-in of a device.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CheckInFile {
    request: Message,
}

#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum AnsweredCheckIn {
    Renewed { license: Message },
    Revoked { revocation: Message },
}

impl AnsweredCheckIn {
    fn of(license: Option<&License>, revocation: Option<&Revocation>) -> Option<Self> {
        let renewed = license.map(|license| Self::Renewed { license: license.into() });
        renewed.or_else(|| revocation.map(|word| Self::Revoked { revocation: word.into() }))
    }
}

fn checked_in_by(_: &Ruling, reply: &Reply) -> Option<AnsweredCheckIn> {
    AnsweredCheckIn::of(reply.license.as_ref(), reply.revocation.as_ref())
}

/// Answer a check-in file
///
/// With a renewed license, or with the revocation of a seat that is over. A token of one product finds the seats of
/// that one alone.
#[utoipa::path(
    post,
    path = "/v1/admin/check-ins",
    operation_id = "check_in",
    params(("Idempotency-Key" = String, Header)),
    request_body = CheckInFile,
    responses(
        (status = 200, description = "Done, now or before.", body = AnsweredCheckIn),
        ActRefusals,
        (
            status = 400,
            description = "No check-in. Codes: `malformed`, `wrong-type`.",
            body = Details,
            content_type = "application/problem+json",
        ),
        (
            status = 403,
            description = "Not within the rights, from another machine than the seat's, or nothing may be issued. \
                           Codes: `forbidden`, `wrong-machine`, `license-ended`, `trial-used`.",
            body = Details,
            content_type = "application/problem+json",
        ),
        (
            status = 409,
            description = "Not as things are. Codes: `license-wanted`, `outdated`, `no-free-seat`, `answered-before`.",
            body = Details,
            content_type = "application/problem+json",
        ),
    ),
)]
pub(super) async fn check_in(posted: Posted<CheckInFile>) -> Result<JsonText, Problem> {
    once(posted, Act::CheckIn, |call, asked: CheckInFile| async move {
        let (service, occasion) = (&call.server.service, &call.caller.occasion);
        let claim = service.read(asked.request.into_bytes()).await?.check_in()?;
        call.keep_along_of(checked_in_by);
        Ok(match service.check_in(&claim, occasion).await? {
            CheckedIn::Renewed(license) => AnsweredCheckIn::Renewed { license: Message::from(&*license) },
            CheckedIn::Revoked(revocation) => {
                AnsweredCheckIn::Revoked { revocation: Message::from(&revocation) }
            }
        })
    })
    .await
}

/// An activation file of a device.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ActivationRequest {
    request: Message,
    /// The id of the license to take a seat of, for a request that names no license key.
    license: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct Granted {
    /// For the device.
    license: Message,
    /// For the seats that came along.
    receipts: Vec<Message>,
}

fn granted_by(_: &Ruling, reply: &Reply) -> Option<Granted> {
    let license = reply.license.as_ref()?.into();
    Some(Granted { license, receipts: reply.receipts.iter().map(Message::from).collect() })
}

/// Answer an activation file
///
/// With a license, and with receipts for the seats that came along. A refusal has those receipts too.
#[utoipa::path(
    post,
    path = "/v1/admin/activations",
    operation_id = "activate",
    params(("Idempotency-Key" = String, Header)),
    request_body = ActivationRequest,
    responses(
        (status = 200, description = "Done, now or before.", body = Granted),
        ActRefusals,
        (
            status = 400,
            description = "No activation file, or no id of a license. Codes: `malformed`, `wrong-type`.",
            body = Details,
            content_type = "application/problem+json",
        ),
        (
            status = 403,
            description = "Not within the rights, not genuine, a recovery from another machine than the seat's, or \
                           nothing may be issued. Codes: `forbidden`, `bad-signature`, `wrong-machine`, \
                           `license-ended`, `request-refused`, `trial-used`.",
            body = Details,
            content_type = "application/problem+json",
        ),
        (
            status = 409,
            description = "The seat cannot be had, or not before the request is approved. Codes: `no-free-seat`, \
                           `no-activation-left`, `approval-wanted`, `crowded-handle`, `wrong-request`, `outdated`, \
                           `answered-before`.",
            body = Details,
            content_type = "application/problem+json",
        ),
        (
            status = 422,
            description = "For another product; or something else was asked under that `Idempotency-Key`. Codes: \
                           `wrong-product`, `key-reused`.",
            body = Details,
            content_type = "application/problem+json",
        ),
    ),
)]
pub(super) async fn activate(posted: Posted<ActivationRequest>) -> Result<JsonText, Problem> {
    once(posted, Act::Activate, |call, asked: ActivationRequest| async move {
        let license = asked.license.map(|id| id.parse()).transpose();
        let license = license.map_err(|_| Problem::malformed("`license` is no id of a license"))?;
        let (service, occasion) = (&call.server.service, &call.caller.occasion);
        let file = service.read(asked.request.into_bytes()).await?.activation()?;
        if license.is_some() && !file.request().license_key.is_empty() {
            return Err(Problem::malformed("a request with a license key takes a seat of no other license"));
        }
        call.keep_along_of(granted_by);
        let done = service.activate(file, license, occasion).await?;
        let receipts = done.receipts.iter().map(Message::from).collect();
        match done.license {
            Ok(license) => Ok(Granted { license: Message::from(&license), receipts }),
            // What came along is free all the same.
            Err(refused) => {
                Err(Problem::from(refused).with(Members { receipts: Some(receipts), ..Members::default() }))
            }
        }
    })
    .await
}

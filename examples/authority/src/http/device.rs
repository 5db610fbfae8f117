//! What each endpoint does: read its input, ask the database, put the outcome into JSON.

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use axum::{
    body::Bytes,
    extract::{FromRequest as _, Request, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use nodelock::{
    DeactivationReceipt, ErrorKind, License,
    authority::{ActivationFile, ReleaseClaim},
    code::{Correction, DeactivationCode},
};
use serde_json::{Map, Value, json};

use super::{Server, observation, peer::Peer, places, problem::Problem};
use crate::{
    failure::Failure,
    keys,
    store::{CheckedIn, Occasion, Redeemed, off_thread},
};

/// How long a client may take to send its body.
pub(super) const BODY_TIME: Duration = Duration::from_secs(20);

type Answer = Result<Value, Problem>;
type Members = Map<String, Value>;
pub(super) type Shared = State<Arc<Server>>;

pub(super) async fn activate(State(server): Shared, peer: Peer, request: Request) -> Response {
    answer(request, peer, async move |members, peer| {
        let text = text(&members, "request")?;
        let (license, receipts) = grant(&server, text.into_bytes(), peer).await?;
        let receipts: Vec<Value> = receipts.iter().map(message).collect();
        match license {
            Ok(license) => Ok(json!({ "license": message(&license), "receipts": receipts })),
            // What came along is free all the same.
            Err(problem) => Err(problem.with("receipts", receipts.into())),
        }
    })
    .await
}

/// Answers an activation file: with the license, or with why there is none, and with the receipts of what came along.
pub(super) async fn grant(
    server: &Server,
    file: Vec<u8>,
    peer: IpAddr,
) -> Result<(Result<License, Problem>, Vec<DeactivationReceipt>), Problem> {
    if let Some(wait) = server.limits.keys.wait(peer) {
        return Err(Problem::of(ErrorKind::TooManyAttempts).after(wait));
    }
    let file = off_thread(move || ActivationFile::read(&file)).await??;
    let granted = server.database.activate(&file, None, &server.signer, &occasion(peer)).await?;
    let license = granted.license.map_err(Problem::from);
    if license.as_ref().is_err_and(|problem| problem.kind() == Some(ErrorKind::UnknownLicense)) {
        server.limits.keys.count(peer);
    }
    Ok((license, granted.receipts))
}

pub(super) async fn preflight(State(server): Shared, peer: Peer, request: Request) -> Response {
    answer(request, peer, async move |members, _| {
        let left = server.database.preflight(text(&members, "request")?).await?;
        Ok(json!({ "allowed": left != Some(0), "deactivations_left": left }))
    })
    .await
}

pub(super) async fn deactivate(State(server): Shared, peer: Peer, request: Request) -> Response {
    answer(request, peer, async move |members, peer| {
        let redeemed = match (members.contains_key("proof"), members.contains_key("phone_code")) {
            (true, false) => {
                let text = text(&members, "proof")?;
                (redeem_proof(&server, text.into_bytes(), peer).await?, Vec::new())
            }
            (false, true) => redeem_code(&server, &text(&members, "phone_code")?, peer).await?,
            _ => return Err(Problem::malformed("either `proof` or `phone_code` is expected")),
        };
        let (redeemed, corrections) = redeemed;
        let mended: Vec<String> = corrections.iter().map(Correction::to_string).collect();
        let outcome = redeemed.outcome();
        match redeemed {
            Redeemed::Released { released, receipt } => Ok(json!({
                "receipt": message(&receipt),
                "outcome": outcome,
                "deactivations_left": released.deactivations_left,
                "mended": mended,
            })),
            // Not a success: the device must keep its proof until it has a receipt.
            Redeemed::Kept(_) => Err(Problem::of(ErrorKind::UnknownSeat)
                .detail("kept until the activation request of this seat arrives")
                .with("kept", true.into())
                .with("mended", mended.into())),
        }
    })
    .await
}

/// Gives up the seat that a deactivation file names.
pub(super) async fn redeem_proof(server: &Server, file: Vec<u8>, peer: IpAddr) -> Result<Redeemed, Problem> {
    let claim = off_thread(move || ReleaseClaim::read(&file)).await??;
    Ok(server.database.redeem(&claim, &server.signer, &occasion(peer)).await?)
}

/// Gives up the seat that a typed code names, and says what was mended.
pub(super) async fn redeem_code(
    server: &Server,
    typed: &str,
    peer: IpAddr,
) -> Result<(Redeemed, Vec<Correction>), Problem> {
    if let Some(wait) = server.limits.codes.wait(peer) {
        return Err(Problem::of(ErrorKind::TooManyAttempts).after(wait));
    }
    // A typing error that the code itself shows is no attempt.
    let readings = DeactivationCode::read(typed)?;
    let redeemed = server.database.redeem_code(readings, &server.signer, &occasion(peer)).await;
    let failed = match &redeemed {
        Ok((Redeemed::Kept(_), _)) => true,
        Err(Failure::Rule(error)) => error.kind() == ErrorKind::WrongCode,
        _ => false,
    };
    if failed {
        server.limits.codes.count(peer);
    }
    Ok(redeemed?)
}

pub(super) async fn check_in(State(server): Shared, peer: Peer, request: Request) -> Response {
    answer(request, peer, async move |members, peer| {
        let request = text(&members, "request")?;
        Ok(match server.database.check_in(request, &server.signer, &occasion(peer)).await? {
            CheckedIn::Renewed(license) => json!({ "license": message(&*license) }),
            CheckedIn::Revoked(revocation) => json!({ "revocation": message(&revocation) }),
        })
    })
    .await
}

pub(super) async fn health(State(server): Shared) -> Response {
    match server.database.vendor().await {
        Ok(_) => json_response(&json!({ "status": "ok" })),
        Err(failure) => {
            observation::log("unhealthy", &[("error", failure.message().into())]);
            Problem::of(ErrorKind::ServerBusy).after(Duration::from_secs(5)).into()
        }
    }
}

pub(super) async fn metrics(State(server): Shared) -> Response {
    let seats = match server.database.count_by_state().await {
        Ok(seats) => seats,
        Err(failure) => return Problem::from(failure).into(),
    };
    let certificate = keys::seconds_left(&server.signer.certificate, SystemTime::now().into());
    let text = server.metrics.text(&seats, server.places.taken(), certificate);
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

pub(super) async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], include_str!("../../openapi.json")).into_response()
}

/// Reads a body of JSON and answers it.
async fn answer<W, F>(request: Request, Peer(peer): Peer, work: W) -> Response
where
    W: FnOnce(Members, IpAddr) -> F + Send + 'static,
    F: Future<Output = Answer> + Send + 'static,
{
    let members = match read(request).await {
        Ok(members) => members,
        Err(problem) => return problem.into(),
    };
    match places::finish(work(members, peer)).await {
        Ok(Ok(value)) => json_response(&value),
        Ok(Err(problem)) => problem.into(),
        Err(_) => Problem::of(ErrorKind::ServerFailed).into(),
    }
}

fn json_response(value: &Value) -> Response {
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    (headers, value.to_string()).into_response()
}

async fn read(request: Request) -> Result<Members, Problem> {
    if !is_json(request.headers()) {
        return Err(Problem::http(StatusCode::UNSUPPORTED_MEDIA_TYPE).detail("application/json is expected"));
    }
    let body = tokio::time::timeout(BODY_TIME, Bytes::from_request(request, &()))
        .await
        .map_err(|_| Problem::http(StatusCode::REQUEST_TIMEOUT))?
        .map_err(|rejection| match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => Problem::of(ErrorKind::TooLarge),
            _ => Problem::malformed("the body was cut short"),
        })?;
    match serde_json::from_slice(&body) {
        Ok(Value::Object(members)) => Ok(members),
        // What exactly is wrong with it is left out: the words would quote it.
        _ => Err(Problem::malformed("the body is not a JSON object")),
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = value.split(';').next().unwrap_or_default();
    media_type.trim().eq_ignore_ascii_case("application/json")
}

/// A member that is a text. Members that are not known here are passed over.
fn text(members: &Members, name: &'static str) -> Result<String, Problem> {
    let text = members.get(name).and_then(Value::as_str);
    text.map(str::to_owned).ok_or_else(|| Problem::malformed(&format!("`{name}` is expected to be a text")))
}

/// A signed message as one line.
fn message(message: &impl Envelope) -> Value {
    URL_SAFE_NO_PAD.encode(message.envelope()).into()
}

trait Envelope {
    fn envelope(&self) -> &[u8];
}

macro_rules! envelopes {
    ($($name:ty)*) => {
        $(impl Envelope for $name {
            fn envelope(&self) -> &[u8] {
                self.as_bytes()
            }
        })*
    };
}

envelopes! { License DeactivationReceipt nodelock::Revocation }

fn occasion(peer: IpAddr) -> Occasion {
    Occasion { now: SystemTime::now().into(), actor: format!("http:{peer}") }
}

//! `GET /healthz` and `GET /readyz`

use std::time::{Duration, SystemTime};

use axum::extract::State;
use nodelock::ErrorKind;
use serde::Serialize;
use tokio::time::timeout;
use tracing::warn;
use utoipa::ToSchema;

use super::{Server, Shared, cached::Cached, description::Busy, device::JsonAnswer, problem::Problem};
use crate::{failure::Failure, keys};

/// How long a look at the database counts: anybody may ask, and each look is a write.
const LASTS: Duration = Duration::from_secs(5);
/// How long a write may take.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Serialize, ToSchema)]
pub(super) struct Health {
    #[schema(inline)]
    status: Status,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Status {
    Ok,
    /// It can, and its ledger has lost a part of its history: licenses may be in use that it does not know.
    Restored,
}

/// Whether the database took a write when it was last looked at.
pub(super) struct Readiness(Cached<bool>);

impl Default for Readiness {
    fn default() -> Self {
        Self(Cached::new(LASTS))
    }
}

/// Whether the process answers
///
/// A process that does not is started again. What the database or the keys lack is a matter of `/readyz`.
#[utoipa::path(
    get,
    path = "/healthz",
    operation_id = "health",
    responses((status = 200, description = "It does.", body = inline(Health))),
)]
pub(super) async fn health() -> JsonAnswer<Health> {
    JsonAnswer(Health { status: Status::Ok })
}

/// Whether the authority can do its work
///
/// It must be able to sign and to write. `detail` says what it lacks. The status is `restored` while licenses may be in
/// use that the ledger has lost, because it was restored to an earlier copy.
#[utoipa::path(
    get,
    path = "/readyz",
    operation_id = "ready",
    responses((status = 200, description = "It can.", body = inline(Health)), Busy),
)]
pub(super) async fn ready(State(server): Shared) -> Result<JsonAnswer<Health>, Problem> {
    match lacking(&server).await {
        None => {
            let is_whole = server.service.restored_until(SystemTime::now().into()).is_none();
            let status = if is_whole { Status::Ok } else { Status::Restored };
            Ok(JsonAnswer(Health { status }))
        }
        Some(lacking) => Err(Problem::of(ErrorKind::ServerBusy).detail(&lacking).after(LASTS)),
    }
}

pub(super) async fn lacking(server: &Server) -> Option<String> {
    let sellings = server.service.sellings();
    let now = SystemTime::now().into();
    for selling in &sellings.0 {
        // One of several is named.
        let of = if sellings.0.len() > 1 { format!(" of product {}", selling.id) } else { String::new() };
        if now < selling.signer.certificate.not_before {
            return Some(format!("the issuer's certificate{of} is not valid yet"));
        }
        if keys::seconds_left(&selling.signer.certificate, now) < 0 {
            return Some(format!("the issuer's certificate{of} has ended"));
        }
    }
    if !server.service.is_noted() {
        return Some("the service of the ledger cannot be noted".into());
    }
    let write = async {
        let failure = match timeout(PATIENCE, server.service.database().try_write()).await {
            Ok(Ok(())) => return Ok::<_, Failure>(true),
            Ok(Err(failure)) => failure.message(),
            Err(_) => "timed out".to_owned(),
        };
        warn!(event = "unready", error = failure);
        Ok(false)
    };
    let writes = server.readiness.0.get(write).await.unwrap_or(false);
    (!writes).then(|| "the database cannot be written".into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::fixture::Authority;

    #[tokio::test]
    async fn the_authority_is_ready_when_it_can_write() {
        let authority = Authority::new().await;
        let well = authority.get("/readyz").await;
        assert_eq!((well.status.as_u16(), well.json()), (200, json!({ "status": "ok" })));
        let authority = Authority::new().await;
        authority.close_database().await;
        let unready = authority.get("/readyz").await;
        assert_eq!(unready.problem(), (503, "server-busy".into()));
        assert_eq!(unready.json()["detail"], "the database cannot be written");
        assert_eq!(unready.headers["retry-after"], "5");
        // No reason to start it again.
        assert_eq!(authority.get("/healthz").await.json(), json!({ "status": "ok" }));
    }

    #[tokio::test]
    async fn the_authority_is_ready_when_it_can_sign() {
        let authority = Authority::new().await;
        for (started, detail) in [(-100, "has ended"), (100, "is not valid yet")] {
            authority.certify(started, 10);
            authority.reload().await;
            let unready = authority.get("/readyz").await;
            assert_eq!(unready.problem(), (503, "server-busy".into()));
            assert_eq!(unready.json()["detail"], format!("the issuer's certificate {detail}"));
            assert_eq!(authority.get("/healthz").await.status, 200);
        }
        authority.certify(0, 10);
        authority.reload().await;
        assert_eq!(authority.get("/readyz").await.status, 200);
    }
}

//! `GET /healthz`

use std::time::Duration;

use axum::extract::State;
use nodelock::ErrorKind;
use serde::Serialize;
use tracing::warn;
use utoipa::ToSchema;

use super::{Shared, description::Busy, device::JsonAnswer, problem::Problem};
use crate::service;

#[derive(Serialize, ToSchema)]
pub(super) struct Health {
    #[schema(inline)]
    status: Status,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Status {
    Ok,
}

/// Whether the authority works, its database included
#[utoipa::path(
    get,
    path = "/healthz",
    operation_id = "health",
    responses((status = 200, description = "It does.", body = inline(Health)), Busy),
)]
pub(super) async fn health(State(server): Shared) -> Result<JsonAnswer<Health>, Problem> {
    match service::vendor(server.service.database()).await {
        Ok(_) => Ok(JsonAnswer(Health { status: Status::Ok })),
        Err(failure) => {
            warn!(event = "unhealthy", error = failure.message());
            Err(Problem::of(ErrorKind::ServerBusy).after(Duration::from_secs(5)))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::fixture::Authority;

    #[tokio::test]
    async fn the_authority_is_as_well_as_its_database() {
        let authority = Authority::new().await;
        let well = authority.get("/healthz").await;
        assert_eq!((well.status.as_u16(), well.json()), (200, json!({ "status": "ok" })));
        authority.close_database().await;
        let unwell = authority.get("/healthz").await;
        assert_eq!(unwell.problem(), (503, "server-busy".into()));
        assert_eq!(unwell.headers["retry-after"], "5");
    }
}

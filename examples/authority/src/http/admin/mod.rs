//! The calls of the vendor's people and programs, on a listener of their own: JSON, by bearer tokens.

mod audit;
mod description;
mod events;
mod licenses;
mod lists;
mod me;
mod once;
mod seats;
mod sessions;
mod webhooks;

use std::{sync::Arc, time::SystemTime};

use axum::{
    Router,
    extract::FromRequestParts,
    http::{StatusCode, request::Parts},
    middleware,
};
use utoipa_axum::{router::OpenApiRouter, routes};
use zeroize::Zeroizing;

use super::{Server, bearer, bound, log, peer::Peer, problem::Problem};
use crate::{
    domain::{Actor, Occasion, Who},
    failure::Failure,
};

/// Who calls. There is none without a credential that is valid now, so a handler that takes one is not for strangers.
pub(super) struct Caller {
    pub(super) occasion: Occasion,
    secret: Zeroizing<String>,
}

impl Caller {
    fn who(&self) -> Option<&Who> {
        match &self.occasion.actor {
            Actor::Bearer(bearer) => Some(&bearer.who),
            Actor::Vendor(_) | Actor::Peer(_) => None,
        }
    }
}

impl FromRequestParts<Arc<Server>> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, server: &Arc<Server>) -> Result<Self, Problem> {
        let peer = Peer::from_request_parts(parts, server).await?;
        let secret = bearer::token(&parts.headers).ok_or(Failure::Unauthenticated)?;
        let occasion = server.service.authenticate(&secret, peer.0, SystemTime::now().into()).await?;
        Ok(Self { occasion, secret })
    }
}

fn calls() -> OpenApiRouter<Arc<Server>> {
    OpenApiRouter::with_openapi(description::head())
        .routes(routes!(sessions::sign_in))
        .routes(routes!(sessions::sign_out))
        .routes(routes!(me::me))
        .routes(routes!(licenses::licenses, licenses::sell))
        .routes(routes!(licenses::license))
        .routes(routes!(licenses::edit))
        .routes(routes!(licenses::suspend))
        .routes(routes!(licenses::resume))
        .routes(routes!(licenses::rekey))
        .routes(routes!(seats::seats))
        .routes(routes!(seats::release))
        .routes(routes!(seats::return_held))
        .routes(routes!(audit::audit))
        .routes(routes!(events::events))
        .routes(routes!(webhooks::webhooks, webhooks::new_webhook))
        .routes(routes!(webhooks::remove_webhook))
        .routes(routes!(webhooks::new_webhook_secret))
        .routes(routes!(webhooks::test_webhook))
        .routes(routes!(webhooks::replay))
        .routes(routes!(webhooks::deliveries))
        .routes(routes!(description::openapi))
}

/// What is served on the listener for administration.
pub(super) fn routes(server: Arc<Server>) -> Router {
    let calls = calls().route_layer(middleware::from_fn_with_state(server.clone(), bound));
    let (calls, _) = calls.split_for_parts();
    calls
        .fallback(async || Problem::http(StatusCode::NOT_FOUND))
        .method_not_allowed_fallback(async || Problem::http(StatusCode::METHOD_NOT_ALLOWED))
        .layer(middleware::from_fn_with_state(server.metrics.clone(), log::observe))
        .with_state(server)
}

#[cfg(test)]
mod tests;

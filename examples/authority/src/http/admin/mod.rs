//! The calls of the vendor's people and programs, on a listener of their own: JSON, by bearer tokens. The console's
//! pages are in a folder of their own.

mod accounts;
mod audit;
mod console;
mod credentials;
mod customers;
mod deactivate;
mod description;
mod desk;
mod etag;
mod events;
mod licenses;
mod lists;
mod mails;
mod me;
mod once;
mod orders;
mod products;
mod refusals;
mod requests;
mod retention;
mod seats;
mod sessions;
mod webhooks;

/// What the calls answer. The command line speaks in the same records.
pub(crate) mod records {
    pub(crate) use super::{
        super::{device::Message, problem::Details},
        accounts::{AccountBody, Accounts, ChangedAccount, Factor},
        audit::{Audit, Broken, Chain, Line as AuditLine},
        credentials::{
            DeploymentKeyBody, DeploymentKeys, NewSecret, RevokedCredential, TokenBody, Tokens,
            deployment_key_body, token_body,
        },
        customers::{CustomerBody, Customers, ErasedCustomer},
        deactivate::{DeactivatedLicense, DeactivatedSeat},
        events::{Event, Events},
        licenses::{
            HintBody, LicenseBody, Licenses, VersionBody, ViewBody,
            change::{Change, Edited, Extended, Halted, SeatCount, Suspended, Voided},
            counters::Counter,
            keys::{KeyBody, KeysBody, RevokedKey, SentKey, ShownKey},
            sale::{Sold, SoldLicense},
        },
        lists::Cursor,
        mails::{MailBody, MailPoliciesBody, MailPolicyBody, MailedAgain, Mails, ProductMails},
        orders::{OrderBody, OrderView, Orders, VoidedOrder},
        products::{Policies, ProductBody, Products},
        refusals::{RefusalBody, RefusalPage},
        requests::{OneRequest, RequestBody, RequestPage},
        retention::RetentionBody,
        seats::{ExtendedTrial, Freed, Issued, OneSeat, SeatBody, Seats},
        webhooks::{Deliveries, Delivery, Put, Tested, WebhookBody, WebhookSecret, Webhooks},
    };
}

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
#[derive(Clone)]
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
        // PostgreSQL knows no texts with that letter.
        if parts.uri.path_and_query().is_some_and(|address| address.as_str().contains("%00")) {
            return Err(Problem::malformed("an address has no NUL"));
        }
        Ok(Self { occasion, secret })
    }
}

fn calls() -> OpenApiRouter<Arc<Server>> {
    OpenApiRouter::with_openapi(description::head())
        .routes(routes!(sessions::sign_in))
        .routes(routes!(sessions::sign_out))
        .routes(routes!(me::me))
        .routes(routes!(products::products))
        .routes(routes!(products::product))
        .routes(routes!(products::edit_product))
        .routes(routes!(products::policies))
        .routes(routes!(products::edit_policies))
        .routes(routes!(retention::retention))
        .routes(routes!(retention::edit_retention))
        .routes(routes!(customers::customers, customers::new_customer))
        .routes(routes!(customers::customer))
        .routes(routes!(customers::edit_customer))
        .routes(routes!(customers::erase_customer))
        .routes(routes!(licenses::licenses, licenses::sale::sell))
        .routes(routes!(licenses::license))
        .routes(routes!(licenses::change::edit))
        .routes(routes!(licenses::change::extend))
        .routes(routes!(licenses::change::suspend))
        .routes(routes!(licenses::change::resume))
        .routes(routes!(licenses::change::void))
        .routes(routes!(licenses::keys::keys, licenses::keys::add_key))
        .routes(routes!(licenses::keys::revoke_key))
        .routes(routes!(licenses::keys::show_key))
        .routes(routes!(licenses::keys::send_key))
        .routes(routes!(licenses::keys::rekey))
        .routes(routes!(deactivate::deactivate))
        .routes(routes!(licenses::counters::reset_counter))
        .routes(routes!(orders::orders))
        .routes(routes!(orders::order))
        .routes(routes!(orders::extend_order))
        .routes(routes!(orders::void_order))
        .routes(routes!(seats::seats))
        .routes(routes!(seats::seat))
        .routes(routes!(seats::release))
        .routes(routes!(seats::unrelease))
        .routes(routes!(seats::return_held))
        .routes(routes!(seats::extend_trial))
        .routes(routes!(refusals::refusals))
        .routes(routes!(requests::requests))
        .routes(routes!(requests::request))
        .routes(routes!(requests::approve_request))
        .routes(routes!(requests::refuse_request))
        .routes(routes!(seats::renew))
        .routes(routes!(desk::redeem))
        .routes(routes!(desk::check_in))
        .routes(routes!(desk::activate))
        .routes(routes!(accounts::accounts, accounts::new_account))
        .routes(routes!(accounts::disable))
        .routes(routes!(accounts::enable))
        .routes(routes!(accounts::change_role))
        .routes(routes!(accounts::change_quota))
        .routes(routes!(accounts::change_password))
        .routes(routes!(accounts::new_second_factor))
        .routes(routes!(credentials::tokens, credentials::new_token))
        .routes(routes!(credentials::revoke_token))
        .routes(routes!(credentials::deployment_keys, credentials::new_deployment_key))
        .routes(routes!(credentials::revoke_deployment_key))
        .routes(routes!(audit::audit))
        .routes(routes!(events::events))
        .routes(routes!(webhooks::webhooks, webhooks::new_webhook))
        .routes(routes!(webhooks::remove_webhook))
        .routes(routes!(webhooks::new_webhook_secret))
        .routes(routes!(webhooks::test_webhook))
        .routes(routes!(webhooks::replay))
        .routes(routes!(webhooks::deliveries))
        .routes(routes!(mails::mails))
        .routes(routes!(mails::replay_mails))
        .routes(routes!(mails::mail_policies))
        .routes(routes!(mails::edit_mail_policy))
        .routes(routes!(audit::verify_audit))
        .routes(routes!(description::openapi))
}

/// What is served on the listener for administration.
pub(super) fn routes(server: Arc<Server>) -> Router {
    let calls = calls().route_layer(middleware::from_fn_with_state(server.admin_permits.clone(), bound));
    let (calls, _) = calls.split_for_parts();
    calls
        .merge(console::routes(&server))
        .fallback(async || Problem::http(StatusCode::NOT_FOUND))
        .method_not_allowed_fallback(async || Problem::http(StatusCode::METHOD_NOT_ALLOWED))
        .layer(middleware::from_fn_with_state(server.metrics.clone(), log::observe))
        .with_state(server)
}

#[cfg(test)]
mod tests;

//! The console: pages for the vendor's people, on the listener for administration.
//!
//! Pages are rendered here and work without JavaScript; there is one small script, for the phone desk. A page that
//! shows calls a service; an act is asked for by a form and done by the call of `/v1/admin` that does it for programs,
//! so no rule is written twice. Who may see and do what says the table of rights, for the page and for the links to it.

mod deeds;
mod desk;
mod failures;
mod health;
mod license;
mod lists;
mod people;
mod refusals;
mod search;
mod seats;
mod sign_in;
#[cfg(test)]
mod tests;
mod view;
mod visitor;
mod webhooks;
mod words;

use std::sync::Arc;

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderMap, Method, StatusCode},
    middleware::{self, Next},
    response::Response,
    routing::{MethodRouter, get},
};
use nodelock::ErrorKind;

use self::{
    deeds::Deed,
    visitor::{Asked, Shown, Visitor, language, see_other},
    words::Words,
};
use super::super::{
    Server, Shared,
    peer::Peer,
    permits,
    portal::{self, form::Form, guard},
    problem::Problem,
};
use crate::domain::rights::Act;

/// What a form comes to.
enum Done {
    /// Another page is to be shown, so that loading it again does nothing.
    Page(String),
    /// Something is shown that is in no address.
    Shown(Box<view::Content>),
}

/// A page that shows.
macro_rules! page {
    ($make:path) => {
        get(async |visitor: Visitor, asked: Asked| -> Response {
            let shown = $make(&visitor, &asked).await;
            visitor.answer(shown)
        })
    };
}

/// What a form of a page is sent to.
macro_rules! form {
    ($route:expr, $act:path) => {
        $route.post(async |visitor: Visitor, asked: Asked, request: Request| -> Response {
            let form = match own_form(&visitor, request).await {
                Ok(form) => form,
                Err(problem) => return visitor.answer(Err(problem)),
            };
            let work = {
                let visitor = visitor.clone();
                async move { $act(&visitor, &asked, &form).await }
            };
            answer(&visitor, permits::finish(work).await.unwrap_or_else(|_| Err(failed())))
        })
    };
}

/// A page: its address, what it is for, and what answers.
type Page = (&'static str, Act, fn() -> MethodRouter<Arc<Server>>);

/// The pages that need no more than their address, and what each is for.
#[rustfmt::skip]
const PAGES: [Page; 24] = [
    ("/console/search", Act::ShowLicenses, || form!(page!(search::page), search::search)),
    ("/console/licenses", Act::ShowLicenses, || page!(lists::licenses)),
    ("/console/licenses/{id}", Act::ShowLicenses, || page!(license::page)),
    ("/console/seats", Act::ShowSeats, || page!(seats::page)),
    ("/console/seats/{handle}/{device}", Act::ShowSeats, || page!(seats::seat)),
    ("/console/returned", Act::ShowSeats, || page!(seats::returned)),
    ("/console/desk", Act::Redeem, || form!(page!(desk::page), desk::redeem)),
    ("/console/refusals", Act::ShowRefusals, || page!(refusals::page)),
    ("/console/orders", Act::ShowLicenses, || page!(lists::orders)),
    ("/console/orders/{order}", Act::ShowLicenses, || page!(lists::order)),
    ("/console/customers", Act::ShowLicenses, || page!(lists::customers)),
    ("/console/customers/{id}", Act::ShowLicenses, || page!(lists::customer)),
    ("/console/products", Act::Oneself, || page!(lists::products)),
    ("/console/products/{product}", Act::Products, || form!(page!(lists::product), lists::edit_product)),
    ("/console/audit", Act::ShowAudit, || page!(lists::audit)),
    ("/console/events", Act::ShowAudit, || page!(lists::events)),
    ("/console/webhooks", Act::Webhooks, || form!(page!(webhooks::page), webhooks::add)),
    ("/console/webhooks/{id}", Act::Webhooks, || page!(webhooks::webhook)),
    ("/console/accounts", Act::Accounts, || form!(page!(people::accounts), people::new_account)),
    ("/console/accounts/{name}", Act::Accounts, || page!(people::account)),
    ("/console/tokens", Act::Tokens, || form!(page!(people::tokens), people::new_token)),
    ("/console/deployment-keys", Act::Tokens, || form!(page!(people::keys), people::new_key)),
    ("/console/health", Act::Verify, || page!(health::page)),
    ("/console/me", Act::Oneself, || page!(sign_in::me)),
];

/// What the head leads to: an address, its name, what somebody must have the right to, and whether to all of it.
type EntryOf = (&'static str, fn(&Words) -> &'static str, Act, bool);
const ENTRIES: [EntryOf; 15] = [
    ("/console/search", |words| words.search, Act::ShowLicenses, false),
    ("/console/licenses", |words| words.licenses, Act::ShowLicenses, false),
    ("/console/seats", |words| words.seats, Act::ShowSeats, false),
    ("/console/desk", |words| words.desk, Act::Redeem, false),
    ("/console/refusals", |words| words.refusals, Act::ShowRefusals, false),
    ("/console/returned", |words| words.came_back, Act::ShowSeats, false),
    ("/console/orders", |words| words.orders, Act::ShowLicenses, false),
    ("/console/customers", |words| words.customers, Act::ShowLicenses, true),
    ("/console/products", |words| words.products, Act::Oneself, false),
    ("/console/audit", |words| words.audit, Act::ShowAudit, false),
    ("/console/events", |words| words.events, Act::ShowAudit, false),
    ("/console/webhooks", |words| words.webhooks, Act::Webhooks, false),
    ("/console/accounts", |words| words.accounts, Act::Accounts, false),
    ("/console/tokens", |words| words.tokens, Act::Tokens, false),
    ("/console/health", |words| words.health, Act::Verify, false),
];

pub(super) fn routes(server: &Arc<Server>) -> Router<Arc<Server>> {
    let pages = PAGES.iter().fold(Router::new(), |router, (path, _, page)| router.route(path, page()));
    let pages = Deed::ALL.iter().fold(pages, |router, deed| {
        // The deed is part of the address, so a handler knows it from there.
        router.route(&deed.path(), form!(page!(deeds::confirm), deeds::perform))
    });
    pages
        .route("/console", get(async |_: Visitor| see_other("/console/search")))
        .route("/console/sign-in", get(sign_in::page).post(sign_in::sign_in))
        .route("/console/sign-out", axum::routing::post(sign_in::sign_out))
        .route("/console/{*rest}", get(not_found))
        .route_layer(middleware::from_fn_with_state(server.clone(), admit))
        .route("/console/console.css", get(async || portal::asset("text/css; charset=utf-8", CSS)))
        .route("/console/console.js", get(async || portal::asset("text/javascript; charset=utf-8", SCRIPT)))
        .layer(middleware::map_response(guard::headers))
}

/// The portal's design, and what the console has beside it.
const CSS: &str = concat!(include_str!("../../portal/static/portal.css"), include_str!("static/console.css"));

/// It makes the phone desk quicker, and nothing needs it.
const SCRIPT: &str = include_str!("static/console.js");

/// Refuses forms that another website sent, and turns requests away while too many are under way.
async fn admit(State(server): Shared, request: Request, next: Next) -> Response {
    let words = language(request.headers());
    if request.method() == Method::POST && !guard::is_from_here(&request) {
        if let Some(peer) = request.extensions().get::<Peer>() {
            server.service.note_stranger("a form of another website", &peer.occasion()).await;
        }
        return failures::page(words, &Problem::http(StatusCode::FORBIDDEN));
    }
    let peer = request.extensions().get().copied();
    let answered = server.admin_permits.answer(peer, next.run(request)).await;
    answered.unwrap_or_else(|problem| failures::page(words, &problem))
}

async fn not_found(headers: HeaderMap) -> Response {
    failures::page(language(&headers), &Problem::http(StatusCode::NOT_FOUND))
}

/// A form that a page of this session sent.
async fn own_form(visitor: &Visitor, request: Request) -> Result<Form, Problem> {
    let form = Form::read(request).await?;
    match visitor.is_ours(&form.text("token")?) {
        true => Ok(form),
        false => {
            let occasion = &visitor.caller.occasion;
            visitor.server.service.note_stranger("a form of no page of this session", occasion).await;
            Err(Problem::http(StatusCode::FORBIDDEN))
        }
    }
}

fn answer(visitor: &Visitor, done: Result<Done, Problem>) -> Response {
    match done {
        Ok(Done::Page(address)) => see_other(&address),
        Ok(Done::Shown(content)) => visitor.answer(Ok(*content)),
        Err(problem) => visitor.answer(Err(problem)),
    }
}

fn failed() -> Problem {
    Problem::of(ErrorKind::ServerFailed)
}

/// A page of a list: as many rows as one looks through.
const ROWS: u32 = 50;

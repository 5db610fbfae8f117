//! The self-help portal: pages on which a customer sees seats, gives one back, and activates a computer that has no
//! network.
//!
//! Pages are rendered here and work without JavaScript; there is one small script, and all that it does is to take a
//! secret out of the address bar. Nothing secret is ever part of a URL that reaches this server: forms are posted, and
//! what a QR code's link carries is behind its `#`, which browsers keep to themselves.

mod activate;
mod download;
pub(super) mod form;
mod free;
pub(super) mod guard;
pub(super) mod marked;
mod notice;
mod page;
mod paper;
mod redeem;
mod seats;
#[cfg(test)]
mod tests;
mod words;

use std::sync::Arc;

use axum::{
    Router,
    extract::Request,
    http::{HeaderMap, StatusCode, header},
    middleware,
    response::{IntoResponse as _, Response},
    routing::{MethodRouter, get, post},
};

use super::{Server, problem::Problem};

/// Every page, by its address.
pub(super) fn pages() -> [(&'static str, MethodRouter<Arc<Server>>); 6] {
    [
        ("/", get(page::home)),
        ("/seats", get(seats::form).post(seats::show)),
        ("/seats/free", post(free::free)),
        ("/redeem", get(redeem::form).post(redeem::redeem)),
        ("/activate", get(activate::form).post(activate::activate)),
        ("/download", post(download::download)),
    ]
}

pub(super) fn routes(server: &Arc<Server>) -> Router<Arc<Server>> {
    let pages =
        pages().into_iter().fold(Router::new(), |router, (path, route)| router.route(path, page(route)));
    Router::new()
        .merge(pages.route_layer(middleware::from_fn_with_state(server.clone(), guard::admit)))
        .route(
            "/portal.css",
            get(async || asset("text/css; charset=utf-8", include_str!("static/portal.css"))),
        )
        .route(
            "/portal.js",
            get(async || asset("text/javascript; charset=utf-8", include_str!("static/portal.js"))),
        )
        .layer(middleware::map_response(guard::headers))
}

/// A page that is asked for in a way that it does not know says so as a page.
fn page(route: MethodRouter<Arc<Server>>) -> MethodRouter<Arc<Server>> {
    route.fallback(async || page::failure(&Problem::http(StatusCode::METHOD_NOT_ALLOWED)))
}

/// What is at no address: a page for people, problem details for programs.
pub(super) async fn not_found(request: Request) -> Response {
    let problem = Problem::http(StatusCode::NOT_FOUND);
    if wants_page(request.headers()) { guard::headers(page::failure(&problem)).await } else { problem.into() }
}

fn wants_page(headers: &HeaderMap) -> bool {
    let accepted = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accepted.contains("text/html")
}

/// A file that is the same for everybody. It is asked for anew each time, so that it always belongs to its page.
pub(super) fn asset(content_type: &'static str, text: &'static str) -> Response {
    ([(header::CONTENT_TYPE, content_type), (header::CACHE_CONTROL, "no-cache")], text).into_response()
}

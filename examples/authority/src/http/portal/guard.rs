//! Which requests get to a page, and what every page tells the browser.

use axum::{
    extract::{Request, State},
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::Response,
};

use super::page;
use crate::http::{Shared, problem::Problem};

/// What is on a page comes from here, and a form goes nowhere else.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; form-action 'self'; \
                                       base-uri 'none'; frame-ancestors 'none'";

/// Refuses forms that another website sent, and turns requests away while too many are under way.
pub(super) async fn admit(State(server): Shared, request: Request, next: Next) -> Response {
    if request.method() == Method::POST && !is_from_here(&request) {
        return page::failure(&Problem::http(StatusCode::FORBIDDEN));
    }
    let peer = request.extensions().get().copied();
    server.permits.answer(peer, next.run(request)).await.unwrap_or_else(|problem| page::failure(&problem))
}

/// Whether a form was sent from a page of this server, as far as the browser tells; programs tell nothing.
///
/// There is no login and no cookie here: whoever sends a form must bring the license key, code or file along, and could
/// as well send it from anywhere else. What is left to another website is to have a visitor's browser try out keys and
/// codes, so that the attempts count against the visitor's address. Browsers say where a request comes from in a header
/// that no page can set (`Sec-Fetch-Site`, but only over TLS or from the same computer), and otherwise in `Origin`;
/// that takes no token, no cookie and nothing that several server processes would have to share. The order of the two
/// is that of OWASP's cheat sheet and of Go's `CrossOriginProtection`: behind a proxy that changes `Host`, the first
/// one still holds.
pub(in crate::http) fn is_from_here(request: &Request) -> bool {
    let headers = request.headers();
    if let Some(site) = headers.get("sec-fetch-site") {
        // `none` is the person at the browser: sending a form once more by reloading its answer.
        return matches!(site.as_bytes(), b"same-origin" | b"none");
    }
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, host)| host);
    let host = match headers.get(header::HOST) {
        Some(host) => host.to_str().ok(),
        None => request.uri().authority().map(|authority| authority.as_str()),
    };
    matches!((origin, host), (Some(origin), Some(host)) if origin.eq_ignore_ascii_case(host))
}

/// Adds what every answer of the portal has.
pub(in crate::http) async fn headers(mut response: Response) -> Response {
    const HEADERS: [(HeaderName, &str); 5] = [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // No URL here holds a secret, and nothing of one goes to other websites. `no-referrer` would make browsers send
        // `Origin: null` with our own forms, which is then no longer told from a stranger's.
        (header::REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

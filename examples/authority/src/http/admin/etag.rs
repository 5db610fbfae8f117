//! Versions of what is changed: shown as `ETag`, and asked for as `If-Match`.

use axum::http::{HeaderMap, HeaderName, StatusCode, header};

use super::super::problem::Problem;

/// The header that names a version.
pub(super) fn header(version: u32) -> [(HeaderName, String); 1] {
    [(header::ETAG, format!("\"{version}\""))]
}

/// The version that a change is based on, from `If-Match`: one of our own ETags. Any other text is a version that there
/// never was.
///
/// Fails with 428 where there is no such header.
pub(super) fn based_on(headers: &HeaderMap) -> Result<u32, Problem> {
    let wanted = if_any(headers);
    wanted.ok_or_else(|| Problem::http(StatusCode::PRECONDITION_REQUIRED).detail("If-Match is expected"))
}

/// The same of a change that need not be based on anything; none where there is no such header.
pub(super) fn if_any(headers: &HeaderMap) -> Option<u32> {
    let wanted = headers.get(header::IF_MATCH)?.to_str().unwrap_or_default();
    let version = wanted.trim().strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    Some(version.and_then(|version| version.parse().ok()).unwrap_or(0))
}

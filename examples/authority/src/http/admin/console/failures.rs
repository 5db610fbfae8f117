//! What a page says where something is refused.

use askama::Template;
use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use nodelock::ErrorKind;

use super::{
    super::super::{log::Refused, problem::Problem},
    view::{Content, Notice, Tone},
    visitor::page_for_strangers,
    words::{Words, say},
};

/// A refusal in words: what it means, and what the service said of it.
pub(super) fn notice(words: &'static Words, problem: &Problem) -> Notice {
    let title = match (problem.code(), problem.status()) {
        (Some("forbidden"), _) => words.forbidden,
        (Some("quota-used-up"), _) => words.quota_used_up,
        (Some("superseded"), _) => words.superseded,
        (Some("key-reused"), _) => words.form_used_before,
        (Some("too-many-attempts"), _) => words.too_many_attempts,
        (Some("sign-in-refused"), _) => words.sign_in_refused,
        (Some("server-busy"), _) => words.busy,
        (Some("server-failed"), _) => words.failed,
        (None, StatusCode::NOT_FOUND) => words.no_such_page,
        (None, StatusCode::FORBIDDEN) => words.from_another_website,
        (_, StatusCode::NOT_FOUND) => words.unknown_thing,
        (Some("malformed"), _) => words.not_read,
        _ => words.refused,
    };
    let notice = Notice::new(Tone::Bad, title);
    let notice = match problem.retry_after() {
        Some(wait) => notice.line(say(words.try_again_in, &[&wait.as_secs().max(1).to_string()])),
        None => notice,
    };
    match problem.said() {
        Some(detail) => notice.line(detail),
        None => notice,
    }
}

/// The page of a refusal for whoever is not known.
pub(super) fn page(words: &'static Words, problem: &Problem) -> Response {
    let content = Content {
        status: problem.status(),
        title: words.not_done.to_owned(),
        blocks: vec![notice(words, problem).block()],
    };
    marked(page_for_strangers(words, &content), problem.code())
}

/// The same answer with its code for the log.
pub(super) fn marked(mut response: Response, code: Option<&'static str>) -> Response {
    if let Some(code) = code {
        response.extensions_mut().insert(Refused(code));
    }
    response
}

pub(super) fn rendered(page: &impl Template, status: StatusCode) -> Response {
    match page.render() {
        Ok(html) => {
            let html_type = HeaderValue::from_static("text/html; charset=utf-8");
            (status, [(header::CONTENT_TYPE, html_type)], html).into_response()
        }
        // Writing to a string does not fail, and no value of ours refuses to be written.
        Err(_) => Problem::of(ErrorKind::ServerFailed).into(),
    }
}

//! Turning a page into an answer.

use std::time::Duration;

use askama::Template;
use axum::{
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use jiff::civil::DateTime;
use nodelock::{ErrorKind, Timestamp};

use super::{
    notice::Notice,
    words::{self, Task},
};
use crate::http::{Server, Shared, log::Refused, permits, problem::Problem};

#[derive(Template)]
#[template(path = "home.html")]
struct Home {
    product: String,
}

#[derive(Template)]
#[template(path = "failure.html")]
struct FailurePage {
    product: String,
    notice: Option<Notice>,
}

/// `GET /`
pub(super) async fn home(State(server): Shared) -> Response {
    render(&Home { product: product(&server) }, StatusCode::OK)
}

/// A refusal of what was sent, of which nothing is understood.
pub(super) fn failure(problem: &Problem) -> Response {
    refused(problem, Task::Form)
}

/// A refusal that leads to no form.
pub(super) fn refused(problem: &Problem, task: Task) -> Response {
    let notice = words::refusal(problem, task);
    answer(notice, |notice| FailurePage { product: String::new(), notice })
}

/// The page of a notice, with its status.
pub(super) fn answer<T: Template>(notice: Notice, page: impl FnOnce(Option<Notice>) -> T) -> Response {
    let (status, kind, retry_after) = (notice.status, notice.kind, notice.retry_after);
    let mut response = render(&page(Some(notice)), status);
    if let Some(wait) = retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
    }
    if let Some(kind) = kind {
        response.extensions_mut().insert(Refused(kind.code()));
    }
    response
}

pub(super) fn render(page: &impl Template, status: StatusCode) -> Response {
    match page.render() {
        Ok(html) => (status, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], html).into_response(),
        // Writing to a string does not fail, and no value of ours refuses to be written.
        Err(_) => Problem::of(ErrorKind::ServerFailed).into(),
    }
}

/// Does what a form asks for to its end.
pub(super) async fn finish(work: impl Future<Output = Response> + Send + 'static) -> Response {
    permits::finish(work).await.unwrap_or_else(|_| failure(&Problem::of(ErrorKind::ServerFailed)))
}

/// What was typed, to stay in its field. Of what is too long for that nothing stays: an answer must not be much larger
/// than a page, since whoever asks may not read it.
pub(super) fn kept(typed: String) -> String {
    const LONGEST: usize = 16 * 1024;
    if typed.len() <= LONGEST { typed } else { String::new() }
}

/// What this authority sells, for the head of a page; nothing if that is several products. What a customer hands in
/// says itself of which it is, so the pages are the same for all.
pub(super) fn product(server: &Server) -> String {
    match &server.service.sellings().0[..] {
        [only] => only.name.clone(),
        _ => String::new(),
    }
}

/// A time for people: `24 November 2026, 10:02 UTC`.
pub(super) fn time(time: Timestamp) -> String {
    date(time).strftime("%-d %B %Y, %H:%M UTC").to_string()
}

/// A day for people, where no more is told: `24 November 2026`.
pub(super) fn day(time: Timestamp) -> String {
    date(time).strftime("%-d %B %Y").to_string()
}

/// As a date and not as jiff's timestamp, which ends a day before the year 9999 does.
fn date(time: Timestamp) -> DateTime {
    const EPOCH: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);
    EPOCH.saturating_add(Duration::from_secs(time.unix_seconds()))
}

#[cfg(test)]
mod tests {
    use super::{day, time};

    #[test]
    fn times_are_written_for_people() {
        for (written, shown) in [
            ("2026-11-24T10:02:59Z", "24 November 2026, 10:02 UTC"),
            ("2027-01-01T00:00:00Z", "1 January 2027, 00:00 UTC"),
            ("9999-12-31T23:59:59Z", "31 December 9999, 23:59 UTC"),
        ] {
            assert_eq!(time(written.parse().unwrap()), shown);
            assert_eq!(day(written.parse().unwrap()), shown.split(',').next().unwrap());
        }
    }
}

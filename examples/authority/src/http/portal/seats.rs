//! The seats of a license, for whoever has its key.

use askama::Template;
use axum::{
    extract::{Request, State},
    http::StatusCode,
    response::Response,
};
use nodelock::{
    ErrorKind,
    authority::{Allowance, Gap, LicenseTerms, Seat, SeatState},
    code::{LicenseKey, Reading},
};

use super::{
    super::{Shared, peer::Peer},
    form::Form,
    marked::Marked,
    notice::{Choice, Notice, Tone},
    page, paper,
    words::{Task, refusal},
};
use crate::{
    domain::{Holding, Occasion, Submission, What},
    http::Server,
};

/// How many seats are shown.
const MOST_SEATS: usize = 200;

#[derive(Template)]
#[template(path = "seats.html")]
struct Page {
    product: String,
    /// What stays in the field.
    typed: String,
    notice: Option<Notice>,
    license: Option<LicenseView>,
}

struct LicenseView {
    licensee: String,
    edition: String,
    seats: u32,
    taken: u32,
    activations_left: String,
    deactivations_left: String,
    /// Whether a computer with network may be given back, and needs nobody for it.
    may_deactivate: bool,
    expires: String,
    all_shown: bool,
    rows: Vec<SeatView>,
    /// The seats that may be freed here, when none is free.
    choices: Vec<Choice>,
}

struct SeatView {
    handle: String,
    computer: String,
    class: &'static str,
    state: &'static str,
    since: String,
}

/// `GET /seats`
pub(super) async fn form(State(server): Shared) -> Response {
    let product = page::product(&server);
    page::render(&Page { product, typed: String::new(), notice: None, license: None }, StatusCode::OK)
}

/// `POST /seats`
pub(super) async fn show(State(server): Shared, peer: Peer, request: Request) -> Response {
    let typed = match Form::read(request).await.and_then(|form| form.text("license_key")) {
        Ok(typed) => typed,
        Err(problem) => return page::failure(&problem),
    };
    page::finish(async move {
        let found = find(&server, &typed, &peer.occasion()).await;
        let product = page::product(&server);
        match found {
            Ok((holding, marked)) => {
                let notice = head(&holding).marked(marked);
                let license = Some(view(&holding));
                page::answer(notice, |notice| Page { product, typed: String::new(), notice, license })
            }
            Err(notice) => page::answer(*notice, |notice| Page {
                product,
                typed: page::kept(typed),
                notice,
                license: None,
            }),
        }
    })
    .await
}

/// The license of what was typed, and what of it was mended.
pub(super) async fn find(
    server: &Server,
    typed: &str,
    occasion: &Occasion,
) -> Result<(Holding, Option<Marked>), Box<Notice>> {
    if typed.trim().is_empty() {
        return Err(Notice::new(Tone::Bad, "No license key was entered")
            .refused(ErrorKind::Malformed)
            .text("Enter the license key as the vendor sent it to you.")
            .into());
    }
    // What cannot be read may still be a key that the vendor made by other rules.
    let submission = server.service.read(typed.as_bytes().to_vec()).await.ok();
    let what = submission.as_ref().map_or(What::Unreadable, Submission::what);
    if let Some(notice) = paper::misplaced(what, What::LicenseKey) {
        return Err(notice.into());
    }
    let mended =
        |reading: &Reading<LicenseKey>| Marked::mended(&reading.code.to_string(), &reading.corrections);
    match server.service.holding(typed, MOST_SEATS + 1, occasion).await {
        Ok(Some((holding, reading))) => return Ok((holding, reading.as_ref().and_then(mended))),
        Ok(None) => {}
        Err(failure) => return Err(refusal(&failure.into(), Task::Seats).into()),
    }
    let marked = match LicenseKey::read(typed).unwrap_or_default().first() {
        Some(reading) => mended(reading),
        None => submission.map(|_| Marked::unreadable(typed, '2')),
    };
    Err(Notice::new(Tone::Bad, "No license has this key")
        .refused(ErrorKind::UnknownLicense)
        .text("Compare it with what the vendor sent to you. A few wrong characters are mended, but not more.")
        .marked(marked)
        .into())
}

fn head(holding: &Holding) -> Notice {
    let now = std::time::SystemTime::now().into();
    let terms = &holding.license.terms;
    let (taken, seats) = (holding.license.usage.taken, terms.seats);
    let free = seats.saturating_sub(taken);
    let ended = terms.expires.is_some_and(|end| end <= now);
    let may = |of| holding.license.left(of, now) != Some(0);
    let counted = match seats {
        1 => format!("{taken} of 1 seat is taken"),
        _ => format!("{taken} of {seats} seats are taken"),
    };
    let notice = match free {
        _ if holding.is_void => Notice::new(Tone::Bad, "This license has been ended").text(
            "The vendor has ended it for good: no computer can be activated or renewed. Seats can still be given back.",
        ),
        _ if terms.suspended => Notice::new(Tone::Bad, "This license is suspended").text(
            "The vendor has stopped it for now: no computer can be activated or renewed. Seats can still be given back.",
        ),
        _ if ended => Notice::new(Tone::Bad, "This license has expired")
            .text("No computer can be activated or renewed. Seats can still be given back."),
        _ if !may(Allowance::Activations) => {
            let notice = Notice::new(Tone::Waiting, "No activation is left")
                .text("Computers that are activated stay so, and so does one that is installed again. No other one can be activated.");
            match terms.next_period(now) {
                Some(then) => notice.text(format!("More can be activated from {} on.", page::time(then))),
                None => notice.text("Ask the vendor for more activations."),
            }
        }
        0 if !may(Allowance::Deactivations) => Notice::new(Tone::Waiting, "Every seat is taken")
            .text("No deactivation is left, so no seat can be given back. Ask the vendor."),
        0 => Notice::new(Tone::Waiting, "Every seat is taken")
            .text("Give a seat back on one of the computers below, and another one can be activated."),
        1 => Notice::new(Tone::Good, "One seat is free"),
        _ => Notice::new(Tone::Good, format!("{free} seats are free")),
    };
    notice.text(counted + ".")
}

fn view(holding: &Holding) -> LicenseView {
    let Holding { license, seats, gaps, .. } = holding;
    let (terms, now) = (&license.terms, std::time::SystemTime::now().into());
    let left = |of| {
        let balance = license.balance(of, now);
        match (balance.left(), balance.allowed) {
            (Some(left), Some(of)) => format!("{left} of {of}"),
            _ => "without limit".into(),
        }
    };
    LicenseView {
        licensee: terms.licensee.clone(),
        edition: terms.edition.clone(),
        seats: terms.seats,
        taken: license.usage.taken,
        activations_left: left(Allowance::Activations),
        deactivations_left: left(Allowance::Deactivations),
        may_deactivate: license.left(Allowance::Deactivations, now) != Some(0),
        expires: terms.expires.map_or_else(|| "never".into(), page::time),
        all_shown: seats.len() <= MOST_SEATS,
        rows: seats.iter().take(MOST_SEATS).map(|seat| row(seat, terms, gaps)).collect(),
        choices: choices(holding),
    }
}

/// The seats that may be freed here: none while another one is free, or when no other computer can be activated.
fn choices(holding: &Holding) -> Vec<Choice> {
    let Holding { license, seats, replaced, gaps, .. } = holding;
    let (terms, now) = (&license.terms, std::time::SystemTime::now().into());
    if license.usage.taken < terms.seats || license.left(Allowance::Activations, now) == Some(0) {
        return Vec::new();
    }
    let replaceable = seats.iter().filter(|seat| seat.is_replaceable(terms, replaced, gaps, now));
    let choice = |seat: &Seat| Choice {
        handle: seat.handle().to_string(),
        computer: computer(seat).to_owned(),
        about: format!("last heard of on {}", page::day(seat.contact())),
    };
    replaceable.take(MOST_SEATS).map(choice).collect()
}

fn computer(seat: &Seat) -> &str {
    if seat.label().is_empty() { "computer without a name" } else { seat.label() }
}

fn row(seat: &Seat, terms: &LicenseTerms, gaps: &[Gap]) -> SeatView {
    let now = std::time::SystemTime::now().into();
    let has_lapsed = seat.state().is_taken() && !seat.counts(terms, now, gaps);
    let (class, state) = match seat.state() {
        SeatState::Active if has_lapsed => ("over", "Free: not renewed for too long"),
        SeatState::Held if has_lapsed => ("over", "Free: held for too long"),
        SeatState::Revoked if seat.was_replaced_by_customer() => ("over", "Freed: not used any more"),
        other => state(other),
    };
    SeatView {
        handle: seat.handle().to_string(),
        computer: computer(seat).to_owned(),
        class,
        state,
        since: page::time(seat.changed()),
    }
}

fn state(state: SeatState) -> (&'static str, &'static str) {
    match state {
        SeatState::Active => ("taken", "In use"),
        SeatState::Held => ("held", "Held for this computer"),
        SeatState::Replaced => ("over", "Installed again on the same computer"),
        SeatState::Returned => ("over", "Given back"),
        SeatState::Cancelled => ("over", "Never used: its request was cancelled"),
        SeatState::Revoked => ("over", "Released by the vendor"),
        other => ("over", other.name()),
    }
}

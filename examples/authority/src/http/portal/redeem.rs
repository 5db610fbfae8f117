//! Giving a seat back: with a code that was typed, with a file, or by the link of a QR code.

use std::net::IpAddr;

use askama::Template;
use axum::{
    extract::{Request, State},
    http::StatusCode,
    response::Response,
};
use nodelock::{DeactivationReceipt, ErrorKind, code::DeactivationCode};

use super::{
    super::{Shared, peer::Peer},
    form::Form,
    marked::Marked,
    outcome::{Document, Outcome, Tone},
    page, paper,
    words::{Task, refusal},
};
use crate::{
    http::{Server, problem::Problem},
    store::{Redeemed, off_thread},
};

#[derive(Template)]
#[template(path = "redeem.html")]
struct Page {
    product: String,
    /// What stays in the field.
    typed: String,
    outcome: Option<Outcome>,
}

impl Page {
    /// Whether there is something left to hand in.
    fn is_open(&self) -> bool {
        self.outcome.as_ref().is_none_or(|outcome| matches!(outcome.tone, Tone::Bad))
    }
}

/// `GET /redeem`
pub(super) async fn form(State(server): Shared) -> Response {
    let product = page::product(&server).await;
    page::render(&Page { product, typed: String::new(), outcome: None }, StatusCode::OK)
}

/// `POST /redeem`
pub(super) async fn redeem(State(server): Shared, Peer(peer): Peer, request: Request) -> Response {
    let read = Form::read(request).await.and_then(|form| {
        let typed = form.text("deactivation")?;
        // The file was chosen last: a text stays in its field from an attempt before.
        let input = form.file("file").unwrap_or(typed.as_bytes()).to_vec();
        Ok((page::kept(typed), input))
    });
    let (typed, input) = match read {
        Ok(read) => read,
        Err(problem) => return page::failure(&problem),
    };
    page::finish(async move {
        let outcome = outcome(&server, input, peer).await;
        let product = page::product(&server).await;
        page::answer(outcome, |outcome| Page { product, typed, outcome })
    })
    .await
}

async fn outcome(server: &Server, input: Vec<u8>, peer: IpAddr) -> Outcome {
    if input.trim_ascii().is_empty() {
        return Outcome::new(Tone::Bad, "Nothing was handed in")
            .refused(ErrorKind::Malformed)
            .text("Type or paste the deactivation code, or choose the file that the application wrote.");
    }
    let (redeemed, marked) = match paper::typed(&input) {
        Some(typed) => redeem_typed(server, typed, peer).await,
        None => {
            let redeemed = server.service.redeem_proof(input.clone(), peer).await;
            (redeemed.map_err(Problem::from), None)
        }
    };
    let outcome = match redeemed {
        Ok(redeemed) => done(redeemed),
        Err(problem) => refused(server, &problem, input).await,
    };
    outcome.marked(marked)
}

/// What a typed code comes to, and what about its symbols is worth a look.
async fn redeem_typed(
    server: &Server,
    typed: &str,
    peer: IpAddr,
) -> (Result<Redeemed, Problem>, Option<Marked>) {
    match server.service.redeem_code(typed, peer).await {
        Ok((redeemed, corrections)) => {
            let readings = DeactivationCode::read(typed).unwrap_or_default();
            let meant = readings.iter().find(|reading| reading.corrections == corrections);
            (Ok(redeemed), meant.and_then(|reading| Marked::mended(&reading.code.to_string(), &corrections)))
        }
        Err(failure) => {
            let problem = Problem::from(failure);
            let marked = match problem.kind() {
                Some(ErrorKind::UnreadableCode) => Some(Marked::unreadable(typed, '1')),
                // It may have been mended to something else than what was meant.
                Some(ErrorKind::WrongCode) => DeactivationCode::read(typed).ok().and_then(|readings| {
                    let first = readings.first()?;
                    Marked::mended(&first.code.to_string(), &first.corrections)
                }),
                _ => None,
            };
            (Err(problem), marked)
        }
    }
}

fn done(redeemed: Redeemed) -> Outcome {
    let outcome = redeemed.outcome();
    let (released, receipt) = match redeemed {
        Redeemed::Released { released, receipt } => (released, receipt),
        Redeemed::Kept(handle) => {
            let kept = Outcome::new(Tone::Waiting, format!("Seat {handle} is not known here yet"))
                .text(
                    "What you handed in is kept. The computer's activation request has not arrived here; as soon as it \
                     does, the seat is free by itself.",
                )
                .text("If the computer was activated with this vendor, compare the code with what it shows.");
            // Taken in, and not done.
            return Outcome { status: StatusCode::ACCEPTED, kind: Some(ErrorKind::UnknownSeat), ..kept };
        }
    };
    let handle = released.seat.handle;
    let left = match released.deactivations_left {
        None => None,
        Some(0) => Some("The license has no deactivation left.".to_owned()),
        Some(1) => Some("The license has one deactivation left.".to_owned()),
        Some(left) => Some(format!("The license has {left} deactivations left.")),
    };
    let outcome = match outcome {
        "freed" => {
            let freed = Outcome::new(Tone::Good, format!("Seat {handle} is free"));
            left.into_iter().fold(freed.text("Another computer can be activated with it now."), Outcome::text)
        }
        "already-freed" => Outcome::new(Tone::Good, format!("Seat {handle} was free already"))
            .text("It was given back before. Nothing has changed, and nothing is left to do."),
        _ => Outcome::new(Tone::Waiting, format!("Seat {handle} is held for its computer")).text(
            "The license has no deactivation left. The computer that gave the seat back may activate it again at any \
             time; no other can. To move the seat to another computer, ask the vendor to return it.",
        ),
    };
    outcome
        .text(
            "The receipt is for the computer that gave the seat back: with it, the application there stops showing the \
             code. The computer can be activated again without it, too.",
        )
        .document(Document::new(None, std::slice::from_ref::<DeactivationReceipt>(&receipt)))
}

async fn refused(server: &Server, problem: &Problem, input: Vec<u8>) -> Outcome {
    match problem.kind() {
        Some(ErrorKind::WrongType) => {
            let roots = server.service.signer.roots.clone();
            let misplaced = off_thread(move || paper::misplaced(&input, &roots)).await;
            // Several deactivations in one are in the right place, but too many.
            let elsewhere = |outcome: &Outcome| !outcome.links.iter().any(|(address, _)| *address == "/redeem");
            misplaced.ok().flatten().filter(elsewhere).unwrap_or_else(|| refusal(problem, Task::Redeem))
        }
        Some(ErrorKind::UnreadableCode) => Outcome::new(Tone::Bad, "This code cannot be read")
            .refused(ErrorKind::UnreadableCode)
            .text("A few wrong characters are mended, but these are too many. No seat was given back, and this does not count as an attempt."),
        _ => refusal(problem, Task::Redeem),
    }
}

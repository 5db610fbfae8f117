//! Giving a seat back: with a code that was typed, with a file, or by the link of a QR code.

use askama::Template;
use axum::{
    extract::{Request, State},
    http::StatusCode,
    response::Response,
};
use nodelock::{
    ErrorKind,
    code::{DeactivationCode, Reading},
};

use super::{
    super::{Shared, peer::Peer},
    form::Form,
    marked::Marked,
    notice::{Document, Notice, Tone},
    page, paper,
    words::{Task, refusal},
};
use crate::{
    domain::{Deactivation, Occasion, Submission, What},
    failure::Failure,
    http::{Server, problem::Problem},
    service::{Effect, Redeemed, Released},
};

#[derive(Template)]
#[template(path = "redeem.html")]
struct Page {
    product: String,
    /// What stays in the field.
    typed: String,
    notice: Option<Notice>,
}

impl Page {
    /// Whether there is something left to hand in.
    fn is_open(&self) -> bool {
        self.notice.as_ref().is_none_or(|notice| matches!(notice.tone, Tone::Bad))
    }
}

/// `GET /redeem`
pub(super) async fn form(State(server): Shared) -> Response {
    let product = page::product(&server);
    page::render(&Page { product, typed: String::new(), notice: None }, StatusCode::OK)
}

/// `POST /redeem`
pub(super) async fn redeem(State(server): Shared, peer: Peer, request: Request) -> Response {
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
        let notice = notice(&server, input, &peer.occasion()).await;
        let product = page::product(&server);
        page::answer(notice, |notice| Page { product, typed, notice })
    })
    .await
}

async fn notice(server: &Server, input: Vec<u8>, occasion: &Occasion) -> Notice {
    if input.trim_ascii().is_empty() {
        return Notice::new(Tone::Bad, "Nothing was handed in")
            .refused(ErrorKind::Malformed)
            .text("Type or paste the deactivation code, or choose the file that the application wrote.");
    }
    let submission = match server.service.read(input.clone()).await {
        Ok(submission) => submission,
        Err(failure) => return refused(failure.into()),
    };
    redeem_submission(server, submission, &input, occasion).await
}

/// What a code or a proof comes to, and what about the symbols of a code is worth a look.
async fn redeem_submission(
    server: &Server,
    submission: Submission,
    input: &[u8],
    occasion: &Occasion,
) -> Notice {
    let what = submission.what();
    let typed = match submission.deactivation() {
        Ok(Deactivation::Code(typed)) => typed,
        Ok(Deactivation::Proof(claim)) => {
            let redeemed = server.service.redeem_proof(&claim, occasion).await;
            return redeemed.map_or_else(|failure| refused(failure.into()), done);
        }
        Err(error) => {
            let is_unreadable = error.kind() == ErrorKind::UnreadableCode;
            let marked = is_unreadable.then(|| Marked::unreadable(&String::from_utf8_lossy(input), '1'));
            // Several deactivations in one are in the right place, but too many.
            let misplaced = paper::misplaced(what, What::Deactivations);
            return misplaced.unwrap_or_else(|| refused(error.into()).marked(marked));
        }
    };
    match server.service.redeem_code(&typed, occasion).await {
        Ok((redeemed, reading)) => done(redeemed).marked(reading.as_ref().and_then(mended)),
        Err(failure) => {
            // It may have been mended to something else than what was meant.
            let is_wrong = matches!(&failure, Failure::Rule(error) if error.kind() == ErrorKind::WrongCode);
            let marked = typed.readings().first().filter(|_| is_wrong).and_then(mended);
            refused(failure.into()).marked(marked)
        }
    }
}

fn mended(reading: &Reading<DeactivationCode>) -> Option<Marked> {
    Marked::mended(&reading.code.to_string(), &reading.corrections)
}

fn done(redeemed: Redeemed) -> Notice {
    let released = match redeemed {
        Redeemed::Released(released) => *released,
        Redeemed::Kept(handle) => {
            let kept = Notice::new(Tone::Waiting, format!("Seat {handle} is not known here yet"))
                .text(
                    "What you handed in is kept. The computer's activation request has not arrived here; as soon as it \
                     does, the seat is free by itself.",
                )
                .text("If the computer was activated with this vendor, compare the code with what it shows.");
            // Taken in, and not done.
            return Notice { status: StatusCode::ACCEPTED, kind: Some(ErrorKind::UnknownSeat), ..kept };
        }
    };
    let effect = released.effect();
    let Released { seat, deactivations_left, receipt, .. } = released;
    let handle = seat.handle();
    let left = match deactivations_left {
        None => None,
        Some(0) => Some("The license has no deactivation left.".to_owned()),
        Some(1) => Some("The license has one deactivation left.".to_owned()),
        Some(left) => Some(format!("The license has {left} deactivations left.")),
    };
    let notice = match effect {
        Effect::Freed => {
            let freed = Notice::new(Tone::Good, format!("Seat {handle} is free"));
            left.into_iter().fold(freed.text("Another computer can be activated with it now."), Notice::text)
        }
        Effect::AlreadyFreed => Notice::new(Tone::Good, format!("Seat {handle} was free already"))
            .text("It was given back before. Nothing has changed, and nothing is left to do."),
        Effect::Held => Notice::new(Tone::Waiting, format!("Seat {handle} is held for its computer")).text(
            "The license has no deactivation left. The computer that gave the seat back may activate it again at any \
             time; no other can. To move the seat to another computer, ask the vendor to return it.",
        ),
    };
    let Some(receipt) = receipt else {
        let waiting = notice.text(
            "The receipt cannot be signed at the moment. The computer keeps its code until it has one: hand the same in \
             again later.",
        );
        // Done, and not answered yet.
        return Notice { status: StatusCode::ACCEPTED, kind: Some(ErrorKind::CertificateExpired), ..waiting };
    };
    notice
        .text(
            "The receipt is for the computer that gave the seat back: with it, the application there stops showing the \
             code. The computer can be activated again without it, too.",
        )
        .document(Document::new(None, std::slice::from_ref(&receipt)))
}

fn refused(problem: Problem) -> Notice {
    match problem.kind() {
        Some(ErrorKind::UnreadableCode) => Notice::new(Tone::Bad, "This code cannot be read")
            .refused(ErrorKind::UnreadableCode)
            .text("A few wrong characters are mended, but these are too many. No seat was given back, and this does not count as an attempt."),
        _ => refusal(&problem, Task::Redeem),
    }
}

//! Answering the activation request or the check-in of a computer that has no network.

use askama::Template;
use axum::{
    extract::{Request, State},
    http::StatusCode,
    response::Response,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use nodelock::{ErrorKind, License, Revocation, authority::CheckInClaim};

use super::{
    super::{Shared, peer::Peer},
    form::Form,
    notice::{Document, Notice, Tone},
    page, paper,
    words::{Task, refusal},
};
use crate::{
    domain::{Occasion, Submission, What},
    failure::Failure,
    http::Server,
    service::{Activated, CheckedIn},
};

#[derive(Template)]
#[template(path = "activate.html")]
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

/// `GET /activate`
pub(super) async fn form(State(server): Shared) -> Response {
    let product = page::product(&server);
    page::render(&Page { product, typed: String::new(), notice: None }, StatusCode::OK)
}

/// `POST /activate`
pub(super) async fn activate(State(server): Shared, peer: Peer, request: Request) -> Response {
    let read = Form::read(request).await.and_then(|form| {
        let typed = form.text("request")?;
        let input = form.file("file").unwrap_or(typed.as_bytes()).to_vec();
        Ok((page::kept(typed), input, form.text("replace")?))
    });
    let (mut typed, input, chosen) = match read {
        Ok(read) => read,
        Err(problem) => return page::failure(&problem),
    };
    page::finish(async move {
        let notice = notice(&server, &input, &chosen, &peer.occasion()).await;
        // A file cannot be put into its field again, and whoever chooses a seat hands in the same request.
        if !notice.choices.is_empty() {
            typed = page::kept(as_text(input));
        }
        let product = page::product(&server);
        page::answer(notice, |notice| Page { product, typed, notice })
    })
    .await
}

/// A file as it can be pasted.
fn as_text(file: Vec<u8>) -> String {
    String::from_utf8(file).unwrap_or_else(|error| URL_SAFE_NO_PAD.encode(error.as_bytes()))
}

async fn notice(server: &Server, input: &[u8], chosen: &str, occasion: &Occasion) -> Notice {
    if input.trim_ascii().is_empty() {
        return Notice::new(Tone::Bad, "Nothing was handed in")
            .refused(ErrorKind::Malformed)
            .text("Choose the file that the application wrote, or paste its text.");
    }
    answer(server, input, chosen, occasion)
        .await
        .unwrap_or_else(|failure| refusal(&failure.into(), Task::Activate))
}

async fn answer(server: &Server, input: &[u8], chosen: &str, occasion: &Occasion) -> Result<Notice, Failure> {
    let submission = server.service.read(input.to_vec()).await?;
    if let Submission::CheckIn(claim) = submission {
        return Ok(check_in(server, &claim, occasion).await);
    }
    if let Some(notice) = paper::misplaced(submission.what(), What::Activation) {
        return Ok(notice);
    }
    let file = submission.activation()?;
    // The seat whose place the request is to take; nothing if none was chosen.
    let file = if chosen.is_empty() { file } else { file.replacing(chosen.parse()?) };
    let Activated { license, receipts } = server.service.activate(file, None, occasion).await?;
    Ok(match license {
        Ok(license) => {
            granted(&license, receipts.len(), occasion).document(Document::new(Some(&license), &receipts))
        }
        Err(refused) => {
            let notice = refusal(&refused.into(), Task::Activate);
            let notice = match receipts.len() {
                0 => notice,
                1 => notice.text("A seat that came along with the request is given back all the same; its receipt is below."),
                count => notice.text(format!(
                    "{count} seats that came along with the request are given back all the same; their receipts are below."
                )),
            };
            notice.document(Document::new(None, &receipts))
        }
    })
}

async fn check_in(server: &Server, claim: &CheckInClaim, occasion: &Occasion) -> Notice {
    match server.service.check_in(claim, occasion).await {
        Ok(CheckedIn::Renewed(license)) => {
            ready("The license is renewed", &license, occasion).document(Document::new(Some(&license), &[]))
        }
        Ok(CheckedIn::Revoked(revocation)) => revoked(&revocation),
        Err(failure) => refusal(&failure.into(), Task::Renew),
    }
}

fn revoked(revocation: &Revocation) -> Notice {
    let notice = Notice::new(Tone::Waiting, "The seat of this computer is over").text(
        "It was given back, or the vendor released it. So the license of that computer is not renewed.",
    );
    let notice = match revocation.reason.as_str() {
        "" => notice,
        reason => notice.text(format!("The reason that is noted here: {reason}")),
    };
    notice
        .text("Take the file to the computer, and let the application read it: it ends the license there.")
        .document(Some(revocation.into()))
}

/// A license that is to be taken to its computer.
fn ready(title: &str, license: &License, occasion: &Occasion) -> Notice {
    let notice = Notice::new(Tone::Good, title).text(format!(
        "It is for {} on the computer that made the request, seat {}. Take the file there, and let the application read it.",
        license.product, license.handle
    ));
    // A request that is handed in again is answered with its first license, so a renewal takes a check-in.
    const HOW: &str =
        "let the computer go online, or let the application write a check-in and hand that in here";
    match (license.lease_until, license.renew_after) {
        (Some(until), _) if until <= occasion.time => {
            notice.text(format!("It was good until {}. To renew it there, {HOW}.", page::time(until)))
        }
        (Some(until), Some(after)) => notice.text(format!(
            "It is good until {}. To renew it, {HOW}, from {} on.",
            page::time(until),
            page::time(after)
        )),
        _ => notice,
    }
}

fn granted(license: &License, receipts: usize, occasion: &Occasion) -> Notice {
    let notice = ready("The license is ready", license, occasion);
    match receipts {
        0 => notice,
        1 => notice
            .text("The file holds the receipt of a seat that was given back along with the request, too."),
        count => notice.text(format!(
            "The file holds the receipts of {count} seats that were given back along with the request, too."
        )),
    }
}

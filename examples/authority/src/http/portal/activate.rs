//! Answering the activation request of a computer that has no network.

use askama::Template;
use axum::{
    extract::{Request, State},
    http::StatusCode,
    response::Response,
};
use nodelock::{ErrorKind, License};

use super::{
    super::{Shared, peer::Peer},
    form::Form,
    notice::{Document, Notice, Tone},
    page, paper,
    words::{Task, refusal},
};
use crate::{
    domain::{Occasion, What},
    failure::Failure,
    http::Server,
    service::Activated,
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
    let product = page::product(&server).await;
    page::render(&Page { product, typed: String::new(), notice: None }, StatusCode::OK)
}

/// `POST /activate`
pub(super) async fn activate(State(server): Shared, peer: Peer, request: Request) -> Response {
    let read = Form::read(request).await.and_then(|form| {
        let typed = form.text("request")?;
        let input = form.file("file").unwrap_or(typed.as_bytes()).to_vec();
        Ok((page::kept(typed), input))
    });
    let (typed, input) = match read {
        Ok(read) => read,
        Err(problem) => return page::failure(&problem),
    };
    page::finish(async move {
        let notice = notice(&server, input, &peer.occasion()).await;
        let product = page::product(&server).await;
        page::answer(notice, |notice| Page { product, typed, notice })
    })
    .await
}

async fn notice(server: &Server, input: Vec<u8>, occasion: &Occasion) -> Notice {
    if input.trim_ascii().is_empty() {
        return Notice::new(Tone::Bad, "Nothing was handed in")
            .refused(ErrorKind::Malformed)
            .text("Choose the file that the application wrote, or paste its text.");
    }
    answer(server, input, occasion).await.unwrap_or_else(|failure| refusal(&failure.into(), Task::Activate))
}

async fn answer(server: &Server, input: Vec<u8>, occasion: &Occasion) -> Result<Notice, Failure> {
    let submission = server.service.read(input).await?;
    if let Some(notice) = paper::misplaced(submission.what(), What::Activation) {
        return Ok(notice);
    }
    let file = submission.activation()?;
    let Activated { license, receipts } = server.service.activate(file, None, occasion).await?;
    Ok(match license {
        Ok(license) => granted(&license, receipts.len()).document(Document::new(Some(&license), &receipts)),
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

fn granted(license: &License, receipts: usize) -> Notice {
    let notice = Notice::new(Tone::Good, "The license is ready").text(format!(
        "It is for {} on the computer that made the request, seat {}. Take the file there, and let the application read it.",
        license.product, license.handle
    ));
    // Handed in again once it is due, the same request is answered with the renewal.
    let notice = match (license.lease_until, license.renew_after) {
        (Some(until), Some(after)) => notice.text(format!(
            "It is good until {}. To renew it, let the computer go online or hand this same request in once more, from \
             {} on.",
            page::time(until),
            page::time(after)
        )),
        _ => notice,
    };
    match receipts {
        0 => notice,
        1 => notice
            .text("The file holds the receipt of a seat that was given back along with the request, too."),
        count => notice.text(format!(
            "The file holds the receipts of {count} seats that were given back along with the request, too."
        )),
    }
}

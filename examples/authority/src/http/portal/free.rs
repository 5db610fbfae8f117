//! Freeing the seat of a computer that is lost or broken, for whoever has the license key.

use askama::Template;
use axum::{
    extract::{Request, State},
    response::Response,
};
use nodelock::authority::Allowance;

use super::{
    super::{Shared, peer::Peer},
    form::Form,
    notice::{Notice, Tone},
    page, seats,
    words::{Task, refusal},
};
use crate::{
    domain::Occasion,
    http::{Server, problem::Problem},
};

#[derive(Template)]
#[template(path = "free.html")]
struct Page {
    product: String,
    notice: Option<Notice>,
}

/// `POST /seats/free`
pub(super) async fn free(State(server): Shared, peer: Peer, request: Request) -> Response {
    let read = Form::read(request).await.and_then(|form| Ok((form.text("license_key")?, form.text("seat")?)));
    let (key, seat) = match read {
        Ok(read) => read,
        Err(problem) => return page::failure(&problem),
    };
    page::finish(async move {
        let notice = notice(&server, &key, &seat, &peer.occasion()).await;
        let product = page::product(&server);
        page::answer(notice, |notice| Page { product, notice })
    })
    .await
}

async fn notice(server: &Server, key: &str, seat: &str, occasion: &Occasion) -> Notice {
    let (holding, _) = match seats::find(server, key, occasion).await {
        Ok(found) => found,
        Err(notice) => return *notice,
    };
    let Ok(seat) = seat.parse() else {
        return refusal(&Problem::malformed("the name of a seat is expected"), Task::Release);
    };
    match server.service.customer_release(holding.license.terms.id, seat, occasion).await {
        Ok(seat) => Notice::new(Tone::Good, format!("Seat {} is free", seat.handle()))
            .text(match holding.license.left(Allowance::Activations, occasion.time) {
                Some(0) => "No activation is left: only a computer that was activated before can have it.",
                _ => "Another computer can be activated now.",
            })
            .text("If the old one is started again, its application learns that the seat is another one's."),
        Err(failure) => refusal(&failure.into(), Task::Release),
    }
}

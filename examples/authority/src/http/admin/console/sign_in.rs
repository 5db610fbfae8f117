//! Signing in and out, and who one is.

use axum::{
    extract::{Request, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
};
use zeroize::Zeroizing;

use super::{
    super::super::{Shared, peer::Peer, permits, portal::form::Form, problem::Problem},
    Asked, Shown, Visitor, failed, failures,
    view::{Block, Cell, Content, Facts, Field, Form as FormBlock, Input},
    visitor::{is_page, language, no_session, page_for_strangers, see_other, session},
    words::Words,
};
use crate::domain::rights::Act;

fn content(words: &'static Words, name: &str, next: &str, problem: Option<&Problem>) -> Content {
    let fields = vec![
        Field::new("account", words.account, Input::Text).value(name).required().filled_by("username"),
        Field::new("password", words.password, Input::Password).required().filled_by("current-password"),
        Field::new("code", words.second_factor, Input::Text)
            .about(words.about_second_factor)
            .required()
            .filled_by("one-time-code"),
        Field::hidden("next", next),
    ];
    let form = FormBlock::post("/console/sign-in", words.sign_in, fields);
    let mut content = Content::new(words.sign_in)
        .with_some(problem.map(|problem| failures::notice(words, problem).block()))
        .with(form.block());
    content.status = problem.map_or(StatusCode::OK, Problem::status);
    content
}

/// `GET /console/sign-in`
pub(super) async fn page(headers: HeaderMap, asked: Asked) -> Response {
    let words = language(&headers);
    let next = Some(asked.says("next")).filter(|next| is_page(next)).unwrap_or_default();
    page_for_strangers(words, &content(words, "", next, None))
}

/// `POST /console/sign-in`
///
/// Whoever is made to sign in by another website would act in somebody else's name, so its forms are refused here too;
/// there is no session yet whose token could tell.
pub(super) async fn sign_in(State(server): Shared, peer: Peer, request: Request) -> Response {
    let words = language(request.headers());
    let form = match Form::read(request).await {
        Ok(form) => form,
        Err(problem) => return failures::page(words, &problem),
    };
    let read = || {
        let secret = |name| form.text(name).map(Zeroizing::new);
        Ok((form.text("account")?, secret("password")?, secret("code")?, form.text("next")?))
    };
    let (name, password, code, next) = match read() {
        Ok(read) => read,
        Err(problem) => return failures::page(words, &problem),
    };
    let typed = name.trim().to_owned();
    let work = async move {
        let now = peer.occasion().time;
        server.service.sign_in(name.trim(), password, code, peer.0, now).await.map_err(Problem::from)
    };
    match permits::finish(work).await.unwrap_or_else(|_| Err(failed())) {
        Ok(signed_in) => (session(&signed_in.token), see_other(&next)).into_response(),
        Err(problem) => {
            let response = page_for_strangers(words, &content(words, &typed, &next, Some(&problem)));
            failures::marked(response, problem.code())
        }
    }
}

/// `POST /console/sign-out`
pub(super) async fn sign_out(visitor: Visitor, request: Request) -> Response {
    if let Err(problem) = super::own_form(&visitor, request).await {
        return visitor.answer(Err(problem));
    }
    let caller = visitor.caller.clone();
    let server = visitor.server.clone();
    let work = async move { server.service.sign_out(&caller.secret, &caller.occasion).await };
    match permits::finish(work).await.map_err(|_| failed()).and_then(|done| Ok(done?)) {
        Ok(()) => (no_session(), see_other("/console/sign-in")).into_response(),
        Err(problem) => visitor.answer(Err(problem)),
    }
}

/// `GET /console/me`
pub(super) async fn me(visitor: &Visitor, _: &Asked) -> Shown {
    visitor.must(Act::Oneself).await?;
    let words = visitor.words;
    let acts: Vec<&str> = Act::ALL.iter().filter(|act| visitor.may(**act)).map(|act| act.name()).collect();
    let (name, role) = visitor.who();
    let facts = Facts::new("")
        .fact(words.account, Cell::new(name))
        .fact(words.role, Cell::new(role.name()))
        .fact(words.rights, Cell::code(acts.join(", ")));
    Ok(Content::new(words.me).with(facts.block()).with(Block::Text(words.about_me.to_owned())))
}

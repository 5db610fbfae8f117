//! The phone desk: a customer reads a code, group by group; it is read back as it was understood, and redeemed.

use nodelock::{
    ErrorKind,
    authority::TypedCode,
    code::{DeactivationCode, Reading, check_typing},
};

use super::{
    super::super::{
        portal::{form::Form, marked::Marked},
        problem::Problem,
    },
    Asked, Done, Shown, Visitor, failures,
    seats::seat_address,
    view::{Block, Cell, Content, Facts, Field, Form as FormBlock, Input, Link, Notice, Tone},
    words::say,
};
use crate::{
    domain::{Deactivation, SeatChoice, rights::Act},
    failure::Failure,
    service::{Effect, Redeemed},
};

const GROUPS: usize = 5;
const GROUP: usize = 5;

fn form_of(visitor: &Visitor, groups: &[String]) -> Block {
    let words = visitor.words;
    let mut groups = groups.to_vec();
    groups.resize(GROUPS, String::new());
    let field = Field::new("group", words.code, Input::Groups(groups)).about(words.about_code);
    FormBlock::post("/console/desk", words.read_code, vec![field]).block()
}

/// `GET /console/desk`
pub(super) async fn page(visitor: &Visitor, _: &Asked) -> Shown {
    visitor.must(Act::Redeem).await?;
    let words = visitor.words;
    Ok(Content::new(words.desk).with(Block::Text(words.about_desk.to_owned())).with(form_of(visitor, &[])))
}

/// `POST /console/desk`: first the code is read and shown, then it is redeemed.
pub(super) async fn redeem(visitor: &Visitor, _: &Asked, form: &Form) -> Result<Done, Problem> {
    visitor.must(Act::Redeem).await?;
    let words = visitor.words;
    let confirmed = form.text("code")?;
    if !confirmed.is_empty() {
        return Ok(Done::Shown(redeemed(visitor, &confirmed).await.into()));
    }
    let groups = form.all("group").map(|group| String::from_utf8_lossy(group).trim().to_owned());
    let groups: Vec<String> = groups.take(GROUPS).collect();
    // A whole code may be pasted into the first field.
    let typed = groups.join(" ");
    let content = Content::new(words.desk);
    let read = visitor.server.service.read(typed.as_bytes().to_vec()).await;
    let code = match read.map(|submission| submission.deactivation()) {
        Ok(Ok(Deactivation::Code(code))) => code,
        _ => {
            let mut notice = Notice::new(Tone::Bad, words.code_unreadable).line(words.code_not_counted);
            for (at, group) in groups.iter().enumerate() {
                let typing = check_typing(group);
                let is_whole = typing.symbols == GROUP && typing.unreadable.is_empty();
                if groups.len() == GROUPS && !is_whole {
                    let (at, symbols) = ((at + 1).to_string(), typing.symbols.to_string());
                    notice = notice.line(say(words.group_incomplete, &[&at, &symbols]));
                }
            }
            let marked = (!typed.trim().is_empty()).then(|| Block::Marked(Marked::unreadable(&typed, '1')));
            let mut content = content.with(notice.block()).with_some(marked).with(form_of(visitor, &groups));
            content.status = Problem::of(ErrorKind::UnreadableCode).status();
            return Ok(Done::Shown(content.into()));
        }
    };
    Ok(Done::Shown(confirmation(visitor, content, &code, &typed).await?.into()))
}

/// The code as it was understood, and whose seat it gives back.
///
/// What was typed goes along, and not this reading: it may stand for several codes, of which one fits.
async fn confirmation(
    visitor: &Visitor,
    content: Content,
    code: &TypedCode,
    typed: &str,
) -> Result<Content, Problem> {
    let words = visitor.words;
    let Some(reading) = code.readings().first() else { return Ok(content) };
    let content = content.with(understood(visitor, reading)).with(Block::Marked(as_read(reading)));
    let choice = SeatChoice { handle: reading.code.handle(), device: None };
    let facts = match visitor.server.service.seat(choice, &visitor.caller.occasion).await {
        Ok((seat, licensee)) => Facts::new("")
            .said(words.licensee, &licensee)
            .fact(words.computer, Cell::strangers(visitor.computer(seat.label())))
            .fact(
                words.seat,
                Cell::code(seat.handle().to_string()).to(seat_address(seat.handle(), *seat.device_key())),
            )
            .fact(words.state, Cell::new(words.of_seat_state(seat.state())))
            .fact(words.last_contact, Cell::time(seat.contact())),
        Err(Failure::AmbiguousSeat) => Facts::new("").fact(words.seat, Cell::new(words.several_devices)),
        Err(Failure::Rule(error)) if error.kind() == ErrorKind::UnknownSeat => {
            Facts::new("").fact(words.seat, Cell::new(words.seat_unknown_yet))
        }
        Err(failure) => return Err(failure.into()),
    };
    let mut form = FormBlock::post("/console/desk", words.redeem, vec![Field::hidden("code", typed)]);
    form.instead = Some(Link::new("/console/desk", words.cancel));
    Ok(content.with(facts.block()).with(form.block()))
}

fn understood(visitor: &Visitor, reading: &Reading<DeactivationCode>) -> Block {
    let words = visitor.words;
    match reading.corrections.len() {
        0 => Notice::new(Tone::Good, words.code_complete).line(words.read_back).block(),
        mended => Notice::new(Tone::Waiting, say(words.code_mended, &[&mended.to_string()]))
            .line(words.read_back)
            .block(),
    }
}

/// All groups, with what was mended marked.
fn as_read(reading: &Reading<DeactivationCode>) -> Marked {
    Marked::whole(&reading.code.to_string(), &reading.corrections)
}

async fn redeemed(visitor: &Visitor, code: &str) -> Content {
    let words = visitor.words;
    let content = Content::new(words.desk);
    let done = match TypedCode::read(code) {
        Ok(typed) => visitor.server.service.redeem_code(&typed, &visitor.caller.occasion).await,
        Err(error) => Err(error.into()),
    };
    let released = match done {
        Ok((Redeemed::Released(released), _)) => released,
        Ok((Redeemed::Kept(handle), _)) => {
            let title = say(words.code_kept, &[&handle.to_string()]);
            let notice = Notice::new(Tone::Waiting, title).line(words.code_kept_why);
            return content.with(notice.block()).with(form_of(visitor, &[]));
        }
        Err(failure) => {
            let problem = Problem::from(failure);
            let notice = failures::notice(words, &problem);
            let mut content = content.with(notice.block()).with(form_of(visitor, &[]));
            content.status = problem.status();
            return content;
        }
    };
    let handle = released.seat.handle().to_string();
    let (tone, title) = match released.effect() {
        Effect::Freed => (Tone::Good, words.seat_is_free),
        Effect::AlreadyFreed => (Tone::Good, words.seat_was_free),
        Effect::Held => (Tone::Waiting, words.seat_is_held),
    };
    let notice = Notice::new(tone, say(title, &[&handle])).line(words.tell_the_customer);
    let left =
        released.deactivations_left.map_or_else(|| words.without_limit.to_owned(), |left| left.to_string());
    let mut facts = Facts::new("").fact(words.deactivations_left, Cell::new(left));
    if let Some(license) = released.seat.license_id() {
        facts = facts
            .fact(words.license, Cell::code(license.to_string()).to(format!("/console/licenses/{license}")));
    }
    content.with(notice.block()).with(facts.block()).with(form_of(visitor, &[]))
}

//! A license: what it says, its keys, its seats, how far its allowances are used, and all that happened to it.

use nodelock::{LicenseId, Timestamp, authority::Allowance};

use super::{
    super::{super::problem::Problem, lists::Cursor},
    Asked, ROWS, Shown, Visitor,
    deeds::Deed,
    seats::{seat_address, table_of_seats},
    view::{Block, Cell, Content, Facts, Link, Notice, Row, Table, Tone},
    words::{Words, say},
};
use crate::{
    domain::{
        LicenseRow, RefusalCursor, RefusalRow,
        filter::{Filter, List},
        rights::Act,
    },
    service::{self, Happened, LicenseView, TimelinePlace, Wanted},
};

pub(super) fn license_id(text: &str) -> Result<LicenseId, Problem> {
    text.parse().map_err(|_| Problem::malformed("the address holds no id of a license"))
}

/// `GET /console/licenses/{id}`
pub(super) async fn page(visitor: &Visitor, asked: &Asked) -> Shown {
    visitor.must(Act::ShowLicenses).await?;
    let (words, occasion) = (visitor.words, &visitor.caller.occasion);
    let (id, database) = (license_id(asked.part("id"))?, visitor.server.service.database());
    let view = service::license(database, id, occasion).await?;
    let place = place(asked)?;
    let is_first = asked.says("after").is_empty();
    let terms = &view.row.license.terms;
    let name = if terms.licensee.is_empty() { id.to_string() } else { terms.licensee.clone() };
    let mut content = Content::new(say(words.license_of, &[&name])).with_some(done(visitor, asked));
    if is_first {
        content = content.with(facts(visitor, &view.row));
        let deeds = Deed::of_license(&view.row, occasion.time);
        let links = deeds.into_iter().filter(|deed| visitor.may(deed.act()));
        let links: Vec<Link> =
            links.map(|deed| Link::new(deed.address(&[&id.to_string()]), deed.name(words))).collect();
        content = content.with_some((!links.is_empty()).then_some(Block::Links(links)));
        content = content.with(keys(visitor, &view));
        if visitor.may(Act::ShowSeats) {
            let filter = Filter::all(List::Seats).and("license", &id.to_string());
            let wanted = Wanted { filter, after: None, most: ROWS };
            let (seats, next) = service::seats_after(database, wanted, occasion).await?;
            let mut table = table_of_seats(visitor, &seats).await?;
            table.title = words.seats.to_owned();
            table.empty = words.no_seat_yet.to_owned();
            table.next = next
                .map(|_| super::visitor::address("/console/seats", [("filter", &*format!("license:{id}"))]));
            content = content.with(table.block());
        }
    }
    let (happened, next) = service::timeline(database, id, place, ROWS, occasion).await?;
    let mut table = timeline(words, &happened);
    table.next = next.map(|place| asked.after(&text(&place)));
    Ok(content.with(table.block()))
}

/// That something was done just now.
pub(super) fn done(visitor: &Visitor, asked: &Asked) -> Option<Block> {
    let deed = Deed::ALL.iter().find(|deed| visitor.was_done(asked) == Some(deed.code()))?;
    Some(Notice::new(Tone::Good, deed.done(visitor.words)).block())
}

/// How much of an allowance is left, and of how many.
pub(super) fn left(words: &Words, row: &LicenseRow, of: Allowance, now: Timestamp) -> String {
    let balance = row.license.balance(of, now);
    match (balance.left(), balance.allowed) {
        (Some(left), Some(allowed)) => say(words.of, &[&left.to_string(), &allowed.to_string()]),
        _ => words.without_limit.to_owned(),
    }
}

/// How far an allowance is used.
pub(super) fn utilization(row: &LicenseRow, of: Allowance, now: Timestamp) -> String {
    row.license.balance(of, now).percent().map_or_else(|| "–".to_owned(), |percent| format!("{percent} %"))
}

pub(super) fn state(words: &Words, row: &LicenseRow, now: Timestamp) -> Cell {
    let terms = &row.license.terms;
    match () {
        () if row.voided.is_some() => Cell::new(words.void).class("bad"),
        () if terms.suspended => Cell::new(words.suspended).class("waiting"),
        () if terms.expires.is_some_and(|end| end <= now) => Cell::new(words.expired).class("waiting"),
        () => Cell::new(words.active).class("good"),
    }
}

fn facts(visitor: &Visitor, row: &LicenseRow) -> Block {
    let (words, now) = (visitor.words, visitor.caller.occasion.time);
    let terms = &row.license.terms;
    let days = |days: Option<u32>, otherwise: &str| match days {
        Some(days) => Cell::new(say(words.days, &[&days.to_string()])),
        None => Cell::new(otherwise),
    };
    let taken = say(words.of, &[&row.license.usage.taken.to_string(), &terms.seats.to_string()]);
    let mut facts = Facts::new(words.terms)
        .fact(words.state, state(words, row, now))
        .fact(words.id, Cell::code(terms.id.to_string()))
        .fact(words.product, Cell::new(&terms.product))
        .said(words.edition, &terms.edition)
        .fact(words.seats_taken, Cell::new(taken))
        .fact(words.deactivations_left, Cell::new(left(words, row, Allowance::Deactivations, now)))
        .fact(words.utilization, Cell::new(utilization(row, Allowance::Deactivations, now)))
        .fact(words.activations_left, Cell::new(left(words, row, Allowance::Activations, now)))
        .fact(words.sold_on, Cell::time(row.created))
        .fact(words.expires, Cell::some_time(terms.expires, words.never))
        .fact(words.lease, days(terms.lease_days, words.none))
        .fact(words.margin, days(terms.margin_days, words.none));
    if let Some(until) = terms.updates_until {
        facts = facts.fact(words.updates_until, Cell::time(until));
    }
    if let Some(next) = terms.next_period(now) {
        facts = facts.fact(words.next_period, Cell::time(next));
    }
    let features: Vec<&str> = terms.features.iter().map(|feature| feature.name.as_str()).collect();
    facts = facts.said(words.features, &features.join(", "));
    for (name, value) in &terms.metadata {
        facts = facts.said(name, value);
    }
    if let Some(customer) = row.customer {
        facts = facts.fact(words.customer, visitor.customer(customer));
    }
    facts.fact(words.version, Cell::new(row.version.to_string())).block()
}

/// The keys by their ends, without the keys themselves.
fn keys(visitor: &Visitor, view: &LicenseView) -> Block {
    let (words, id) = (visitor.words, view.row.license.terms.id.to_string());
    let columns = [words.key, words.made_on, words.state, words.acts];
    let mut table = Table::new(words.keys, &columns, words.no_key);
    for key in &view.keys {
        let state = match key.revoked {
            Some(_) => Cell::new(words.revoked).class("waiting"),
            None => Cell::new(words.valid).class("good"),
        };
        let hint = format!("…{}", key.hint);
        let mut acts = Vec::new();
        if visitor.may(Act::Rekey) {
            let link =
                |deed: Deed| Link::new(deed.address(&[&id, &key.hint]), deed.name(words)).about(hint.clone());
            acts.extend(key.sealed.as_ref().map(|_| link(Deed::ShowKey)));
            acts.extend(key.revoked.is_none().then(|| link(Deed::RevokeKey)));
        }
        table.rows.push(Row::new(vec![
            Cell::code(hint.clone()),
            Cell::time(key.created),
            state,
            Cell::links(acts),
        ]));
    }
    table.block()
}

fn timeline(words: &'static Words, happened: &[Happened]) -> Table {
    let columns = [words.when, words.what_happened, words.seat, words.who, words.more];
    let mut table = Table::new(words.timeline, &columns, words.nothing_happened);
    for one in happened {
        let cells = match one {
            Happened::Event { row, actor, detail } => {
                let seat = row.seat.map_or_else(Cell::default, |seat| {
                    Cell::code(seat.handle.to_string()).to(seat_address(seat.handle, seat.device_key))
                });
                vec![
                    Cell::time(row.at),
                    Cell::code(&row.kind),
                    seat,
                    Cell::new(actor),
                    Cell::strangers(detail),
                ]
            }
            Happened::Refused(row) => {
                let RefusalRow { refused, actor, count, .. } = &**row;
                let what = say(words.refused_times, &[&refused.kind, &count.to_string()]);
                vec![
                    Cell::time(row.last),
                    Cell::new(what).class("bad"),
                    Cell::code(row.handle().to_string()),
                    Cell::new(actor),
                    Cell::strangers(&refused.reason),
                ]
            }
        };
        table.rows.push(Row::new(cells));
    }
    table
}

/// A refusal in a cursor: when, of which device, what it asked for, and why not.
type Refusal = (u64, String, String, String);

fn text(place: &TimelinePlace) -> String {
    let refusal = place.refusal.as_ref().map(refusal_place);
    Cursor((place.event, refusal)).text()
}

fn place(asked: &Asked) -> Result<TimelinePlace, Problem> {
    let after = asked.says("after");
    if after.is_empty() {
        return Ok(TimelinePlace::default());
    }
    let Cursor((event, refusal)) = Cursor::<(Option<u32>, Option<Refusal>)>::read(after)?;
    Ok(TimelinePlace { event, refusal: refusal.map(refusal_cursor).transpose()? })
}

pub(super) fn refusal_place(cursor: &RefusalCursor) -> Refusal {
    let RefusalCursor { last, device, asked, kind } = cursor;
    (last.unix_seconds(), device.to_string(), asked.clone(), kind.clone())
}

/// Fails for what is no place in a list of refusals.
pub(super) fn refusal_cursor((last, device, asked, kind): Refusal) -> Result<RefusalCursor, Problem> {
    let wrong = || Problem::malformed("`after` is no `next` of a page");
    if last > Timestamp::MAX.unix_seconds() {
        return Err(wrong());
    }
    let last = Timestamp::from_unix_seconds(last);
    Ok(RefusalCursor { last, device: device.parse().map_err(|_| wrong())?, asked, kind })
}

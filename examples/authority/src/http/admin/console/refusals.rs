//! "Why did it fail?": what devices were refused lately, latest first.

use super::{
    super::lists::Cursor,
    Asked, ROWS, Shown, Visitor,
    license::{license_id, refusal_cursor, refusal_place},
    view::{Block, Cell, Content, Field, Form, Input, Row, Table},
};
use crate::{
    domain::{RefusalRow, rights::Act},
    service,
};

/// `GET /console/refusals`
pub(super) async fn page(visitor: &Visitor, asked: &Asked) -> Shown {
    visitor.must(Act::ShowRefusals).await?;
    let words = visitor.words;
    let typed = asked.says("license");
    let license = if typed.is_empty() { None } else { Some(license_id(typed)?) };
    let before = match asked.says("after") {
        "" => None,
        after => Some(refusal_cursor(Cursor::read(after)?.0)?),
    };
    let database = visitor.server.service.database();
    let rows = service::latest_refusals(database, license, before, ROWS, &visitor.caller.occasion).await?;
    let columns = [words.when, words.computer, words.asked_for, words.why, words.license, words.times];
    let mut table = Table::new("", &columns, words.nothing_refused);
    table.rows = rows.iter().map(|row| row_of(visitor, row)).collect();
    let last = rows.last().filter(|_| rows.len() >= ROWS as usize);
    table.next = last.map(|last| asked.after(&Cursor(refusal_place(&last.cursor())).text()));
    let field = Field::new("license", words.license, Input::Text).value(typed).about(words.about_license_id);
    Ok(Content::new(words.refusals)
        .with(Block::Text(words.about_refusals.to_owned()))
        .with(Form::query("/console/refusals", words.show, vec![field]).block())
        .with(table.block()))
}

fn row_of(visitor: &Visitor, row: &RefusalRow) -> Row {
    let (words, refused) = (visitor.words, &row.refused);
    let pairs = refused.device.pairs();
    let computer = pairs.iter().find(|(name, _)| name == "computer").map_or("", |(_, value)| value);
    let license = match refused.license {
        Some(id) => Cell::code(id.to_string()).to(format!("/console/licenses/{id}")),
        None if refused.key_hint.is_empty() => Cell::new(words.none),
        None => Cell::code(format!("…{}", refused.key_hint)),
    };
    Row::new(vec![
        Cell::time(row.last),
        Cell::strangers(visitor.computer(computer)),
        Cell::new(words.of_asked(refused.asked)),
        Cell::strangers(format!("{}: {}", refused.kind, refused.reason)).class("bad"),
        license,
        Cell::new(row.count.to_string()),
    ])
}

//! One box for whatever a customer reads out.
//!
//! What is typed may be a license key or a code, so it is sent in a form and stands in no address.

use super::{
    super::super::{portal::form::Form, problem::Problem},
    Asked, Done, Shown, Visitor,
    lists::{customer_cell, license_cells, license_columns},
    seats::seat_address,
    view::{Block, Cell, Content, Field, Form as FormBlock, Input, Notice, Row, Table, Tone},
};
use crate::{
    domain::rights::Act,
    service::{self, Hits},
};

fn box_of(visitor: &Visitor, typed: &str) -> Block {
    let words = visitor.words;
    let field =
        Field::new("q", words.search_for, Input::Text).value(typed).about(words.about_search).required();
    FormBlock::post("/console/search", words.search, vec![field]).block()
}

/// `GET /console/search`
pub(super) async fn page(visitor: &Visitor, _: &Asked) -> Shown {
    visitor.must(Act::ShowLicenses).await?;
    Ok(Content::new(visitor.words.search).with(box_of(visitor, "")))
}

/// `POST /console/search`
pub(super) async fn search(visitor: &Visitor, _: &Asked, form: &Form) -> Result<Done, Problem> {
    let (words, typed) = (visitor.words, form.text("q")?);
    let occasion = &visitor.caller.occasion;
    let Hits { licenses, seats, customers } =
        service::search(visitor.server.service.database(), &typed, occasion).await?;
    // There is nothing to choose from.
    match (&licenses[..], &seats[..], &customers[..]) {
        ([only], [], []) => return Ok(Done::Page(format!("/console/licenses/{}", only.license.terms.id))),
        ([], [only], []) => return Ok(Done::Page(seat_address(only.handle, only.device))),
        ([], [], [only]) => return Ok(Done::Page(format!("/console/customers/{}", only.id))),
        _ => {}
    }
    let mut content = Content::new(words.search).with(box_of(visitor, typed.trim()));
    if licenses.is_empty() && seats.is_empty() && customers.is_empty() {
        let notice = Notice::new(Tone::Waiting, words.nothing_found).line(words.what_to_try);
        return Ok(Done::Shown(content.with(notice.block()).into()));
    }
    if !licenses.is_empty() {
        let mut table = Table::new(words.licenses, &license_columns(words), "");
        table.rows = licenses.iter().map(|row| Row::new(license_cells(words, row, occasion.time))).collect();
        content = content.with(table.block());
    }
    if !seats.is_empty() {
        let columns = [words.computer, words.state, words.seat, words.license, words.last_contact];
        let mut table = Table::new(words.seats, &columns, "");
        let row = |hit: &service::SeatHit| {
            Row::new(vec![
                Cell::strangers(visitor.computer(&hit.label)).to(seat_address(hit.handle, hit.device)),
                Cell::new(words.of_seat_state(hit.state)),
                Cell::code(hit.handle.to_string()),
                hit.license.map_or_else(Cell::default, |id| {
                    Cell::code(id.to_string()).to(format!("/console/licenses/{id}"))
                }),
                Cell::time(hit.contact),
            ])
        };
        table.rows = seats.iter().map(row).collect();
        content = content.with(table.block());
    }
    if !customers.is_empty() {
        let mut table = Table::new(words.customers, &[words.name, words.email, words.external_id], "");
        let row = |customer| {
            Row::new(vec![
                customer_cell(words, customer),
                Cell::strangers(&customer.details.email),
                Cell::strangers(&customer.details.external_id),
            ])
        };
        table.rows = customers.iter().map(row).collect();
        content = content.with(table.block());
    }
    Ok(Done::Shown(content.into()))
}

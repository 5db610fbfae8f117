//! Seats: all of them in a grid, one with what may be done with it, and those of computers that are gone.

use std::collections::{BTreeSet, HashMap};

use nodelock::{
    LicenseId, PublicKey, Timestamp,
    authority::{Allowance, SeatState},
    code::Handle,
};

use super::{
    super::{
        super::problem::Problem,
        lists::{Cursor, next},
    },
    Asked, ROWS, Shown, Visitor,
    deeds::Deed,
    license::{done, left, utilization},
    view::{Block, Cell, Content, Facts, Field, Form, Input, Link, Notice, Row, Table, Tone},
    visitor::encoded,
    words::Words,
};
use crate::{
    domain::{
        LicenseRow, SeatChoice, SeatRow,
        filter::{Filter, List, Mark, Side, Term, Test},
        rights::Act,
    },
    failure::Failure,
    service::{self, Wanted},
};

/// A column of the grid beside the first, which names the computer.
#[derive(Clone, Copy, PartialEq)]
enum Column {
    State,
    License,
    LastContact,
    Activated,
    Ends,
    System,
    Application,
    DeactivationsAllowed,
    DeactivationsLeft,
    Utilization,
}

impl Column {
    const ALL: [Self; 10] = [
        Self::State,
        Self::License,
        Self::LastContact,
        Self::Activated,
        Self::Ends,
        Self::System,
        Self::Application,
        Self::DeactivationsAllowed,
        Self::DeactivationsLeft,
        Self::Utilization,
    ];

    /// As an address names it.
    fn code(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::License => "license",
            Self::LastContact => "last-contact",
            Self::Activated => "activated",
            Self::Ends => "ends",
            Self::System => "system",
            Self::Application => "application",
            Self::DeactivationsAllowed => "deactivations-allowed",
            Self::DeactivationsLeft => "deactivations-left",
            Self::Utilization => "utilization",
        }
    }

    fn name(self, words: &Words) -> &'static str {
        match self {
            Self::State => words.state,
            Self::License => words.license,
            Self::LastContact => words.last_contact,
            Self::Activated => words.activated,
            Self::Ends => words.ends,
            Self::System => words.system,
            Self::Application => words.application,
            Self::DeactivationsAllowed => words.deactivations_allowed,
            Self::DeactivationsLeft => words.deactivations_left,
            Self::Utilization => words.utilization,
        }
    }

    /// Whether it is shown where nobody chose.
    fn is_usual(self) -> bool {
        !matches!(
            self,
            Self::Ends
                | Self::Application
                | Self::DeactivationsAllowed
                | Self::DeactivationsLeft
                | Self::Utilization
        )
    }

    fn chosen(asked: &Asked) -> Vec<Self> {
        let said: Vec<&str> = asked.all("column").collect();
        let is_chosen = |column: &Self| match said.is_empty() {
            true => column.is_usual(),
            false => said.contains(&column.code()),
        };
        Self::ALL.into_iter().filter(is_chosen).collect()
    }
}

/// What a list of seats can be in the order of, as an address names it.
#[derive(Clone, Copy, PartialEq)]
enum Order {
    Activated,
    LastContact,
    Computer,
}

impl Order {
    const ALL: [Self; 3] = [Self::Activated, Self::LastContact, Self::Computer];

    fn code(self) -> &'static str {
        match self {
            Self::Activated => "activated",
            Self::LastContact => "last-contact",
            Self::Computer => "computer",
        }
    }

    fn name(self, words: &Words) -> &'static str {
        match self {
            Self::Activated => words.by_activation,
            Self::LastContact => words.by_last_contact,
            Self::Computer => words.by_computer,
        }
    }

    fn of(asked: &Asked) -> Self {
        let said = asked.says("sort");
        Self::ALL.into_iter().find(|order| order.code() == said).unwrap_or(Self::Activated)
    }
}

pub(super) fn seat_address(handle: Handle, device: PublicKey) -> String {
    format!("/console/seats/{}/{}", encoded(&handle.to_string()), encoded(&device.to_string()))
}

pub(super) fn choice(handle: &str, device: &str) -> Result<SeatChoice, Problem> {
    let handle = handle.parse().map_err(|_| Problem::malformed("the address holds no handle"))?;
    let device = device.parse().map_err(|_| Problem::malformed("the address holds no device"))?;
    Ok(SeatChoice { handle, device: Some(device) })
}

/// `GET /console/seats`
pub(super) async fn page(visitor: &Visitor, asked: &Asked) -> Shown {
    visitor.must(Act::ShowSeats).await?;
    let (words, order, columns) = (visitor.words, Order::of(asked), Column::chosen(asked));
    let typed = asked.says("filter");
    let sorts = Order::ALL.map(|order| (order.code().to_owned(), order.name(words).to_owned()));
    let several = Column::ALL
        .map(|column| (column.code().to_owned(), column.name(words).to_owned(), columns.contains(&column)));
    let mut form = Form::query(
        "/console/seats",
        words.show,
        vec![
            Field::new("filter", words.filter, Input::Text).value(typed).about(words.about_seat_filter),
            Field::new("sort", words.order, Input::Choice(sorts.to_vec())).value(order.code()),
        ],
    );
    form.more = Some((
        words.columns.to_owned(),
        vec![Field::new("column", words.columns, Input::Several(several.to_vec()))],
    ));
    let content = Content::new(words.seats).with_some(done(visitor, asked)).with(form.block());
    let listed = match listed(visitor, asked, typed, order).await {
        Ok(listed) => listed,
        // What was typed stays in its field.
        Err(problem) => {
            let notice = super::failures::notice(words, &problem).block();
            let status = problem.status();
            return Ok(Content { status, ..content.with(notice) });
        }
    };
    let Listed { rows, place, is_in_order } = listed;
    let mut table = grid(visitor, &rows, &columns).await?;
    table.empty = if typed.is_empty() { words.no_seat_yet } else { words.nothing_passes }.to_owned();
    table.next = next(place).map(|next| asked.after(&next));
    let notice = (!is_in_order).then(|| Notice::new(Tone::Waiting, words.in_order_of_filter).block());
    Ok(content.with_some(notice).with(table.block()))
}

/// A page of seats.
struct Listed {
    rows: Vec<SeatRow>,
    /// Where the next page begins.
    place: Option<Vec<Mark>>,
    /// Whether the rows are in the order that was chosen. A list of several pages is in that of its filter.
    is_in_order: bool,
}

async fn listed(visitor: &Visitor, asked: &Asked, typed: &str, order: Order) -> Result<Listed, Problem> {
    let after = match asked.says("after") {
        "" => None,
        after => Some(Cursor::<Vec<Mark>>::read(after)?.0),
    };
    let is_first = after.is_none();
    let mut filter = Filter::read(List::Seats, typed)?;
    // A term about it has the list in its order; everything is later than the first second.
    match order {
        Order::LastContact => {
            let test = Test::Time(Side::NotBefore, Timestamp::MIN);
            filter.terms.push(Term { field: "last_contact", test });
        }
        Order::Activated | Order::Computer => {}
    }
    let wanted = Wanted { filter, after, most: ROWS };
    let occasion = &visitor.caller.occasion;
    let (mut rows, place) = service::seats_after(visitor.server.service.database(), wanted, occasion).await?;
    if is_first && place.is_none() {
        match order {
            Order::Activated => rows.sort_by_key(|row| row.granted),
            Order::LastContact => rows.sort_by_key(|row| row.contact),
            Order::Computer => rows.sort_by_key(label),
        }
    }
    let is_in_order = match order {
        Order::Activated => rows.is_sorted_by_key(|row| row.granted),
        Order::LastContact => rows.is_sorted_by_key(|row| row.contact),
        Order::Computer => rows.is_sorted_by_key(label),
    };
    Ok(Listed { rows, place, is_in_order })
}

/// What a computer is called, as the database has names in order.
fn label(row: &SeatRow) -> String {
    row.label.to_ascii_lowercase()
}

/// The seats of a page in the usual columns.
pub(super) async fn table_of_seats(visitor: &Visitor, rows: &[SeatRow]) -> Result<Table, Problem> {
    grid(visitor, rows, &[Column::State, Column::LastContact, Column::Activated, Column::System]).await
}

async fn grid(visitor: &Visitor, rows: &[SeatRow], columns: &[Column]) -> Result<Table, Problem> {
    let words = visitor.words;
    let names = columns.iter().map(|column| column.name(words));
    let names: Vec<&str> = [words.computer].into_iter().chain(names).chain([words.acts]).collect();
    let mut table = Table::new("", &names, "");
    let licenses = licenses_of(visitor, rows).await?;
    for row in rows {
        let license = row.license.and_then(|id| licenses.get(&id));
        let back = came_back(row);
        let mut cells = vec![Cell::strangers(visitor.computer(&row.label)).to(address(row))];
        cells.extend(columns.iter().map(|column| cell(visitor, *column, row, license, back)));
        cells.push(Cell::links(acts(visitor, row)));
        table.rows.push(Row { class: if back.is_some() { "back" } else { class(row) }, cells });
    }
    Ok(table)
}

fn address(row: &SeatRow) -> String {
    seat_address(row.handle, row.device_key)
}

fn class(row: &SeatRow) -> &'static str {
    match row.state {
        SeatState::Active if !row.lapsed => "",
        SeatState::Held if !row.lapsed => "held",
        _ => "over",
    }
}

/// The licenses of seats, each looked up once.
async fn licenses_of(visitor: &Visitor, rows: &[SeatRow]) -> Result<HashMap<LicenseId, LicenseRow>, Problem> {
    let mut found = HashMap::new();
    if !visitor.may(Act::ShowLicenses) {
        return Ok(found);
    }
    let database = visitor.server.service.database();
    let ids: BTreeSet<LicenseId> = rows.iter().filter_map(|row| row.license).collect();
    for id in ids {
        match service::license(database, id, &visitor.caller.occasion).await {
            Ok(view) => drop(found.insert(id, view.row)),
            // One that is damaged is found by `verify`; its seats are shown all the same.
            Err(Failure::Damaged { .. }) => {}
            Err(failure) => return Err(failure.into()),
        }
    }
    Ok(found)
}

/// When the computer of a seat that was released was last heard of again.
fn came_back(row: &SeatRow) -> Option<Timestamp> {
    row.came_back_at.filter(|_| row.state == SeatState::Revoked)
}

fn cell(
    visitor: &Visitor,
    column: Column,
    row: &SeatRow,
    license: Option<&LicenseRow>,
    back: Option<Timestamp>,
) -> Cell {
    let (words, now) = (visitor.words, visitor.caller.occasion.time);
    let of_license = |text: fn(&Words, &LicenseRow, Timestamp) -> String| {
        license.map_or_else(Cell::default, |license| Cell::new(text(words, license, now)))
    };
    match column {
        Column::State => match back {
            Some(back) => Cell::new(words.say_came_back(back)).class("bad"),
            None if row.lapsed => Cell::new(words.lapsed),
            None => Cell::new(words.of_seat_state(row.state)),
        },
        Column::License => match (row.license, license) {
            (Some(id), Some(license)) => {
                let licensee = &license.license.terms.licensee;
                let text = if licensee.is_empty() { id.to_string() } else { licensee.clone() };
                Cell::strangers(text).to(format!("/console/licenses/{id}"))
            }
            (Some(id), None) => Cell::code(id.to_string()),
            (None, _) => Cell::new(words.none),
        },
        Column::LastContact => Cell::time(row.contact),
        Column::Activated => Cell::time(row.granted),
        Column::Ends => Cell::some_time(row.ends, words.never),
        Column::System => {
            let pairs = row.device.pairs();
            let said = |name: &str| pairs.iter().find(|(of, _)| of == name).map(|(_, value)| value.clone());
            Cell::strangers(said("system").unwrap_or_default())
        }
        Column::Application => Cell::strangers(&row.device.application),
        Column::DeactivationsAllowed => of_license(|words, license, now| {
            let allowed = license.license.balance(Allowance::Deactivations, now).allowed;
            allowed.map_or_else(|| words.without_limit.to_owned(), |allowed| allowed.to_string())
        }),
        Column::DeactivationsLeft => {
            of_license(|words, license, now| left(words, license, Allowance::Deactivations, now))
        }
        Column::Utilization => {
            of_license(|_, license, now| utilization(license, Allowance::Deactivations, now))
        }
    }
}

/// What may be done with a seat, by whoever looks at it.
fn acts(visitor: &Visitor, row: &SeatRow) -> Vec<Link> {
    let deeds = Deed::of_seat(row.state).iter().filter(|deed| visitor.may(deed.act()));
    let parts = [row.handle.to_string(), row.device_key.to_string()];
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let about = visitor.computer(&row.label);
    deeds.map(|deed| Link::new(deed.address(&parts), deed.name(visitor.words)).about(about)).collect()
}

/// `GET /console/seats/{handle}/{device}`
pub(super) async fn seat(visitor: &Visitor, asked: &Asked) -> Shown {
    visitor.must(Act::ShowSeats).await?;
    let words = visitor.words;
    let choice = choice(asked.part("handle"), asked.part("device"))?;
    let (seat, licensee) = visitor.server.service.seat(choice, &visitor.caller.occasion).await?;
    let computer = visitor.computer(seat.label()).to_owned();
    let state = match seat.came_back_at().filter(|_| seat.state() == SeatState::Revoked) {
        Some(back) => Cell::new(words.say_came_back(back)).class("bad"),
        None if seat.is_lapsed() => Cell::new(words.lapsed).class("waiting"),
        None => Cell::new(words.of_seat_state(seat.state())),
    };
    let mut facts = Facts::new("")
        .fact(words.computer, Cell::strangers(&computer))
        .fact(words.state, state)
        .fact(words.seat, Cell::code(seat.handle().to_string()));
    if let Some(license) = seat.license_id() {
        let name = if licensee.is_empty() { license.to_string() } else { licensee };
        facts = facts.fact(words.license, Cell::strangers(name).to(format!("/console/licenses/{license}")));
    }
    facts = facts
        .fact(words.activated, Cell::time(seat.granted()))
        .fact(words.last_contact, Cell::time(seat.contact()))
        .fact(words.ends, Cell::some_time(seat.ends(), words.never))
        .fact(words.changed, Cell::time(seat.changed()))
        .said(words.reason, seat.notice().unwrap_or_default())
        .fact(words.device, Cell::code(seat.device_key().to_string()));
    if seat.copies() > 0 {
        facts = facts.fact(words.copies, Cell::new(seat.copies().to_string()).class("bad"));
    }
    let parts = [seat.handle().to_string(), seat.device_key().to_string()];
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let deeds = Deed::of_seat(seat.state()).iter().filter(|deed| visitor.may(deed.act()));
    let links: Vec<Link> = deeds.map(|deed| Link::new(deed.address(&parts), deed.name(words))).collect();
    let links = (!links.is_empty()).then_some(Block::Links(links));
    Ok(Content::new(computer).with_some(done(visitor, asked)).with(facts.block()).with_some(links))
}

/// `GET /console/returned`: the seats that were released and whose computers were heard of again, longest ago first.
pub(super) async fn returned(visitor: &Visitor, asked: &Asked) -> Shown {
    visitor.must(Act::ShowSeats).await?;
    let words = visitor.words;
    let after = match asked.says("after") {
        "" => None,
        after => Some(Cursor::<Vec<Mark>>::read(after)?.0),
    };
    let came_back = Term { field: "came_back", test: Test::Time(Side::NotBefore, Timestamp::MIN) };
    let filter = Filter { list: List::Seats, terms: vec![came_back] };
    let wanted = Wanted { filter, after, most: ROWS };
    let occasion = &visitor.caller.occasion;
    let (rows, place) = service::seats_after(visitor.server.service.database(), wanted, occasion).await?;
    let columns = [Column::State, Column::License, Column::LastContact, Column::System];
    let mut table = grid(visitor, &rows, &columns).await?;
    table.empty = words.nobody_back.to_owned();
    table.next = next(place).map(|next| asked.after(&next));
    let content = Content::new(words.came_back).with(Block::Text(words.about_came_back.to_owned()));
    Ok(content.with(table.block()))
}

//! What there is, list by list: licenses, orders, customers, products, the audit, events.

use nodelock::{Timestamp, authority::Allowance};

use super::{
    super::{
        super::{portal::form::Form, problem::Problem},
        lists::{Cursor, next},
        products::{self, product_id},
    },
    Asked, Done, ROWS, Shown, Visitor,
    deeds::{Deed, based_on, posted_as},
    license::{done, left, state},
    seats::seat_address,
    view::{Block, Cell, Content, Facts, Field, Form as FormBlock, Input, Link, Notice, Row, Table, Tone},
    visitor::{address, encoded},
    words::{Words, say},
};
use crate::{
    domain::{
        Customer, CustomerId, LicenseHint, LicenseRow, OrderChoice, OrderKey, OrderRow, Product,
        check_order_id,
        filter::{Filter, List, Mark},
        rights::Act,
    },
    failure::Failure,
    service::{self, Wanted},
};

/// The page of a list that is asked for, and the form that asks for another filter; what was typed stays in its field.
fn wanted(asked: &Asked, list: List) -> Result<Wanted, Problem> {
    let after = match asked.says("after") {
        "" => None,
        after => Some(Cursor::<Vec<Mark>>::read(after)?.0),
    };
    Ok(Wanted { filter: Filter::read(list, asked.says("filter"))?, after, most: ROWS })
}

fn filter_form(words: &'static Words, path: &str, asked: &Asked, list: List) -> Block {
    let field = Field::new("filter", words.filter, Input::Text)
        .value(asked.says("filter"))
        .about(say(words.about_filter, &[&list.names()]));
    FormBlock::query(path, words.show, vec![field]).block()
}

/// A list with its filter. A filter that is wrong is said beside its field.
fn listed(visitor: &Visitor, asked: &Asked, content: Content, found: Result<Table, Problem>) -> Content {
    match found {
        Ok(mut table) => {
            if !asked.says("filter").is_empty() {
                table.empty = visitor.words.nothing_passes.to_owned();
            }
            content.with(table.block())
        }
        Err(problem) => {
            let notice = super::failures::notice(visitor.words, &problem).block();
            Content { status: problem.status(), ..content.with(notice) }
        }
    }
}

pub(super) fn license_columns(words: &'static Words) -> [&'static str; 7] {
    [
        words.licensee,
        words.state,
        words.key,
        words.seats_taken,
        words.deactivations_left,
        words.sold_on,
        words.expires,
    ]
}

pub(super) fn license_cells(words: &'static Words, row: &LicenseRow, now: Timestamp) -> Vec<Cell> {
    let terms = &row.license.terms;
    let name = if terms.licensee.is_empty() { terms.id.to_string() } else { terms.licensee.clone() };
    vec![
        Cell::strangers(name).to(format!("/console/licenses/{}", terms.id)),
        state(words, row, now),
        Cell::code(format!("…{}", row.key_hint)),
        Cell::new(say(words.of, &[&row.license.usage.taken.to_string(), &terms.seats.to_string()])),
        Cell::new(left(words, row, Allowance::Deactivations, now)),
        Cell::time(row.created),
        Cell::some_time(terms.expires, words.never),
    ]
}

/// `GET /console/licenses`
pub(super) async fn licenses(visitor: &Visitor, asked: &Asked) -> Shown {
    visitor.must(Act::ShowLicenses).await?;
    let (words, occasion) = (visitor.words, &visitor.caller.occasion);
    let content =
        Content::new(words.licenses).with(filter_form(words, "/console/licenses", asked, List::Licenses));
    let found = async {
        let wanted = wanted(asked, List::Licenses)?;
        let database = visitor.server.service.database();
        let (rows, place) = service::licenses_after(database, wanted, occasion).await?;
        let mut table = Table::new("", &license_columns(words), words.no_license_yet);
        table.rows = rows.iter().map(|row| Row::new(license_cells(words, row, occasion.time))).collect();
        table.next = next(place).map(|next| asked.after(&next));
        Ok(table)
    };
    Ok(listed(visitor, asked, content, found.await))
}

/// The page of an order, which its id alone may not tell from another one's.
pub(super) fn order_address(key: &OrderKey) -> String {
    let path = format!("/console/orders/{}", encoded(&key.id));
    address(&path, [("product", key.product.as_str()), ("seller", &key.seller)])
}

/// The order of an address, and its licenses.
pub(super) async fn order_of(
    visitor: &Visitor,
    asked: &Asked,
) -> Result<(OrderRow, Vec<LicenseHint>), Problem> {
    let said = |name: &str| asked.all(name).next();
    let choice = OrderChoice {
        id: check_order_id(asked.part("order")).map_err(Problem::malformed)?,
        product: said("product").map(product_id).transpose()?,
        seller: said("seller").map(str::to_owned),
    };
    Ok(service::order(visitor.server.service.database(), &choice, &visitor.caller.occasion).await?)
}

/// `GET /console/orders`
pub(super) async fn orders(visitor: &Visitor, asked: &Asked) -> Shown {
    visitor.must(Act::ShowLicenses).await?;
    let words = visitor.words;
    let content = Content::new(words.orders).with(filter_form(words, "/console/orders", asked, List::Orders));
    let found = async {
        let wanted = wanted(asked, List::Orders)?;
        let database = visitor.server.service.database();
        let (rows, place) = service::orders_after(database, wanted, &visitor.caller.occasion).await?;
        let columns =
            [words.order_id, words.state, words.product, words.licenses, words.sold_on, words.reseller];
        let mut table = Table::new("", &columns, words.no_order_yet);
        table.rows = rows.iter().map(|row| Row::new(order_cells(words, row))).collect();
        table.next = next(place).map(|next| asked.after(&next));
        Ok(table)
    };
    Ok(listed(visitor, asked, content, found.await))
}

fn order_cells(words: &'static Words, row: &OrderRow) -> Vec<Cell> {
    let order = &row.order;
    vec![
        Cell::strangers(&order.key.id).to(order_address(&order.key)),
        order_state(words, row),
        Cell::new(order.key.product.to_string()),
        Cell::new(order.count.to_string()),
        Cell::time(row.sold),
        Cell::strangers(&order.reseller),
    ]
}

fn order_state(words: &'static Words, row: &OrderRow) -> Cell {
    match row.is_void {
        true => Cell::new(words.void).class("bad"),
        false => Cell::new(words.sold).class("good"),
    }
}

/// `GET /console/orders/{order}`
pub(super) async fn order(visitor: &Visitor, asked: &Asked) -> Shown {
    visitor.must(Act::ShowLicenses).await?;
    let words = visitor.words;
    let (row, licenses) = order_of(visitor, asked).await?;
    let order = &row.order;
    let mut facts = Facts::new("")
        .fact(words.state, order_state(words, &row))
        .fact(words.product, Cell::new(order.key.product.to_string()))
        .fact(words.sold_on, Cell::time(row.sold))
        .said(words.reseller, &order.reseller);
    if let Some(customer) = order.customer {
        facts = facts.fact(words.customer, visitor.customer(customer));
    }
    let terms = serde_json::to_string(&order.said).map_err(Failure::from)?;
    facts = facts.fact(words.terms, Cell::code(terms));
    let query = order_address(&order.key);
    let query = query.split_once('?').map_or("", |(_, query)| query);
    let deeds = [Deed::ExtendOrder, Deed::VoidOrder].into_iter();
    let deeds = deeds.filter(|deed| !row.is_void && visitor.may(deed.act()));
    let link = |deed: Deed| {
        let address = deed.address(&[&order.key.id]);
        Link::new(format!("{address}?{query}"), deed.name(words))
    };
    let links: Vec<Link> = deeds.map(link).collect();
    let mut table = Table::new(words.licenses, &[words.license, words.key], words.nothing_passes);
    let cells = |hint: &LicenseHint| {
        let id = hint.id.to_string();
        let address = format!("/console/licenses/{id}");
        Row::new(vec![Cell::code(id).to(address), Cell::code(format!("…{}", hint.key_hint))])
    };
    table.rows = licenses.iter().map(cells).collect();
    Ok(Content::new(say(words.order_named, &[&order.key.id]))
        .with_some(done(visitor, asked))
        .with(facts.block())
        .with_some((!links.is_empty()).then_some(Block::Links(links)))
        .with(table.block()))
}

pub(super) fn customer_cell(words: &Words, customer: &Customer) -> Cell {
    let name = match &customer.details.name {
        _ if customer.erased.is_some() => words.erased,
        name if name.is_empty() => words.without_name,
        name => name,
    };
    Cell::strangers(name).to(format!("/console/customers/{}", customer.id))
}

/// `GET /console/customers`
pub(super) async fn customers(visitor: &Visitor, asked: &Asked) -> Shown {
    visitor.must(Act::ShowLicenses).await?;
    let words = visitor.words;
    let content =
        Content::new(words.customers).with(filter_form(words, "/console/customers", asked, List::Customers));
    let found = async {
        let wanted = wanted(asked, List::Customers)?;
        let database = visitor.server.service.database();
        let (rows, place) = service::customers_after(database, wanted, &visitor.caller.occasion).await?;
        let columns = [words.name, words.email, words.external_id, words.entered];
        let mut table = Table::new("", &columns, words.no_customer_yet);
        let row = |customer: &Customer| {
            Row::new(vec![
                customer_cell(words, customer),
                Cell::strangers(&customer.details.email),
                Cell::strangers(&customer.details.external_id),
                Cell::time(customer.created),
            ])
        };
        table.rows = rows.iter().map(row).collect();
        table.next = next(place).map(|next| asked.after(&next));
        Ok(table)
    };
    Ok(listed(visitor, asked, content, found.await))
}

/// `GET /console/customers/{id}`
pub(super) async fn customer(visitor: &Visitor, asked: &Asked) -> Shown {
    visitor.must(Act::ShowLicenses).await?;
    let (words, occasion) = (visitor.words, &visitor.caller.occasion);
    let id: CustomerId =
        asked.part("id").parse().map_err(|_| Problem::malformed("the address holds no id of a customer"))?;
    let database = visitor.server.service.database();
    let customer = service::customer(database, id, occasion).await?;
    let mut facts = Facts::new("")
        .said(words.email, &customer.details.email)
        .said(words.external_id, &customer.details.external_id)
        .said(words.notes, &customer.details.notes)
        .fact(words.entered, Cell::time(customer.created))
        .fact(words.id, Cell::code(id.to_string()));
    if let Some(erased) = customer.erased {
        facts = facts.fact(words.erased, Cell::time(erased));
    }
    let filter = Filter::all(List::Licenses).and("customer", &id.to_string());
    let (rows, place) =
        service::licenses_after(database, Wanted { filter, after: None, most: ROWS }, occasion).await?;
    let mut table = Table::new(words.licenses, &license_columns(words), words.no_license_of_customer);
    table.rows = rows.iter().map(|row| Row::new(license_cells(words, row, occasion.time))).collect();
    table.next = place.map(|_| address("/console/licenses", [("filter", &*format!("customer:{id}"))]));
    let title = customer_cell(words, &customer).text;
    Ok(Content::new(title).with(facts.block()).with(table.block()))
}

/// `GET /console/products`
pub(super) async fn products(visitor: &Visitor, _: &Asked) -> Shown {
    visitor.must(Act::Oneself).await?;
    let words = visitor.words;
    let products = service::products(visitor.server.service.database()).await?;
    let columns = [words.product, words.id, words.terms, words.keys_kept, words.made_on];
    let mut table = Table::new("", &columns, words.nothing_passes);
    for product in &products {
        let mut name = Cell::new(&product.name);
        if visitor.may(Act::Products) {
            name = name.to(format!("/console/products/{}", product.id));
        }
        table.rows.push(Row::new(vec![
            name,
            Cell::code(product.id.to_string()),
            Cell::code(terms(product)?),
            Cell::new(if product.keeps_keys { words.yes } else { words.no }),
            Cell::time(product.created),
        ]));
    }
    Ok(Content::new(words.products).with(Block::Text(words.about_products.to_owned())).with(table.block()))
}

/// The terms of a product's template, as calls of `/v1/admin` say them.
fn terms(product: &Product) -> Result<String, Problem> {
    Ok(serde_json::to_string_pretty(&product.template).map_err(Failure::from)?)
}

/// `GET /console/products/{product}`
pub(super) async fn product(visitor: &Visitor, asked: &Asked) -> Shown {
    visitor.must(Act::Products).await?;
    let words = visitor.words;
    let id = product_id(asked.part("product"))?;
    let product = service::product(visitor.server.service.database(), Some(&id)).await?;
    let notice = (visitor.was_done(asked) == Some("edited"))
        .then(|| Notice::new(Tone::Good, words.template_saved).block());
    let facts = Facts::new("")
        .fact(words.id, Cell::code(id.to_string()))
        .fact(words.root, Cell::code(product.root.to_string()))
        .fact(words.made_on, Cell::time(product.created));
    let keeps = [("true", words.yes), ("false", words.no)];
    let keeps = keeps.map(|(value, name)| (value.to_owned(), name.to_owned())).to_vec();
    let kept = if product.keeps_keys { "true" } else { "false" };
    let fields = vec![
        Field::new("terms", words.template, Input::Lines(10))
            .value(terms(&product)?)
            .about(words.about_template)
            .required(),
        Field::new("keeps_keys", words.keys_kept, Input::Choice(keeps)).value(kept),
        Field::hidden("version", product.revision.to_string()),
    ];
    let path = format!("/console/products/{id}");
    Ok(Content::new(&product.name)
        .with_some(notice)
        .with(facts.block())
        .with(FormBlock::post(path, words.save, fields).title(words.terms).block()))
}

/// `POST /console/products/{product}`: the template is what the form says, and no more.
pub(super) async fn edit_product(visitor: &Visitor, asked: &Asked, form: &Form) -> Result<Done, Problem> {
    visitor.must(Act::Products).await?;
    let id = product_id(asked.part("product"))?;
    let wrong = |_| Problem::malformed("the terms are no object of JSON");
    let (typed, keeps_keys) = (form.text("terms")?, form.text("keeps_keys")?);
    let said: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&typed).map_err(wrong)?;
    let product = service::product(visitor.server.service.database(), Some(&id)).await?;
    let before = product.template.members();
    let unset: Vec<&String> = before.keys().filter(|name| !said.contains_key(*name)).collect();
    // What stays as it is is not said: it may be in the form of the record.
    let changed = said.iter().filter(|(name, value)| before.get(*name) != Some(value));
    let changed: serde_json::Map<_, _> = changed.map(|(name, value)| (name.clone(), value.clone())).collect();
    let body = serde_json::json!({
        "terms": changed,
        "unset": unset,
        "keeps_keys": keeps_keys == "true",
    });
    let typed = serde_json::json!([typed, keeps_keys, form.text("version")?]).to_string();
    let posted = posted_as(visitor, &asked.address, form, (&typed, &body))?;
    let path = axum::extract::Path(id.to_string());
    products::edit_product(path, based_on(form)?, posted).await?;
    Ok(Done::Page(visitor.done(&format!("/console/products/{id}"), "edited")))
}

/// `GET /console/audit`
pub(super) async fn audit(visitor: &Visitor, asked: &Asked) -> Shown {
    visitor.must(Act::ShowAudit).await?;
    let (words, database) = (visitor.words, visitor.server.service.database());
    let occasion = &visitor.caller.occasion;
    let (rows, place) = match asked.says("after") {
        // The latest lines are what one looks for; from there all of them can be leafed through.
        "" => {
            let mut rows = Vec::new();
            // One that is damaged is found by `verify`, and fails alone.
            let show = |row: Result<_, Failure>| {
                rows.extend(row.ok());
                Ok(())
            };
            service::audit(database, ROWS, occasion, show).await?;
            (rows, None)
        }
        after => {
            let after = if after == "first" { String::new() } else { Cursor::<String>::read(after)?.0 };
            let page = service::audit_after(database, &after, ROWS, occasion).await?;
            let place = page.place().filter(|_| page.len() >= ROWS as usize).map(str::to_owned);
            (page.whole()?, place)
        }
    };
    let columns = [words.when, words.what_happened, words.who, words.license, words.seat, words.more];
    let mut table = Table::new("", &columns, words.nothing_happened);
    for row in &rows {
        let license = row.license.map_or_else(Cell::default, |id| {
            Cell::code(id.to_string()).to(format!("/console/licenses/{id}"))
        });
        let who = match &row.role {
            Some(role) => format!("{} ({role})", row.actor),
            None => row.actor.clone(),
        };
        let seat = match (row.handle, row.device) {
            (Some(handle), Some(device)) => Cell::code(handle.to_string()).to(seat_address(handle, device)),
            _ => Cell::default(),
        };
        let what = Cell::code(&row.action);
        let what = if row.action == "refused" { what.class("bad") } else { what };
        table.rows.push(Row::new(vec![
            Cell::time(row.at),
            what,
            Cell::new(who),
            license,
            seat,
            Cell::strangers(row.words()),
        ]));
    }
    table.next = place.map(|place| asked.after(&Cursor(place).text()));
    let links = vec![
        Link::new("/console/audit", words.latest),
        Link::new("/console/audit?after=first", words.from_the_first),
    ];
    Ok(Content::new(words.audit).with(Block::Links(links)).with(table.block()))
}

/// `GET /console/events`
pub(super) async fn events(visitor: &Visitor, asked: &Asked) -> Shown {
    visitor.must(Act::ShowAudit).await?;
    let words = visitor.words;
    let after = match asked.says("after") {
        "" => String::new(),
        after => Cursor::<String>::read(after)?.0,
    };
    let database = visitor.server.service.database();
    let page = service::events_after(database, None, &after, ROWS, &visitor.caller.occasion).await?;
    let place = page.place().filter(|_| page.len() >= ROWS as usize).map(str::to_owned);
    let rows = page.whole()?;
    let columns = [words.when, words.what_happened, words.license, words.seat, words.id];
    let mut table = Table::new("", &columns, words.nothing_happened);
    for row in &rows {
        let license = row.license;
        let seat = row.seat.map_or_else(Cell::default, |seat| {
            Cell::code(seat.handle.to_string()).to(seat_address(seat.handle, seat.device_key))
        });
        table.rows.push(Row::new(vec![
            Cell::time(row.at),
            Cell::code(&row.kind),
            Cell::code(license.to_string()).to(format!("/console/licenses/{license}")),
            seat,
            Cell::code(&row.id),
        ]));
    }
    table.next = place.map(|place| asked.after(&Cursor(place).text()));
    Ok(Content::new(words.events).with(Block::Text(words.about_events.to_owned())).with(table.block()))
}

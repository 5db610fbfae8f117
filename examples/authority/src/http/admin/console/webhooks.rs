//! Webhooks: who is told of events, what became of that, and telling again.

use serde_json::json;

use super::{
    super::{
        super::{portal::form::Form, problem::Problem},
        lists::Cursor,
        webhooks as calls,
    },
    Asked, Done, ROWS, Shown, Visitor,
    deeds::{Deed, posted},
    license::done,
    view::{Block, Cell, Content, Facts, Field, Form as FormBlock, Input, Link, Notice, Row, Table, Tone},
    visitor::{address, encoded},
};
use crate::{
    domain::{Webhook, rights::Act},
    failure::Failure,
    service,
};

/// `GET /console/webhooks`
pub(super) async fn page(visitor: &Visitor, asked: &Asked) -> Shown {
    visitor.must(Act::Webhooks).await?;
    let words = visitor.words;
    let webhooks = service::webhooks(visitor.server.service.database(), &visitor.caller.occasion).await?;
    let mut table =
        Table::new("", &[words.address, words.kinds, words.made_on, words.id], words.no_webhook_yet);
    for webhook in &webhooks {
        table.rows.push(Row::new(vec![
            Cell::strangers(&webhook.url).to(format!("/console/webhooks/{}", encoded(&webhook.id))),
            Cell::code(kinds(visitor, webhook)),
            Cell::time(webhook.created),
            Cell::code(&webhook.id),
        ]));
    }
    let fields = vec![
        Field::new("url", words.address, Input::Text).about(words.about_address).required(),
        Field::new("kinds", words.kinds, Input::Text).about(words.about_kinds),
    ];
    let form = FormBlock::post("/console/webhooks", words.add_webhook, fields).title(words.add_webhook);
    Ok(Content::new(words.webhooks).with_some(done(visitor, asked)).with(table.block()).with(form.block()))
}

fn kinds(visitor: &Visitor, webhook: &Webhook) -> String {
    if webhook.kinds.is_empty() { visitor.words.all.to_owned() } else { webhook.kinds.join(", ") }
}

/// `POST /console/webhooks`: its secret is shown once.
pub(super) async fn add(visitor: &Visitor, asked: &Asked, form: &Form) -> Result<Done, Problem> {
    visitor.must(Act::Webhooks).await?;
    let words = visitor.words;
    let kinds = form.text("kinds")?;
    let kinds: Vec<&str> = kinds.split([',', ' ']).filter(|kind| !kind.is_empty()).collect();
    let body = json!({ "url": form.text("url")?.trim(), "kinds": kinds });
    let answer = calls::new_webhook(posted(visitor, &asked.address, form, &body)?).await?.value();
    let secret = answer["secret"].as_str().unwrap_or_default().to_owned();
    let notice = Notice::new(Tone::Good, words.secret_made).line(words.shown_once);
    let content = Content::new(words.add_webhook)
        .with(notice.block())
        .with(Block::Secrets(vec![(words.secret.to_owned(), secret)]))
        .with(Block::Links(vec![Link::new("/console/webhooks", words.back)]));
    Ok(Done::Shown(content.into()))
}

/// The webhook of an address.
pub(super) async fn webhook_of(visitor: &Visitor, asked: &Asked) -> Result<Webhook, Problem> {
    let id = asked.part("id");
    let webhooks = service::webhooks(visitor.server.service.database(), &visitor.caller.occasion).await?;
    let found = webhooks.into_iter().find(|webhook| webhook.id == id);
    found.ok_or_else(|| Failure::UnknownWebhook(id.to_owned()).into())
}

/// `GET /console/webhooks/{id}`
pub(super) async fn webhook(visitor: &Visitor, asked: &Asked) -> Shown {
    visitor.must(Act::Webhooks).await?;
    let words = visitor.words;
    let webhook = webhook_of(visitor, asked).await?;
    let facts = Facts::new("")
        .fact(words.address, Cell::strangers(&webhook.url))
        .fact(words.kinds, Cell::code(kinds(visitor, &webhook)))
        .fact(words.made_on, Cell::time(webhook.created))
        .fact(words.id, Cell::code(&webhook.id));
    let deeds = [Deed::TestWebhook, Deed::ReplayWebhook, Deed::NewSecret, Deed::RemoveWebhook];
    let links = deeds.map(|deed| Link::new(deed.address(&[&webhook.id]), deed.name(words)));
    let after = match asked.says("after") {
        "" => String::new(),
        after => Cursor::<String>::read(after)?.0,
    };
    let (database, occasion) = (visitor.server.service.database(), &visitor.caller.occasion);
    let rows = service::deliveries_after(database, &webhook.id, (None, &after), ROWS, occasion).await?;
    let columns = [
        words.when,
        words.what_happened,
        words.state,
        words.attempts,
        words.answered,
        words.license,
        words.acts,
    ];
    let mut table = Table::new(words.deliveries, &columns, words.no_delivery_yet);
    for row in &rows {
        let license = row.event.license;
        let said = match (row.status, &row.said) {
            (_, Some(said)) => said.clone(),
            (Some(status), None) => status.to_string(),
            (None, None) => String::new(),
        };
        let replay = Deed::ReplayWebhook.address(&[&webhook.id]);
        let replay = Link::new(address(&replay, [("event", &*row.event.id)]), words.replay);
        table.rows.push(Row::new(vec![
            Cell::time(row.event.at),
            Cell::code(&row.event.kind),
            match row.state.as_str() {
                "aside" => Cell::new(words.set_aside).class("bad"),
                "delivered" => Cell::new(words.delivered).class("good"),
                _ => Cell::new(words.waiting).class("waiting"),
            },
            Cell::new(row.attempts.to_string()),
            Cell::strangers(said),
            Cell::code(license.to_string()).to(format!("/console/licenses/{license}")),
            Cell::links(vec![replay.about(row.event.kind.clone())]),
        ]));
    }
    let last = rows.last().filter(|_| rows.len() >= ROWS as usize);
    table.next = last.map(|last| asked.after(&Cursor(last.event.id.clone()).text()));
    Ok(Content::new(words.webhook)
        .with_some(done(visitor, asked))
        .with(facts.block())
        .with(Block::Links(links.into()))
        .with(table.block()))
}

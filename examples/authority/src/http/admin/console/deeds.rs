//! What somebody does by clicking: each has a page that says what it is about and asks once more, and is done by the
//! call of `/v1/admin` that does it for programs.

use axum::{
    extract::Path,
    http::{HeaderMap, HeaderValue, header},
};
use nodelock::{
    Timestamp,
    authority::{Allowance, SeatState},
};
use serde_json::{Value, json};

use super::{
    super::{
        self as admin,
        super::{portal::form::Form, problem::Problem},
        lists::OfSeller,
        once::{JsonText, Posted},
    },
    Asked, Done, Shown, Visitor,
    license::license_id,
    seats::choice,
    view::{Block, Cell, Content, Facts, Field, Form as FormBlock, Input, Link, Notice, Tone},
    visitor::encoded,
    words::Words,
};
use crate::{
    domain::{
        LicenseRow,
        rights::{Act, Role},
    },
    service,
};

/// Names the deeds: the address, the right, what it is called, what it comes to, and what is said once it is done.
macro_rules! deeds {
    ($($deed:ident: $path:literal, $act:ident, $name:ident, $lead:ident, $done:ident;)+) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Deed { $($deed),+ }

        impl Deed {
            pub(super) const ALL: &'static [Self] = &[$(Self::$deed),+];

            /// Its address below `/console`, with names for what it is about.
            fn template(self) -> &'static str {
                match self { $(Self::$deed => $path),+ }
            }

            pub(super) fn act(self) -> Act {
                match self { $(Self::$deed => Act::$act),+ }
            }

            /// As an address names it.
            pub(super) fn code(self) -> &'static str {
                match self { $(Self::$deed => stringify!($deed)),+ }
            }

            pub(super) fn name(self, words: &Words) -> &'static str {
                match self { $(Self::$deed => words.$name),+ }
            }

            fn lead(self, words: &Words) -> &'static str {
                match self { $(Self::$deed => words.$lead),+ }
            }

            pub(super) fn done(self, words: &Words) -> &'static str {
                match self { $(Self::$deed => words.$done),+ }
            }
        }
    };
}

#[rustfmt::skip]
deeds! {
    Suspend: "licenses/{id}/suspend", Suspend, suspend, suspend_lead, suspend_done;
    Resume: "licenses/{id}/resume", Resume, resume, resume_lead, resume_done;
    Extend: "licenses/{id}/extend", Extend, extend, extend_lead, extend_done;
    ResetDeactivations: "licenses/{id}/reset-deactivations", ResetCounters, reset_deactivations, reset_lead, reset_done;
    ResetActivations: "licenses/{id}/reset-activations", ResetCounters, reset_activations, reset_lead, reset_done;
    DeactivateLicense: "licenses/{id}/deactivate", Release, deactivate, deactivate_lead, deactivate_done;
    VoidLicense: "licenses/{id}/void", Edit, void_license, void_lead, void_done;
    AddKey: "licenses/{id}/add-key", Rekey, add_key, add_key_lead, key_made;
    Rekey: "licenses/{id}/rekey", Rekey, rekey, rekey_lead, key_made;
    ShowKey: "licenses/{id}/keys/{hint}/show", Rekey, show_key, show_key_lead, key_shown;
    RevokeKey: "licenses/{id}/keys/{hint}/revoke", Rekey, revoke, revoke_key_lead, revoked_now;
    Release: "seats/{handle}/{device}/release", Release, release, release_lead, release_done;
    Unrelease: "seats/{handle}/{device}/unrelease", Release, unrelease, unrelease_lead, unrelease_done;
    Return: "seats/{handle}/{device}/return", ReturnHeld, return_held, return_lead, return_done;
    ExtendOrder: "orders/{order}/extend", Extend, extend, extend_order_lead, extend_done;
    VoidOrder: "orders/{order}/void", Edit, void_order, void_order_lead, void_done;
    TestWebhook: "webhooks/{id}/test", Webhooks, test_webhook, test_lead, test_done;
    ReplayWebhook: "webhooks/{id}/replay", Webhooks, replay, replay_lead, replay_done;
    NewSecret: "webhooks/{id}/secret", Webhooks, new_secret, new_secret_lead, secret_made;
    RemoveWebhook: "webhooks/{id}/remove", Webhooks, remove, remove_lead, remove_done;
    DisableAccount: "accounts/{name}/disable", Accounts, disable, disable_lead, account_changed;
    EnableAccount: "accounts/{name}/enable", Accounts, enable, enable_lead, account_changed;
    ChangeRole: "accounts/{name}/role", Accounts, change_role, change_role_lead, account_changed;
    ChangePassword: "accounts/{name}/password", Accounts, change_password, change_password_lead, account_changed;
    NewSecondFactor: "accounts/{name}/second-factor", Accounts, new_factor, new_factor_lead, factor_made;
    RevokeToken: "tokens/{id}/revoke", Tokens, revoke, revoke_token_lead, revoked_now;
    RevokeDeploymentKey: "deployment-keys/{id}/revoke", Tokens, revoke, revoke_deployment_key_lead, revoked_now;
}

impl Deed {
    /// As a route.
    pub(super) fn path(self) -> String {
        format!("/console/{}", self.template())
    }

    /// About what has these names.
    pub(super) fn address(self, parts: &[&str]) -> String {
        let mut parts = parts.iter();
        let segments = self.template().split('/').map(|segment| match segment.starts_with('{') {
            true => encoded(parts.next().copied().unwrap_or_default()),
            false => segment.to_owned(),
        });
        format!("/console/{}", segments.collect::<Vec<_>>().join("/"))
    }

    /// The deed of an address.
    fn of(asked: &Asked) -> Option<Self> {
        let path = asked.address.split('?').next().unwrap_or_default();
        let segments: Vec<&str> = path.strip_prefix("/console/")?.split('/').collect();
        let is_it = |deed: &&Self| {
            let template: Vec<&str> = deed.template().split('/').collect();
            template.len() == segments.len()
                && template.iter().zip(&segments).all(|(of, is)| of.starts_with('{') || of == is)
        };
        Self::ALL.iter().find(is_it).copied()
    }

    /// What can be done with a license as it is.
    pub(super) fn of_license(row: &LicenseRow, now: Timestamp) -> Vec<Self> {
        let (terms, taken) = (&row.license.terms, row.license.usage.taken);
        let is_used = |of| {
            let balance = row.license.balance(of, now);
            balance.allowed.is_some() && balance.used > 0
        };
        let is_void = row.voided.is_some();
        let can = |deed: &Self| match deed {
            Self::DeactivateLicense => taken > 0,
            _ if is_void => false,
            Self::Suspend => !terms.suspended,
            Self::Resume => terms.suspended,
            Self::Extend => terms.expires.is_some(),
            Self::ResetDeactivations => is_used(Allowance::Deactivations),
            Self::ResetActivations => is_used(Allowance::Activations),
            Self::AddKey | Self::Rekey | Self::VoidLicense => true,
            _ => false,
        };
        Self::ALL.iter().copied().filter(can).collect()
    }

    /// What can be done with a seat in a state. Whether a release can be taken back shows when it is tried: its
    /// device may have heard of it.
    pub(super) fn of_seat(state: SeatState) -> &'static [Self] {
        match state {
            SeatState::Active => &[Self::Release],
            SeatState::Held => &[Self::Return, Self::Release],
            SeatState::Revoked => &[Self::Unrelease],
            _ => &[],
        }
    }

    /// Whether it cannot be undone, or ends somebody's work.
    fn is_grave(self) -> bool {
        matches!(
            self,
            Self::DeactivateLicense
                | Self::VoidLicense
                | Self::VoidOrder
                | Self::Rekey
                | Self::RevokeKey
                | Self::Release
                | Self::RemoveWebhook
                | Self::DisableAccount
                | Self::RevokeToken
                | Self::RevokeDeploymentKey
        )
    }

    fn fields(self, words: &'static Words, asked: &Asked) -> Vec<Field> {
        let reason = || Field::new("reason", words.reason, Input::Text);
        let for_audit = || reason().about(words.reason_for_audit);
        let for_customer = || reason().about(words.reason_for_customer);
        match self {
            Self::Extend | Self::ExtendOrder => {
                vec![Field::new("days", words.for_days, Input::Number).value("30").required()]
            }
            Self::ResetDeactivations | Self::ResetActivations => vec![
                Field::new("extra", words.extra, Input::Number).about(words.about_extra),
                for_audit().required(),
            ],
            Self::DeactivateLicense | Self::Release => vec![for_customer()],
            Self::VoidLicense | Self::VoidOrder => vec![for_audit().required()],
            Self::ReplayWebhook => {
                let event = asked.says("event");
                match event.is_empty() {
                    true => vec![Field::new("since", words.since, Input::Date).about(words.about_since)],
                    false => vec![Field::hidden("event", event)],
                }
            }
            Self::ChangeRole => {
                let roles = Role::ALL.iter().map(|role| (role.name().to_owned(), role.name().to_owned()));
                vec![Field::new("role", words.role, Input::Choice(roles.collect()))]
            }
            Self::ChangePassword => vec![
                Field::new("account", "", Input::Whose).value(asked.part("name")),
                Field::new("password", words.new_password, Input::Password)
                    .about(words.about_password)
                    .required()
                    .filled_by("new-password"),
            ],
            _ => Vec::new(),
        }
    }
}

fn unknown() -> Problem {
    Problem::http(axum::http::StatusCode::NOT_FOUND)
}

/// What a deed is about: the facts that tell it from others, the page that shows it, and whether the deed can be done.
struct About {
    facts: Facts,
    page: String,
    can_be_done: bool,
    /// The version that a change is based on.
    version: Option<u32>,
}

async fn about(visitor: &Visitor, deed: Deed, asked: &Asked) -> Result<About, Problem> {
    let (words, occasion) = (visitor.words, &visitor.caller.occasion);
    let (service, database) = (&visitor.server.service, visitor.server.service.database());
    let facts = Facts::new("");
    let kind = deed.template().split('/').next().unwrap_or_default();
    let (facts, page, can_be_done, version) = match kind {
        "licenses" => {
            let id = license_id(asked.part("id"))?;
            let view = service::license(database, id, occasion).await?;
            let terms = &view.row.license.terms;
            let hint = asked.part("hint");
            let is_of_key = !hint.is_empty();
            let facts = facts
                .said(words.licensee, &terms.licensee)
                .fact(words.license, Cell::code(id.to_string()))
                .fact(words.product, Cell::new(&terms.product))
                .fact(
                    words.seats_taken,
                    Cell::new(super::words::say(
                        words.of,
                        &[&view.row.license.usage.taken.to_string(), &terms.seats.to_string()],
                    )),
                )
                .fact(words.expires, Cell::some_time(terms.expires, words.never));
            let facts =
                if is_of_key { facts.fact(words.key, Cell::code(format!("…{hint}"))) } else { facts };
            let can_be_done = match is_of_key {
                true => view.keys.iter().any(|key| key.hint == hint),
                false => Deed::of_license(&view.row, occasion.time).contains(&deed),
            };
            (facts, format!("/console/licenses/{id}"), can_be_done, Some(view.row.version))
        }
        "seats" => {
            let (handle, device) = (asked.part("handle"), asked.part("device"));
            let (seat, licensee) = service.seat(choice(handle, device)?, occasion).await?;
            let facts = facts
                .said(words.licensee, &licensee)
                .fact(words.computer, Cell::strangers(visitor.computer(seat.label())))
                .fact(words.seat, Cell::code(seat.handle().to_string()))
                .fact(words.state, Cell::new(words.of_seat_state(seat.state())))
                .fact(words.last_contact, Cell::time(seat.contact()));
            let page = super::seats::seat_address(seat.handle(), *seat.device_key());
            (facts, page, Deed::of_seat(seat.state()).contains(&deed), None)
        }
        "orders" => {
            let (order, licenses) = super::lists::order_of(visitor, asked).await?;
            let count = licenses.len().to_string();
            let facts = facts
                .fact(words.order_id, Cell::strangers(&order.order.key.id))
                .fact(words.product, Cell::new(order.order.key.product.to_string()))
                .fact(words.licenses, Cell::new(count))
                .fact(words.sold_on, Cell::time(order.sold));
            (facts, super::lists::order_address(&order.order.key), !order.is_void, None)
        }
        "webhooks" => {
            let webhook = super::webhooks::webhook_of(visitor, asked).await?;
            let facts = facts.fact(words.address, Cell::strangers(&webhook.url));
            let facts = facts.fact(words.id, Cell::code(&webhook.id));
            (facts, format!("/console/webhooks/{}", encoded(&webhook.id)), true, None)
        }
        "accounts" => {
            let account = super::people::account_of(visitor, asked).await?;
            let facts = facts
                .fact(words.account, Cell::new(&account.name))
                .fact(words.role, Cell::new(account.role.name()));
            let can_be_done = match deed {
                Deed::DisableAccount => account.disabled.is_none(),
                Deed::EnableAccount => account.disabled.is_some(),
                _ => true,
            };
            (facts, format!("/console/accounts/{}", encoded(&account.name)), can_be_done, None)
        }
        _ => {
            let is_token = kind == "tokens";
            let (name, is_valid) = super::people::credential_of(visitor, is_token, asked.part("id")).await?;
            let facts = facts.fact(words.name, Cell::strangers(name));
            let facts = facts.fact(words.id, Cell::code(asked.part("id")));
            (facts, format!("/console/{kind}"), is_valid, None)
        }
    };
    Ok(About { facts, page, can_be_done, version })
}

/// The page that says what a deed is about, and asks once more.
pub(super) async fn confirm(visitor: &Visitor, asked: &Asked) -> Shown {
    let words = visitor.words;
    let deed = Deed::of(asked).ok_or_else(unknown)?;
    visitor.must(deed.act()).await?;
    let About { facts, page, can_be_done, version } = about(visitor, deed, asked).await?;
    let content = Content::new(deed.name(words)).with(facts.block());
    if !can_be_done {
        let notice = Notice::new(Tone::Waiting, words.not_possible_now);
        let back = Block::Links(vec![Link::new(page, words.back)]);
        return Ok(content.with(notice.block()).with(back));
    }
    let mut fields = deed.fields(words, asked);
    fields.extend(version.map(|version| Field::hidden("version", version.to_string())));
    let mut form = FormBlock::post(asked.address.clone(), deed.name(words), fields);
    form.is_grave = deed.is_grave();
    form.instead = Some(Link::new(page, words.cancel));
    Ok(content.with(Block::Text(deed.lead(words).to_owned())).with(form.block()))
}

/// Does it.
pub(super) async fn perform(visitor: &Visitor, asked: &Asked, form: &Form) -> Result<Done, Problem> {
    let words = visitor.words;
    let deed = Deed::of(asked).ok_or_else(unknown)?;
    visitor.must(deed.act()).await?;
    // Asked before: once it is done, nothing that fails may say that it is not.
    let page = match deed {
        // A webhook that was removed has no page any more, and its form may be sent again.
        Deed::RemoveWebhook => "/console/webhooks".to_owned(),
        _ => about(visitor, deed, asked).await?.page,
    };
    let answer = done(visitor, deed, asked, form).await?;
    let text = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
    let secrets = match deed {
        Deed::AddKey | Deed::Rekey | Deed::ShowKey => vec![(words.key.to_owned(), text("key"))],
        Deed::NewSecret => vec![(words.secret.to_owned(), text("secret"))],
        Deed::NewSecondFactor => factor(words, &answer),
        Deed::TestWebhook => {
            let said = answer["reason"].as_str().unwrap_or(words.taken_in).to_owned();
            vec![(words.answered.to_owned(), said)]
        }
        _ => {
            let path = page.split('?').next().unwrap_or_default();
            let said = visitor.done(path, deed.code());
            // An order is named in its query, too.
            let query = page.split_once('?').map_or_else(String::new, |(_, query)| format!("&{query}"));
            return Ok(Done::Page(said + &query));
        }
    };
    let notice = Notice::new(Tone::Good, deed.done(words));
    let content = Content::new(deed.name(words))
        .with(notice.block())
        .with(Block::Secrets(secrets))
        .with(Block::Links(vec![Link::new(page, words.back)]));
    Ok(Done::Shown(content.into()))
}

/// What a new second factor comes to.
pub(super) fn factor(words: &Words, answer: &Value) -> Vec<(String, String)> {
    let text = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
    let codes = answer["recovery_codes"].as_array().into_iter().flatten();
    let codes: Vec<&str> = codes.filter_map(Value::as_str).collect();
    vec![
        (words.account.to_owned(), text("account")),
        (words.authenticator_secret.to_owned(), text("secret")),
        (words.authenticator_link.to_owned(), text("link")),
        (words.recovery_codes.to_owned(), codes.join("  ")),
    ]
}

/// A call of `/v1/admin` as a form of this session asks for it.
pub(super) fn posted<T>(
    visitor: &Visitor,
    address: &str,
    form: &Form,
    body: &Value,
) -> Result<Posted<T>, Problem> {
    posted_as(visitor, address, form, (&body.to_string(), body))
}

/// The same where what is asked follows from what was `typed` and from what there is: that may have changed when the
/// form is sent again.
pub(super) fn posted_as<T>(
    visitor: &Visitor,
    address: &str,
    form: &Form,
    (typed, body): (&str, &Value),
) -> Result<Posted<T>, Problem> {
    let once = form.text("once")?;
    Posted::by_form(visitor.server.clone(), visitor.caller.clone(), (&once, address, typed), body)
}

/// A number that was typed; none where nothing was.
fn number(form: &Form, name: &str) -> Result<Option<u32>, Problem> {
    match form.text(name)?.trim() {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(|_| Problem::malformed("a whole number is expected")),
    }
}

/// The version that a form is based on, as a call says it.
pub(super) fn based_on(form: &Form) -> Result<HeaderMap, Problem> {
    let mut headers = HeaderMap::new();
    if let Some(version) = number(form, "version")? {
        let value = HeaderValue::try_from(format!("\"{version}\"")).map_err(|_| unknown())?;
        headers.insert(header::IF_MATCH, value);
    }
    Ok(headers)
}

async fn done(visitor: &Visitor, deed: Deed, asked: &Asked, form: &Form) -> Result<Value, Problem> {
    use admin::{accounts, credentials, deactivate, licenses, orders, seats, webhooks};
    let part = |name: &str| Path(asked.part(name).to_owned());
    let body = match deed {
        Deed::Extend | Deed::ExtendOrder => json!({ "days": number(form, "days")? }),
        Deed::ResetDeactivations | Deed::ResetActivations => {
            json!({ "extra": number(form, "extra")?, "reason": form.text("reason")? })
        }
        Deed::Release => json!({ "reason": form.text("reason")?, "device": asked.part("device") }),
        Deed::Unrelease | Deed::Return => json!({ "device": asked.part("device") }),
        Deed::DeactivateLicense | Deed::VoidLicense | Deed::VoidOrder => {
            json!({ "reason": form.text("reason")? })
        }
        Deed::ReplayWebhook => match (form.text("event")?, form.text("since")?) {
            (event, since) if event.is_empty() && since.is_empty() => json!({ "aside": true }),
            (event, since) if event.is_empty() => json!({ "since": since }),
            (event, _) => json!({ "event": event }),
        },
        Deed::ChangeRole => json!({ "role": form.text("role")? }),
        Deed::ChangePassword => json!({ "password": form.text("password")? }),
        _ => json!({}),
    };
    macro_rules! posted {
        () => {
            posted(visitor, &asked.address, form, &body)?
        };
    }
    let of_seller = || {
        let said = |name: &str| asked.all(name).next().map(str::to_owned);
        OfSeller { product: said("product"), seller: said("seller") }
    };
    let answer: JsonText = match deed {
        Deed::Suspend => licenses::change::suspend(part("id"), based_on(form)?, posted!()).await?,
        Deed::Resume => licenses::change::resume(part("id"), based_on(form)?, posted!()).await?,
        Deed::Extend => licenses::change::extend(part("id"), based_on(form)?, posted!()).await?,
        Deed::ResetDeactivations | Deed::ResetActivations => {
            let counter = match deed {
                Deed::ResetActivations => Allowance::Activations,
                _ => Allowance::Deactivations,
            };
            let of = Path((asked.part("id").to_owned(), counter.name().to_owned()));
            licenses::counters::reset_counter(of, posted!()).await?
        }
        Deed::DeactivateLicense => deactivate::deactivate(part("id"), posted!()).await?,
        Deed::VoidLicense => licenses::change::void(part("id"), based_on(form)?, posted!()).await?,
        Deed::AddKey => licenses::keys::add_key(part("id"), posted!()).await?,
        Deed::Rekey => licenses::keys::rekey(part("id"), posted!()).await?,
        Deed::ShowKey => licenses::keys::show_key(key(asked), posted!()).await?,
        Deed::RevokeKey => licenses::keys::revoke_key(key(asked), posted!()).await?,
        Deed::Release => seats::release(part("handle"), posted!()).await?,
        Deed::Unrelease => seats::unrelease(part("handle"), posted!()).await?,
        Deed::Return => seats::return_held(part("handle"), posted!()).await?,
        Deed::ExtendOrder => orders::extend_order(part("order"), of_seller(), posted!()).await?,
        Deed::VoidOrder => orders::void_order(part("order"), of_seller(), posted!()).await?,
        Deed::TestWebhook => webhooks::test_webhook(part("id"), posted!()).await?,
        Deed::ReplayWebhook => webhooks::replay(part("id"), posted!()).await?,
        Deed::NewSecret => webhooks::new_webhook_secret(part("id"), posted!()).await?,
        Deed::RemoveWebhook => webhooks::remove_by_form(part("id"), posted!()).await?,
        Deed::DisableAccount => accounts::disable(part("name"), posted!()).await?,
        Deed::EnableAccount => accounts::enable(part("name"), posted!()).await?,
        Deed::ChangeRole => accounts::change_role(part("name"), posted!()).await?,
        Deed::ChangePassword => accounts::change_password(part("name"), posted!()).await?,
        Deed::NewSecondFactor => accounts::new_second_factor(part("name"), posted!()).await?,
        Deed::RevokeToken => credentials::revoke_token(part("id"), posted!()).await?,
        Deed::RevokeDeploymentKey => credentials::revoke_deployment_key(part("id"), posted!()).await?,
    };
    Ok(answer.value())
}

fn key(asked: &Asked) -> Path<(String, String)> {
    Path((asked.part("id").to_owned(), asked.part("hint").to_owned()))
}

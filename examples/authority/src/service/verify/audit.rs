//! The audit, line by line: whether each could have been written, and what it says of licenses and seats.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    net::IpAddr,
};

use nodelock::{
    LicenseId, Timestamp,
    authority::{SeatName, SeatState, SeatTrail, TrailLine, decision::EventKind},
};

use super::{Findings, Known, OrderName, row::Row};
use crate::{
    domain::{Finding, check_name, noted_after},
    failure::Result,
    store::{Tx, raw},
};

/// What is noted beside the events of decisions, and whether it is about a license.
pub(in crate::service) const ACTIONS: [(&str, bool); 45] = [
    ("set-up", false),
    ("product-created", false),
    ("product-edited", false),
    ("product-keeps-keys", false),
    ("product-trial", false),
    ("policies-edited", false),
    ("customer-created", false),
    ("customer-edited", false),
    ("customer-erased", false),
    ("retention-edited", false),
    ("pruned", false),
    ("order-voided", false),
    ("certified", false),
    ("restored", false),
    ("license-created", true),
    ("license-edited", true),
    ("license-extended", true),
    ("license-expiring", true),
    ("license-used-up", true),
    ("license-voided", true),
    ("license-given", true),
    ("license-deactivated", true),
    ("license-key-added", true),
    ("license-key-revoked", true),
    ("license-key-shown", true),
    ("license-key-sent", true),
    ("license-rekeyed", true),
    ("license-suspended", true),
    ("license-resumed", true),
    ("account-created", false),
    ("account-changed", false),
    ("signed-in", false),
    ("token-created", false),
    ("token-revoked", false),
    ("deployment-key-created", false),
    ("deployment-key-revoked", false),
    ("chain-differs", false),
    ("many-wrong-codes", false),
    ("webhook-added", false),
    ("webhook-removed", false),
    ("webhook-secret-changed", false),
    ("webhook-replayed", false),
    ("mail-policy-edited", false),
    ("mails-replayed", false),
    ("refused", false),
];
/// Between the time of an act and that of its line: a long run of `redeem-all` has one time for all it does.
const LAG: u64 = 24 * 60 * 60;

/// What the audit says.
#[derive(Default)]
pub(super) struct Audit {
    /// When the authority was set up, and for what.
    pub(super) set_up: Option<(Timestamp, String)>,
    /// When each further product was made, by its id, and its name.
    pub(super) products: HashMap<String, (Timestamp, String)>,
    /// How often each product was changed, by its id, and what it says since.
    pub(super) templates: HashMap<String, (i64, String)>,
    /// Whether the keys of each product are kept, by its id, once that was said.
    pub(super) keeps_keys: HashMap<String, String>,
    /// Of which license each product gives trials, by its id, once that was said.
    pub(super) trials: HashMap<String, String>,
    /// How often the terms of each license were changed.
    pub(super) changed: HashMap<LicenseId, i64>,
    /// When each license was ended for good.
    pub(super) voided: HashMap<LicenseId, Timestamp>,
    /// When each customer was entered, by its id.
    pub(super) customers: HashMap<String, Timestamp>,
    /// How often each was changed.
    pub(super) customers_edited: HashMap<String, i64>,
    /// When each was erased that was.
    pub(super) customers_erased: HashMap<String, Timestamp>,
    /// The customer that a license was given to last, once it was.
    pub(super) given: HashMap<LicenseId, String>,
    /// For how long what is personal is kept, once that was changed.
    pub(super) retention: Option<String>,
    /// When each webhook was added, by its id.
    pub(super) webhooks: HashMap<String, Timestamp>,
    /// When each was removed.
    pub(super) webhooks_removed: HashMap<String, Timestamp>,
    /// What was said last of mails: by each product, by its id, and for all of them under an empty one.
    pub(super) mail_policies: HashMap<String, String>,
    /// The orders whose licenses were ended for good.
    pub(super) void_orders: HashSet<OrderName>,
    /// What holds for all products, once that was changed.
    pub(super) policies: Option<String>,
    /// When each license was sold, and how.
    pub(super) created: HashMap<LicenseId, (Timestamp, Sold)>,
    /// By their names.
    pub(super) accounts: HashMap<String, NotedAccount>,
    /// By their ids.
    pub(super) credentials: HashMap<String, NotedCredential>,
    pub(super) trails: HashMap<SeatName, Trail>,
    /// Licenses that lines are about, each with one of its lines.
    named: HashMap<LicenseId, String>,
}

/// What a line says of a sale, beside the seats.
#[derive(Default)]
pub(super) struct Sold {
    pub(super) customer: Option<String>,
    /// The account of the reseller that sold it.
    pub(super) reseller: Option<String>,
    pub(super) order: Option<String>,
}

impl Sold {
    /// Reads what `sell` and `void_order` write: the order last, because its id may be anything.
    fn read(detail: &str) -> Self {
        let (head, order) = match detail.split_once(", order ") {
            Some((head, order)) => (head, Some(order.to_owned())),
            None => (detail, None),
        };
        let after = |name: &str| head.split(", ").find_map(|part| part.strip_prefix(name)).map(str::to_owned);
        Self { customer: after("customer "), reseller: after("reseller "), order }
    }
}

/// What it says of an account.
pub(super) struct NotedAccount {
    pub(super) created: Timestamp,
    /// By its name.
    pub(super) role: String,
    pub(super) disabled: Option<Timestamp>,
    /// By the names of their acts.
    pub(super) quotas: BTreeMap<String, String>,
}

/// What it says of a token or a deployment key.
pub(super) struct NotedCredential {
    pub(super) created: Timestamp,
    pub(super) detail: String,
    pub(super) revoked: Option<Timestamp>,
}

/// What it says of one seat.
#[derive(Default)]
pub(super) struct Trail {
    pub(super) seat: SeatTrail,
    /// By its first line.
    pub(super) license: Option<LicenseId>,
    /// Whether it says of another state than cancelled: a seat that never had one may be forgotten.
    is_kept: bool,
}

pub(super) async fn look(tx: &mut Tx, known: &mut Known, findings: &mut Findings) -> Result<()> {
    let audit = &mut known.audit;
    raw::walk(tx, raw::AUDIT, |raw| audit.look_at(&mut Row::new(raw, raw::AUDIT, findings))).await
}

/// What only shows once all else is known: lines about what is not there.
pub(super) fn look_back(known: &Known, findings: &mut Findings) {
    let finding = |column: &str, license, seat, row| Finding {
        table: "audit".to_owned(),
        column: Some(column.to_owned()),
        license,
        seat,
        row,
        detail: "what the line is about is not there".to_owned(),
    };
    for (name, trail) in &known.audit.trails {
        if trail.is_kept && !known.seats.contains_key(name) {
            findings.add(finding("handle", trail.license, Some(*name), None));
        }
    }
    for (license, line) in &known.audit.named {
        if !known.licenses.contains_key(license) {
            findings.add(finding("license_id", Some(*license), None, Some(line.clone())));
        }
    }
}

impl Audit {
    fn look_at(&mut self, row: &mut Row<'_>) {
        let id = row.text("id");
        row.name.clone_from(&id);
        let noted = id.as_deref().and_then(time_of);
        row.expect("id", id.is_none() || noted.is_some(), "it is no id of a line");
        let at = row.time("at");
        if let (Some(noted), Some(at)) = (noted, at) {
            let is_near = noted.unix_seconds().abs_diff(at.unix_seconds()) <= LAG;
            row.expect("at", is_near, "it is not when the line was written");
        }
        look_at_actor(row, "actor");
        if let Some(Some(peer)) = row.text_or_null("peer") {
            row.expect("peer", peer.parse::<IpAddr>().is_ok(), "it is no address");
        }
        let license = match row.text_or_null("license_id") {
            Some(Some(text)) => {
                let license = text.parse::<LicenseId>().ok();
                row.expect("license_id", license.is_some(), "it is no id of a license");
                license
            }
            _ => None,
        };
        row.license = license;
        let (action, detail) = (row.text("action"), row.text("detail"));
        if let (Some(license), Some(id)) = (license, &id) {
            self.named.entry(license).or_insert_with(|| id.clone());
        }
        let (Some(at), Some(action), Some(detail)) = (at, action, detail) else { return };
        let is = |kind: EventKind| action == kind.name();
        let own = ACTIONS.iter().find(|(name, _)| *name == action);
        let is_event = EventKind::ALL.iter().any(|kind| kind.name() == action);
        match own {
            Some((_, is_of_license)) => {
                is_about_no_seat(row);
                row.expect(
                    "license_id",
                    license.is_some() == *is_of_license,
                    "the line is about no such thing",
                );
                match (&*action, license) {
                    ("set-up", _) => {
                        row.expect("action", self.set_up.is_none(), "an authority is set up once");
                        self.set_up.get_or_insert((at, detail));
                    }
                    ("product-created", _) => {
                        let (id, name) = detail.split_once(": ").unwrap_or((&detail, ""));
                        let is_first = self.products.insert(id.to_owned(), (at, name.to_owned())).is_none();
                        row.expect("detail", is_first, "a product is made once");
                    }
                    ("product-edited", _) => {
                        let (id, template) = detail.split_once(": ").unwrap_or((&detail, ""));
                        let noted = self.templates.entry(id.to_owned()).or_default();
                        *noted = (noted.0 + 1, noted_after(template).to_owned());
                    }
                    ("product-keeps-keys", _) => {
                        let (id, keeps) = detail.split_once(": ").unwrap_or((&detail, ""));
                        self.templates.entry(id.to_owned()).or_default().0 += 1;
                        self.keeps_keys.insert(id.to_owned(), noted_after(keeps).to_owned());
                    }
                    ("product-trial", _) => {
                        let (id, license) = detail.split_once(": ").unwrap_or((&detail, ""));
                        self.templates.entry(id.to_owned()).or_default().0 += 1;
                        self.trials.insert(id.to_owned(), noted_after(license).to_owned());
                    }
                    ("customer-created", _) => {
                        let is_first = self.customers.insert(detail, at).is_none();
                        row.expect("detail", is_first, "a customer is entered once");
                    }
                    ("customer-edited", _) => {
                        let id = detail.split(':').next().unwrap_or_default();
                        *self.customers_edited.entry(id.to_owned()).or_default() += 1;
                    }
                    ("customer-erased", _) => {
                        *self.customers_edited.entry(detail.clone()).or_default() += 1;
                        let is_first = self.customers_erased.insert(detail, at).is_none();
                        row.expect("detail", is_first, "a customer is erased once");
                    }
                    ("retention-edited", _) => self.retention = Some(noted_after(&detail).to_owned()),
                    ("license-given", Some(license)) => {
                        self.given.insert(license, noted_after(&detail).to_owned());
                    }
                    ("order-voided", _) => {
                        let Sold { reseller, order, .. } = Sold::read(&detail);
                        let product = detail.split(", ").next().unwrap_or_default().to_owned();
                        let name = (order.unwrap_or_default(), product, reseller.unwrap_or_default());
                        self.void_orders.insert(name);
                    }
                    ("webhook-added", _) => {
                        let id = detail.split(':').next().unwrap_or_default();
                        let is_first = self.webhooks.insert(id.to_owned(), at).is_none();
                        row.expect("detail", is_first, "a webhook is added once");
                    }
                    ("webhook-removed", _) => {
                        let is_first = self.webhooks_removed.insert(detail, at).is_none();
                        row.expect("detail", is_first, "a webhook is removed once");
                    }
                    ("mail-policy-edited", _) => {
                        let of_product = detail.split_once(": ").filter(|_| !detail.starts_with('{'));
                        let (id, policy) = of_product.unwrap_or(("", &detail));
                        self.mail_policies.insert(id.to_owned(), noted_after(policy).to_owned());
                    }
                    ("policies-edited", _) => self.policies = Some(noted_after(&detail).to_owned()),
                    ("account-created", _) => {
                        let (name, role) = detail.split_once(", ").unwrap_or((&detail, ""));
                        let (role, quotas) = (role.to_owned(), BTreeMap::new());
                        let noted = NotedAccount { created: at, role, disabled: None, quotas };
                        self.accounts.insert(name.to_owned(), noted);
                    }
                    ("account-changed", _) => {
                        let (name, what) = detail.split_once(": ").unwrap_or((&detail, ""));
                        if let Some(account) = self.accounts.get_mut(name) {
                            if let Some((act, most)) =
                                what.strip_prefix("quota ").and_then(|of| of.split_once(": "))
                            {
                                account.quotas.insert(act.to_owned(), most.to_owned());
                            }
                            match (what, what.rsplit_once(" -> ")) {
                                ("disabled", _) => account.disabled = Some(at),
                                ("enabled", _) => account.disabled = None,
                                (_, Some((_, role))) => {
                                    role.clone_into(&mut account.role);
                                    account.quotas.clear();
                                }
                                _ => {}
                            }
                        }
                    }
                    ("token-created" | "deployment-key-created", _) => {
                        let id = detail.split(' ').next().unwrap_or_default().to_owned();
                        self.credentials.insert(id, NotedCredential { created: at, detail, revoked: None });
                    }
                    ("token-revoked" | "deployment-key-revoked", _) => {
                        if let Some(credential) = self.credentials.get_mut(&detail) {
                            credential.revoked = Some(at);
                        }
                    }
                    (
                        "license-edited" | "license-extended" | "license-suspended" | "license-resumed",
                        Some(license),
                    ) => *self.changed.entry(license).or_default() += 1,
                    ("license-voided", Some(license)) => {
                        *self.changed.entry(license).or_default() += 1;
                        let is_first = self.voided.insert(license, at).is_none();
                        row.expect("license_id", is_first, "a license is ended once");
                    }
                    ("license-created", Some(license)) => {
                        let is_first = self.created.insert(license, (at, Sold::read(&detail))).is_none();
                        row.expect("license_id", is_first, "a license is sold once");
                    }
                    _ => {}
                }
            }
            None if is(EventKind::EvidenceKept)
                || (is(EventKind::StrangeLicense) && row.is_null("handle")) =>
            {
                is_about_no_seat(row);
                let is_null = row.is_null("license_id");
                row.expect("license_id", is_null, "the line is about no license");
            }
            None if is(EventKind::Allowed) => {
                is_about_no_seat(row);
                row.expect("license_id", license.is_some(), "the line is about no license");
            }
            // Its seat is not there yet, and may never be.
            None if [EventKind::RequestWaiting, EventKind::RequestApproved, EventKind::RequestRefused]
                .into_iter()
                .any(is) =>
            {
                row.seat_name();
                for column in ["from_state", "to_state"] {
                    let is_null = row.is_null(column);
                    row.expect(column, is_null, "there is no seat yet");
                }
                row.expect("license_id", license.is_some(), "the line is about no license");
            }
            // A license that the ledger had lost.
            None if is(EventKind::Healed) && row.is_null("handle") => {
                is_about_no_seat(row);
                row.expect("license_id", license.is_some(), "the line is about no license");
                if let Some(license) = license {
                    self.created.entry(license).or_insert((at, Sold::default()));
                }
            }
            None if is_event => {
                // What is left of it: a person's words may have been erased.
                let personal = row.text_or_null("personal").flatten().unwrap_or_default();
                let words = if personal.is_empty() { detail } else { personal };
                self.look_at_seat(row, &action, license, at, &words);
            }
            None => row.wrong("action", "there is no such act"),
        }
    }

    fn look_at_seat(
        &mut self,
        row: &mut Row<'_>,
        action: &str,
        license: Option<LicenseId>,
        at: Timestamp,
        detail: &str,
    ) {
        let name = row.seat_name();
        let before = match row.text_or_null("from_state") {
            Some(Some(text)) => state(row, "from_state", &text).map(Some),
            Some(None) => Some(None),
            None => None,
        };
        let after = row.text("to_state").and_then(|text| state(row, "to_state", &text));
        let (Some(name), Some(before), Some(after)) = (name, before, after) else { return };
        let trail = self.trails.entry(name).or_insert_with(|| Trail { license, ..Trail::default() });
        row.expect("license_id", trail.license == license, "other lines name another license");
        trail.seat.note(&TrailLine { action, before, after, at, detail });
        trail.is_kept |= after != SeatState::Cancelled;
    }
}

pub(super) fn look_at_actor(row: &mut Row<'_>, column: &str) {
    if let Some(actor) = row.text(column) {
        let is_user = actor.strip_prefix("cli:").is_some_and(|user| !user.is_empty());
        let is_bearer = ["account:", "token:", "deployment-key:"]
            .iter()
            .any(|kind| actor.strip_prefix(kind).is_some_and(|name| check_name(name).is_ok()));
        row.expect(
            column,
            actor == "http" || is_user || is_bearer,
            "it is neither a user, nor a bearer, nor a peer",
        );
    }
}

fn is_about_no_seat(row: &mut Row<'_>) {
    for column in ["handle", "device_key", "from_state", "to_state"] {
        let is_null = row.is_null(column);
        row.expect(column, is_null, "the line is about no seat");
    }
}

fn state(row: &mut Row<'_>, column: &str, text: &str) -> Option<SeatState> {
    let state = SeatState::ALL.into_iter().find(|state| state.name() == text);
    row.expect(column, state.is_some(), "there is no such state");
    state
}

/// When a line was written, by its id: nanoseconds since 1970 and 64 random bits, in hex.
fn time_of(id: &str) -> Option<Timestamp> {
    let is_hex = id.len() == 48 && id.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
    let nanoseconds = is_hex.then(|| u128::from_str_radix(&id[..32], 16).ok()).flatten()?;
    Some(Timestamp::from_unix_seconds(u64::try_from(nanoseconds / 1_000_000_000).ok()?))
}

//! What is printed: words for people, one JSON object for programs.

use std::{
    fs,
    io::{self, BufWriter, Write as _},
    path::Path,
};

use nodelock::{
    Certificate, Error, LicenseId, Timestamp,
    authority::{Allowance, History, LicenseRecord, SeatName},
};
use serde_json::{Map, Value, json};

use crate::{
    domain::{
        AuditRow, Customer, CustomerDetails, Finding, KeyRow, LicenseRow, OrderRow, Product, SeatRow,
        TermsVersion, hex,
    },
    failure::{Failure, Result},
    keys,
    service::{LicenseView, Restored, UNSEEN, Verified, VerifiedAudit, differences},
};

/// What a command comes to.
pub(crate) struct Report {
    /// For people.
    pub(crate) words: String,
    /// For programs.
    pub(crate) fields: Map<String, Value>,
    /// What the customer gets, as armored text, and what it is called in JSON.
    pub(crate) document: Option<(&'static str, String)>,
    /// Why it was not all done, if it was not.
    pub(crate) failure: Option<Failure>,
    /// Whether standard output has all of it already. Then only a failure is left to say, on standard error.
    pub(crate) is_printed: bool,
}

impl Report {
    /// `fields` is a JSON object.
    pub(crate) fn new(words: impl Into<String>, fields: Value) -> Self {
        let fields = match fields {
            Value::Object(fields) => fields,
            other => Map::from_iter([("value".to_owned(), other)]),
        };
        Self { words: words.into(), fields, document: None, failure: None, is_printed: false }
    }

    pub(crate) fn with_document(self, name: &'static str, text: String) -> Self {
        Self { document: Some((name, text)), ..self }
    }

    pub(crate) fn with_failure(self, failure: Failure) -> Self {
        Self { failure: Some(failure), ..self }
    }
}

impl From<Failure> for Report {
    fn from(failure: Failure) -> Self {
        Self::new("", json!({})).with_failure(failure)
    }
}

/// Text as a terminal may show it: without what it would obey, and without marks that change how the rest is read.
/// Names and reasons come from outside. Lines stay lines.
fn shown(text: &str) -> String {
    let is_seen = |c: char| {
        !c.is_control()
            && !matches!(c, '\u{AD}' | '\u{61C}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}'
                | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{E0000}'..='\u{E007F}')
    };
    text.chars().map(|c| if c == '\n' || is_seen(c) { c } else { char::REPLACEMENT_CHARACTER }).collect()
}

/// Prints a report. The document goes to `out`, or else to standard output with the words on standard error, so that
/// it can be piped.
pub(crate) fn print(report: &Report, out: Option<&Path>, as_json: bool) -> Result<()> {
    if let (Some((_, text)), Some(path)) = (&report.document, out) {
        fs::write(path, text).map_err(|error| Error::io(path.display().to_string(), error))?;
    }
    let mut words = report.words.clone();
    if let Some(failure) = &report.failure {
        words += &format!("error: {}", failure.message());
    }
    let words = shown(&words);
    let (stdout, stderr) = if report.is_printed {
        (String::new(), if report.failure.is_some() { words } else { String::new() })
    } else if as_json {
        (json_text(report, out)?, String::new())
    } else {
        match (&report.document, out) {
            (Some((_, text)), None) => (text.clone(), words),
            _ if report.failure.is_some() => (String::new(), words),
            (Some(_), Some(path)) => (format!("{words}\nWritten to {}.", path.display()), String::new()),
            (None, _) => (words, String::new()),
        }
    };
    let line = |mut stream: Box<dyn io::Write>, text: &str| match text.trim_end() {
        "" => Ok(()),
        text => writeln!(stream, "{text}").and_then(|()| stream.flush()),
    };
    line(Box::new(io::stderr()), &stderr).map_err(|error| Error::io("standard error", error))?;
    let printed = line(Box::new(io::stdout()), &stdout).and_then(|()| sync_stdout());
    Ok(printed.map_err(|error| Error::io("standard output", error))?)
}

/// Makes what was printed durable where that is a file: a full disk may show only now.
fn sync_stdout() -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::fd::AsFd as _;
        let stdout = fs::File::from(io::stdout().as_fd().try_clone_to_owned()?);
        if stdout.metadata()?.is_file() {
            return stdout.sync_all();
        }
    }
    Ok(())
}

fn json_text(report: &Report, out: Option<&Path>) -> Result<String> {
    let mut fields = report.fields.clone();
    if let Some((name, text)) = &report.document {
        fields.insert((*name).to_owned(), text.clone().into());
        if let Some(path) = out {
            fields.insert("out".to_owned(), path.display().to_string().into());
        }
    }
    if let Some(failure) = &report.failure {
        fields.insert("error".to_owned(), failure.name().into());
        fields.insert("message".to_owned(), failure.message().into());
    }
    Ok(serde_json::to_string_pretty(&fields)?)
}

/// A list that is printed while it is read, however long it is: a line for each row, or one JSON object with a row on
/// each line.
pub(crate) struct Listing {
    name: &'static str,
    out: BufWriter<io::Stdout>,
    as_json: bool,
    rows: u64,
    damaged: Vec<String>,
}

/// How many damaged rows are named.
const MOST_DAMAGED: usize = 1000;

impl Listing {
    /// The name is that of the rows in JSON.
    pub(crate) fn new(name: &'static str, as_json: bool) -> Self {
        Self { name, out: BufWriter::new(io::stdout()), as_json, rows: 0, damaged: Vec::new() }
    }

    /// Prints a row. One that is damaged is named at the end.
    ///
    /// Fails as the row does for any other reason.
    pub(crate) fn row<T>(
        &mut self,
        row: Result<T>,
        words: impl Fn(&T) -> String,
        json: impl Fn(&T) -> Value,
    ) -> Result<()> {
        let row = match row {
            Err(failure @ Failure::Damaged { .. }) => {
                if self.damaged.len() < MOST_DAMAGED {
                    self.damaged.push(failure.message());
                }
                return Ok(());
            }
            row => row?,
        };
        self.rows += 1;
        let written = match (self.as_json, self.rows) {
            (true, 1) => write!(self.out, "{{\"{}\": [\n{}", self.name, json(&row)),
            (true, _) => write!(self.out, ",\n{}", json(&row)),
            (false, _) => writeln!(self.out, "{}", shown(&words(&row)).replace('\n', "\u{FFFD}")),
        };
        Ok(written.map_err(failed_to_print)?)
    }

    /// Ends it; `none` are the words for a list without rows.
    pub(crate) fn finish(mut self, none: &str) -> Result<Report> {
        let failure = (!self.damaged.is_empty()).then(|| Failure::SomeDamaged(self.damaged.join("\n")));
        let written = match (self.as_json, self.rows) {
            (true, rows) => {
                let begun = if rows == 0 { format!("{{\"{}\": [", self.name) } else { String::new() };
                let failure = failure.as_ref().map_or_else(String::new, |failure| {
                    let (error, message) = (json!(failure.name()), json!(failure.message()));
                    format!(
                        ", \"damaged\": {}, \"error\": {error}, \"message\": {message}",
                        json!(self.damaged)
                    )
                });
                writeln!(self.out, "{begun}]{failure}}}")
            }
            (false, 0) => writeln!(self.out, "{none}"),
            (false, _) => Ok(()),
        };
        written.and_then(|()| self.out.flush()).map_err(failed_to_print)?;
        Ok(Report { failure, is_printed: true, ..Report::new("", json!({})) })
    }
}

fn failed_to_print(error: io::Error) -> Error {
    Error::io("standard output", error)
}

pub(crate) fn customer_words(customer: &Customer) -> String {
    let CustomerDetails { name, email, external_id, .. } = &customer.details;
    let more = [email, external_id].into_iter().filter(|text| !text.is_empty());
    more.fold(format!("{}  {name}", customer.id), |line, text| line + ", " + text)
}

pub(crate) fn customer(customer: &Customer) -> Value {
    let CustomerDetails { name, email, external_id, notes, language } = &customer.details;
    json!({
        "id": customer.id.to_string(),
        "name": name,
        "email": email,
        "external_id": external_id,
        "notes": notes,
        "language": language,
        "created": customer.created.to_string(),
        "revision": customer.revision,
        "erased": time(customer.erased),
    })
}

pub(crate) fn order_words(row: &OrderRow) -> String {
    let OrderRow { order, sold, is_void } = row;
    let mut line = format!("{}  {sold}  {} of {}", order.key.id, order.count, order.key.product);
    if let Some(customer) = order.customer {
        line += &format!(" for customer {customer}");
    }
    if !order.reseller.is_empty() {
        line += &format!(" by {}", order.reseller);
    }
    if *is_void { line + ", VOID" } else { line }
}

pub(crate) fn order(row: &OrderRow) -> Value {
    let OrderRow { order, sold, is_void } = row;
    json!({
        "id": order.key.id,
        "product": order.key.product.to_string(),
        "seller": order.key.seller,
        "customer": order.customer.map(|id| id.to_string()),
        "reseller": order.reseller,
        "terms": order.said,
        "count": order.count,
        "sold": sold.to_string(),
        "state": if *is_void { "void" } else { "sold" },
    })
}

pub(crate) fn product_words(product: &Product) -> String {
    format!("{}  {}  root {}", product.id, product.name, product.root)
}

pub(crate) fn product(product: &Product) -> Value {
    json!({
        "id": product.id.to_string(),
        "name": product.name,
        "root": product.root.to_string(),
        "terms": product.template,
        "created": product.created.to_string(),
        "revision": product.revision,
        "keeps_keys": product.keeps_keys,
        "trial_license": product.trial_license.map(|id| id.to_string()),
    })
}

pub(crate) fn license_words(row: &LicenseRow) -> String {
    let LicenseRecord { terms, usage, .. } = &row.license;
    let mut line = format!(
        "{}  ..{:<5}  {:>3} of {} taken  {}",
        terms.id, row.key_hint, usage.taken, terms.seats, terms.licensee
    );
    if !terms.edition.is_empty() {
        line += &format!(", {}", terms.edition);
    }
    if let Some(expires) = terms.expires {
        line += &format!(", expires {expires}");
    }
    if let Some(days) = terms.trial_days {
        line += &format!(", a trial of {days} days");
    }
    match row.voided {
        Some(_) => line + ", VOID",
        None if terms.suspended => line + ", SUSPENDED",
        None => line,
    }
}

pub(crate) fn license(row: &LicenseRow, now: Timestamp) -> Value {
    let LicenseRow { license, key_hint, created, version, voided, customer } = row;
    let terms = &license.terms;
    let features: Vec<Value> = terms
        .features
        .iter()
        .map(|feature| json!({ "name": feature.name, "limit": feature.limit, "expires": time(feature.expires) }))
        .collect();
    json!({
        "id": terms.id.to_string(),
        "key_hint": key_hint,
        "created": created.to_string(),
        "product": terms.product,
        "licensee": terms.licensee,
        "edition": terms.edition,
        "features": features,
        "metadata": pairs(&terms.metadata),
        "starts": terms.starts.to_string(),
        "expires": time(terms.expires),
        "trial_days": terms.trial_days,
        "lease_days": terms.lease_days,
        "margin_days": terms.margin_days,
        "updates_until": time(terms.updates_until),
        "suspended": terms.suspended,
        "version": version,
        "voided": time(*voided),
        "customer": customer.map(|id| id.to_string()),
        "seats": seats(license, now),
    })
}

/// All there is of a license.
pub(crate) fn license_view(view: &LicenseView, now: Timestamp) -> Result<Report> {
    let mut words = license_words(&view.row) + "\n";
    let Value::Object(mut fields) = license(&view.row, now) else { return Ok(Report::new(words, json!({}))) };
    let mut keys = Vec::new();
    for KeyRow { hint, created, revoked, sealed, .. } in &view.keys {
        let state = revoked.map_or_else(String::new, |revoked| format!(", revoked {revoked}"));
        let kept = if sealed.is_some() { ", kept" } else { "" };
        words += &format!("  key ..{hint}, made {created}{state}{kept}\n");
        keys.push(json!({
            "key_hint": hint, "created": created.to_string(), "revoked": time(*revoked), "kept": sealed.is_some(),
        }));
    }
    let (mut versions, mut before) = (Vec::new(), None);
    for TermsVersion { version, at, actor, terms } in &view.versions {
        let changes = before.map_or(Ok(Vec::new()), |before| differences(before, terms))?;
        words += &format!("  version {version}, {at}, {actor}  {}\n", changes.join(", "));
        versions.push(json!({
            "version": version, "at": at.to_string(), "actor": actor, "changes": changes, "terms": terms,
        }));
        before = Some(terms);
    }
    fields.insert("keys".to_owned(), keys.into());
    fields.insert("versions".to_owned(), versions.into());
    Ok(Report::new(words, fields.into()))
}

/// The seats of a license, and how far its allowances are used: `deactivations` and `activations` are those of its
/// terms, the others those of the present period.
fn seats(license: &LicenseRecord, now: Timestamp) -> Value {
    let terms = &license.terms;
    let mut seats = json!({
        "total": terms.seats,
        "taken": license.usage.taken,
        "deactivations": terms.deactivations,
        "activations": terms.activations,
        "period_days": terms.period_days,
        "next_period": time(terms.next_period(now)),
    });
    for of in Allowance::ALL {
        let balance = license.balance(of, now);
        seats[format!("{of}_used")] = balance.used.into();
        seats[format!("{of}_left")] = balance.left().into();
        seats[format!("{of}_percent")] = balance.percent().into();
    }
    seats
}

pub(crate) fn seat_words(seat: &SeatRow) -> String {
    let machine = seat.device.pairs().into_iter().map(|(name, value)| format!("  {name}={value}"));
    format!(
        "{}  {:<9}{}{}  since {}  license {}  device {}{}",
        seat.handle,
        seat.state.name(),
        if seat.lapsed { "  lapsed" } else { "" },
        seat.came_back_at.map(|last| format!("  came back {last}")).unwrap_or_default(),
        seat.changed,
        license_of(seat),
        seat.device_key.id(),
        machine.collect::<String>()
    )
}

pub(crate) fn seat(seat: &SeatRow) -> Value {
    json!({
        "handle": seat.handle.to_string(),
        "device": seat.device_key.to_string(),
        "license": license_of(seat).to_string(),
        "state": seat.state.name(),
        "granted": seat.granted.to_string(),
        "changed": seat.changed.to_string(),
        "issued": seat.issued.to_string(),
        "label": seat.label,
        "contact": seat.contact.to_string(),
        "ends": time(seat.ends),
        "lapsed": seat.lapsed,
        "reason": seat.reason,
        "counted": seat.counted,
        "revision": seat.revision,
        "wrong_codes": seat.codes_tried,
        "copies": seat.copies,
        "came_back": seat.came_back,
        "came_back_at": time(seat.came_back_at),
        "virtual_machine": seat.virtual_machine,
        "container": seat.container,
        "machine": pairs(&seat.device.pairs()),
        "application": seat.device.application,
        "library": seat.device.library,
    })
}

/// The license of a seat. A request that was cancelled under an unknown license key has the id that stands for none.
fn license_of(seat: &SeatRow) -> LicenseId {
    seat.license.unwrap_or(LicenseId::NONE)
}

pub(crate) fn certificate(certificate: &Certificate, now: Timestamp) -> Report {
    let (serial, name, key) = (certificate.serial, &certificate.name, certificate.issuer.id());
    let (from, until) = (certificate.not_before, certificate.not_after);
    let days = keys::seconds_left(certificate, now).div_euclid(24 * 60 * 60);
    let left = match days {
        0.. => format!("{days} days left"),
        _ => "it has ended".to_owned(),
    };
    let words = format!(
        "Issuer certificate {serial} for {name}, key {key}: valid from {from} until {until}, {left}.\n\
         Public key, for `Roots::deny` should it be stolen: {}",
        certificate.issuer
    );
    let fields = json!({
        "serial": serial,
        "name": name,
        "key": key.to_string(),
        "public_key": certificate.issuer.to_string(),
        "not_before": from.to_string(),
        "not_after": until.to_string(),
        "days_left": days,
    });
    Report::new(words, fields)
}

pub(crate) fn audit_words(row: &AuditRow) -> String {
    let actor = match &row.peer {
        Some(peer) => format!("{}@{peer}", row.actor),
        None => row.actor.clone(),
    };
    let mut line = format!("{}  {actor:<12}  {:<17}", row.at, row.action);
    if let Some(handle) = row.handle {
        line += &format!("  seat {handle}: {} -> {}", state(&row.from), state(&row.to));
    }
    if let Some(license) = &row.license {
        line += &format!("  license {license}");
    }
    for words in [Some(&row.detail), row.personal.as_ref()].into_iter().flatten().filter(|w| !w.is_empty()) {
        line += &format!("  {words}");
    }
    line
}

pub(crate) fn audit(row: &AuditRow) -> Value {
    json!({
        "at": row.at.to_string(),
        "actor": row.actor,
        "role": row.role,
        "peer": row.peer,
        "action": row.action,
        "license": row.license.map(|license| license.to_string()),
        "handle": row.handle.map(|handle| handle.to_string()),
        "device": row.device.map(|device| device.to_string()),
        "from": row.from,
        "to": row.to,
        "detail": row.detail,
        "personal": row.personal,
    })
}

pub(crate) fn backed_up(file: &Path, keys: &Path) -> Report {
    let words = format!(
        "The ledger is copied to {}, as it was when this began. The keys are not in it: keep a copy of {} elsewhere.",
        file.display(),
        keys.display()
    );
    Report::new(words, json!({ "file": file.display().to_string() }))
}

pub(crate) fn restored(file: &Path, keys: &Path, restored: Restored) -> Report {
    match restored {
        Restored::Damaged(verified) => {
            verified_as(&verified, "Nothing is restored. With --despite-findings it is, as the copy has it.")
        }
        Restored::Done(verified) => {
            let mut words: String = verified.findings.iter().map(finding_words).collect();
            if verified.found > 0 {
                words += &format!("{} findings. ", verified.found);
            }
            words += &format!("The ledger is restored from {}.", file.display());
            let keys_are_here = verified.keys_are_here;
            if !keys_are_here {
                words += &format!(" Its keys are not here: put their copy into {}.", keys.display());
            }
            words += " Seats and sales of after the copy are not in it; docs/OPERATING.md says what to do about them.";
            let fields = json!({
                "file": file.display().to_string(),
                "keys_are_here": keys_are_here,
                "found": verified.found,
                "findings": verified.findings.iter().map(finding_value).collect::<Vec<_>>(),
            });
            Report::new(words, fields)
        }
    }
}

pub(crate) fn verified(verified: &Verified) -> Report {
    verified_as(verified, "")
}

fn verified_as(verified: &Verified, more: &str) -> Report {
    let mut words: String = verified.findings.iter().map(finding_words).collect();
    words += &format!("{} records looked at, {} findings.", verified.records, verified.found);
    if !verified.keys_are_here {
        words += " The keys are not here, so the ledger was not compared with them.";
    }
    if verified.keys_not_compared > 0 {
        words += &format!(
            " {} license keys are kept in a vault that is not here, and were not compared.",
            verified.keys_not_compared
        );
    }
    if !more.is_empty() {
        words += &format!(" {more}");
    }
    words += "\n";
    let fields = json!({
        "records": verified.records,
        "found": verified.found,
        "findings": verified.findings.iter().map(finding_value).collect::<Vec<_>>(),
        "keys_are_here": verified.keys_are_here,
        "keys_not_compared": verified.keys_not_compared,
        "unseen": UNSEEN.iter().map(|(column, why)| json!({ "column": column, "why": why })).collect::<Vec<_>>(),
    });
    let report = Report::new(words, fields);
    if verified.found > 0 { report.with_failure(Failure::Findings(verified.found)) } else { report }
}

fn finding_words(finding: &Finding) -> String {
    let mut line = finding.table.clone();
    finding.column.iter().for_each(|column| line += &format!(".{column}"));
    finding.license.iter().for_each(|license| line += &format!("  license {license}"));
    let seat = |seat: &SeatName| format!("  seat {} of {}", seat.handle, seat.device_key.id());
    finding.seat.iter().for_each(|name| line += &seat(name));
    finding.row.iter().for_each(|row| line += &format!("  {row}"));
    format!("{line}: {}\n", finding.detail)
}

fn finding_value(finding: &Finding) -> Value {
    json!({
        "table": finding.table,
        "column": finding.column,
        "license": finding.license.map(|license| license.to_string()),
        "seat": finding.seat.map(|seat| seat.handle.to_string()),
        "device": finding.seat.map(|seat| seat.device_key.to_string()),
        "row": finding.row,
        "detail": finding.detail,
    })
}

pub(super) fn verified_audit(verified: &VerifiedAudit) -> Report {
    let VerifiedAudit { chain, findings, found } = verified;
    let mut words: String = findings.iter().map(finding_words).collect();
    words += &format!(
        "{} seals of {} lines looked at, {} lines without a seal yet, {found} findings.\n",
        chain.seals, chain.lines, chain.unsealed
    );
    if let Some(newest) = &chain.newest {
        let digest = hex(&newest.digest());
        words += &format!(
            "The newest is seal {} of {}. Keep its digest elsewhere, and `audit verify --digest` tells whether the chain \
             still has it:\n\n    {digest}\n",
            newest.number, newest.at
        );
    }
    let newest = chain.newest.as_ref().map(|newest| {
        json!({ "number": newest.number, "at": newest.at.to_string(), "digest": hex(&newest.digest()) })
    });
    let fields = json!({
        "seals": chain.seals,
        "lines": chain.lines,
        "unsealed": chain.unsealed,
        "newest": newest,
        "found": found,
        "findings": findings.iter().map(finding_value).collect::<Vec<_>>(),
    });
    let report = Report::new(words, fields);
    if *found > 0 { report.with_failure(Failure::Findings(*found)) } else { report }
}

fn state(name: &Option<String>) -> &str {
    name.as_deref().unwrap_or("none")
}

/// What the operator said of the ledger, and what it still waits for.
pub(super) fn vouched(history: &History, now: Timestamp) -> Report {
    let until = history.restored_until().filter(|until| *until > now);
    let words = match until {
        None => "Noted: nothing of the ledger is missing.".to_owned(),
        Some(until) => format!(
            "Noted. The ledger has lost a part of its history before: something that this authority signed is missing there. \
             Seats that it had then lapse no sooner than {until}."
        ),
    };
    Report::new(words, json!({ "restored_until": time(until) }))
}

fn time(time: Option<Timestamp>) -> Option<String> {
    time.map(|time| time.to_string())
}

pub(super) fn pairs(pairs: &[(String, String)]) -> Value {
    pairs.iter().map(|(name, value)| (name.clone(), Value::from(value.clone()))).collect::<Map<_, _>>().into()
}

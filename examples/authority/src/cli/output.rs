//! What is printed: words for people, one JSON object for programs.

use std::{
    fs,
    io::{self, BufWriter, Write as _},
    path::Path,
};

use nodelock::{
    Certificate, Error, LicenseId, PublicKey, Timestamp,
    authority::{History, SeatName},
};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::{
    domain::Finding,
    failure::{Failure, Result},
    http::records::{
        AuditLine, Broken, Chain, CustomerBody, KeyBody, LicenseBody, OrderBody, ProductBody, SeatBody,
        VersionBody, ViewBody,
    },
    keys,
    service::{Restored, UNSEEN, Verified},
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
pub(super) fn shown(text: &str) -> String {
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

/// A record as a program reads it.
pub(super) fn json(record: &impl Serialize) -> Value {
    serde_json::to_value(record).unwrap_or_default()
}

pub(super) fn customer_words(customer: &CustomerBody) -> String {
    let CustomerBody { id, name, email, external_id, .. } = customer;
    let more = [email, external_id].into_iter().filter(|text| !text.is_empty());
    more.fold(format!("{id}  {name}"), |line, text| line + ", " + text)
}

pub(super) fn order_words(order: &OrderBody) -> String {
    let OrderBody { id, sold, count, product, customer, reseller, state, .. } = order;
    let mut line = format!("{id}  {sold}  {count} of {product}");
    if let Some(customer) = customer {
        line += &format!(" for customer {customer}");
    }
    if !reseller.is_empty() {
        line += &format!(" by {reseller}");
    }
    if state == "void" { line + ", VOID" } else { line }
}

pub(super) fn product_words(product: &ProductBody) -> String {
    format!("{}  {}  root {}", product.id, product.name, product.root)
}

pub(super) fn license_words(license: &LicenseBody) -> String {
    let LicenseBody { id, key_hint, licensee, edition, expires, suspended, voided, seats, .. } = license;
    let trial_days = &license.trial_days;
    let mut line = format!("{id}  ..{key_hint:<5}  {:>3} of {} taken  {licensee}", seats.taken, seats.total);
    if !edition.is_empty() {
        line += &format!(", {edition}");
    }
    if let Some(expires) = expires {
        line += &format!(", expires {expires}");
    }
    if let Some(days) = trial_days {
        line += &format!(", a trial of {days} days");
    }
    match voided {
        Some(_) => line + ", VOID",
        None if *suspended => line + ", SUSPENDED",
        None => line,
    }
}

/// All there is of a license.
pub(super) fn license_view(view: &ViewBody) -> Report {
    let mut words = license_words(&view.license) + "\n";
    for KeyBody { key_hint, created, revoked, kept } in &view.keys {
        let state = revoked.as_ref().map_or_else(String::new, |revoked| format!(", revoked {revoked}"));
        let kept = if *kept { ", kept" } else { "" };
        words += &format!("  key ..{key_hint}, made {created}{state}{kept}\n");
    }
    for VersionBody { version, at, actor, changes, .. } in &view.versions {
        words += &format!("  version {version}, {at}, {actor}  {}\n", changes.join(", "));
    }
    Report::new(words, json(view))
}

pub(super) fn seat_words(seat: &SeatBody) -> String {
    let machine = seat.machine.iter().map(|(name, value)| format!("  {name}={value}"));
    // A request that was cancelled under an unknown license key has none.
    let license = seat.license.clone().unwrap_or_else(|| LicenseId::NONE.to_string());
    let device = seat.device.parse::<PublicKey>();
    format!(
        "{}  {:<9}{}{}  since {}  license {license}  device {}{}",
        seat.handle,
        seat.state,
        if seat.lapsed { "  lapsed" } else { "" },
        seat.came_back_at.as_ref().map(|last| format!("  came back {last}")).unwrap_or_default(),
        seat.changed,
        device.map_or_else(|_| seat.device.clone(), |device| device.id().to_string()),
        machine.collect::<String>()
    )
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

pub(super) fn audit_words(line: &AuditLine) -> String {
    let AuditLine { at, actor, peer, action, license, handle, from, to, detail, personal, .. } = line;
    let actor = match peer {
        Some(peer) => format!("{actor}@{peer}"),
        None => actor.clone(),
    };
    let mut words = format!("{at}  {actor:<12}  {action:<17}");
    if let Some(handle) = handle {
        words += &format!("  seat {handle}: {} -> {}", state(from), state(to));
    }
    if let Some(license) = license {
        words += &format!("  license {license}");
    }
    for more in [Some(detail), personal.as_ref()].into_iter().flatten().filter(|more| !more.is_empty()) {
        words += &format!("  {more}");
    }
    words
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

pub(super) fn verified_audit(chain: &Chain) -> Report {
    let finding = |Broken { table, column, row, detail }: &Broken| Finding {
        table: table.clone(),
        column: column.clone(),
        license: None,
        seat: None,
        row: row.clone(),
        detail: detail.clone(),
    };
    let findings: Vec<Finding> = chain.findings.iter().map(finding).collect();
    let mut words: String = findings.iter().map(finding_words).collect();
    let found = chain.found;
    words += &format!(
        "{} seals of {} lines looked at, {} lines without a seal yet, {found} findings.\n",
        chain.seals, chain.lines, chain.unsealed
    );
    if let Some(newest) = &chain.newest {
        words += &format!(
            "The newest is seal {} of {}. Keep its digest elsewhere, and `audit verify --digest` tells whether the chain \
             still has it:\n\n    {}\n",
            newest.number, newest.at, newest.digest
        );
    }
    let mut fields = json(chain);
    fields["findings"] = findings.iter().map(finding_value).collect();
    let report = Report::new(words, fields);
    if found > 0 { report.with_failure(Failure::Findings(found)) } else { report }
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

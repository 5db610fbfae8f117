//! A license and its verdict, for people and for programs.

use std::{fmt::Write as _, time::Duration};

use nodelock::{Accepted, ClockError, Feature, License, Outcome, Renewal, Started, Status, code::Handle};
use serde_json::{Value, json};

use crate::{
    advice,
    report::{self, Report},
};

/// The report of `status` and `install`: its exit code says whether the license is usable.
pub fn report(status: &Status) -> Report {
    let mut text = format!("{}\n", status.verdict());
    if let Some(license) = status.license() {
        describe(license, &mut text);
    }
    if let Some(seat) = status.pending() {
        line(&mut text, "pending", seat);
    }
    if let Some(error) = status.clock_error() {
        line(&mut text, "clock", error);
    }
    if status.renewal_due() {
        line(&mut text, "renewal", "due");
    }
    if !status.power_cuts_covered() {
        line(&mut text, "power cuts", "not covered: this file system cannot sync a folder");
    }
    match status.outstanding() {
        0 => {}
        1 => line(&mut text, "outstanding", "1 seat was given back and has no receipt yet"),
        n => {
            line(&mut text, "outstanding", format_args!("{n} seats were given back and have no receipts yet"))
        }
    }
    let hint = advice::on_status(status);
    let mut notes = hint.map_or_else(String::new, |hint| format!("{hint}\n"));
    for header in status.changed_headers() {
        notes += &format!("Warning: a readable line of the file was changed. The license says: {header}\n");
    }
    let json = json!({
        "verdict": status.verdict().code(),
        "usable": status.is_usable(),
        "message": status.verdict().to_string(),
        "hint": hint,
        "license": status.license().map(license),
        "pending": status.pending().map(|seat| seat.to_string()),
        "outstanding": status.outstanding(),
        "renewal_due": status.renewal_due(),
        "licensing_time": status.licensing_time().to_string(),
        "clock_error": status.clock_error().map(seconds),
        "changed_headers": status.changed_headers().iter().map(ToString::to_string).collect::<Vec<_>>(),
        "power_cuts_covered": status.power_cuts_covered(),
    });
    let exit = if status.is_usable() { report::OK } else { report::NOT_USABLE };
    Report { exit, ..Report::new(text, notes, json) }
}

/// The report of `start`: that of `status`, and what became of the renewal.
pub fn of_start(started: &Started) -> Report {
    let mut report = report(started.status());
    let (renewal, error) = match started.renewal() {
        Renewal::NotDue => ("not-due", None),
        Renewal::Due(error) => ("due", Some(error)),
        _ => ("done", None),
    };
    if let Some(error) = error {
        report.notes += &format!("The renewal did not come: {error:#}. The next start asks again.\n");
    }
    if let Some(error) = started.unrecorded() {
        report.notes += &format!("Warning: the time could not be noted: {error:#}\n");
    }
    report.json["renewal"] = renewal.into();
    report.json["renewal_error"] = error.map(|error| error.kind().code()).into();
    report
}

/// The report of `install`: that of `status`, and what else the file brought.
pub fn of_install(accepted: &Accepted) -> Report {
    let mut report = report(accepted.status());
    report.output.splice(..0, brought(accepted).into_bytes());
    report.json["receipts"] = accepted
        .receipts()
        .iter()
        .map(|receipt| {
            json!({
                "seat": receipt.handle.to_string(),
                "time": receipt.time.to_string(),
                "outcome": receipt.outcome.to_string(),
            })
        })
        .collect();
    report.json["revoked"] = accepted.revocation().map(|revocation| revocation.handle.to_string()).into();
    report
}

/// The report of `receipt`: what became of the seats. A license that is given here in error is told as `install` does.
pub fn of_receipt(accepted: &Accepted) -> Report {
    let report = of_install(accepted);
    match accepted.license() {
        Some(_) => report,
        None => Report {
            output: brought(accepted).into_bytes(),
            notes: String::new(),
            exit: report::OK,
            ..report
        },
    }
}

/// What a file says of seats that are given up or revoked, on a line each.
fn brought(accepted: &Accepted) -> String {
    let receipts = accepted.receipts().iter();
    let mut text: String = receipts.map(|receipt| outcome_text(receipt.handle, receipt.outcome)).collect();
    if let Some(revocation) = accepted.revocation() {
        text += &format!("seat {} was released by the vendor: {}\n", revocation.handle, revocation.reason);
    }
    text
}

/// What became of a seat that was given up.
pub fn outcome_text(seat: Handle, outcome: Outcome) -> String {
    match outcome {
        Outcome::Returned => format!("seat {seat} is free\n"),
        _ => format!("no deactivation is left, so seat {seat} is held for this machine\n"),
    }
}

/// By how much the clock is ahead, negative for behind.
fn seconds(error: ClockError) -> i64 {
    let seconds = |by: Duration| i64::try_from(by.as_secs()).unwrap_or(i64::MAX);
    match error {
        ClockError::Ahead(by) => seconds(by),
        ClockError::Behind(by) => -seconds(by),
        _ => 0,
    }
}

fn describe(license: &License, text: &mut String) {
    line(text, "product", &license.product);
    line(text, "license", license.license_id);
    line(text, "seat", license.handle);
    line(text, "licensee", &license.licensee);
    if !license.edition.is_empty() {
        line(text, "edition", &license.edition);
    }
    for feature in &license.features {
        line(text, "feature", describe_feature(feature));
    }
    for (name, value) in &license.metadata {
        line(text, "metadata", format_args!("{name} = {value}"));
    }
    line(text, "issued", license.issued);
    line(text, "starts", license.starts);
    let dates = [
        ("expires", license.expires),
        ("renew after", license.renew_after),
        ("renew by", license.lease_until),
        ("updates until", license.updates_until),
    ];
    for (name, time) in dates {
        if let Some(time) = time {
            line(text, name, time);
        }
    }
    if let Some(left) = license.deactivations_left {
        line(text, "deactivations", format_args!("{left} left"));
    }
}

fn describe_feature(feature: &Feature) -> String {
    let mut text = feature.name.clone();
    if let Some(limit) = feature.limit {
        text += &format!(", up to {limit}");
    }
    if let Some(time) = feature.expires {
        text += &format!(", until {time}");
    }
    text
}

fn line(text: &mut String, name: &str, value: impl std::fmt::Display) {
    writeln!(text, "  {name:<14}{value}").expect("a String takes any text");
}

fn license(license: &License) -> Value {
    let time = |time: Option<nodelock::Timestamp>| time.map(|time| time.to_string());
    let features: Vec<_> = license
        .features
        .iter()
        .map(|feature| {
            json!({ "name": feature.name, "limit": feature.limit, "expires": time(feature.expires) })
        })
        .collect();
    json!({
        "id": license.license_id.to_string(),
        "product": license.product,
        "seat": license.handle.to_string(),
        "licensee": license.licensee,
        "edition": license.edition,
        "features": features,
        "metadata": license.metadata.iter().cloned().collect::<std::collections::BTreeMap<_, _>>(),
        "issued": license.issued.to_string(),
        "starts": license.starts.to_string(),
        "expires": time(license.expires),
        "renew_after": time(license.renew_after),
        "lease_until": time(license.lease_until),
        "updates_until": time(license.updates_until),
        "deactivations_left": license.deactivations_left,
        "revision": license.revision,
    })
}

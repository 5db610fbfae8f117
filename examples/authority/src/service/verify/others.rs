//! What is kept beside licenses and seats.

use std::{
    collections::{BTreeMap, HashSet},
    net::IpAddr,
};

use nodelock::{
    LicenseId, Timestamp,
    authority::{
        Approval, Attempts, Count, Counting, Evidence, MAX_ATTEMPTS, SeatName, SeatState, UNMATCHED_REQUESTS,
    },
};

use super::{Findings, Known, audit::look_at_actor, row::Row};
use crate::{
    domain::{AskedFor, DeviceDescription, Finding, changed},
    failure::Result,
    store::{Tx, raw},
};

pub(super) async fn look(tx: &mut Tx, known: &mut Known, findings: &mut Findings) -> Result<()> {
    raw::walk(tx, raw::EVIDENCE, |raw| {
        known.evidence += 1;
        look_at_evidence(&mut Row::new(raw, raw::EVIDENCE, findings));
    })
    .await?;
    look_at_tally(tx, known, findings).await?;
    look_at_cancelled(tx, known, findings).await?;
    let mut revisions = HashSet::new();
    raw::walk(tx, raw::CHECK_IN, |raw| {
        let mut row = Row::new(raw, raw::CHECK_IN, findings);
        let name = row.seat_name();
        if let Some(digest) = row.bytes("digest") {
            row.expect("digest", digest.len() == 32, "it is no digest");
        }
        let (Some(name), Some(revision)) = (name, row.number("revision")) else { return };
        let Some(latest) = latest_revision(&mut row, known, name) else { return };
        // The first license answers a request.
        let is_revision = (2..=i64::from(latest)).contains(&revision);
        row.expect("revision", is_revision, "the seat had no license of that revision");
        row.expect("revision", revisions.insert((name, revision)), "two check-ins have it");
    })
    .await?;
    raw::walk(tx, raw::ATTEMPT, |raw| {
        let mut row = Row::new(raw, raw::ATTEMPT, findings);
        if let Some(name) = row.seat_name() {
            latest_revision(&mut row, known, name);
        }
        let ends = row.number("ends");
        if let Some(attempts) = row.record::<Attempts>("record") {
            let is_bounded = (1..=MAX_ATTEMPTS).contains(&attempts.count()) && row.is_past(attempts.since());
            row.expect("record", is_bounded, "so many codes are never tried, or not yet");
            let end = i64::try_from(attempts.end().unix_seconds()).ok();
            row.expect("ends", ends.is_none() || ends == end, "its record says something else");
        }
    })
    .await?;
    raw::walk(tx, raw::LICENSE_COUNT, |raw| {
        let mut row = Row::new(raw, raw::LICENSE_COUNT, findings);
        row.license = row.parsed::<LicenseId>("license_id");
        let is_known = row.license.is_none_or(|license| known.licenses.contains_key(&license));
        row.expect("license_id", is_known, "there is no such license");
        let counted = row.parsed::<Counting>("counted");
        if let Some(count) = row.record::<Count>("record") {
            let is_bounded = count.count() > 0 && row.is_past(count.since());
            row.expect("record", is_bounded, "it never happened, or not yet");
            // Requests alone are remembered, and each was counted.
            let most =
                if counted == Some(Counting::Unmatched) { count.count().min(UNMATCHED_REQUESTS) } else { 0 };
            let remembers = counted.is_none() || count.remembered() <= most as usize;
            row.expect("record", remembers, "it remembers more than happened");
        }
    })
    .await?;
    raw::walk(tx, raw::REFUSAL, |raw| look_at_refusal(&mut Row::new(raw, raw::REFUSAL, findings), known))
        .await?;
    look_at_trials(tx, known, findings).await?;
    raw::walk(tx, raw::APPROVAL, |raw| {
        look_at_request(&mut Row::new(raw, raw::APPROVAL, findings), known);
    })
    .await?;
    look_at_tags(tx, known, findings).await
}

/// A request that waits for approval, or was approved or refused: its columns say what its record says.
fn look_at_request(row: &mut Row<'_>, known: &Known) {
    const OTHER: &str = "its record says something else";
    let name = row.seat_name();
    row.license = row.parsed::<LicenseId>("license_id");
    let is_known = row.license.is_none_or(|license| known.licenses.contains_key(&license));
    row.expect("license_id", is_known, "there is no such license");
    let (state, changed_at, license) = (row.text("state"), row.time("changed"), row.license);
    look_at_peer(row);
    let Some(approval) = row.record::<Approval>("record") else { return };
    row.expect("handle", name.is_none_or(|name| name == approval.name()), OTHER);
    row.expect("license_id", license.is_none_or(|license| license == approval.license_id()), OTHER);
    row.expect("state", state.is_none_or(|state| state == approval.state().name()), OTHER);
    row.expect("changed", changed_at.is_none_or(|at| at == changed(&approval)), OTHER);
    // Two servers may have noted the two, each by its own clock.
    let is_bounded = row.is_past(changed(&approval)) && row.is_past(approval.asked());
    row.expect("record", is_bounded, "it is not of a time that was");
}

/// What was refused: no rule reads it, and no other record says it.
fn look_at_refusal(row: &mut Row<'_>, known: &Known) {
    row.seat_name();
    if let Some(Some(text)) = row.text_or_null("license_id") {
        let license = text.parse::<LicenseId>().ok();
        let is_known = license.is_some_and(|license| known.licenses.contains_key(&license));
        row.expect("license_id", is_known, "there is no such license");
        row.license = license;
    }
    for column in ["kind", "reason", "key_hint"] {
        row.text(column);
    }
    if let Some(asked) = row.text("asked") {
        let is_known = AskedFor::ALL.iter().any(|one| one.name() == asked);
        row.expect("asked", is_known, "nothing of that name is asked for");
    }
    look_at_actor(row, "actor");
    look_at_peer(row);
    row.record::<DeviceDescription>("machine");
    let number = row.number("number");
    row.expect("number", number.is_none_or(|number| number > 0), "it never happened");
    let (first, last, day) = (row.time("first_at"), row.time("last_at"), row.number("day"));
    let (Some(first), Some(last), Some(day)) = (first, last, day) else { return };
    let day_of = |time: Timestamp| i64::try_from(time.unix_seconds() / (24 * 60 * 60)).ok();
    row.expect("day", day_of(first) == Some(day), "it was another day");
    row.expect("last_at", first <= last && day_of(last) == Some(day), "it was on another day");
}

/// What trials are found by, also of hardware that they have no more.
async fn look_at_trials(tx: &mut Tx, known: &mut Known, findings: &mut Findings) -> Result<()> {
    let trials = &mut known.trials;
    raw::walk(tx, raw::TRIAL_TAG, |raw| {
        let mut row = Row::new(raw, raw::TRIAL_TAG, findings);
        let (name, product) = (row.seat_name(), row.text("product_id"));
        let (granted, tag) = (row.number("granted"), row.number("tag"));
        let Some(name) = name else { return };
        let Some((of_product, of_grant, tags)) = trials.get_mut(&name) else {
            return row.wrong("handle", "there is no such trial");
        };
        row.expect("product_id", product == *of_product, "its seat is another product's");
        row.expect(
            "granted",
            granted.is_none_or(|granted| granted == *of_grant),
            "its seat says something else",
        );
        if let Some(tag) = tag {
            tags.remove(&tag);
        }
    })
    .await?;
    let missing: usize = known.trials.values().map(|(_, _, tags)| tags.len()).sum();
    if missing > 0 {
        findings.add_of("trial_tag", Some("tag"), format!("{missing} tags of trials are missing"));
    }
    Ok(())
}

/// What seats are found by that are taken: each of its hardware once.
async fn look_at_tags(tx: &mut Tx, known: &mut Known, findings: &mut Findings) -> Result<()> {
    raw::walk(tx, raw::TAG, |raw| {
        let mut row = Row::new(raw, raw::TAG, findings);
        let (name, license) = (row.seat_name(), row.parsed::<LicenseId>("license_id"));
        let (Some(name), Some(license), Some(tag)) = (name, license, row.number("tag")) else { return };
        row.license = Some(license);
        row.expect("tag", known.tags.remove(&(name, license, tag)), "the seat has no such hardware");
    })
    .await?;
    if !known.tags.is_empty() {
        findings.add_of("tag", Some("tag"), format!("{} tags of seats are missing", known.tags.len()));
    }
    Ok(())
}

/// What the whole ledger adds up to: for each name the sum of its rows.
async fn look_at_tally(tx: &mut Tx, known: &Known, findings: &mut Findings) -> Result<()> {
    let names = SeatState::ALL.map(SeatState::name).into_iter().chain(["evidence"]);
    let truths = known.by_state.into_iter().chain([known.evidence]);
    let mut missing: BTreeMap<&str, i64> = names.zip(truths).collect();
    raw::walk(tx, raw::TALLY, |raw| {
        let mut row = Row::new(raw, raw::TALLY, findings);
        let (what, number) = (row.text("what"), row.number("number"));
        row.number("shard");
        row.name.clone_from(&what);
        let (Some(what), Some(number)) = (what, number) else { return };
        match missing.get_mut(&*what) {
            Some(missing) => *missing = missing.saturating_sub(number),
            None => row.wrong("what", "nothing of that name is counted"),
        }
    })
    .await?;
    for (what, missing) in missing.into_iter().filter(|(_, missing)| *missing != 0) {
        findings.add_of("tally", Some("number"), format!("{missing} of {what} are not counted"));
    }
    Ok(())
}

fn look_at_evidence(row: &mut Row<'_>) {
    let (handle, kind) = (row.handle("handle"), row.text("kind"));
    row.name = handle.map(|handle| handle.to_string());
    row.time("received");
    look_at_peer(row);
    let Some(content) = row.bytes("content") else { return };
    let Ok(evidence) = Evidence::from_bytes(&content) else {
        return row.wrong("content", "it is neither a proof nor a code");
    };
    row.expect(
        "handle",
        handle.is_none_or(|handle| handle == evidence.handle()),
        "its content is of another seat",
    );
    row.expect("kind", kind.is_none_or(|kind| kind == evidence.kind()), "its content is of another kind");
}

/// Whose limits count: an address, or nothing for the vendor.
fn look_at_peer(row: &mut Row<'_>) {
    if let Some(peer) = row.text("peer") {
        let is_peer = peer.is_empty() || peer.parse::<IpAddr>().is_ok();
        row.expect("peer", is_peer, "it is no address");
    }
}

/// The notes of which cancelled seats may be forgotten, and when.
async fn look_at_cancelled(tx: &mut Tx, known: &mut Known, findings: &mut Findings) -> Result<()> {
    let cancelled = &mut known.cancelled;
    raw::walk(tx, raw::CANCELLED, |raw| {
        let mut row = Row::new(raw, raw::CANCELLED, findings);
        // A date by the device's clock, which may be ahead.
        let (name, requested) = (row.seat_name(), row.number("requested"));
        look_at_peer(&mut row);
        let Some(name) = name else { return };
        match cancelled.remove(&name) {
            None => row.wrong("handle", "there is no such cancelled seat"),
            Some(truth) => {
                let truth = i64::try_from(truth.unix_seconds()).ok();
                row.expect(
                    "requested",
                    requested.is_none() || requested == truth,
                    "its seat says something else",
                );
            }
        }
    })
    .await?;
    for name in known.cancelled.keys() {
        findings.add(Finding {
            table: "cancelled".to_owned(),
            column: Some("handle".to_owned()),
            license: None,
            seat: Some(*name),
            row: None,
            detail: "a cancelled seat is not noted".to_owned(),
        });
    }
    Ok(())
}

/// The revision of a seat's latest license; none if there is no such seat.
fn latest_revision(row: &mut Row<'_>, known: &Known, name: SeatName) -> Option<u32> {
    let revision = known.seats.get(&name).copied();
    row.expect("handle", revision.is_some(), "there is no such seat");
    revision
}

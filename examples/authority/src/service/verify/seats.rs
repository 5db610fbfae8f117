//! Seats: their columns against their records, and their records against what was noted of them.

use nodelock::{
    LicenseId, Timestamp,
    authority::{Seat, SeatState},
    fingerprint::Fingerprint,
};

use super::{Findings, Known, row::Row};
use crate::{
    domain::DeviceDescription,
    failure::Result,
    store::{Tx, raw, tag_number},
};

/// Members of the record that have a column of their own.
const COLUMNS: [&str; 12] = [
    "state",
    "counted",
    "granted",
    "changed",
    "issued",
    "contact",
    "lapsed",
    "reason",
    "revision",
    "copies",
    "came_back",
    "came_back_at",
];

pub(super) async fn look(tx: &mut Tx, known: &mut Known, findings: &mut Findings) -> Result<()> {
    raw::walk(tx, raw::SEAT, |raw| look_at(&mut Row::new(raw, raw::SEAT, findings), known)).await
}

fn look_at(row: &mut Row<'_>, known: &mut Known) {
    let name = row.seat_name();
    let license = match row.text_or_null("license_id") {
        Some(Some(text)) => {
            let license = text.parse::<LicenseId>().ok();
            let is_known = license.is_some_and(|license| known.licenses.contains_key(&license));
            row.expect("license_id", is_known, "there is no such license");
            license
        }
        _ => None,
    };
    row.license = license;
    let product = row.text("product_id");
    if let Some(product) = &product {
        let sold =
            license.and_then(|license| known.licenses.get(&license)).and_then(|of| of.product.as_ref());
        let is_known = known.products.values().any(|id| id == product);
        row.expect("product_id", is_known, "there is no such product");
        row.expect(
            "product_id",
            license.is_none() || sold == Some(product),
            "its license is another product's",
        );
    }
    let device = row.record::<DeviceDescription>("machine");
    let described = row.number("described");
    let (state, reason, label) = (row.text("state"), row.text("reason"), row.text("label"));
    let times = ["granted", "changed", "issued", "contact"].map(|column| (column, row.time(column)));
    let numbers = [
        "taken",
        "counted",
        "ends",
        "lapsed",
        "revision",
        "copies",
        "came_back",
        "virtual_machine",
        "container",
    ];
    let numbers = numbers.map(|column| (column, row.number(column)));
    let came_back_at = row.number_or_null("came_back_at");
    let installed = row.bytes("installed");
    let seat = row.record::<Seat>("record");
    if let Some(name) = name {
        known.seats.insert(name, seat.as_ref().map_or(u32::MAX, Seat::revision));
    }
    let Some(seat) = seat else { return };
    const OTHER: &str = "its record says something else";
    row.expect("handle", name.is_none_or(|name| name.handle == seat.handle()), OTHER);
    row.expect("device_key", name.is_none_or(|name| name.device_key == *seat.device_key()), OTHER);
    row.expect("license_id", license == seat.license_id(), OTHER);
    row.expect("state", state.is_none_or(|state| state == seat.state().name()), OTHER);
    row.expect("reason", reason.is_none_or(|reason| reason == seat.reason().to_string()), OTHER);
    let ends = seat.ends().unwrap_or(Timestamp::MAX).unix_seconds();
    let truths = [
        i64::from(seat.state().is_taken()),
        i64::from(seat.is_counted()),
        i64::try_from(ends).unwrap_or(i64::MAX),
        i64::from(seat.is_lapsed()),
        i64::from(seat.revision()),
        i64::from(seat.copies()),
        i64::from(seat.came_back()),
        i64::from(seat.fingerprint().virtual_machine()),
        i64::from(seat.fingerprint().container()),
    ];
    for ((column, number), truth) in numbers.into_iter().zip(truths) {
        row.expect(column, number.is_none_or(|number| number == truth), OTHER);
    }
    let truth = seat.came_back_at().map(|time| i64::try_from(time.unix_seconds()).unwrap_or(i64::MAX));
    row.expect("came_back_at", came_back_at.is_none_or(|time| time == truth), OTHER);
    let is_same = installed.is_none_or(|installed| installed == seat.machine());
    row.expect("installed", is_same, OTHER);
    if let (Some(license), true) = (seat.license_id(), seat.state().is_taken()) {
        let tags = seat.fingerprint().hardware().map(|tag| (seat.name(), license, tag_number(tag)));
        known.tags.extend(tags);
    }
    if let (Some(name), true) = (name, seat.is_trial()) {
        let granted = i64::try_from(seat.granted().unix_seconds()).unwrap_or(i64::MAX);
        let tags = seat.fingerprint().hardware().map(tag_number).collect();
        known.trials.insert(name, (product, granted, tags));
    }
    row.expect("label", label.is_none_or(|label| label == seat.label()), OTHER);
    // A seat that says nothing of its computer is over, and nothing of it is left but what a trial is known by.
    let is_known_by_tags = seat.is_over(Timestamp::MAX) && seat == seat.without_computer(Timestamp::MAX);
    let says_nothing = seat.label().is_empty()
        && device.is_none_or(|device| device == DeviceDescription::default())
        && (*seat.fingerprint() == Fingerprint::default() || is_known_by_tags);
    let is_flag = described.is_none_or(|described| described == 1 || (described == 0 && says_nothing));
    row.expect("described", is_flag, "its record says something of its computer");
    let truths = [seat.granted(), seat.changed(), seat.issued(), seat.contact()];
    for ((column, time), truth) in times.into_iter().zip(truths) {
        row.expect(column, time.is_none_or(|time| time == truth), OTHER);
    }
    if seat.state() == SeatState::Cancelled {
        known.cancelled.insert(seat.name(), seat.requested());
    }
    known.by_state[SeatState::ALL.iter().position(|state| *state == seat.state()).unwrap_or_default()] += 1;
    if let Some(license) = license.and_then(|license| known.licenses.get_mut(&license)) {
        license.taken += i64::from(seat.is_marked_taken());
        license.deactivated += i64::from(seat.is_counted());
        license.activated += i64::from(seat.is_activation());
    }
    let Some(trail) = name.and_then(|name| known.audit.trails.get(&name)) else {
        return row.wrong("handle", "no such seat was noted");
    };
    row.expect("license_id", trail.license == seat.license_id(), "it was noted with another license");
    for disagreement in trail.seat.check(&seat) {
        let member = disagreement.member;
        let column = if COLUMNS.contains(&member) { member.to_owned() } else { format!("record.{member}") };
        row.wrong(&column, disagreement.detail);
    }
}

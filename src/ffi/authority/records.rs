//! The records that a host keeps, as JSON.

use std::ffi::c_char;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::{
    Error, ErrorKind, Feature, LicenseId, PublicKey, Reason, Timestamp,
    authority::ledger::{LicenseTerms, Seat, SeatState, Usage},
    code::Handle,
    ffi::{
        boundary::{Result, fallible, text},
        error::nodelock_error,
        status::nodelock_status,
    },
    fingerprint::{Component, Fingerprint, Policy},
    message::{Metadata, hex},
};

/// The longest record that is looked at: terms of the largest size.
const LIMIT: usize = 1024 * 1024;

/// [`LicenseTerms`] as a host writes them. What is left out has the default of [`LicenseTerms::new`]; what is misspelt is refused.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TermsRecord {
    #[serde(with = "as_text")]
    id: LicenseId,
    product: String,
    seats: u32,
    #[serde(default)]
    licensee: String,
    #[serde(default)]
    edition: String,
    #[serde(default)]
    features: Vec<FeatureRecord>,
    #[serde(default)]
    metadata: Metadata,
    #[serde(default)]
    starts: Timestamp,
    #[serde(default)]
    expires: Option<Timestamp>,
    #[serde(default = "lease_days")]
    lease_days: Option<u32>,
    #[serde(default = "unbindable_lease_days")]
    unbindable_lease_days: Option<u32>,
    #[serde(default)]
    updates_until: Option<Timestamp>,
    #[serde(default)]
    deactivations: Option<u32>,
    #[serde(default)]
    policy: Policy,
    #[serde(default)]
    suspended: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FeatureRecord {
    name: String,
    #[serde(default)]
    limit: Option<u64>,
    #[serde(default)]
    expires: Option<Timestamp>,
}

fn lease_days() -> Option<u32> {
    defaults().lease_days
}

fn unbindable_lease_days() -> Option<u32> {
    defaults().unbindable_lease_days
}

fn defaults() -> LicenseTerms {
    LicenseTerms::new(LicenseId::NONE, "", 0, Timestamp::MIN)
}

impl From<TermsRecord> for LicenseTerms {
    fn from(record: TermsRecord) -> Self {
        let feature = |f: FeatureRecord| Feature { name: f.name, limit: f.limit, expires: f.expires };
        Self {
            id: record.id,
            product: record.product,
            licensee: record.licensee,
            edition: record.edition,
            features: record.features.into_iter().map(feature).collect(),
            metadata: record.metadata,
            starts: record.starts,
            expires: record.expires,
            lease_days: record.lease_days,
            unbindable_lease_days: record.unbindable_lease_days,
            updates_until: record.updates_until,
            seats: record.seats,
            deactivations: record.deactivations,
            policy: record.policy,
            suspended: record.suspended,
        }
    }
}

/// [`Seat`] as it is kept: the columns that a database looks for as text.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeatRecord {
    #[serde(with = "as_text")]
    seat: Handle,
    #[serde(with = "as_text")]
    device_key: PublicKey,
    #[serde(with = "as_text")]
    license: LicenseId,
    state: State,
    counted: bool,
    revision: u32,
    requested: Timestamp,
    granted: Timestamp,
    changed: Timestamp,
    reason: Reason,
    #[serde(with = "as_hex")]
    release_commitment: [u8; 32],
    #[serde(with = "as_hex")]
    request_digest: [u8; 32],
    fingerprint: Fingerprint,
    #[serde(with = "as_hex")]
    sync_token: [u8; 16],
    #[serde(with = "as_hex")]
    previous_token: [u8; 16],
    copies: u32,
    wrong_codes: u32,
    codes_since: Timestamp,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Active,
    Held,
    Returned,
    Cancelled,
    Revoked,
}

impl From<&Seat> for SeatRecord {
    fn from(seat: &Seat) -> Self {
        Self {
            seat: seat.handle,
            device_key: seat.device_key,
            license: seat.license_id,
            state: match seat.state {
                SeatState::Active => State::Active,
                SeatState::Held => State::Held,
                SeatState::Returned => State::Returned,
                SeatState::Cancelled => State::Cancelled,
                SeatState::Revoked => State::Revoked,
            },
            counted: seat.counted,
            revision: seat.revision,
            requested: seat.requested,
            granted: seat.granted,
            changed: seat.changed,
            reason: seat.reason,
            release_commitment: seat.release_commitment,
            request_digest: seat.request_digest,
            fingerprint: seat.fingerprint.clone(),
            sync_token: seat.sync_token,
            previous_token: seat.previous_token,
            copies: seat.copies,
            wrong_codes: seat.wrong_codes,
            codes_since: seat.codes_since,
        }
    }
}

impl From<SeatRecord> for Seat {
    fn from(record: SeatRecord) -> Self {
        Self {
            handle: record.seat,
            device_key: record.device_key,
            license_id: record.license,
            release_commitment: record.release_commitment,
            request_digest: record.request_digest,
            fingerprint: record.fingerprint,
            state: match record.state {
                State::Active => SeatState::Active,
                State::Held => SeatState::Held,
                State::Returned => SeatState::Returned,
                State::Cancelled => SeatState::Cancelled,
                State::Revoked => SeatState::Revoked,
            },
            requested: record.requested,
            granted: record.granted,
            changed: record.changed,
            reason: record.reason,
            counted: record.counted,
            revision: record.revision,
            sync_token: record.sync_token,
            previous_token: record.previous_token,
            copies: record.copies,
            wrong_codes: record.wrong_codes,
            codes_since: record.codes_since,
        }
    }
}

/// Whatever has a text form.
mod as_text {
    use super::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<T: std::fmt::Display, S: Serializer>(
        value: &T,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_str(value)
    }

    pub(super) fn deserialize<'de, T, D>(from: D) -> Result<T, D::Error>
    where
        T: std::str::FromStr<Err = crate::Error>,
        D: Deserializer<'de>,
    {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A number of bytes as hex digits.
mod as_hex {
    use super::{Deserialize, Deserializer, Serializer, hex};

    pub(super) fn serialize<const N: usize, S: Serializer>(
        bytes: &[u8; N],
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.serialize_str(&hex(bytes))
    }

    pub(super) fn deserialize<'de, const N: usize, D: Deserializer<'de>>(
        from: D,
    ) -> Result<[u8; N], D::Error> {
        let text = String::deserialize(from)?;
        super::from_hex(&text).ok_or_else(|| super::custom::<D>(N))
    }
}

fn custom<'de, D: Deserializer<'de>>(length: usize) -> D::Error {
    D::Error::custom(format!("{} hex digits are expected", 2 * length))
}

fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if text.len() != 2 * N || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(bytes)
}

fn parse<'de, T: Deserialize<'de>>(json: &'de str, about: &'static str) -> Result<T> {
    if json.len() > LIMIT {
        return Err(Error::new(ErrorKind::TooLarge, about).into());
    }
    // Where it is wrong is said, and not what is there.
    let wrong = |e: serde_json::Error| {
        let at = format!("{about}: not such a record, at line {}, column {}", e.line(), e.column());
        Error::new(ErrorKind::InvalidInput, at)
    };
    Ok(serde_json::from_str(json).map_err(wrong)?)
}

pub(super) fn terms(json: &str) -> Result<LicenseTerms> {
    let terms = LicenseTerms::from(parse::<TermsRecord>(json, "terms")?);
    terms.validate()?;
    check_policy(&terms.policy)?;
    Ok(terms)
}

/// A policy as [`Policy`]'s own functions would have let it be made.
fn check_policy(policy: &Policy) -> crate::Result<()> {
    let checked = Policy::default().with_thresholds(policy.accept(), policy.grace())?;
    policy.weights().iter().try_fold(checked, |checked, weight| {
        let component = Component::from_number(weight.component());
        component.map_or(Ok(checked.clone()), |c| checked.with_weight(c, weight.agree(), weight.differ()))
    })?;
    Ok(())
}

/// A seat, which must be of that license if one is given.
pub(super) fn seat(json: &str) -> Result<Seat> {
    Ok(parse::<SeatRecord>(json, "seat")?.into())
}

/// The terms of a seat's license: none are needed for a request that was cancelled under an unknown license key.
pub(super) fn terms_of(seat: &Seat, json: Option<&str>) -> Result<LicenseTerms> {
    let terms = match json {
        Some(json) => terms(json)?,
        None => LicenseTerms::new(LicenseId::NONE, "", 0, seat.granted),
    };
    if terms.id != seat.license_id {
        return Err(Error::new(ErrorKind::InvalidInput, "terms: of another license than the seat's").into());
    }
    Ok(terms)
}

pub(super) fn json(seat: &Seat) -> Result<String> {
    let wrong = |_| Error::new(ErrorKind::InvalidInput, "a seat that cannot be written");
    Ok(serde_json::to_string(&SeatRecord::from(seat)).map_err(wrong)?)
}

pub(super) fn usage(taken: u32, deactivated: u32) -> Usage {
    Usage { taken, deactivated }
}

/// Checks that licenses can be issued on these terms, so that it shows when they are sold and not when a customer activates.
///
/// Terms are what was sold, as JSON. `id` (16 hex digits, nodelock_license_id_generate()), `product` and `seats` must be there;
/// the others are shown with their defaults:
///
/// ```json
/// {
///   "id": "0123456789abcdef", "product": "Example Editor", "seats": 1,
///   "licensee": "", "edition": "",
///   "features": [{"name": "export", "limit": null, "expires": null}],
///   "metadata": [["name", "value"]],
///   "starts": 0, "expires": null, "updates_until": null,
///   "lease_days": 90, "unbindable_lease_days": 14,
///   "deactivations": null, "suspended": false,
///   "policy": {"weights": [], "accept": 16, "grace": 8, "grace_days": 14}
/// }
/// ```
///
/// (By default there are no features and no metadata.) `null` is without limit or end. `lease_days` is how many days a device may
/// go without a renewal, `unbindable_lease_days` the same for a machine that has nothing unique to its hardware. A vendor that
/// suspends a license sets `suspended`.
///
/// NODELOCK_INVALID_INPUT, NODELOCK_TOO_LARGE.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_terms_check(
    terms: *const c_char,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or text; NULL or a place for the error.
    unsafe { fallible(error, &mut || self::terms(text(terms, "terms")?).map(drop)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_is_read_back() {
        assert_eq!(from_hex::<3>(&hex(&[0, 0xab, 0xff])), Some([0, 0xab, 0xff]));
        for wrong in ["", "00abf", "00abffff", "+0abff", "00abfg", "00abé"] {
            assert_eq!(from_hex::<3>(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn terms_have_the_defaults_of_the_ledger_and_no_others() {
        let json = r#"{"id":"0123456789abcdef","product":"Example","seats":3}"#;
        let expected = LicenseTerms::new("0123456789abcdef".parse().unwrap(), "Example", 3, Timestamp::MIN);
        assert!(terms(json).is_ok_and(|terms| terms == expected));
        assert!(terms(&json.replace("seats", "seat")).is_err());
        assert!(terms(&json.replace('}', r#","lease_day":1}"#)).is_err());
        let policy = r#","policy":{"weights":[],"accept":4,"grace":5,"grace_days":1}}"#;
        assert!(terms(&json.replace('}', policy)).is_err());
        assert!(terms(&json.replace('}', &policy.replace('5', "3"))).is_ok());
        assert!(terms(&json.replace('}', r#","lease_days":null}"#)).is_ok_and(|t| t.lease_days.is_none()));
    }
}

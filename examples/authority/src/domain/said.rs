//! Terms as somebody says them: some of them, by their names. Layers of them make the terms of a sale.

use nodelock::{LicenseId, Timestamp, authority::LicenseTerms};
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::policy::{self, GRACE_DAYS, POLICY, WEIGHTS};
use crate::failure::{Failure, Result};

/// Terms by the names and in the form of their record, and `expires_days`, `grace_days` and `weights`. What is left out
/// is not said (`docs/FORMAT.md`, Said terms).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Said(Map<String, Value>);

/// Says for how many days a license is valid, from its sale on; null is without end. It is `expires` of a license.
const EXPIRES_DAYS: &str = "expires_days";
const EXPIRES: &str = "expires";
/// What may name a person.
const PERSONAL: [&str; 2] = ["licensee", "metadata"];
/// What names the license or is an act of its own.
const NOT_TO_SAY: [&str; 4] = ["id", "product", "starts", "suspended"];

impl Said {
    /// Some of the terms of a license.
    pub(crate) fn of(terms: &LicenseTerms, names: &[&str]) -> Result<Self> {
        let Value::Object(mut record) = serde_json::to_value(terms)? else { return Ok(Self::default()) };
        record.retain(|name, _| names.contains(&name.as_str()));
        Ok(Self(record))
    }

    /// What is sold where nobody says otherwise. Beside it the library's defaults hold.
    pub(crate) fn standard() -> Self {
        Self(Map::from_iter([("deactivations".to_owned(), 0.into())]))
    }

    pub(crate) fn say(&mut self, name: &str, value: Value) {
        match name {
            EXPIRES => drop(self.0.remove(EXPIRES_DAYS)),
            EXPIRES_DAYS => drop(self.0.remove(EXPIRES)),
            // All of it says its parts, too.
            POLICY => [GRACE_DAYS, WEIGHTS].into_iter().for_each(|part| drop(self.0.remove(part))),
            _ => {}
        }
        self.0.insert(name.to_owned(), value);
    }

    pub(crate) fn say_expires_days(&mut self, days: Option<u32>) {
        self.say(EXPIRES_DAYS, days.into());
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The same without what may name a person: the licensee, and metadata, which are the vendor's own words. It says
    /// still that they were said.
    pub(crate) fn nameless(&self) -> Self {
        let mut said = self.clone();
        for name in PERSONAL {
            if let Some(value) = said.0.get_mut(name) {
                *value = emptied(value);
            }
        }
        said
    }

    /// The same as far as it can be compared with what was said before, of which something may have been emptied.
    pub(crate) fn as_emptied_in(&self, before: &Self) -> Self {
        let mut said = self.clone();
        for name in PERSONAL {
            if let (Some(was), Some(value)) = (before.0.get(name), said.0.get_mut(name))
                && *was == emptied(was)
            {
                *value = was.clone();
            }
        }
        said
    }

    /// Whether that text says the same.
    pub(crate) fn is(&self, text: &str) -> bool {
        serde_json::from_str::<Self>(text).is_ok_and(|other| *self == other)
    }

    /// A number for what is said, which other words do not have: the beginning of its SHA-256. Nobody counts how often
    /// it was changed, and whoever finds the words that they saw may change them.
    pub(crate) fn version(&self) -> Result<u32> {
        let digest = digest(&SHA256, &serde_json::to_vec(&self.0)?);
        Ok(digest.as_ref().iter().take(4).fold(0, |number, byte| (number << 8) | u32::from(*byte)))
    }

    pub(crate) fn members(&self) -> &Map<String, Value> {
        &self.0
    }

    /// These over others: what both say is said by these.
    pub(crate) fn over(&self, others: &Self) -> Self {
        let mut said = others.clone();
        self.0.iter().for_each(|(name, value)| said.say(name, value.clone()));
        said
    }

    /// The same without what has one of these names. Fails with [`Failure::Usage`] for a name that nothing has.
    pub(crate) fn without(&self, names: &[String]) -> Result<Self> {
        let mut said = self.clone();
        for name in names {
            if said.0.remove(name).is_none() {
                return Err(Failure::Usage(format!("{name} is not said there")));
            }
        }
        Ok(said)
    }

    /// Terms with what is said in place of what they had. `now` is when the license is sold.
    ///
    /// Fails with [`Failure::Usage`] for a name or a value that terms do not have.
    pub(crate) fn apply(&self, terms: &LicenseTerms, now: Timestamp) -> Result<LicenseTerms> {
        let unfit = |reason: String| Failure::Usage(format!("these terms cannot be said: {reason}"));
        if let Some(name) = NOT_TO_SAY.into_iter().find(|name| self.0.contains_key(*name)) {
            return Err(unfit(format!("{name} is not one of them")));
        }
        let Value::Object(mut record) = serde_json::to_value(terms)? else { return Ok(terms.clone()) };
        let is_a_part = |name: &str| [GRACE_DAYS, WEIGHTS].contains(&name);
        for (name, value) in self.0.iter().filter(|(name, _)| !is_a_part(name)) {
            if name != EXPIRES_DAYS {
                record.insert(name.clone(), value.clone());
                continue;
            }
            let end = match value {
                Value::Null => Value::Null,
                days => {
                    let days = days.as_u64().and_then(|days| u32::try_from(days).ok());
                    let days = days.ok_or_else(|| unfit(format!("{EXPIRES_DAYS} is a number of days")))?;
                    serde_json::to_value(now.plus_days(days))?
                }
            };
            record.insert(EXPIRES.to_owned(), end);
        }
        for (name, value) in self.0.iter().filter(|(name, _)| is_a_part(name)) {
            policy::overlay(record.entry(POLICY).or_insert(Value::Null), name, value).map_err(unfit)?;
        }
        serde_json::from_value(record.into()).map_err(|error| unfit(error.to_string()))
    }

    /// Checks that licenses can be sold on these terms. Fails as [`apply`](Self::apply) does and, with
    /// `ErrorKind::InvalidInput`, as [`LicenseTerms::validate`] does.
    pub(crate) fn check(&self) -> Result<()> {
        let probe = LicenseTerms::new(LicenseId::from_bytes([1; 8]), "product", 1, Timestamp::MIN);
        Ok(self.apply(&probe, Timestamp::MIN)?.validate()?)
    }
}

fn emptied(value: &Value) -> Value {
    match value {
        Value::Object(_) => Value::Object(Map::new()),
        Value::Array(_) => Value::Array(Vec::new()),
        Value::String(_) => String::new().into(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use nodelock::{LicenseId, Timestamp, authority::LicenseTerms};
    use serde_json::json;

    use super::Said;

    fn said(value: serde_json::Value) -> Said {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn the_upper_layer_goes_before_the_lower_and_what_nobody_says_stays() {
        let terms = LicenseTerms::new(LicenseId::from_bytes([1; 8]), "Example", 1, Timestamp::MIN);
        let day = Timestamp::MIN.plus_days(10);
        let policies = said(json!({ "lease_days": 30, "seats": 2, "expires_days": 5 }));
        let template = said(json!({ "seats": 3, "deactivations": 3, "expires_days": 20 }));
        let sold = said(json!({ "deactivations": null, "expires": day.unix_seconds() }));
        let layers = sold.over(&template.over(&policies.over(&Said::standard())));
        let applied = layers.apply(&terms, Timestamp::MIN).unwrap();
        assert_eq!((applied.seats, applied.lease_days, applied.deactivations), (3, Some(30), None));
        assert_eq!((applied.expires, applied.margin_days), (Some(day), Some(14)));
        let applied = template.over(&Said::standard()).apply(&terms, day).unwrap();
        assert_eq!(applied.expires, Some(day.plus_days(20)));
        let endless = said(json!({ "expires_days": null })).over(&sold);
        assert_eq!(endless.apply(&terms, day).unwrap().expires, None);
        assert_eq!(Said::standard().apply(&terms, day).unwrap().deactivations, Some(0));
    }

    #[test]
    fn parts_of_a_policy_are_said_over_what_it_is_below() {
        let terms = LicenseTerms::new(LicenseId::from_bytes([1; 8]), "Example", 1, Timestamp::MIN);
        let weight = json!([{ "component": 6, "agree": 6, "differ": -1 }]);
        let product = said(json!({ "policy": { "weights": [], "accept": 20, "grace": 9, "grace_days": 3 } }));
        let sold = said(json!({ "grace_days": 30, "weights": weight })).over(&product);
        let applied = sold.apply(&terms, Timestamp::MIN).unwrap().policy;
        assert_eq!((applied.accept(), applied.grace(), applied.grace_days()), (20, 9, 30));
        assert_eq!(applied.weights()[0].agree(), 6);
        // All of it goes before the parts that were said below.
        let whole = product.over(&sold).apply(&terms, Timestamp::MIN).unwrap().policy;
        assert_eq!((whole.grace_days(), whole.weights().len()), (3, 0));
        // What is not said stays.
        let fewer = said(json!({ "grace_days": 0 }))
            .apply(&sold.apply(&terms, Timestamp::MIN).unwrap(), Timestamp::MIN);
        assert_eq!(
            (fewer.as_ref().unwrap().policy.grace_days(), fewer.unwrap().policy.weights().len()),
            (0, 1)
        );
        for (value, told) in [
            (json!({ "grace_days": 256 }), "grace_days is 256; 0 to 255 are allowed"),
            (json!({ "grace_days": null }), "grace_days is null; 0 to 255 are allowed"),
            (json!({ "policy": 3, "grace_days": 1 }), "policy is an object"),
        ] {
            let error = said(value).check().unwrap_err().to_string();
            assert!(error.contains(told), "{error}");
        }
    }

    #[test]
    fn what_terms_do_not_have_cannot_be_said() {
        for value in [
            json!({ "seat": 1 }),
            json!({ "seats": "one" }),
            json!({ "seats": -1 }),
            json!({ "id": "0123456789abcdef" }),
            json!({ "product": "Other" }),
            json!({ "suspended": true }),
            json!({ "starts": 0 }),
            json!({ "expires_days": "soon" }),
            json!({ "margin_days": 1 }),
            json!({ "edition": "x".repeat(65) }),
        ] {
            assert!(said(value.clone()).check().is_err(), "{value}");
        }
        said(json!({ "seats": 2, "features": [{ "name": "export" }], "metadata": [["a", "b"]] }))
            .check()
            .unwrap();
    }
}

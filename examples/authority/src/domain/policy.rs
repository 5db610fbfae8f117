//! How far a machine may change, as people and programs say it: days of grace, and what agreement and difference of a
//! component are worth.

use std::str::FromStr;

use nodelock::{
    authority::LicenseTerms,
    fingerprint::{Component, Policy, Weight},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::failure::{Failure, Result};

/// The terms of a license that stand for parts of its policy. Each is said apart, over what the policy is below.
pub(crate) const GRACE_DAYS: &str = "grace_days";
pub(crate) const WEIGHTS: &str = "weights";
/// All of it, by the name in the record of terms.
pub(crate) const POLICY: &str = "policy";

/// What a component of a fingerprint adds to the score of a machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Weight)]
pub(crate) struct WeightBody {
    /// `os_id`, `root_fs`, `hw_uuid`, `board_serial`, `disk_serial`, `mac`, `model`, `cpu` or `host_id`.
    component: String,
    /// Where it is the same. With 0 it is no sign of the hardware any more.
    #[schema(minimum = 0, maximum = 127)]
    agree: i64,
    /// Where it differs.
    #[schema(minimum = -128, maximum = 0)]
    differ: i64,
}

impl From<&Weight> for WeightBody {
    fn from(weight: &Weight) -> Self {
        let component = Component::from_number(weight.component()).map_or("", Component::name);
        Self { component: component.to_owned(), agree: weight.agree().into(), differ: weight.differ().into() }
    }
}

/// The weights of a license, in the form of calls.
pub(crate) fn weights(terms: &LicenseTerms) -> Vec<WeightBody> {
    terms.policy.weights().iter().map(WeightBody::from).collect()
}

/// The weight of a component, which is one that a policy can have.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "WeightBody")]
pub(crate) struct WeightArgument(WeightBody);

impl TryFrom<WeightBody> for WeightArgument {
    type Error = String;

    fn try_from(body: WeightBody) -> Result<Self, String> {
        let WeightBody { component, agree, differ } = &body;
        let Some(found) = Component::ALL.into_iter().find(|known| known.name() == component) else {
            let names: Vec<_> = Component::ALL.iter().map(|known| known.name()).collect();
            return Err(format!("a component is one of {}", names.join(", ")));
        };
        for (what, value, least, most) in [("agrees", *agree, 0, 127), ("differs", *differ, -128, 0)] {
            if !(least..=most).contains(&value) {
                return Err(format!(
                    "the weight of {} that {what} is {value}; {least} to {most} are allowed",
                    found.name()
                ));
            }
        }
        Ok(Self(body))
    }
}

impl FromStr for WeightArgument {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = "COMPONENT=AGREE/DIFFER is expected, such as mac=6/-1";
        let (component, worth) = text.split_once('=').ok_or(form)?;
        let (agree, differ) = worth.split_once('/').ok_or(form)?;
        let number = |text: &str| text.parse::<i64>().map_err(|_| form);
        let (agree, differ) = (number(agree)?, number(differ)?);
        WeightBody { component: component.to_owned(), agree, differ }.try_into()
    }
}

/// Weights in the form of a record. Fails with [`Failure::Usage`] for two of one component.
pub(crate) fn to_record(weights: &[WeightArgument]) -> Result<Value> {
    let mut record = Vec::new();
    for (place, WeightArgument(weight)) in weights.iter().enumerate() {
        let is_same = |WeightArgument(other): &WeightArgument| other.component == weight.component;
        if weights[..place].iter().any(is_same) {
            return Err(Failure::Usage(format!("there are two weights of {}", weight.component)));
        }
        let component = Component::ALL.into_iter().find(|known| known.name() == weight.component);
        let number = component.map(Component::number);
        record.push(json!({ "component": number, "agree": weight.agree, "differ": weight.differ }));
    }
    Ok(record.into())
}

/// A weight of a record in the form of calls. What is none is the server's to refuse.
pub(crate) fn of_record(weight: &Value) -> Value {
    let mut weight = weight.clone();
    let number = weight["component"].as_u64().and_then(|number| u8::try_from(number).ok());
    if let Some(component) = number.and_then(Component::from_number) {
        weight["component"] = component.name().into();
    }
    weight
}

/// Puts what is said of its parts over a policy in a record.
pub(crate) fn overlay(policy: &mut Value, name: &str, value: &Value) -> Result<(), String> {
    if policy.is_null() {
        *policy = serde_json::to_value(Policy::default()).map_err(|error| error.to_string())?;
    }
    if name == GRACE_DAYS && value.as_u64().is_none_or(|days| days > u8::MAX.into()) {
        return Err(format!("{GRACE_DAYS} is {value}; 0 to {} are allowed", u8::MAX));
    }
    match policy.as_object_mut() {
        Some(policy) => drop(policy.insert(name.to_owned(), value.clone())),
        None => return Err(format!("{POLICY} is an object")),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::WeightArgument;

    #[test]
    fn what_is_no_weight_is_told_with_what_is_one() {
        for (typed, told) in [
            ("mac", "mac=6/-1"),
            ("mac=6", "mac=6/-1"),
            ("mac=a/b", "mac=6/-1"),
            ("nic=6/-1", "os_id, root_fs"),
            ("mac=128/-1", "mac that agrees is 128; 0 to 127"),
            ("mac=-1/-1", "mac that agrees is -1; 0 to 127"),
            ("mac=6/1", "mac that differs is 1; -128 to 0"),
            ("mac=6/-129", "mac that differs is -129; -128 to 0"),
        ] {
            let error = typed.parse::<WeightArgument>().unwrap_err();
            assert!(error.contains(told), "{typed}: {error}");
        }
        for typed in ["mac=0/0", "cpu=127/-128", "host_id=16/-16"] {
            typed.parse::<WeightArgument>().unwrap();
        }
    }
}

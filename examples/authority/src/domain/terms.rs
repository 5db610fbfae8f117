//! Terms as people and programs give them: some of them, each under a name of its own. One record for all fronts: the
//! options of a command, and the members of a call.

use std::{collections::BTreeMap, str::FromStr};

use clap::{Args, ValueEnum};
use nodelock::{
    Feature, LicenseId, Timestamp,
    authority::{ApprovalPolicy, LicenseTerms, SeatListing},
};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    Said,
    policy::{self, WeightArgument, WeightBody},
};
use crate::failure::{Failure, Result};

/// What is told of a license's seats.
#[derive(Clone, Copy, ValueEnum, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Listed {
    /// Nothing but when the next one lapses
    None,
    /// The name of each, the day of its last contact, and when it lapses
    Dates,
    /// What its computer is called, too
    Labels,
}

impl From<Listed> for SeatListing {
    fn from(listed: Listed) -> Self {
        match listed {
            Listed::None => Self::None,
            Listed::Dates => Self::Dates,
            Listed::Labels => Self::Labels,
        }
    }
}

/// Whether activations wait for the vendor's approval.
#[derive(Clone, Copy, ValueEnum, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Approving {
    /// None does
    None,
    /// Each one does; what takes the place of a seat of its own computer is none
    Required,
}

impl From<Approving> for ApprovalPolicy {
    fn from(approving: Approving) -> Self {
        match approving {
            Approving::None => Self::None,
            Approving::Required => Self::Required,
        }
    }
}

/// Terms of a license. What is left out is not said.
#[derive(Default, Args, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SaidTerms {
    /// How many machines may hold a seat at a time
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    #[schema(minimum = 1, nullable = false)]
    seats: Option<u32>,
    #[arg(long, value_name = "NAME")]
    #[schema(nullable = false)]
    edition: Option<String>,
    /// What it entitles to, with a limit and an end if it has them; may be given several times. These are all
    #[arg(long = "feature", value_name = "NAME[=LIMIT][@DATE]")]
    #[schema(value_type = Vec<FeatureBody>, required = false)]
    features: Option<Vec<FeatureArgument>>,
    /// The first day or second at which it is no longer valid
    #[arg(long, value_name = "DATE|none")]
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, format = "date-time")]
    expires: Option<End>,
    /// How many days it is valid, from its sale on
    #[arg(long, value_name = "N|none", conflicts_with = "expires")]
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<u32>)]
    expires_days: Option<Limit>,
    /// How many days a machine may use it, from its first activation of any trial of the product on
    #[arg(long, value_name = "N|none")]
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<u32>)]
    trial_days: Option<Limit>,
    /// How many days a device may go without a renewal; without a lease nothing can be undone from afar
    #[arg(long, value_name = "N|none")]
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<u32>)]
    lease_days: Option<Limit>,
    /// The same for a machine that has nothing to be known by: 14 unless it is said
    #[arg(long, value_name = "N|none")]
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<u32>)]
    unbindable_lease_days: Option<Limit>,
    /// How many days a seat counts beyond the end of its lease, at least 3; `none` keeps it until somebody gives it
    /// back
    #[arg(long, value_name = "N|none")]
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<u32>)]
    margin_days: Option<Limit>,
    /// How often within 365 days a machine that is installed again may take its own seat when none is free; `none` is
    /// 5, or 1 without a lease
    #[arg(long, value_name = "N|none")]
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<u32>)]
    reinstalls: Option<Limit>,
    /// How many seats a customer may replace within 365 days when none is free; `none` is 1, or 0 without a lease
    #[arg(long, value_name = "N|none")]
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<u32>)]
    replace: Option<Limit>,
    /// What a refusal for want of a seat tells of the seats to whoever has the license key
    #[arg(long, value_name = "WHAT")]
    #[schema(nullable = false)]
    seat_list: Option<Listed>,
    /// A machine that is installed again takes its own seat also when another one is free
    #[arg(long, num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    #[schema(nullable = false)]
    one_seat_per_machine: Option<bool>,
    /// Virtual machines and containers take their own seats, too, though they are copied with what they are known by
    #[arg(long, num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    #[schema(nullable = false)]
    virtual_reinstalls: Option<bool>,
    /// Versions released later are not covered
    #[arg(long, value_name = "DATE|none")]
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, format = "date-time")]
    updates_until: Option<End>,
    /// How many deactivations return a seat to the pool: 0 unless the product says otherwise
    #[arg(long, value_name = "N|none")]
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<u32>)]
    deactivations: Option<Limit>,
    /// How many activations there may be; what takes the place of a seat of its own computer is none
    #[arg(long, value_name = "N|none")]
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<u32>)]
    activations: Option<Limit>,
    /// How many days a period of both allowances has, each with the whole of them again; `none` is one for the whole
    /// life
    #[arg(long, value_name = "N|none")]
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<u32>)]
    period_days: Option<Limit>,
    /// How many days a machine that has changed may go on until it is renewed
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(..=255))]
    #[schema(maximum = 255, nullable = false)]
    grace_days: Option<u32>,
    /// What a component of the fingerprint adds to the score that agrees or differs, in place of what it is otherwise;
    /// may be given several times. These are all
    #[arg(long = "weight", value_name = "COMPONENT=AGREE/DIFFER")]
    #[schema(value_type = Vec<WeightBody>, required = false)]
    weights: Option<Vec<WeightArgument>>,
    /// Whether each activation waits until it is approved
    #[arg(long, value_name = "WHEN")]
    #[schema(nullable = false)]
    approval: Option<Approving>,
    /// Whatever else the application is told; may be given several times. These are all
    #[arg(long, value_name = "NAME=VALUE")]
    #[serde(default, deserialize_with = "pairs")]
    #[schema(value_type = BTreeMap<String, String>, required = false)]
    metadata: Option<Vec<Pair>>,
    /// Any other of the terms, by its name in their record, as JSON; may be given several times
    #[arg(long, value_name = "NAME=JSON")]
    #[serde(skip)]
    set: Vec<Set>,
}

/// Tells a member that is null from one that is not there.
pub(crate) fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(of: D) -> Result<Option<T>, D::Error> {
    T::deserialize(of).map(Some)
}

fn pairs<'de, D: Deserializer<'de>>(of: D) -> Result<Option<Vec<Pair>>, D::Error> {
    let pairs = BTreeMap::<String, String>::deserialize(of)?;
    Ok(Some(pairs.into_iter().map(|(name, value)| Pair(name, value)).collect()))
}

impl SaidTerms {
    /// What is said. Fails with [`Failure::Usage`] for two ends, and for two weights of one component.
    pub(crate) fn said(&self) -> Result<Said> {
        if self.expires.is_some() && self.expires_days.is_some() {
            return Err(Failure::Usage("a license ends on a date, or so many days after its sale".into()));
        }
        let mut terms = LicenseTerms::new(LicenseId::NONE, "", 1, Timestamp::MIN);
        let mut names = Vec::new();
        macro_rules! say {
            ($($name:ident = $value:expr),*) => {$(
                if let Some(typed) = &self.$name {
                    terms.$name = $value(typed);
                    names.push(stringify!($name));
                }
            )*};
        }
        say!(
            seats = |seats: &u32| *seats,
            edition = String::clone,
            features = |features: &Vec<FeatureArgument>| features.iter().map(|of| of.0.clone()).collect(),
            expires = |end: &End| end.0,
            trial_days = |limit: &Limit| limit.0,
            lease_days = |limit: &Limit| limit.0,
            unbindable_lease_days = |limit: &Limit| limit.0,
            margin_days = |limit: &Limit| limit.0,
            reinstalls = |limit: &Limit| limit.0,
            replace = |limit: &Limit| limit.0,
            seat_list = |listed: &Listed| (*listed).into(),
            one_seat_per_machine = |is_so: &bool| *is_so,
            virtual_reinstalls = |is_so: &bool| *is_so,
            updates_until = |end: &End| end.0,
            deactivations = |limit: &Limit| limit.0,
            activations = |limit: &Limit| limit.0,
            period_days = |limit: &Limit| limit.0,
            approval = |approving: &Approving| (*approving).into(),
            metadata = |pairs: &Vec<Pair>| pairs.iter().map(|of| (of.0.clone(), of.1.clone())).collect()
        );
        let mut said = Said::of(&terms, &names)?;
        if let Some(days) = self.expires_days {
            said.say_expires_days(days.0);
        }
        // Saying all of the policy unsays its parts, so it comes before them.
        let (policies, others): (Vec<_>, Vec<_>) =
            self.set.iter().partition(|Set(name, _)| name == policy::POLICY);
        for Set(name, value) in policies {
            said.say(name, value.clone());
        }
        if let Some(days) = self.grace_days {
            said.say(policy::GRACE_DAYS, days.into());
        }
        if let Some(weights) = &self.weights {
            said.say(policy::WEIGHTS, policy::to_record(weights)?);
        }
        for Set(name, value) in others {
            said.say(name, value.clone());
        }
        Ok(said)
    }
}

/// A number, or none for no limit: `none` where it is typed, null in JSON.
#[derive(Clone, Copy, Deserialize)]
pub(crate) struct Limit(Option<u32>);

impl FromStr for Limit {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "none" => Ok(Self(None)),
            _ => text.parse().map(|number| Self(Some(number))).map_err(|_| "a number or `none` is expected"),
        }
    }
}

/// A date, or none for no end: `none` where it is typed, null in JSON.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "Option<String>")]
pub(crate) struct End(Option<Timestamp>);

impl TryFrom<Option<String>> for End {
    type Error = nodelock::Error;

    fn try_from(text: Option<String>) -> Result<Self, Self::Error> {
        text.as_deref().map(str::parse).transpose().map(Self)
    }
}

impl FromStr for End {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "none" => Ok(Self(None)),
            _ => text.parse().map(|date| Self(Some(date))).map_err(|_| "a date or `none` is expected"),
        }
    }
}

#[derive(Clone, Deserialize)]
#[serde(try_from = "FeatureBody")]
pub(crate) struct FeatureArgument(Feature);

/// What a license entitles to.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Feature)]
pub(crate) struct FeatureBody {
    name: String,
    /// None is without limit.
    #[serde(default)]
    limit: Option<u64>,
    #[serde(default)]
    #[schema(format = "date-time")]
    expires: Option<String>,
}

impl From<&Feature> for FeatureBody {
    fn from(feature: &Feature) -> Self {
        let expires = feature.expires.map(|end| end.to_string());
        Self { name: feature.name.clone(), limit: feature.limit, expires }
    }
}

impl TryFrom<FeatureBody> for FeatureArgument {
    type Error = nodelock::Error;

    fn try_from(body: FeatureBody) -> Result<Self, Self::Error> {
        let mut feature = Feature::new(body.name);
        feature.limit = body.limit;
        feature.expires = body.expires.as_deref().map(str::parse).transpose()?;
        Ok(Self(feature))
    }
}

impl FromStr for FeatureArgument {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (rest, expires) = match text.split_once('@') {
            Some((rest, date)) => (rest, Some(date.parse().map_err(|_| "a date is expected after `@`")?)),
            None => (text, None),
        };
        let (name, limit) = match rest.split_once('=') {
            Some((name, limit)) => (name, Some(limit.parse().map_err(|_| "a number is expected after `=`")?)),
            None => (rest, None),
        };
        if name.is_empty() {
            return Err("a feature has a name");
        }
        let mut feature = Feature::new(name);
        (feature.limit, feature.expires) = (limit, expires);
        Ok(Self(feature))
    }
}

#[derive(Clone)]
pub(crate) struct Pair(String, String);

impl FromStr for Pair {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, value) = text.split_once('=').ok_or("name=value is expected")?;
        Ok(Self(name.to_owned(), value.to_owned()))
    }
}

/// One of the terms by its name, with its value as the record has it.
#[derive(Clone)]
struct Set(String, Value);

impl FromStr for Set {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, value) = text.split_once('=').ok_or("name=JSON is expected")?;
        let value = serde_json::from_str(value).map_err(|error| format!("no JSON: {error}"))?;
        Ok(Self(name.to_owned(), value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a license says that is no term: it has calls of its own, or none. How far a machine may change is JSON.
    const OTHERS: [&str; 6] = ["id", "product", "licensee", "starts", "policy", "suspended"];

    #[test]
    fn each_term_that_a_license_has_can_be_said() {
        let terms = LicenseTerms::new(LicenseId::NONE, "", 1, Timestamp::MIN);
        let record = serde_json::to_value(terms).unwrap();
        for name in record.as_object().unwrap().keys().filter(|name| !OTHERS.contains(&name.as_str())) {
            let said = serde_json::from_value::<SaidTerms>(serde_json::json!({ name: null }));
            let unknown = said.err().is_some_and(|error| error.to_string().contains("unknown field"));
            assert!(!unknown, "{name} is no term");
        }
    }
}

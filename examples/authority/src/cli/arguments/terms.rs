//! Terms as they can be typed: some of them, each by an option of its own.

use std::str::FromStr;

use clap::{Args, ValueEnum};
use nodelock::{
    Feature, LicenseId, Timestamp,
    authority::{LicenseTerms, SeatListing},
};
use serde_json::Value;

use crate::{domain::Said, failure::Result};

/// What is told of a license's seats.
#[derive(Clone, Copy, ValueEnum)]
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

#[derive(Args)]
pub(crate) struct SaidTerms {
    /// How many machines may hold a seat at a time
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    seats: Option<u32>,
    #[arg(long, value_name = "NAME")]
    edition: Option<String>,
    /// What it entitles to, with a limit and an end if it has them; may be given several times. These are all
    #[arg(long = "feature", value_name = "NAME[=LIMIT][@DATE]")]
    features: Option<Vec<FeatureArgument>>,
    /// The first day or second at which it is no longer valid
    #[arg(long, value_name = "DATE|none")]
    expires: Option<End>,
    /// How many days it is valid, from its sale on
    #[arg(long, value_name = "N|none", conflicts_with = "expires")]
    expires_days: Option<Limit>,
    /// How many days a machine may use it, from its first activation of any trial of the product on
    #[arg(long, value_name = "N|none")]
    trial_days: Option<Limit>,
    /// How many days a device may go without a renewal; without a lease nothing can be undone from afar
    #[arg(long, value_name = "N|none")]
    lease_days: Option<Limit>,
    /// How many days a seat counts beyond the end of its lease, at least 3; `none` keeps it until somebody gives it
    /// back
    #[arg(long, value_name = "N|none")]
    margin_days: Option<Limit>,
    /// How often within 365 days a machine that is installed again may take its own seat when none is free; `none` is
    /// 5, or 1 without a lease
    #[arg(long, value_name = "N|none")]
    reinstalls: Option<Limit>,
    /// How many seats a customer may replace within 365 days when none is free; `none` is 1, or 0 without a lease
    #[arg(long, value_name = "N|none")]
    replace: Option<Limit>,
    /// What a refusal for want of a seat tells of the seats to whoever has the license key
    #[arg(long, value_name = "WHAT")]
    seat_list: Option<Listed>,
    /// A machine that is installed again takes its own seat also when another one is free
    #[arg(long, num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    one_seat_per_machine: Option<bool>,
    /// Versions released later are not covered
    #[arg(long, value_name = "DATE|none")]
    updates_until: Option<End>,
    /// How many deactivations return a seat to the pool: 0 unless the product says otherwise
    #[arg(long, value_name = "N|none")]
    deactivations: Option<Limit>,
    /// How many activations there may be; what takes the place of a seat of its own computer is none
    #[arg(long, value_name = "N|none")]
    activations: Option<Limit>,
    /// How many days a period of both allowances has, each with the whole of them again; `none` is one for the whole
    /// life
    #[arg(long, value_name = "N|none")]
    period_days: Option<Limit>,
    /// Whatever else the application is told; may be given several times. These are all
    #[arg(long, value_name = "NAME=VALUE")]
    metadata: Option<Vec<Pair>>,
    /// Any other of the terms, by its name in their record, as JSON; may be given several times
    #[arg(long, value_name = "NAME=JSON")]
    set: Vec<Set>,
}

impl SaidTerms {
    /// What was typed.
    pub(crate) fn said(&self) -> Result<Said> {
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
            margin_days = |limit: &Limit| limit.0,
            reinstalls = |limit: &Limit| limit.0,
            replace = |limit: &Limit| limit.0,
            seat_list = |listed: &Listed| (*listed).into(),
            one_seat_per_machine = |is_so: &bool| *is_so,
            updates_until = |end: &End| end.0,
            deactivations = |limit: &Limit| limit.0,
            activations = |limit: &Limit| limit.0,
            period_days = |limit: &Limit| limit.0,
            metadata = |pairs: &Vec<Pair>| pairs.iter().map(|of| (of.0.clone(), of.1.clone())).collect()
        );
        let mut said = Said::of(&terms, &names)?;
        if let Some(days) = self.expires_days {
            said.say_expires_days(days.0);
        }
        for Set(name, value) in &self.set {
            said.say(name, value.clone());
        }
        Ok(said)
    }
}

/// A number, or `none` for no limit.
#[derive(Clone, Copy)]
pub(crate) struct Limit(pub(crate) Option<u32>);

impl FromStr for Limit {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "none" => Ok(Self(None)),
            _ => text.parse().map(|number| Self(Some(number))).map_err(|_| "a number or `none` is expected"),
        }
    }
}

/// A date, or `none` for no end.
#[derive(Clone, Copy)]
pub(crate) struct End(pub(crate) Option<Timestamp>);

impl FromStr for End {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "none" => Ok(Self(None)),
            _ => text.parse().map(|date| Self(Some(date))).map_err(|_| "a date or `none` is expected"),
        }
    }
}

#[derive(Clone)]
pub(crate) struct FeatureArgument(pub(crate) Feature);

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
pub(crate) struct Pair(pub(crate) String, pub(crate) String);

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

//! What can be typed about licenses.

use std::{path::PathBuf, str::FromStr};

use clap::{Args, Subcommand, ValueEnum};
use nodelock::{
    Feature, LicenseId, Timestamp,
    authority::{Allowance, SeatListing},
};

#[derive(Subcommand)]
pub(crate) enum LicenseCommand {
    /// Sell licenses, and print their keys: they are shown this once
    ///
    /// The keys are written before the licenses are stored, so that none is sold whose key nobody has. A key that was
    /// written is valid once this ends with exit code 0.
    New(Box<NewLicense>),
    /// Show all licenses
    List,
    /// Change what was sold; devices hear of it when they check in
    ///
    /// Nobody loses a seat, also when there are fewer seats now: no other seat is given until the count fits.
    Edit {
        id: LicenseId,
        #[command(flatten)]
        terms: Box<EditedTerms>,
    },
    /// Give a license a new key, and print it; the old key activates nothing any more, and devices keep their seats
    Rekey(Rekey),
    /// Let a license use an allowance up anew, or grant extra ones until its next period
    ///
    /// The same again changes nothing. Seats stay as they are: one that is held is returned by `return`.
    Reset(Reset),
    /// Issue nothing for a license until it is resumed; seats can still be given up
    Suspend { id: LicenseId },
    /// Let a suspended license go on
    Resume { id: LicenseId },
}

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
pub(crate) struct NewLicense {
    /// Who licensed the product
    #[arg(long, value_name = "NAME")]
    pub(crate) licensee: String,
    /// How many machines may hold a seat at a time
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) seats: u32,
    #[arg(long, value_name = "NAME", default_value = "")]
    pub(crate) edition: String,
    /// What it entitles to, with a limit and an end if it has them; may be given several times
    #[arg(long = "feature", value_name = "NAME[=LIMIT][@DATE]")]
    pub(crate) features: Vec<FeatureArgument>,
    /// The first day or second at which it is no longer valid [default: perpetual]
    #[arg(long, value_name = "DATE")]
    pub(crate) expires: Option<Timestamp>,
    /// How many days a device may go without a renewal; without a lease nothing can be undone from afar
    #[arg(long, value_name = "N|none", default_value = "90")]
    pub(crate) lease_days: Limit,
    /// How many days a seat counts beyond the end of its lease, at least 3; `none` keeps it until somebody gives it
    /// back
    #[arg(long, value_name = "N|none", default_value = "14")]
    pub(crate) margin_days: Limit,
    /// How often within 365 days a machine that is installed again may take its own seat when none is free [default: 5,
    /// or 1 without a lease]
    #[arg(long, value_name = "N")]
    pub(crate) reinstalls: Option<u32>,
    /// How many seats a customer may replace within 365 days when none is free [default: 1, or 0 without a lease]
    #[arg(long, value_name = "N")]
    pub(crate) replace: Option<u32>,
    /// What a refusal for want of a seat tells of the seats to whoever has the license key
    #[arg(long, value_name = "WHAT", default_value = "dates")]
    pub(crate) seat_list: Listed,
    /// A machine that is installed again takes its own seat also when another one is free
    #[arg(long)]
    pub(crate) one_seat_per_machine: bool,
    /// Versions released later are not covered [default: all are]
    #[arg(long, value_name = "DATE")]
    pub(crate) updates_until: Option<Timestamp>,
    /// How many deactivations return a seat to the pool
    #[arg(long, value_name = "N|none", default_value = "none")]
    pub(crate) deactivations: Limit,
    /// How many activations there may be; what takes the place of a seat of its own computer is none
    #[arg(long, value_name = "N|none", default_value = "none")]
    pub(crate) activations: Limit,
    /// How many days a period has, each with the whole allowance of activations and deactivations again [default: one
    /// for the whole life]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) period_days: Option<u32>,
    /// Whatever else the application is told; may be given several times
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) metadata: Vec<Pair>,
    /// A license key that exists already [default: a new one]
    #[arg(long, value_name = "KEY", conflicts_with_all = ["count", "keys_out"])]
    pub(crate) key: Option<String>,
    /// How many such licenses, each with a key of its own: for a reseller, say
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) count: u32,
    /// The id of the order in the vendor's shop: the same order again sells nothing, shows the licenses without their
    /// keys, and ends with exit code 3
    #[arg(long, value_name = "ID", value_parser = order)]
    pub(crate) order: Option<String>,
    #[command(flatten)]
    pub(crate) keys_out: KeysOut,
}

#[derive(Args)]
pub(crate) struct KeysOut {
    /// Write license ids and keys to this new file instead, a line each; it is on the disk before anything is sold
    #[arg(long = "keys-out", id = "keys_out", value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
}

#[derive(Args)]
#[group(required = true, multiple = true)]
pub(crate) struct EditedTerms {
    /// How many machines may hold a seat at a time
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) seats: Option<u32>,
    /// The first day or second at which it is no longer valid
    #[arg(long, value_name = "DATE|none")]
    pub(crate) expires: Option<End>,
    /// How many days a device may go without a renewal
    #[arg(long, value_name = "N|none")]
    pub(crate) lease_days: Option<Limit>,
    /// How many days a seat counts beyond the end of its lease, at least 3; `none` keeps it until somebody gives it
    /// back
    #[arg(long, value_name = "N|none")]
    pub(crate) margin_days: Option<Limit>,
    /// How many deactivations return a seat to the pool
    #[arg(long, value_name = "N|none")]
    pub(crate) deactivations: Option<Limit>,
    /// How many activations there may be
    #[arg(long, value_name = "N|none")]
    pub(crate) activations: Option<Limit>,
    /// How many days a period of both allowances has; `none` is one for the whole life
    #[arg(long, value_name = "N|none")]
    pub(crate) period_days: Option<Limit>,
    /// Versions released later are not covered
    #[arg(long, value_name = "DATE|none")]
    pub(crate) updates_until: Option<End>,
    #[arg(long, value_name = "NAME")]
    pub(crate) edition: Option<String>,
    /// What it entitles to, in place of all that it entitled to before; may be given several times
    #[arg(long = "feature", value_name = "NAME[=LIMIT][@DATE]")]
    pub(crate) features: Option<Vec<FeatureArgument>>,
}

#[derive(Args)]
pub(crate) struct Reset {
    pub(crate) id: LicenseId,
    /// Which allowance
    pub(crate) allowance: Counted,
    /// So many extra ones, in place of those that were granted before; what was used up stays used up
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) extra: Option<u32>,
    /// Why, for the audit
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
}

/// What is counted of a license.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Counted {
    /// New computers, and the same ones after they were given back
    Activations,
    /// Seats that were given back
    Deactivations,
}

impl From<Counted> for Allowance {
    fn from(counted: Counted) -> Self {
        match counted {
            Counted::Activations => Self::Activations,
            Counted::Deactivations => Self::Deactivations,
        }
    }
}

#[derive(Args)]
pub(crate) struct Rekey {
    pub(crate) id: LicenseId,
    /// A license key that exists already [default: a new one]
    #[arg(long, value_name = "KEY", conflicts_with = "keys_out")]
    pub(crate) key: Option<String>,
    #[command(flatten)]
    pub(crate) keys_out: KeysOut,
}

/// An id as a shop has them: something on one line.
fn order(text: &str) -> Result<String, &'static str> {
    let is_line = !text.trim().is_empty() && !text.chars().any(char::is_control);
    if is_line && text.len() <= 200 {
        Ok(text.to_owned())
    } else {
        Err("an id of at most 200 bytes on one line is expected")
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

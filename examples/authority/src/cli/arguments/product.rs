//! What can be typed about products.

use std::str::FromStr;

use clap::{Args, Subcommand};
use nodelock::LicenseId;

use super::product;
use crate::domain::{ProductId, RetentionChange, SaidTerms};

#[derive(Subcommand)]
pub(crate) enum ProductCommand {
    /// Enter another product, with keys of its own in a folder among the keys
    New {
        /// As licenses and requests name it; it never changes
        #[arg(long, value_name = "NAME")]
        name: String,
        /// Its short name, for commands and paths [default: made of the name]
        #[arg(long, value_name = "ID", value_parser = product)]
        id: Option<ProductId>,
        /// For keys that are there already: a restored ledger has lost their product
        #[arg(long)]
        keep_keys: bool,
        #[command(flatten)]
        terms: Box<SaidTerms>,
    },
    /// Show all products
    List,
    /// Show one product, and what is sold of it
    Show {
        /// [default: the only one]
        #[arg(value_name = "ID", value_parser = product)]
        id: Option<ProductId>,
    },
    /// Change what is sold of a product from now on, where the sale does not say otherwise
    Edit {
        /// [default: the only one]
        #[arg(value_name = "ID", value_parser = product)]
        id: Option<ProductId>,
        /// Only if this revision is the latest
        #[arg(long, value_name = "N")]
        if_version: Option<u32>,
        /// Whether keys of its licenses are kept, encrypted, so that they can be sent again [at first: true]. Where
        /// they are not, the copies go
        #[arg(long, value_name = "BOOL")]
        keeps_keys: Option<bool>,
        /// Of which license a request without a license key gets a trial [at first: none]
        #[arg(long, value_name = "ID|none")]
        trial_license: Option<TrialLicense>,
        /// That copies which go do not come back is known
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        edited: Box<EditedTerms>,
    },
}

/// A license, or `none`.
#[derive(Clone, Copy)]
pub(crate) struct TrialLicense(pub(crate) Option<LicenseId>);

impl FromStr for TrialLicense {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "none" => Ok(Self(None)),
            _ => {
                text.parse().map(|id| Self(Some(id))).map_err(|_| "the id of a license or `none` is expected")
            }
        }
    }
}

#[derive(Subcommand)]
pub(crate) enum PolicyCommand {
    /// Show what holds for every product that does not say otherwise
    Show,
    /// Change what holds for every product that does not say otherwise, from now on
    Edit {
        /// Only if they are still of this version, which `policy show --json` says
        #[arg(long, value_name = "N")]
        if_version: Option<u32>,
        #[command(flatten)]
        edited: Box<EditedTerms>,
    },
    /// Show for how many days what is personal is kept, or change it: a server lets it go once a day, as `prune` does
    Retention(RetentionArguments),
}

#[derive(Args)]
pub(crate) struct RetentionArguments {
    /// Addresses and persons in the audit, whose lines stay [at first: 365]
    #[arg(long, value_name = "N")]
    audit_days: Option<u32>,
    /// Proofs and codes for seats that nobody has asked for [at first: 730]
    #[arg(long, value_name = "N")]
    evidence_days: Option<u32>,
    /// The digests of the check-ins of a seat, after its end [at first: 365]
    #[arg(long, value_name = "N")]
    check_in_days: Option<u32>,
    /// What devices were refused [at first: 90]
    #[arg(long, value_name = "N")]
    refusal_days: Option<u32>,
}

impl From<&RetentionArguments> for RetentionChange {
    fn from(arguments: &RetentionArguments) -> Self {
        let RetentionArguments { audit_days, evidence_days, check_in_days, refusal_days } = *arguments;
        Self { audit_days, evidence_days, check_in_days, refusal_days }
    }
}

#[derive(Args)]
pub(crate) struct EditedTerms {
    #[command(flatten)]
    pub(crate) terms: SaidTerms,
    /// Say nothing of one of the terms any more, by its name in their record; may be given several times
    #[arg(long, value_name = "NAME")]
    pub(crate) unset: Vec<String>,
}

impl EditedTerms {
    /// Whether nothing is to change.
    pub(crate) fn is_empty(&self) -> bool {
        self.unset.is_empty() && self.terms.said().is_ok_and(|said| said.is_empty())
    }
}

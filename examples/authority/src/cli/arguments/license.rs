//! What can be typed about licenses.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use nodelock::{LicenseId, Timestamp, authority::Allowance};

use super::{Filtered, product};
use crate::{
    domain::{CustomerId, ProductId, SaidTerms, check_order_id},
    failure::{Failure, Result},
    service::Extension,
};

#[derive(Subcommand)]
pub(crate) enum Licenses {
    #[command(flatten)]
    AtDesk(LicenseCommand),
    #[command(flatten)]
    AtWork(LicenseAct),
}

/// What is done where a service is at work: it is decided, and signed for.
#[derive(Subcommand)]
pub(crate) enum LicenseAct {
    /// Release every seat of a license; its key activates again
    ///
    /// On a terminal it asks first. Each seat can be taken back by `unrelease` while its machine has not heard of it.
    /// With --json each seat has its revocation; `release` once more writes that of one seat.
    Deactivate {
        id: LicenseId,
        /// Why, in words that the customer will read
        #[arg(long, value_name = "TEXT", required_unless_present = "dry_run")]
        reason: Option<String>,
        /// Do not ask
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        trying: Trying,
    },
    /// Let a license use an allowance up anew, or grant extra ones until its next period
    ///
    /// The same again changes nothing. Seats stay as they are: one that is held is returned by `return`.
    Reset(Reset),
}

/// What is done in the ledger alone.
#[derive(Subcommand)]
pub(crate) enum LicenseCommand {
    /// Sell licenses, and print their keys
    ///
    /// The keys are written before the licenses are stored, so that none is sold whose key nobody has. A key that was
    /// written is valid once this ends with exit code 0.
    New(Box<NewLicense>),
    /// Show licenses
    List {
        /// Of this customer only
        #[arg(long, value_name = "ID")]
        customer: Option<CustomerId>,
        #[command(flatten)]
        filtered: Filtered,
    },
    /// Show one license, with its keys and all that it ever said
    Show { id: LicenseId },
    /// Find the licenses of a key by its end, which people read out
    Find {
        /// The last group, as lists show it
        #[arg(long, value_name = "TEXT")]
        hint: String,
    },
    /// Change what was sold; devices hear of it when they check in
    ///
    /// Nobody loses a seat, also when there are fewer seats now: no other seat is given until the count fits.
    Edit {
        id: LicenseId,
        /// Whose it is from now on; what it says of its licensee stays
        #[arg(long, value_name = "ID")]
        customer: Option<CustomerId>,
        #[command(flatten)]
        terms: Box<SaidTerms>,
        #[command(flatten)]
        changing: Changes,
    },
    /// Move the end of a license to a later time
    Extend {
        id: LicenseId,
        #[command(flatten)]
        by: ExtendBy,
        #[command(flatten)]
        changing: Changes,
    },
    /// Give a license a new key, and print it; the old ones activate nothing any more, and devices keep their seats
    Rekey {
        #[command(flatten)]
        new: NewKey,
        /// In place of the key with this end alone [default: of all of them]
        #[arg(long, value_name = "TEXT")]
        hint: Option<String>,
    },
    /// Give a license one key more, and print it
    AddKey(NewKey),
    /// Have a key activate nothing any more; devices keep their seats
    RevokeKey {
        id: LicenseId,
        /// The end of the key
        #[arg(long, value_name = "TEXT")]
        hint: String,
    },
    /// Print a key once more, to send it again; that is noted
    ShowKey {
        id: LicenseId,
        /// The end of the key [default: the only one]
        #[arg(long, value_name = "TEXT")]
        hint: Option<String>,
    },
    /// Have its customer be mailed a key; nobody else sees it, and that is noted
    SendKey {
        id: LicenseId,
        /// The end of the key [default: the only one]
        #[arg(long, value_name = "TEXT")]
        hint: Option<String>,
    },
    /// Issue nothing for a license until it is resumed; seats can still be given up
    Suspend {
        id: LicenseId,
        #[command(flatten)]
        changing: Changes,
    },
    /// Let a suspended license go on
    Resume {
        id: LicenseId,
        #[command(flatten)]
        changing: Changes,
    },
    /// End a license for good, because it was refunded, say; seats can still be given up
    Void {
        id: LicenseId,
        /// Why, for the audit
        #[arg(long, value_name = "TEXT", default_value = "")]
        reason: String,
        /// That it cannot be undone is known
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        changing: Changes,
    },
}

/// Whether anything is done.
#[derive(Args, Clone, Copy)]
pub(crate) struct Trying {
    /// Change nothing, and show what it would come to
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Args)]
pub(crate) struct NewLicense {
    /// The product that is sold [default: the only one]
    #[arg(long, value_name = "ID", value_parser = product)]
    pub(crate) product: Option<ProductId>,
    /// Who licensed the product [default: the customer's name]
    #[arg(long, value_name = "NAME", required_unless_present = "customer")]
    pub(crate) licensee: Option<String>,
    /// The customer
    #[arg(long, value_name = "ID")]
    pub(crate) customer: Option<CustomerId>,
    /// Who sells it, for the order
    #[arg(long, value_name = "NAME", default_value = "", requires = "order")]
    pub(crate) reseller: String,
    /// Where nothing is said, the product says it, and then what holds for every product.
    #[command(flatten)]
    pub(crate) terms: SaidTerms,
    /// A license key that exists already [default: a new one]
    #[arg(long, value_name = "KEY", conflicts_with_all = ["count", "keys_out"])]
    pub(crate) key: Option<String>,
    /// How many such licenses, each with a key of its own: for a reseller, say
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) count: u32,
    /// The id of the order in the vendor's shop: the same order again sells nothing, shows the licenses without their
    /// keys, and ends with exit code 3
    #[arg(long, value_name = "ID", value_parser = check_order_id)]
    pub(crate) order: Option<String>,
    /// Have the customer be mailed the keys too; they are kept then, or nothing is sold
    #[arg(long, requires = "customer")]
    pub(crate) mail: bool,
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

/// How a license is changed.
#[derive(Args, Clone, Copy)]
pub(crate) struct Changes {
    /// Only if this version of the terms is the latest
    #[arg(long, value_name = "N")]
    pub(crate) if_version: Option<u32>,
    /// Change nothing, and show what it would come to
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
pub(crate) struct ExtendBy {
    /// So many days later than its end, or than now if that is later
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) days: Option<u32>,
    /// The first day or second at which it is no longer valid
    #[arg(long, value_name = "DATE")]
    pub(crate) until: Option<Timestamp>,
}

impl ExtendBy {
    /// Fails with [`Failure::Usage`] if it is not said.
    pub(crate) fn extension(&self) -> Result<Extension> {
        match (self.days, self.until) {
            (Some(days), _) => Ok(Extension::Days(days)),
            (None, Some(until)) => Ok(Extension::Until(until)),
            (None, None) => Err(Failure::Usage("say by how much".into())),
        }
    }
}

#[derive(Args)]
pub(crate) struct NewKey {
    pub(crate) id: LicenseId,
    /// A license key that exists already [default: a new one]
    #[arg(long, value_name = "KEY", conflicts_with = "keys_out")]
    pub(crate) key: Option<String>,
    #[command(flatten)]
    pub(crate) keys_out: KeysOut,
}

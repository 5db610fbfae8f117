//! What can be typed about licenses.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use nodelock::LicenseId;

use super::{SaidTerms, product};
use crate::domain::ProductId;

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
        terms: Box<SaidTerms>,
    },
    /// Give a license a new key, and print it; the old key activates nothing any more, and devices keep their seats
    Rekey(Rekey),
    /// Issue nothing for a license until it is resumed; seats can still be given up
    Suspend { id: LicenseId },
    /// Let a suspended license go on
    Resume { id: LicenseId },
}

#[derive(Args)]
pub(crate) struct NewLicense {
    /// The product that is sold [default: the only one]
    #[arg(long, value_name = "ID", value_parser = product)]
    pub(crate) product: Option<ProductId>,
    /// Who licensed the product
    #[arg(long, value_name = "NAME")]
    pub(crate) licensee: String,
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

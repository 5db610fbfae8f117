//! What can be typed about accounts, tokens and deployment keys.

use clap::{Args, Subcommand};
use nodelock::{LicenseId, Timestamp};

use super::product;
use crate::domain::{
    ProductId, check_name,
    rights::{Act, Role, Scope},
};

#[derive(Subcommand)]
pub(crate) enum AccountCommand {
    /// Make an account, and show its second factor and recovery codes this once
    ///
    /// The password is read from the terminal, or else from the first line of standard input.
    New {
        /// Lower-case letters, digits, dots, dashes and underscores; it stands in the audit and never changes
        #[arg(value_parser = check_name)]
        name: String,
        /// owner: everything; vendor: sells and changes; support: helps, and cannot sell; auditor: looks; reseller:
        /// sells, and sees what it sold
        #[arg(long, value_name = "ROLE")]
        role: Role,
    },
    /// Show all accounts
    List,
    /// Let somebody in no more; what they did stays under their name
    Disable {
        #[arg(value_parser = check_name)]
        name: String,
    },
    /// Let somebody in again
    Enable {
        #[arg(value_parser = check_name)]
        name: String,
    },
    /// Change the password, which is read as `new` does; whoever is signed in with the old one is signed out
    Password {
        #[arg(value_parser = check_name)]
        name: String,
    },
    /// Make a new second factor and new recovery codes, and show them this once; the old ones are void
    Totp {
        #[arg(value_parser = check_name)]
        name: String,
    },
    /// Change how often somebody may do what their role has a quota for, within 30 days
    Quota {
        #[arg(value_parser = check_name)]
        name: String,
        /// reset-counters, extend or extend-trial
        act: Act,
        /// How often, up to 1000; 0 is never [default: the usual number]
        #[arg(long, value_name = "N")]
        most: Option<u32>,
    },
    /// Change the role; quotas are the usual ones again
    Role {
        #[arg(value_parser = check_name)]
        name: String,
        role: Role,
    },
}

#[derive(Subcommand)]
pub(crate) enum TokenCommand {
    /// Make a token for a program of yours, and show it this once
    New(NewToken),
    /// Show all tokens, without their texts
    List,
    /// Make a token nobody's, from its next use on
    Revoke {
        /// As `list` shows it
        id: String,
    },
}

#[derive(Args)]
pub(crate) struct NewToken {
    /// What it is for, in your words
    #[arg(long, value_name = "TEXT", value_parser = line)]
    pub(crate) name: String,
    /// What it may do; may be given several times
    #[arg(long = "scope", value_name = "SCOPE", required = true)]
    pub(crate) scopes: Vec<Scope>,
    /// The only product that it is for [default: all]
    #[arg(long, value_name = "ID", value_parser = product)]
    pub(crate) product: Option<ProductId>,
    /// The first day or second at which it is no longer valid [default: it has no end]
    #[arg(long, value_name = "DATE")]
    pub(crate) expires: Option<Timestamp>,
}

#[derive(Subcommand)]
pub(crate) enum DeploymentKeyCommand {
    /// Make a key that takes seats of one license and does nothing else, and show it this once: for unattended
    /// installation and images
    New(NewDeploymentKey),
    /// Show all deployment keys, without their texts
    List,
    /// Make a deployment key nobody's; machines that used it keep their seats
    Revoke {
        /// As `list` shows it
        id: String,
    },
}

#[derive(Args)]
pub(crate) struct NewDeploymentKey {
    /// What it is for, in your words
    #[arg(long, value_name = "TEXT", value_parser = line)]
    pub(crate) name: String,
    /// The license that it takes seats of
    #[arg(long, value_name = "ID")]
    pub(crate) license: LicenseId,
    /// How many machines may use it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) limit: u32,
    /// The first day or second at which it is no longer valid [default: it has no end]
    #[arg(long, value_name = "DATE")]
    pub(crate) expires: Option<Timestamp>,
}

/// A short text on one line.
fn line(text: &str) -> Result<String, &'static str> {
    let is_line = !text.trim().is_empty() && !text.chars().any(char::is_control) && text.len() <= 200;
    if is_line { Ok(text.to_owned()) } else { Err("a text of at most 200 bytes on one line is expected") }
}

//! What can be typed about mails to customers.

use std::{ffi::OsString, path::PathBuf};

use clap::{Args, Subcommand, builder::RangedI64ValueParser};

use super::{Replayed, product};
use crate::domain::{Language, MAIL_DAYS, MailPolicyChange, MailTerm, Mailed, ProductId, Sender};

#[derive(Subcommand)]
pub(crate) enum MailCommand {
    /// Show what customers are mailed, from whom, and in which language, or change it
    Policy(MailPolicyArguments),
    /// Show mails, oldest first: what became of each, and to which customer it goes
    List {
        /// Only what was given up
        #[arg(long)]
        aside: bool,
        /// Only those after this event
        #[arg(long, value_name = "EVENT", default_value = "")]
        after: String,
        /// How many at most
        #[arg(long, value_name = "N", default_value_t = 1000)]
        limit: u32,
    },
    /// Send mails once more
    Replay {
        #[command(flatten)]
        which: Replayed,
    },
    /// Write the mail of a kind of event to standard output, as the program of --mail-command gets it, about nobody
    Sample {
        /// Such as license.key-sent or seat.released; a wrong one is answered with all of them
        #[arg(value_name = "KIND")]
        event: Mailed,
        /// en or de [default: that of the policy]
        #[arg(long, value_name = "LANGUAGE")]
        language: Option<Language>,
        /// Of this product [default: the only one]
        #[arg(long, value_name = "ID", value_parser = product)]
        product: Option<ProductId>,
        /// To whom
        #[arg(long, value_name = "ADDRESS", default_value = "jane@example.com", value_parser = address)]
        to: String,
    },
}

fn address(text: &str) -> Result<String, &'static str> {
    match crate::domain::is_mailable(text) {
        true => Ok(text.to_owned()),
        false => Err("an address such as jane@example.com is expected"),
    }
}

#[derive(Args)]
pub(crate) struct MailPolicyArguments {
    /// By this product for itself [default: for every product that does not say otherwise]
    #[arg(long, value_name = "ID", value_parser = product)]
    pub(crate) product: Option<ProductId>,
    /// From whom, such as `Example <sales@example.com>`
    #[arg(long, value_name = "ADDRESS")]
    from: Option<Sender>,
    /// Of a customer that has none: en or de [at first: en]
    #[arg(long, value_name = "LANGUAGE")]
    language: Option<Language>,
    /// A kind of event that customers are mailed of; may be given several times. These are all [at first: none]
    #[arg(long = "event", value_name = "KIND", conflicts_with = "no_events")]
    events: Vec<Mailed>,
    /// Mail of no event; a key is sent still when somebody asks for that
    #[arg(long)]
    no_events: bool,
    /// How many days before its end a license is said to expire, for every product [at first: 14]
    #[arg(long, value_name = "N", conflicts_with = "product", value_parser = days())]
    expiring_days: Option<u32>,
    /// How many days a mail may wait: one that waited longer is set aside and not sent [at first: 7]
    #[arg(long, value_name = "N", value_parser = days())]
    wait_days: Option<u32>,
    /// Say nothing there any more of from, language, events, expiring_days or wait_days; may be given several times
    #[arg(long, value_name = "NAME")]
    unset: Vec<MailTerm>,
}

fn days() -> RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(i64::from(*MAIL_DAYS.start())..=i64::from(*MAIL_DAYS.end()))
}

impl MailPolicyArguments {
    /// What is to change; none where nothing is.
    pub(crate) fn change(&self) -> Option<MailPolicyChange> {
        let events = (self.no_events || !self.events.is_empty()).then(|| self.events.clone());
        let (from, language, unset) = (self.from.clone(), self.language, self.unset.clone());
        let (expiring_days, wait_days) = (self.expiring_days, self.wait_days);
        let change = MailPolicyChange { from, language, events, expiring_days, wait_days, unset };
        (change != MailPolicyChange::default()).then_some(change)
    }
}

/// What takes mails to where they go.
#[derive(Args)]
pub(crate) struct MailArguments {
    /// A program that sends a mail, such as /usr/sbin/sendmail: it gets one at a time on its standard input. No shell
    /// reads this [default: no mails]
    #[arg(
        long = "mail-command",
        id = "mail_command",
        value_name = "PROGRAM",
        env = "AUTHORITY_MAIL_COMMAND"
    )]
    pub(crate) command: Option<PathBuf>,
    /// An argument of that program; may be given several times
    #[arg(
        long = "mail-argument",
        value_name = "ARGUMENT",
        allow_hyphen_values = true,
        requires = "mail_command"
    )]
    pub(crate) arguments: Vec<OsString>,
}

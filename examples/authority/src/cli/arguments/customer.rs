//! What can be typed about customers and orders.

use clap::{Args, Subcommand};

use super::{Filtered, Trying, product};
use crate::domain::{CustomerDetails, CustomerId, OrderChoice, ProductId, check_order_id};

#[derive(Subcommand)]
pub(crate) enum CustomerCommand {
    /// Enter a customer
    New {
        #[arg(long, value_name = "NAME")]
        name: String,
        #[command(flatten)]
        more: Details,
    },
    /// Show customers
    List {
        /// With this address only
        #[arg(long, value_name = "ADDRESS")]
        email: Option<String>,
        #[command(flatten)]
        filtered: Filtered,
    },
    /// Show one customer
    Show {
        #[command(flatten)]
        which: Which,
    },
    /// Change what is noted of a customer
    Edit {
        id: CustomerId,
        /// Only if this revision is the latest
        #[arg(long, value_name = "N")]
        if_version: Option<u32>,
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
        #[command(flatten)]
        more: Details,
    },
    /// Erase what is noted of a customer, because a person asked for that; ids and what proofs need stay
    ///
    /// Devices go on: the next license of each names nobody. On a terminal it asks first.
    Erase {
        id: CustomerId,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Which {
    pub(crate) id: Option<CustomerId>,
    /// By what the vendor's own system calls the customer
    #[arg(long, value_name = "ID")]
    pub(crate) external_id: Option<String>,
}

#[derive(Args)]
pub(crate) struct Details {
    #[arg(long, value_name = "ADDRESS")]
    email: Option<String>,
    /// What the vendor's own system calls the customer
    #[arg(long, value_name = "ID")]
    external_id: Option<String>,
    /// For the vendor alone: they are never signed into a license
    #[arg(long, value_name = "TEXT")]
    notes: Option<String>,
    /// Of mails to it: en or de; empty for that of the product
    #[arg(long, value_name = "LANGUAGE")]
    language: Option<String>,
}

impl Details {
    /// Takes over what was typed.
    pub(crate) fn change(&self, name: Option<&str>, details: &mut CustomerDetails) {
        let set = |text: &mut String, typed: Option<&str>| {
            if let Some(typed) = typed {
                typed.clone_into(text);
            }
        };
        set(&mut details.name, name);
        set(&mut details.email, self.email.as_deref());
        set(&mut details.external_id, self.external_id.as_deref());
        set(&mut details.notes, self.notes.as_deref());
        set(&mut details.language, self.language.as_deref());
    }
}

#[derive(Subcommand)]
pub(crate) enum OrderCommand {
    /// Show orders
    List {
        #[command(flatten)]
        filtered: Filtered,
    },
    /// Show one order, with its licenses
    Show {
        #[command(flatten)]
        order: ChosenOrder,
    },
    /// End every license of an order for good, because it was refunded, say; seats can still be given up
    Void {
        #[command(flatten)]
        order: ChosenOrder,
        /// Why, for the audit
        #[arg(long, value_name = "TEXT", default_value = "")]
        reason: String,
        /// That it cannot be undone is known
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        trying: Trying,
    },
}

/// An order, told from others of its id where there are any.
#[derive(Args)]
pub(crate) struct ChosenOrder {
    #[arg(value_parser = check_order_id)]
    id: String,
    /// Of this product
    #[arg(long, value_name = "ID", value_parser = product)]
    product: Option<ProductId>,
    /// Sold by the reseller with this account; empty for the vendor
    #[arg(long, value_name = "NAME")]
    seller: Option<String>,
}

impl ChosenOrder {
    pub(crate) fn choice(&self) -> OrderChoice {
        let Self { id, product, seller } = self;
        OrderChoice { id: id.clone(), product: product.clone(), seller: seller.clone() }
    }
}

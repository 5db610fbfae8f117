//! To whom licenses are sold.

use std::{fmt, str::FromStr};

use nodelock::{LicenseId, Random, Timestamp};

use crate::failure::Result;

/// Names a customer: eight random bytes in hex, as a license's id is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CustomerId(LicenseId);

impl CustomerId {
    pub(crate) fn generate(random: &dyn Random) -> Result<Self> {
        Ok(Self(LicenseId::generate(random)?))
    }
}

impl fmt::Display for CustomerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for CustomerId {
    type Err = nodelock::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// To whom licenses are sold.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Customer {
    pub(crate) id: CustomerId,
    pub(crate) details: CustomerDetails,
    pub(crate) created: Timestamp,
    /// How often it was changed, from 1 on.
    pub(crate) revision: u32,
    /// When what was noted was erased, because the customer asked for that.
    pub(crate) erased: Option<Timestamp>,
}

/// What a vendor notes of a customer. Nothing of it is ever signed into a license, but for the name that a sale takes
/// from it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct CustomerDetails {
    pub(crate) name: String,
    pub(crate) email: String,
    /// What the vendor's own system calls it; empty if it has no name for it.
    pub(crate) external_id: String,
    /// For the vendor alone.
    pub(crate) notes: String,
    /// Of mails to it, by its name; empty for that of the product.
    pub(crate) language: String,
}

impl CustomerDetails {
    /// The members with their names.
    pub(crate) fn members(&self) -> [(&'static str, &str); 5] {
        let Self { name, email, external_id, notes, language } = self;
        [
            ("name", name),
            ("email", email),
            ("external_id", external_id),
            ("notes", notes),
            ("language", language),
        ]
    }
}

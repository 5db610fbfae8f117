//! Pages: the minutes of an authority's service, as what it signs names them.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::hex;
use crate::{Error, ErrorKind, Random, Result, system};

/// A minute of an authority's service: 8 random bytes, shown as 16 hex digits.
///
/// The authority keeps each page in its ledger before it signs anything under it. A ledger that does not know the page of
/// something that its authority signed was restored to an earlier copy (docs/PROTOCOL.md, The ledger was restored).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Page([u8; 8]);

impl Page {
    /// A new page from `random`. Fails with [`ErrorKind::NoRandom`].
    pub fn generate(random: &dyn Random) -> Result<Self> {
        system::random(random).map(Self)
    }

    /// The page with these bytes.
    pub const fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(bytes)
    }

    /// The eight bytes.
    pub const fn as_bytes(&self) -> &[u8; 8] {
        &self.0
    }
}

impl fmt::Display for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Page({self})")
    }
}

impl FromStr for Page {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        (text.len() == 16 && text.bytes().all(|b| b.is_ascii_hexdigit()))
            .then(|| u64::from_str_radix(text, 16).ok())
            .flatten()
            .map(|number| Self(number.to_be_bytes()))
            .ok_or_else(|| Error::new(ErrorKind::InvalidInput, "page: 16 hex digits are expected"))
    }
}

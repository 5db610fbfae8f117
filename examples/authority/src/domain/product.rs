//! Products: what licenses are sold of.

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use nodelock::{LicenseId, PublicKey, Timestamp};

use super::Said;

/// The short name of a product, for commands and paths: at most 40 small letters, digits and dashes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ProductId(String);

const LONGEST: usize = 40;

impl ProductId {
    /// From a product's name: its letters and digits, with a dash for what is between them.
    pub(crate) fn of_name(name: &str) -> Self {
        let lower = name.to_lowercase();
        let words =
            lower.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
        let mut id = words.collect::<Vec<_>>().join("-");
        id.truncate(LONGEST);
        Self(if id.is_empty() { "product".to_owned() } else { id })
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ProductId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_id = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
        if (1..=LONGEST).contains(&text.len()) && text.bytes().all(is_id) {
            Ok(Self(text.to_owned()))
        } else {
            Err("at most 40 small letters, digits and dashes are expected")
        }
    }
}

impl fmt::Display for ProductId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What licenses are sold of.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Product {
    pub(crate) id: ProductId,
    /// As licenses and requests name it. It never changes, or devices would take their licenses for another product's.
    pub(crate) name: String,
    /// The root public key that its applications embed.
    pub(crate) root: PublicKey,
    /// What is sold of it unless the sale says otherwise.
    pub(crate) template: Said,
    pub(crate) created: Timestamp,
    /// How often it was changed, from 1 on.
    pub(crate) revision: u32,
    /// Whether keys of its licenses are kept, so that they can be sent again.
    pub(crate) keeps_keys: bool,
    /// Of which license a request without a license key gets a trial; none where every request has a key.
    pub(crate) trial_license: Option<LicenseId>,
    /// Whether it is the one that the authority was set up with.
    pub(crate) is_first: bool,
}

impl Product {
    /// Where its keys are within the folder of keys: the first one's are in that folder itself.
    pub(crate) fn keys(&self, keys: &Path) -> PathBuf {
        if self.is_first { keys.to_owned() } else { keys.join(self.id.as_str()) }
    }
}

#[cfg(test)]
mod tests {
    use super::ProductId;

    #[test]
    fn an_id_is_made_of_a_name_and_fits_into_a_path() {
        for (name, id) in [
            ("Example Editor 2", "example-editor-2"),
            ("  A/B: c ", "a-b-c"),
            ("Größe", "gr-e"),
            ("編集", "product"),
            (&"x".repeat(60), &"x".repeat(40)),
        ] {
            let made = ProductId::of_name(name);
            assert_eq!(made.as_str(), id);
            assert_eq!(id.parse(), Ok(made));
        }
        for wrong in ["", "A", "a b", "../a", "a.b", &"x".repeat(41)] {
            assert!(wrong.parse::<ProductId>().is_err(), "{wrong}");
        }
    }
}

//! The JSON form of the records that a host keeps: names, keys and digests as text.
//!
//! `docs/FORMAT.md`, "Records" describes it. The reference authority's database and the C interface both use it.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Whatever has a text form.
pub(super) mod as_text {
    use super::{Deserialize, Deserializer, Serializer};

    pub(in crate::authority) fn serialize<T: std::fmt::Display, S: Serializer>(
        value: &T,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_str(value)
    }

    pub(in crate::authority) fn deserialize<'de, T, D>(from: D) -> Result<T, D::Error>
    where
        T: std::str::FromStr<Err = crate::Error>,
        D: Deserializer<'de>,
    {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The same for a list.
pub(super) mod as_texts {
    use super::{Deserialize, Deserializer, Serializer};

    pub(in crate::authority) fn serialize<T: std::fmt::Display, S: Serializer>(
        values: &[T],
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_seq(values.iter().map(ToString::to_string))
    }

    pub(in crate::authority) fn deserialize<'de, T, D>(from: D) -> Result<Vec<T>, D::Error>
    where
        T: std::str::FromStr<Err = crate::Error>,
        D: Deserializer<'de>,
    {
        let texts = Vec::<String>::deserialize(from)?;
        texts.iter().map(|text| text.parse().map_err(serde::de::Error::custom)).collect()
    }
}

/// A number of bytes as hex digits.
pub(super) mod as_hex {
    use super::{Deserialize, Deserializer, Serializer};
    use crate::message::hex;

    pub(in crate::authority) fn serialize<const N: usize, S: Serializer>(
        bytes: &[u8; N],
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.serialize_str(&hex(bytes))
    }

    pub(in crate::authority) fn deserialize<'de, const N: usize, D: Deserializer<'de>>(
        from: D,
    ) -> Result<[u8; N], D::Error> {
        let text = String::deserialize(from)?;
        let wrong = || serde::de::Error::custom(format!("{} hex digits are expected", 2 * N));
        super::from_hex(&text).ok_or_else(wrong)
    }
}

/// The same for what may be absent.
pub(super) mod as_optional_hex {
    use super::{Deserialize, Deserializer, Serialize, Serializer, as_hex};

    #[derive(Serialize, Deserialize)]
    struct Hex<const N: usize>(#[serde(with = "as_hex")] [u8; N]);

    pub(in crate::authority) fn serialize<const N: usize, S: Serializer>(
        bytes: &Option<[u8; N]>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        bytes.map(Hex).serialize(to)
    }

    pub(in crate::authority) fn deserialize<'de, const N: usize, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<[u8; N]>, D::Error> {
        Ok(Option::<Hex<N>>::deserialize(from)?.map(|hex| hex.0))
    }
}

/// The same for a list.
pub(super) mod list_of_hex {
    use super::{Deserialize, Deserializer, Serialize, Serializer, as_hex};

    #[derive(Serialize, Deserialize)]
    struct Hex<const N: usize>(#[serde(with = "as_hex")] [u8; N]);

    pub(in crate::authority) fn serialize<const N: usize, S: Serializer>(
        list: &[[u8; N]],
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_seq(list.iter().copied().map(Hex))
    }

    pub(in crate::authority) fn deserialize<'de, const N: usize, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Vec<[u8; N]>, D::Error> {
        Ok(Vec::<Hex<N>>::deserialize(from)?.into_iter().map(|hex| hex.0).collect())
    }
}

/// Bytes from hex digits of either case; none for anything else.
pub(crate) fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if text.len() != 2 * N || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(bytes)
}

/// Features, of which only the name must be there.
pub(super) mod features {
    use super::{Deserialize, Deserializer, Serialize, Serializer};
    use crate::{Feature, Timestamp};

    #[derive(Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct FeatureRecord {
        name: String,
        #[serde(default)]
        limit: Option<u64>,
        #[serde(default)]
        expires: Option<Timestamp>,
    }

    pub(in crate::authority) fn serialize<S: Serializer>(
        features: &[Feature],
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_seq(features.iter().map(|feature| FeatureRecord {
            name: feature.name.clone(),
            limit: feature.limit,
            expires: feature.expires,
        }))
    }

    pub(in crate::authority) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Vec<Feature>, D::Error> {
        let records = Vec::<FeatureRecord>::deserialize(from)?;
        let feature = |r: FeatureRecord| Feature { name: r.name, limit: r.limit, expires: r.expires };
        Ok(records.into_iter().map(feature).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::from_hex;
    use crate::message::hex;

    #[test]
    fn hex_is_read_back() {
        assert_eq!(from_hex::<3>(&hex(&[0, 0xab, 0xff])), Some([0, 0xab, 0xff]));
        for wrong in ["", "00abf", "00abffff", "+0abff", "00abfg", "00abé"] {
            assert_eq!(from_hex::<3>(wrong), None, "{wrong}");
        }
    }
}

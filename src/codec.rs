//! The only module that knows how bodies become bytes.
//!
//! Bodies are bincode 1.3 with `DefaultOptions`: little-endian variable-length integers, zigzag for signed ones,
//! nothing left over. `docs/FORMAT.md` specifies the same bytes without naming the library, and the vectors under
//! `tests/vectors/` pin them, so that the library can be replaced. What is signed is always the bytes as read:
//! nothing is ever encoded again to be compared, because an integer has more than one encoding.

use std::{fmt, marker::PhantomData};

use bincode::Options;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{DeserializeOwned, SeqAccess, Visitor},
};

use crate::{Error, ErrorKind, Result};

/// What a `Deserialize` of this crate says when a public key is one of the small-order points, so that
/// [`decode`] can tell it from plain damage.
pub(crate) const WEAK_KEY: &str = "weak public key";

/// Encodes a body. Fails only on content that no caller can make: a value whose `Serialize` refuses it.
pub(crate) fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    bincode::DefaultOptions::new()
        .serialize(value)
        .map_err(|_| Error::new(ErrorKind::InvalidInput, "the content cannot be encoded"))
}

/// Decodes a body of at most `limit` bytes. Nothing may be left over.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8], limit: usize, about: &'static str) -> Result<T> {
    if bytes.len() > limit {
        return Err(Error::too_large(about, bytes.len(), limit));
    }
    bincode::DefaultOptions::new().with_limit(limit as u64).deserialize(bytes).map_err(|e| match *e {
        bincode::ErrorKind::Custom(text) if text == WEAK_KEY => {
            Error::new(ErrorKind::WeakKey, format!("the {about} holds a public key that must not be used"))
        }
        _ => {
            let length = bytes.len();
            Error::new(
                ErrorKind::Malformed,
                format!("the {about} ({length} bytes) is damaged or not in this format"),
            )
        }
    })
}

/// A list of at most `N` items, for `#[serde(deserialize_with)]`. A longer claim is refused before anything is
/// allocated for it.
pub(crate) fn list<'de, D, T, const N: usize>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    struct List<T, const N: usize>(PhantomData<T>);
    impl<'de, T: Deserialize<'de>, const N: usize> Visitor<'de> for List<T, N> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a list of at most {N} items")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<T>, A::Error> {
            let claimed = seq.size_hint().unwrap_or(0);
            if claimed > N {
                return Err(serde::de::Error::invalid_length(claimed, &self));
            }
            let mut items = Vec::new();
            while let Some(item) = seq.next_element()? {
                if items.len() == N {
                    return Err(serde::de::Error::invalid_length(N + 1, &self));
                }
                items.push(item);
            }
            Ok(items)
        }
    }
    deserializer.deserialize_seq(List::<T, N>(PhantomData))
}

/// A byte string: its length, then the bytes.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Bytes(pub(crate) Vec<u8>);

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl std::ops::Deref for Bytes {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct BytesVisitor;
        impl Visitor<'_> for BytesVisitor {
            type Value = Bytes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Bytes, E> {
                Ok(Bytes(bytes.to_vec()))
            }
        }
        deserializer.deserialize_bytes(BytesVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Sample {
        #[serde(deserialize_with = "list::<_, _, 2>")]
        items: Vec<u8>,
        text: String,
        bytes: Bytes,
    }

    #[test]
    fn what_is_encoded_is_decoded_and_nothing_may_be_left_over() {
        let sample = Sample { items: vec![1, 2], text: "ä".into(), bytes: Bytes(vec![9; 3]) };
        let mut bytes = encode(&sample).unwrap();
        assert_eq!(bytes, [2, 1, 2, 2, 0xc3, 0xa4, 3, 9, 9, 9]);
        assert_eq!(decode::<Sample>(&bytes, 64, "sample").unwrap(), sample);
        bytes.push(0);
        assert_eq!(decode::<Sample>(&bytes, 64, "sample").unwrap_err().kind(), ErrorKind::Malformed);
        assert_eq!(decode::<Sample>(&bytes, 8, "sample").unwrap_err().kind(), ErrorKind::TooLarge);
    }

    #[test]
    fn a_claimed_length_allocates_nothing() {
        // 0xfd introduces a u64: a list, a text and a byte string of 2^60 items each.
        let huge = [0xfd, 0, 0, 0, 0, 0, 0, 0, 0x10];
        for prefix in [&[][..], &[0], &[0, 0]] {
            let bytes = [prefix, &huge].concat();
            assert_eq!(decode::<Sample>(&bytes, 64, "sample").unwrap_err().kind(), ErrorKind::Malformed);
        }
        assert_eq!(
            decode::<Sample>(&[3, 1, 2, 3, 0, 0], 64, "sample").unwrap_err().kind(),
            ErrorKind::Malformed
        );
    }
}

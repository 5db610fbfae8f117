//! Ids of random bytes.

/// A name of 8 random bytes, shown as 16 hex digits; `$what` is what a refused text was to be.
macro_rules! random_id {
    ($(#[$about:meta])* $name:ident, $what:literal) => {
        $(#[$about])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        pub struct $name([u8; 8]);

        impl $name {
            /// A new one from `random`. Fails with [`ErrorKind::NoRandom`](crate::ErrorKind::NoRandom).
            pub fn generate(random: &dyn crate::Random) -> crate::Result<Self> {
                crate::system::random(random).map(Self)
            }

            /// The one with these bytes.
            pub const fn from_bytes(bytes: [u8; 8]) -> Self {
                Self(bytes)
            }

            /// The eight bytes.
            pub const fn as_bytes(&self) -> &[u8; 8] {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&crate::message::hex(&self.0))
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl std::str::FromStr for $name {
            type Err = crate::Error;

            fn from_str(text: &str) -> crate::Result<Self> {
                const WORDS: &str = concat!($what, ": 16 hex digits are expected");
                (text.len() == 16 && text.bytes().all(|b| b.is_ascii_hexdigit()))
                    .then(|| u64::from_str_radix(text, 16).ok())
                    .flatten()
                    .map(|number| Self(number.to_be_bytes()))
                    .ok_or_else(|| crate::Error::new(crate::ErrorKind::InvalidInput, WORDS))
            }
        }
    };
}

pub(super) use random_id;

//! Secret bytes, and the stack after work with them.
//!
//! A value that is moved stays where it was: in a list that grew, in a record that was replaced. And what lies on the
//! stack gets to the heap with the unused part of the next value that is moved there. So secret bytes are behind a
//! pointer, and are written in their place and nowhere before.

use std::{
    hint::black_box,
    ops::{Deref, DerefMut},
};

use serde::de::{Deserialize, Deserializer, Error as _, SeqAccess, Visitor};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroize as _;

/// `N` secret bytes. Wiped on drop, compared in constant time.
pub(crate) struct Secret<const N: usize>(Box<[u8; N]>);

impl<const N: usize> Secret<N> {
    /// Zeros, to be written over.
    pub(crate) fn zeros() -> Self {
        Self(Box::new([0; N]))
    }

    pub(crate) fn copied(bytes: &[u8; N]) -> Self {
        let mut secret = Self::zeros();
        secret.copy_from_slice(bytes);
        secret
    }
}

impl<const N: usize> Deref for Secret<N> {
    type Target = [u8; N];

    fn deref(&self) -> &[u8; N] {
        &self.0
    }
}

impl<const N: usize> DerefMut for Secret<N> {
    fn deref_mut(&mut self) -> &mut [u8; N] {
        &mut self.0
    }
}

// A box's own clone puts the bytes on the stack first.
impl<const N: usize> Clone for Secret<N> {
    fn clone(&self) -> Self {
        Self::copied(self)
    }
}

impl<const N: usize> Drop for Secret<N> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl<const N: usize> PartialEq for Secret<N> {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&*other.0).into()
    }
}

impl<const N: usize> Eq for Secret<N> {}

impl<'de, const N: usize> Deserialize<'de> for Secret<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InPlace<const N: usize>;
        impl<'de, const N: usize> Visitor<'de> for InPlace<N> {
            type Value = Secret<N>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{N} secret bytes")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut bytes: A) -> Result<Secret<N>, A::Error> {
                let mut secret = Secret::zeros();
                for (place, byte) in secret.iter_mut().enumerate() {
                    *byte = bytes.next_element()?.ok_or_else(|| A::Error::invalid_length(place, &self))?;
                }
                Ok(secret)
            }
        }
        deserializer.deserialize_tuple(N, InPlace)
    }
}

/// More than the frames of a hash, a key derivation or a signature in ring take.
const BYTES: usize = 4096;

/// What `work` returns. The stack that it used is cleared: [`BYTES`] of it.
#[inline(never)]
pub(crate) fn cleared_after<T>(work: impl FnOnce() -> T) -> T {
    let result = in_a_frame_of_its_own(work);
    clear();
    result
}

#[inline(never)]
fn in_a_frame_of_its_own<T>(work: impl FnOnce() -> T) -> T {
    work()
}

/// Its frame lies where that of the work lay.
#[inline(never)]
fn clear() {
    // In words, which take an eighth of the time.
    let mut frame = [0_u64; BYTES / 8];
    black_box(&mut frame).zeroize();
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::{fs::File, os::unix::fs::FileExt as _};

    use super::*;
    use crate::{
        Random, Result,
        code::{DeactivationCode, Handle, ReleaseSecret},
        keys::sha256_of_secret,
        message::Binding,
    };

    /// The secret, each byte with [`MASK`] over it, so that this test leaves no copy of its own.
    const MASKED: [u8; 8] = [0x5F, 0x31, 0x99, 0x0D, 0xE2, 0x47, 0xBC, 0x76];
    const MASK: u8 = 0x55;

    struct Chosen;

    impl Random for Chosen {
        fn fill(&self, bytes: &mut [u8]) -> Result<()> {
            bytes.iter_mut().zip(MASKED).for_each(|(byte, masked)| *byte = masked ^ black_box(MASK));
            Ok(())
        }
    }

    fn is_secret(bytes: &[u8]) -> bool {
        bytes.iter().zip(MASKED).all(|(byte, masked)| *byte == masked ^ black_box(MASK))
    }

    /// Whether the secret is in the stack that the work has used.
    #[inline(never)]
    fn stays(work: &dyn Fn()) -> bool {
        let memory = File::open("/proc/self/mem").unwrap();
        let mut below = vec![0; 2 * BYTES];
        let here = (&raw const memory) as u64;
        // What lies there from before is not of this work.
        zero_below();
        work();
        memory.read_exact_at(&mut below, here - 2 * BYTES as u64).unwrap();
        below.windows(MASKED.len()).any(is_secret)
    }

    #[inline(never)]
    fn zero_below() {
        let mut frame = [0_u8; 2 * BYTES];
        black_box(&mut frame).zeroize();
    }

    #[test]
    fn a_hash_leaves_nothing_of_its_input() {
        let secret = ReleaseSecret::generate(&Chosen).unwrap();
        let plain = || {
            let digest = ring::digest::digest(&ring::digest::SHA256, secret.as_bytes());
            assert_ne!(black_box(digest).as_ref(), [0; 32]);
        };
        assert!(stays(&plain), "the search finds what is there");
        assert!(!stays(&|| assert_ne!(black_box(sha256_of_secret(secret.as_bytes())), [0; 32])));
        let code = DeactivationCode::new(Handle::new(7).unwrap(), secret.clone());
        assert!(!stays(&|| assert!(black_box(Binding::code(&code)) == Binding::code(&code))));
    }
}

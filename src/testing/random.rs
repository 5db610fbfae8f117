//! Random bytes that are the same in every run.

use std::sync::{Mutex, PoisonError};

use ring::digest::{SHA256, digest};

use crate::{Random, Result};

/// Bytes that are the same in every run: SHA-256 of the seed, a space and a counter, block by block.
///
/// For tests alone. Whoever knows the seed knows every key that is made with it.
#[derive(Debug)]
pub struct SeededRandom(Mutex<(String, u64)>);

impl SeededRandom {
    /// The bytes of that seed, from the first on.
    pub fn new(seed: impl Into<String>) -> Self {
        Self(Mutex::new((seed.into(), 0)))
    }
}

impl Random for SeededRandom {
    fn fill(&self, bytes: &mut [u8]) -> Result<()> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for chunk in bytes.chunks_mut(32) {
            let block = digest(&SHA256, format!("{} {}", state.0, state.1).as_bytes());
            chunk.copy_from_slice(&block.as_ref()[..chunk.len()]);
            state.1 += 1;
        }
        Ok(())
    }
}

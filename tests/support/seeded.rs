//! Random bytes that are the same in every run.

use std::sync::Mutex;

use nodelock::{Random, Result};
use ring::digest::{SHA256, digest};

/// SHA-256 of the seed and a counter, block by block: anybody can make the same bytes.
pub struct Seeded(Mutex<(String, u64)>);

impl Seeded {
    pub fn new(seed: &str) -> Self {
        Self(Mutex::new((seed.to_owned(), 0)))
    }
}

impl Random for Seeded {
    fn fill(&self, bytes: &mut [u8]) -> Result<()> {
        let mut state = self.0.lock().unwrap();
        for chunk in bytes.chunks_mut(32) {
            let block = digest(&SHA256, format!("{} {}", state.0, state.1).as_bytes());
            chunk.copy_from_slice(&block.as_ref()[..chunk.len()]);
            state.1 += 1;
        }
        Ok(())
    }
}

//! Tables from values to numbers, and a hasher for them.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hash, Hasher},
};

/// Numbers values as they come.
pub(super) struct Table<T> {
    ids: FastMap<T, u32>,
}

pub(super) type FastMap<K, V> = HashMap<K, V, BuildHasherDefault<FastHasher>>;

/// A hasher for keys that nobody chooses to collide: several times as fast as the standard one.
#[derive(Default)]
pub(super) struct FastHasher(u64);

impl Hasher for FastHasher {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn finish(&self) -> u64 {
        self.0 ^ self.0 >> 32
    }
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { ids: FastMap::default() }
    }
}

impl<T: Eq + Hash> Table<T> {
    /// The value's number, and whether it is new.
    pub(super) fn id(&mut self, value: T) -> (u32, bool) {
        let next = self.ids.len() as u32;
        let id = *self.ids.entry(value).or_insert(next);
        (id, id == next)
    }
}

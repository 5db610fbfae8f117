//! What the fuzz targets share: a world that is the same in every run, signatures over any body, mutations that keep
//! lengths right, and a planted bug for each target.

mod mutation;
mod world;

use std::sync::LazyLock;

pub use self::{
    mutation::{mutate_body, mutate_messages, mutate_text},
    world::{KINDS, Message, NOW, PRODUCT, VECTORS, World, bundle, settle},
};

static WORLD: LazyLock<World> = LazyLock::new(World::new);

/// The world of this process.
pub fn world() -> &'static World {
    &WORLD
}

/// Whether the target's planted bug is on. A target that does not find it within a minute finds nothing else either.
pub fn is_planted() -> bool {
    static PLANTED: LazyLock<bool> =
        LazyLock::new(|| std::env::var_os("NODELOCK_FUZZ_PLANTED").is_some_and(|set| !set.is_empty()));
    *PLANTED
}

/// The planted bug: a copy into a place of `room` bytes or items, behind a check that lets through one too many.
pub fn planted(length: usize, room: usize) {
    if is_planted() && length <= room + 1 {
        assert!(length <= room, "the planted bug");
    }
}

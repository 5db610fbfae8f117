//! Tombstones: small files in a second place that name activations that were given up (docs/PROTOCOL.md, Store).
//!
//! They block a store's folder that is copied back after a deactivation (docs/THREATS.md, Threats and guards). The
//! name is 32 hexadecimal digits. The content is the magic `NLTB`, the version 1, three zero bytes, and 32 bytes that
//! the caller gives.

use std::{
    io,
    path::{Path, PathBuf},
};

use super::{FileSystem, fs::create_unsynced_directories};

const HEADER: [u8; 8] = *b"NLTB\x01\0\0\0";

/// Whether the tombstone `name` is there, and is about `content`. One that cannot be read blocks nobody.
pub(super) fn exists(files: &dyn FileSystem, place: &Path, name: &[u8; 16], content: &[u8; 32]) -> bool {
    let expected = bytes(content);
    files.read(&path(place, name), expected.len()).is_ok_and(|found| found == expected)
}

/// Writes the tombstone `name` about `content`, which does not [exist](exists), in place of a damaged one.
pub(super) fn write(
    files: &dyn FileSystem,
    place: &Path,
    name: &[u8; 16],
    content: &[u8; 32],
) -> io::Result<()> {
    let path = path(place, name);
    let created = files.create_new(&path).or_else(|error| {
        match error.kind() {
            io::ErrorKind::NotFound => create_unsynced_directories(files, place)?,
            io::ErrorKind::AlreadyExists => files.remove(&path)?,
            _ => return Err(error),
        }
        files.create_new(&path)
    });
    let mut file = created?;
    file.write_all(&bytes(content))?;
    file.sync()
}

fn path(place: &Path, name: &[u8; 16]) -> PathBuf {
    place.join(format!("{:032x}", u128::from_be_bytes(*name)))
}

fn bytes(content: &[u8; 32]) -> Vec<u8> {
    [HEADER.as_slice(), content].concat()
}

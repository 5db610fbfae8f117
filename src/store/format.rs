//! The bytes of the `state` file, version 1 (docs/PROTOCOL.md, Store).
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 4 | magic `NLST` |
//! | 4 | 1 | format version, 1 |
//! | 5 | 1 | 1 if the directory could not be synced, else 0 |
//! | 6 | 2 | zero |
//! | 8 | 8 | generation, little-endian, 1 for the first commit |
//! | 16 | 4 | length of the body, little-endian |
//! | 20 | n | body |
//! | 20 + n | 32 | SHA-256 of everything before |
//!
//! A later version keeps the magic, the place of the version, the limit and the trailer, so that an old build can
//! tell "newer" from "damaged".

use std::{fmt, mem};

use zeroize::{Zeroize as _, Zeroizing};

use crate::{Error, ErrorKind, Result, keys::sha256_of_secret};

const MAGIC: [u8; 4] = *b"NLST";
const VERSION: u8 = 1;
const HEADER: usize = 20;
const TRAILER: usize = 32;
const OVERHEAD: usize = HEADER + TRAILER;

/// No state file of any version is longer: 1 MiB.
pub(super) const LIMIT: usize = 1 << 20;

/// What the store holds: the body of the last commit. Wiped when dropped.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// How many commits there have been; 0 if nothing was ever stored.
    pub generation: u64,
    /// The body of the last commit; `None` if nothing was ever stored.
    pub body: Option<Vec<u8>>,
    /// Whether the file system could not sync the directory when this was stored, so that a power cut may have undone
    /// what was announced.
    pub unsynced: bool,
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        self.body.zeroize();
    }
}

impl fmt::Debug for Snapshot {
    /// Shows how long the body is, and not what is in it: a record holds secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot")
            .field("generation", &self.generation)
            .field("body", &self.body.as_ref().map(|body| format_args!("{} bytes", body.len()).to_string()))
            .field("unsynced", &self.unsynced)
            .finish()
    }
}

/// The bytes of a state file.
///
/// Fails with [`ErrorKind::TooLarge`] if the file would be longer than [`LIMIT`].
pub(super) fn encode(generation: u64, body: &[u8], unsynced: bool) -> Result<Zeroizing<Vec<u8>>> {
    if body.len() > LIMIT - OVERHEAD {
        return Err(Error::too_large("the record to store", body.len(), LIMIT - OVERHEAD));
    }
    let mut file = Zeroizing::new(Vec::with_capacity(OVERHEAD + body.len()));
    file.extend(MAGIC);
    file.extend([VERSION, unsynced.into(), 0, 0]);
    file.extend(generation.to_le_bytes());
    file.extend((body.len() as u32).to_le_bytes());
    file.extend_from_slice(body);
    let trailer = sha256_of_secret(&file);
    file.extend_from_slice(&trailer);
    Ok(file)
}

/// What a state file says. The body stays in the file's own buffer, so that there is one copy to wipe.
///
/// Fails with [`ErrorKind::UnsupportedVersion`] for an undamaged file of a later version, and with
/// [`ErrorKind::Corrupt`] for anything that [`encode`] does not make.
pub(super) fn decode(mut file: Zeroizing<Vec<u8>>) -> Result<Snapshot> {
    let content = file
        .split_last_chunk::<TRAILER>()
        .and_then(|(content, trailer)| (sha256_of_secret(content) == *trailer).then_some(content));
    match content.and_then(|content| content.strip_prefix(&MAGIC)) {
        Some([version, ..]) if *version > VERSION => Err(Error::new(ErrorKind::UnsupportedVersion, "")),
        Some([VERSION, unsynced @ (0 | 1), 0, 0, rest @ ..]) => {
            let unsynced = *unsynced == 1;
            let generation = generation(rest).ok_or_else(corrupt)?;
            let end = file.len() - TRAILER;
            file.truncate(end);
            file.drain(..HEADER);
            Ok(Snapshot { generation, body: Some(mem::take(&mut *file)), unsynced })
        }
        _ => Err(corrupt()),
    }
}

/// The generation, if what follows the version is whole.
fn generation(rest: &[u8]) -> Option<u64> {
    let (generation, rest) = rest.split_first_chunk()?;
    let (length, body) = rest.split_first_chunk()?;
    let generation = u64::from_le_bytes(*generation);
    (generation > 0 && body.len() == u32::from_le_bytes(*length) as usize).then_some(generation)
}

/// A damaged state is never "no license", and no older generation is looked for (docs/PROTOCOL.md, Store).
pub(super) fn corrupt() -> Error {
    Error::new(ErrorKind::Corrupt, "")
}

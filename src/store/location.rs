//! Where stores and tombstones are kept.

use std::path::PathBuf;

use etcetera::base_strategy::{BaseStrategy as _, choose_native_strategy};

use crate::{Error, ErrorKind, Result};

/// The longest name of a directory that is made out of a product's name.
const NAME_LIMIT: usize = 200;

/// Where one product's things are.
pub(super) struct Location {
    /// The store's directory.
    pub(super) store: PathBuf,
    /// The tombstones' directory that a check looks into.
    pub(super) tombstones: PathBuf,
    /// Finds the directories that tombstones are left in as well, so that a variable of the environment does not decide
    /// alone.
    pub(super) more_tombstones: Box<dyn FnOnce() -> Vec<PathBuf> + Send>,
}

impl Location {
    /// A store below `root`, with tombstones below `state`, if the user has such a place.
    fn new(root: PathBuf, state: Option<PathBuf>, name: String) -> Self {
        let beside = root.join("nodelock-tombstones").join(&name);
        let tombstones = state.map_or_else(|| beside.clone(), |state| in_vendor(state, &name));
        let first = tombstones.clone();
        Self {
            store: in_vendor(root, &name),
            tombstones,
            more_tombstones: Box::new(move || {
                let known = known_state().map(|state| in_vendor(state, &name));
                let mut places: Vec<_> = known.into_iter().chain([beside]).collect();
                places.retain(|place| *place != first);
                places.dedup();
                places
            }),
        }
    }
}

/// The place for what belongs to the user who runs this process.
///
/// Fails with [`ErrorKind::InvalidInput`] for a product that makes no directory name, and with
/// [`ErrorKind::Unsupported`] if the user has no home.
pub(super) fn per_user(product: &str) -> Result<Location> {
    let name = directory_name(product)?;
    let (data, state) = home().ok_or_else(|| {
        Error::new(
            ErrorKind::Unsupported,
            "this user has no home directory to keep the license in; name a folder",
        )
    })?;
    Ok(Location::new(data, Some(state), name))
}

/// The place for what belongs to the whole machine. A check looks for tombstones with the user who runs this process,
/// since one directory that everybody writes to would be another's to wipe.
///
/// Fails with [`ErrorKind::InvalidInput`] for a product that makes no directory name, and with
/// [`ErrorKind::Unsupported`] if Windows names no such place.
pub(super) fn system_wide(product: &str) -> Result<Location> {
    let name = directory_name(product)?;
    #[cfg(windows)]
    let shared = super::windows::program_data().ok_or_else(|| {
        Error::new(ErrorKind::Unsupported, "this system names no folder for the whole machine; name one")
    })?;
    #[cfg(not(windows))]
    let shared = if cfg!(target_os = "macos") { "/Library/Application Support" } else { "/var/lib" }.into();
    Ok(Location::new(shared, home().map(|(_, state)| state), name))
}

fn in_vendor(root: PathBuf, name: &str) -> PathBuf {
    root.join("nodelock").join(name)
}

/// The user's directories for the store and for tombstones.
fn home() -> Option<(PathBuf, PathBuf)> {
    let native = choose_native_strategy().ok()?;
    let (data, state) = if cfg!(windows) {
        // What roams comes along to other machines: right for a tombstone, wrong for a device key.
        (native.cache_dir(), native.data_dir())
    } else {
        (native.data_dir(), native.state_dir().unwrap_or_else(|| native.config_dir()))
    };
    (data.is_absolute() && state.is_absolute()).then_some((data, state))
}

/// The user's directory for tombstones as the system knows it, whatever the environment says; none if the system knows
/// no home that is there.
fn known_state() -> Option<PathBuf> {
    #[cfg(windows)]
    return super::windows::roaming_data();
    #[cfg(not(windows))]
    {
        let home = super::unix::home().filter(|home| home.is_absolute() && home.is_dir())?;
        Some(home.join(if cfg!(target_os = "macos") { "Library/Preferences" } else { ".local/state" }))
    }
}

/// A directory name that is safe on every system, and another one for every other product.
///
/// `a`-`z`, `0`-`9`, `_`, `-` and `.` stand for themselves, a capital letter becomes `+` and its small letter, any
/// other byte of the UTF-8 becomes `%` and two hexadecimal digits. So does a dot at either end (`..`, hidden names,
/// dots that Windows drops) and the first letter of a device name of Windows (`nul`, `com1.log`).
fn directory_name(product: &str) -> Result<String> {
    let device = is_device(product.split('.').next().unwrap_or_default());
    let mut name = String::new();
    for (index, byte) in product.bytes().enumerate() {
        let at_end = index == 0 || index + 1 == product.len();
        match byte {
            b'a'..=b'z' if device && index == 0 => name += &format!("%{byte:02x}"),
            b'.' if at_end => name += "%2e",
            b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-' => name.push(char::from(byte)),
            b'A'..=b'Z' => name.extend(['+', char::from(byte.to_ascii_lowercase())]),
            _ => name += &format!("%{byte:02x}"),
        }
    }
    if (1..=NAME_LIMIT).contains(&name.len()) {
        Ok(name)
    } else {
        Err(Error::length("the product's name as a directory", "bytes", name.len(), 1, NAME_LIMIT))
    }
}

fn is_device(stem: &str) -> bool {
    match stem.as_bytes() {
        b"con" | b"prn" | b"aux" | b"nul" => true,
        [name @ .., b'0'..=b'9'] => matches!(name, b"com" | b"lpt"),
        _ => false,
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn tombstones_of_a_store_for_the_whole_machine_are_beside_it_whatever_home_is_named() {
        let Location { store, tombstones, more_tombstones } = system_wide("Example").unwrap();
        let root = store.parent().and_then(Path::parent).unwrap();
        let beside = root.join("nodelock-tombstones/+example");
        let is_once = |first: PathBuf, more: Vec<PathBuf>| {
            std::iter::once(first).chain(more).filter(|place| *place == beside).count() == 1
        };
        assert!(is_once(tombstones, more_tombstones()));
        for state in [Some("/home/one/.local/state"), Some("/home/two/.local/state"), None] {
            let location = Location::new(root.to_owned(), state.map(PathBuf::from), "+example".to_owned());
            assert!(is_once(location.tombstones, (location.more_tombstones)()), "{state:?}");
        }
    }
}

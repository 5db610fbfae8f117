//! The vault: license keys are kept in it, so that they can be sent again, what webhooks are signed with, and secrets
//! of second factors, so that a copy of the ledger signs nobody in.
//!
//! Its key is a file of its own among the keys. It is not derived from the issuer's, because that is replaced, and
//! removed, whenever it may have been stolen: what was sealed before could not be read any more. Nor does it sign
//! anything, so whoever steals it makes no license.

use std::path::Path;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use nodelock::{Error, ErrorKind, LicenseId, Random as _, SystemRandom, authority::KeyHash};
use ring::{
    aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    digest::{Context, SHA256},
};
use zeroize::Zeroizing;

use super::{Readers, read, sync_directory, text, variable, write_new};
use crate::failure::Result;

const VAULT_KEY: &str = "vault.key";
/// What the file holds may be in this variable instead.
const VAULT_KEY_VARIABLE: &str = "AUTHORITY_VAULT_KEY";
const KEY_BYTES: usize = 32;
/// What a vault is told from another one by, before each secret that is sealed in it.
const ID_BYTES: usize = 8;

pub(crate) struct Vault {
    id: [u8; ID_BYTES],
    key: LessSafeKey,
}

impl Vault {
    /// The vault whose key is in a directory or in the environment; none if there is no key.
    ///
    /// Fails with [`ErrorKind::AccessDenied`] when others may read the file, and with [`ErrorKind::Malformed`].
    pub(crate) fn open(directory: &Path) -> Result<Option<Self>> {
        if let Some(text) = variable(VAULT_KEY_VARIABLE)? {
            return Ok(Some(Self::of(&text, VAULT_KEY_VARIABLE)?));
        }
        let path = directory.join(VAULT_KEY);
        if !path.try_exists().map_err(|error| Error::io(path.display().to_string(), error))? {
            return Ok(None);
        }
        let bytes = read(&path, Readers::Owner)?;
        Ok(Some(Self::of(text(&bytes, &path)?, &path.display().to_string())?))
    }

    /// The same, with a new key if there is none. A process that makes one at the same time makes the same one.
    ///
    /// None where it cannot be made, because the directory is read-only.
    pub(crate) fn open_or_create(directory: &Path) -> Result<Option<Self>> {
        if let Some(vault) = Self::open(directory)? {
            return Ok(Some(vault));
        }
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        SystemRandom.fill(&mut *key)?;
        let text = Zeroizing::new(URL_SAFE_NO_PAD.encode(*key) + "\n");
        // It has its name only once it is whole, and is never written over.
        let place = directory.join(format!(".vault-{}", LicenseId::generate(&SystemRandom)?));
        let made = write_new(&place, text.as_bytes()).and_then(|()| {
            let linked = std::fs::hard_link(&place, directory.join(VAULT_KEY));
            let _ = std::fs::remove_file(&place);
            linked
        });
        match made {
            Ok(()) => sync_directory(directory).map_err(|e| Error::io(directory.display().to_string(), e))?,
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(_) => return Ok(None),
        }
        Self::open(directory)
    }

    fn of(text: &str, about: &str) -> Result<Self> {
        let malformed = || Error::about(ErrorKind::Malformed, about.to_owned());
        let mut bytes = Zeroizing::new([0; KEY_BYTES + 2]);
        let length = URL_SAFE_NO_PAD.decode_slice(text.trim(), &mut *bytes).map_err(|_| malformed())?;
        let key = UnboundKey::new(&CHACHA20_POLY1305, &bytes[..length]).map_err(|_| malformed())?;
        let mut context = Context::new(&SHA256);
        context.update(b"nodelock vault\0");
        context.update(&bytes[..length]);
        let mut id = [0; ID_BYTES];
        id.copy_from_slice(&context.finish().as_ref()[..ID_BYTES]);
        Ok(Self { id, key: LessSafeKey::new(key) })
    }

    /// Whether a secret was sealed in this vault, as far as that is said.
    pub(crate) fn has_sealed(&self, sealed: &[u8]) -> bool {
        sealed.starts_with(&self.id)
    }

    /// The same of the secret of an account's second factor.
    pub(crate) fn has_sealed_second_factor(&self, sealed: &str) -> bool {
        URL_SAFE_NO_PAD.decode(sealed).is_ok_and(|sealed| self.has_sealed(&sealed))
    }

    /// Encrypts a license key for its place: it cannot be put into another one.
    pub(crate) fn seal(&self, license: LicenseId, hash: KeyHash, key: &str) -> Result<Vec<u8>> {
        self.seal_at(place(license, hash), key)
    }

    /// Encrypts another secret, for its purpose and for what has that id.
    pub(crate) fn seal_text(&self, purpose: &str, id: &str, secret: &str) -> Result<Vec<u8>> {
        self.seal_at(named_place(purpose, id), secret)
    }

    /// The secret that was sealed so; none if this is not from there.
    pub(crate) fn unseal_text(&self, purpose: &str, id: &str, sealed: &[u8]) -> Option<Zeroizing<String>> {
        self.unseal_at(named_place(purpose, id), sealed)
    }

    /// Encrypts the secret of an account's second factor for that account.
    pub(crate) fn seal_second_factor(&self, account: &str, secret: &str) -> Result<String> {
        Ok(URL_SAFE_NO_PAD.encode(self.seal_at(named_place("second factor", account), secret)?))
    }

    fn seal_at(&self, place: Aad<Vec<u8>>, secret: &str) -> Result<Vec<u8>> {
        let mut nonce = [0; NONCE_LEN];
        SystemRandom.fill(&mut nonce)?;
        let mut sealed = [&self.id[..], &nonce].concat();
        let mut text = Zeroizing::new(secret.as_bytes().to_vec());
        let tag = self
            .key
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), place, &mut text)
            .map_err(|_| Error::about(ErrorKind::TooLarge, "the secret"))?;
        sealed.extend_from_slice(&text);
        sealed.extend_from_slice(tag.as_ref());
        Ok(sealed)
    }

    /// The license key that was sealed for a place; none if this is not from there.
    pub(crate) fn unseal(
        &self,
        license: LicenseId,
        hash: KeyHash,
        sealed: &[u8],
    ) -> Option<Zeroizing<String>> {
        self.unseal_at(place(license, hash), sealed)
    }

    /// The secret of an account's second factor; none if this was not sealed for that account.
    pub(crate) fn unseal_second_factor(&self, account: &str, sealed: &str) -> Option<Zeroizing<String>> {
        self.unseal_at(named_place("second factor", account), &URL_SAFE_NO_PAD.decode(sealed).ok()?)
    }

    fn unseal_at(&self, place: Aad<Vec<u8>>, sealed: &[u8]) -> Option<Zeroizing<String>> {
        let sealed = sealed.strip_prefix(&self.id)?;
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_LEN>()?;
        let mut bytes = Zeroizing::new(sealed.to_vec());
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let opened = self.key.open_in_place(nonce, place, &mut bytes).ok()?;
        Some(Zeroizing::new(str::from_utf8(opened).ok()?.to_owned()))
    }
}

fn place(license: LicenseId, hash: KeyHash) -> Aad<Vec<u8>> {
    let mut place = b"nodelock license key\0".to_vec();
    place.extend_from_slice(license.as_bytes());
    place.extend_from_slice(&hash.0);
    Aad::from(place)
}

fn named_place(purpose: &str, id: &str) -> Aad<Vec<u8>> {
    Aad::from([b"nodelock ", purpose.as_bytes(), b"\0", id.as_bytes()].concat())
}

#[cfg(test)]
mod tests {
    use nodelock::{LicenseId, authority::KeyHash};

    use super::{ID_BYTES, Vault};

    #[test]
    fn a_key_is_read_only_from_its_own_place_and_by_its_own_vault() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        assert!(Vault::open(one.path()).unwrap().is_none());
        let vault = Vault::open_or_create(one.path()).unwrap().unwrap();
        let (license, hash) = (LicenseId::from_bytes([1; 8]), KeyHash([2; 32]));
        let sealed = vault.seal(license, hash, "OLD-KEY-4711").unwrap();
        assert!(!sealed.windows(3).any(|bytes| bytes == b"KEY"));
        assert_ne!(sealed, vault.seal(license, hash, "OLD-KEY-4711").unwrap());
        // The same again, and in another process.
        let again = Vault::open_or_create(one.path()).unwrap().unwrap();
        assert_eq!(again.unseal(license, hash, &sealed).unwrap().as_str(), "OLD-KEY-4711");
        let others = Vault::open_or_create(other.path()).unwrap().unwrap();
        assert!(others.unseal(license, hash, &sealed).is_none());
        assert!(vault.has_sealed(&sealed) && again.has_sealed(&sealed) && !others.has_sealed(&sealed));
        assert!(vault.unseal(LicenseId::from_bytes([3; 8]), hash, &sealed).is_none());
        assert!(vault.unseal(license, KeyHash([3; 32]), &sealed).is_none());
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(vault.unseal(license, hash, &changed).is_none(), "byte {at}");
        }
        assert!(vault.unseal(license, hash, &sealed[..ID_BYTES + 11]).is_none());
        let factor = vault.seal_second_factor("jane", "secret").unwrap();
        assert_eq!(again.unseal_second_factor("jane", &factor).unwrap().as_str(), "secret");
        assert!(vault.unseal_second_factor("john", &factor).is_none());
        assert!(others.unseal_second_factor("jane", &factor).is_none());
        assert_eq!(std::fs::read_dir(one.path()).unwrap().count(), 1, "nothing is left beside it");
    }
}

//! What an authority says of its own records. No device reads it.

use super::issuer::Issuer;
use crate::{
    Error, ErrorKind, Kind, Result, Roots, Timestamp,
    message::frame::{self, Signer},
};

/// Signed along with the statement, so that no attestation is a message, and no message an attestation.
const MEDIA_TYPE: &str = "application/vnd.nodelock.attestation.v1";
const KEY_ID: usize = 8;
const SIGNATURE: usize = 64;

impl Issuer {
    /// Signs a statement of the authority about its own records: `examples/authority` seals its audit so. The result is
    /// the id of the key (8 bytes), the signature (64) and the issuer's certificate, which is empty for a root. The
    /// statement is not in it.
    ///
    /// Fails with [`ErrorKind::CertificateExpired`] when this issuer must not sign at `now`.
    ///
    /// ```
    /// # use nodelock::{Clock, Roots, SigningKey, SystemClock, SystemRandom, authority::{Issuer, check_attestation}};
    /// # let (key, now) = (SigningKey::generate(&SystemRandom)?, SystemClock.now());
    /// # let (roots, issuer) = (Roots::new([key.public_key()]), Issuer::root(key));
    /// let attestation = issuer.attest(b"4711 lines, none of them changed", now)?;
    /// check_attestation(b"4711 lines, none of them changed", &attestation, now, &roots)?;
    /// assert!(check_attestation(b"4710 lines, none of them changed", &attestation, now, &roots).is_err());
    /// # Ok::<(), nodelock::Error>(())
    /// ```
    pub fn attest(&self, statement: &[u8], now: Timestamp) -> Result<Vec<u8>> {
        if let Some(certificate) = self.certificate() {
            certificate.check_time(now)?;
        }
        let signature = self.key().sign(&frame::pre_authentication_encoding(MEDIA_TYPE, statement))?;
        let key_id = self.key().public_key().id();
        let certificate = self.certificate().map_or(&[][..], |certificate| certificate.as_bytes());
        Ok([&key_id.as_bytes()[..], &signature[..], certificate].concat())
    }
}

/// Whether an issuer that `roots` vouch for made that statement at `time`: see [`Issuer::attest`].
///
/// Fails with [`ErrorKind::Malformed`], [`ErrorKind::UntrustedSigner`], [`ErrorKind::BadSignature`] and
/// [`ErrorKind::CertificateExpired`].
pub fn check_attestation(statement: &[u8], attestation: &[u8], time: Timestamp, roots: &Roots) -> Result<()> {
    let short = || Error::new(ErrorKind::Malformed, "the attestation is cut off, or is none");
    let (key_id, rest) = attestation.split_first_chunk::<KEY_ID>().ok_or_else(short)?;
    let (signature, certificate) = rest.split_first_chunk::<SIGNATURE>().ok_or_else(short)?;
    // A license stands for whatever an issuer signs: only certificates are a root's alone.
    let (key, certificate) = roots.resolve(Signer { key_id: *key_id, certificate }, Kind::License)?;
    if let Some(certificate) = certificate {
        certificate.check_time(time)?;
    }
    key.verify(&frame::pre_authentication_encoding(MEDIA_TYPE, statement), signature)
        .map_err(|_| Error::new(ErrorKind::BadSignature, "the signature does not fit the statement"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{SigningKey, SystemRandom, authority::CertificateTerms};

    #[test]
    fn an_attestation_is_believed_for_its_statement_issuer_and_time_alone() {
        let at = |day: u32| Timestamp::from_unix_seconds(1_790_000_000).plus_days(day);
        let key = || SigningKey::generate(&SystemRandom).unwrap();
        let (root, other, issuer) = (key(), key(), key());
        let certificate = CertificateTerms::new(issuer.public_key(), "", at(1), at(9)).sign(&root).unwrap();
        let roots = Roots::new([root.public_key()]);
        let by_issuer = Issuer::certified(issuer.clone(), certificate).unwrap();
        let by_root = Issuer::root(root);
        let check = |statement: &[u8], attestation: &[u8], time, roots: &Roots| {
            check_attestation(statement, attestation, time, roots).map_err(|error| error.kind())
        };
        for issuer in [&by_root, &by_issuer] {
            let attestation = issuer.attest(b"so it is", at(2)).unwrap();
            assert_eq!(check(b"so it is", &attestation, at(2), &roots), Ok(()));
            assert_eq!(check(b"so it was", &attestation, at(2), &roots), Err(ErrorKind::BadSignature));
            let strangers = Roots::new([other.public_key()]);
            assert_eq!(check(b"so it is", &attestation, at(2), &strangers), Err(ErrorKind::UntrustedSigner));
            for length in [0, KEY_ID, KEY_ID + SIGNATURE - 1] {
                let cut = &attestation[..length];
                assert_eq!(check(b"so it is", cut, at(2), &roots), Err(ErrorKind::Malformed));
            }
            for at_byte in 0..attestation.len() {
                let mut changed = attestation.clone();
                changed[at_byte] ^= 1;
                assert!(check(b"so it is", &changed, at(2), &roots).is_err(), "byte {at_byte}");
            }
        }
        let attestation = by_issuer.attest(b"", at(2)).unwrap();
        assert_eq!(check(b"", &attestation, at(10), &roots), Err(ErrorKind::CertificateExpired));
        let late = by_issuer.attest(b"", at(10)).map_err(|error| error.kind());
        assert_eq!(late, Err(ErrorKind::CertificateExpired));
        let denied = roots.deny(issuer.public_key());
        assert_eq!(check(b"", &attestation, at(2), &denied), Err(ErrorKind::UntrustedSigner));
    }
}

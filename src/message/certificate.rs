//! Issuer certificates, and the root keys that an application trusts.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    Body, Extension, MAX_EXTENSIONS, MAX_NAME, check_extensions, check_text,
    frame::{Incoming, Kind, Signer},
    signed::{AuthorityBody, Signed, private},
};
use crate::{Error, ErrorKind, KeyId, PublicKey, Result, Timestamp, codec};

/// A root's statement that a key may issue licenses, receipts and revocations for a time.
pub type Certificate = Signed<CertificateBody>;

/// The content of a [`Certificate`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CertificateBody {
    /// The key that may issue.
    pub issuer: PublicKey,
    /// Whose key it is, for people.
    pub name: String,
    /// The vendor's number for this certificate.
    pub serial: u64,
    /// The first second at which the issuer may sign.
    pub not_before: Timestamp,
    /// The last second at which the issuer may sign.
    pub not_after: Timestamp,
    /// M, the longest lease: how many days after its signature a license may end.
    pub longest_lease_days: u32,
    /// Whether the issuer may sign licenses that end later than that, or never.
    pub endless: bool,
    #[serde(deserialize_with = "codec::list::<_, _, MAX_EXTENSIONS>")]
    pub(crate) extensions: Vec<Extension>,
}

impl CertificateBody {
    /// Fails with [`ErrorKind::CertificateExpired`] unless the certificate is valid at `time`.
    pub(crate) fn check_time(&self, time: Timestamp) -> Result<()> {
        if time < self.not_before || time > self.not_after {
            let Self { serial, not_before, not_after, .. } = self;
            let text = format!(
                "issuer certificate {serial} is valid from {not_before} to {not_after}, and not at {time}"
            );
            return Err(Error::new(ErrorKind::CertificateExpired, text));
        }
        Ok(())
    }

    /// Fails with [`ErrorKind::LeaseTooLong`] unless the issuer may sign, at `issued`, a license whose use ends then;
    /// none is never.
    pub(crate) fn check_lease(&self, issued: Timestamp, ends: Option<Timestamp>) -> Result<()> {
        let latest = issued.plus_days(self.longest_lease_days);
        if !self.endless && ends.is_none_or(|end| end > latest) {
            let ends = ends.map_or_else(|| "never ends".to_owned(), |end| format!("ends at {end}"));
            let serial = self.serial;
            let text =
                format!("the license {ends}, and issuer certificate {serial} allows {latest} at the latest");
            return Err(Error::new(ErrorKind::LeaseTooLong, text));
        }
        Ok(())
    }

    /// M, the longest lease. Licenses [without an end](Self::endless) are apart from it.
    pub fn longest_lease(&self) -> Duration {
        Duration::from_secs(u64::from(self.longest_lease_days) * 86_400)
    }
}

impl private::Sealed for CertificateBody {}

impl Body for CertificateBody {
    const KIND: Kind = Kind::IssuerCertificate;
    const LIMIT: usize = 1024;

    fn validate(&self) -> Result<()> {
        check_text("issuer name", &self.name, MAX_NAME)?;
        if self.not_after < self.not_before {
            let text = format!(
                "certificate: it ends at {}, before it begins at {}",
                self.not_after, self.not_before
            );
            return Err(Error::new(ErrorKind::InvalidInput, text));
        }
        check_extensions(&self.extensions)
    }

    fn headers(&self) -> Vec<(&'static str, String)> {
        vec![
            ("Issuer", self.name.clone()),
            ("Key-Id", self.issuer.id().to_string()),
            ("Not-After", self.not_after.to_string()),
        ]
    }
}

/// A certificate is signed by a root, which has no certificate whose time could be checked.
impl AuthorityBody for CertificateBody {
    fn signed_at(&self) -> Timestamp {
        self.not_before
    }
}

impl fmt::Debug for CertificateBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("issuer", &self.issuer.id())
            .field("name", &self.name)
            .field("serial", &self.serial)
            .field("not_after", &self.not_after)
            .finish()
    }
}

/// The root keys that an application embeds, and the issuer keys that it no longer believes.
#[derive(Clone, Debug, Default)]
pub struct Roots {
    trusted: Vec<PublicKey>,
    denied: Vec<PublicKey>,
}

impl Roots {
    /// Trusts each of `keys`. Have more than one, so that losing one is not the end of the product.
    ///
    /// ```
    /// # use nodelock::{Roots, SigningKey, SystemRandom};
    /// # let root = SigningKey::generate(&SystemRandom)?.public_key();
    /// # let (this_year, in_reserve) = (root.to_string(), root.to_string());
    /// let roots: Roots = Roots::new([this_year.parse()?, in_reserve.parse()?]);
    /// # Ok::<(), nodelock::Error>(())
    /// ```
    pub fn new(keys: impl IntoIterator<Item = PublicKey>) -> Self {
        Self { trusted: keys.into_iter().collect(), denied: Vec::new() }
    }

    /// Believes nothing that `key` signs, certificate or not: for an issuer key that was stolen, in the next
    /// version of the application.
    ///
    /// ```
    /// # use nodelock::{Roots, SigningKey, SystemRandom};
    /// # let root = SigningKey::generate(&SystemRandom)?.public_key();
    /// # let stolen = SigningKey::generate(&SystemRandom)?.public_key().to_string();
    /// let roots = Roots::new([root]).deny(stolen.parse()?);
    /// # assert!(format!("{roots:?}").contains(&stolen));
    /// # Ok::<(), nodelock::Error>(())
    /// ```
    pub fn deny(mut self, key: PublicKey) -> Self {
        self.denied.push(key);
        self
    }

    /// All of these keys, as bytes that no other roots have.
    #[cfg(feature = "authority")]
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let keys = self.trusted.iter().chain(&self.denied).flat_map(|key| *key.as_bytes());
        (self.trusted.len() as u64).to_le_bytes().into_iter().chain(keys).collect()
    }

    fn untrusted(&self, key_id: [u8; 8]) -> Error {
        let mut text =
            format!("signed by key {}, which no root key of this application vouches for", KeyId(key_id));
        for (number, root) in self.trusted.iter().take(3).enumerate() {
            text += if number == 0 { "; check your root key, here " } else { ", " };
            text += &root.id().to_string();
        }
        Error::new(ErrorKind::UntrustedSigner, text)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.trusted.is_empty()
    }

    /// The key that a signer's claim leads to, with its certificate unless it is a root.
    ///
    /// The key id is a hint: with a wrong one the right key is not found, and that is all it can do.
    pub(crate) fn resolve(&self, signer: Signer<'_>, kind: Kind) -> Result<(PublicKey, Option<Certificate>)> {
        let unknown = || self.untrusted(signer.key_id);
        let (key, certificate) = if signer.certificate.is_empty() {
            let root = self.trusted.iter().find(|key| *key.id().as_bytes() == signer.key_id);
            (*root.ok_or_else(unknown)?, None)
        } else if kind == Kind::IssuerCertificate {
            // A chain has two links: only roots make certificates.
            return Err(unknown());
        } else {
            let message = Incoming::new(signer.certificate.to_vec());
            let certificate = Certificate::open_by_authority(message, self)?;
            if *certificate.issuer.id().as_bytes() != signer.key_id {
                return Err(unknown());
            }
            (certificate.issuer, Some(certificate))
        };
        if self.denied.contains(&key) {
            let text =
                format!("signed by key {}, which this application does not believe any more", key.id());
            return Err(Error::new(ErrorKind::UntrustedSigner, text));
        }
        Ok((key, certificate))
    }
}

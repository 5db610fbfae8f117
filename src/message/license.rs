//! Licenses.

use serde::{Deserialize, Serialize};

use super::{
    Body, CHAIN, CertificateBody, Extension, MAX_EXTENSIONS, MAX_METADATA, MAX_NAME, MAX_TEXT, Metadata,
    Page, check_extensions, check_metadata, check_product, check_text,
    frame::Kind,
    id::random_id,
    signed::{AuthorityBody, Signed, private},
};
use crate::{
    Error, ErrorKind, PublicKey, Result, Timestamp,
    code::Handle,
    codec,
    error::shown,
    fingerprint::{Fingerprint, Policy},
};

/// A verified license for one seat: this product, on this machine, under these terms.
pub type License = Signed<LicenseBody>;

random_id! {
    /// Names a license at its vendor: 8 random bytes, shown as 16 hex digits. Every seat of a license bears it.
    LicenseId, "license id"
}

impl LicenseId {
    /// What stands where no license is meant: in the proof of a request that was cancelled before its license came.
    pub const NONE: Self = Self::from_bytes([0; 8]);
}

/// Something the license entitles to, besides the product itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Feature {
    /// The name that the application asks for.
    pub name: String,
    /// How much of it, in a unit that the application defines; none is without limit.
    pub limit: Option<u64>,
    /// The first second at which the feature is no longer there; none is never.
    pub expires: Option<Timestamp>,
}

impl Feature {
    /// The feature of that name, without limit and without end.
    ///
    /// ```
    /// # use nodelock::Feature;
    /// let feature = Feature::new("projects").up_to(10);
    /// assert_eq!((feature.limit, feature.expires), (Some(10), None));
    /// ```
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), limit: None, expires: None }
    }

    /// This feature up to that limit.
    ///
    /// ```
    /// # use nodelock::Feature;
    /// assert_eq!(Feature::new("cores").up_to(8).limit, Some(8));
    /// ```
    pub fn up_to(self, limit: u64) -> Self {
        Self { limit: Some(limit), ..self }
    }

    /// This feature until that time.
    ///
    /// ```
    /// # use nodelock::Feature;
    /// let trial = Feature::new("export").until("2027-01-31".parse()?);
    /// assert!(trial.expires.is_some());
    /// # Ok::<(), nodelock::Error>(())
    /// ```
    pub fn until(self, expires: Timestamp) -> Self {
        Self { expires: Some(expires), ..self }
    }
}

/// How much of a [`Feature`] there is, in a unit that the application defines.
///
/// ```
/// use nodelock::Limit;
///
/// assert!(Limit::UpTo(10).allows(10) && !Limit::UpTo(10).allows(11));
/// assert!(Limit::Unlimited.allows(u64::MAX));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Limit {
    /// As much as anybody wants.
    Unlimited,
    /// So much and no more.
    UpTo(u64),
}

impl Limit {
    /// Whether the limit allows `amount`.
    pub fn allows(self, amount: u64) -> bool {
        match self {
            Self::Unlimited => true,
            Self::UpTo(limit) => amount <= limit,
        }
    }
}

impl From<Option<u64>> for Limit {
    /// None is [`Limit::Unlimited`], as in [`Feature::limit`].
    fn from(limit: Option<u64>) -> Self {
        limit.map_or(Self::Unlimited, Self::UpTo)
    }
}

/// The content of a [`License`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LicenseBody {
    /// Which license of the vendor this seat belongs to.
    pub license_id: LicenseId,
    /// The product it is for.
    pub product: String,
    /// The seat.
    pub handle: Handle,
    /// The key of the device that holds the seat.
    pub device_key: PublicKey,
    /// The commitment to the device's release secret, as the request carried it.
    pub release_commitment: [u8; 32],
    /// Who licensed the product.
    pub licensee: String,
    /// The edition of the product; may be empty.
    pub edition: String,
    /// What the license entitles to, ascending by name.
    #[serde(deserialize_with = "codec::list::<_, _, MAX_FEATURES>")]
    pub features: Vec<Feature>,
    /// Whatever else the vendor tells the application.
    #[serde(deserialize_with = "codec::list::<_, _, MAX_METADATA>")]
    pub metadata: Metadata,
    /// When the authority signed this license.
    pub issued: Timestamp,
    /// The first second at which the license is valid.
    pub starts: Timestamp,
    /// The first second at which it is no longer valid; none is perpetual.
    pub expires: Option<Timestamp>,
    /// The first second at which this copy must have been renewed; none is never.
    pub lease_until: Option<Timestamp>,
    /// From when on the application should renew it.
    pub renew_after: Option<Timestamp>,
    /// Maintenance: versions of the application released later are not covered. None covers all.
    pub updates_until: Option<Timestamp>,
    /// The fingerprint of the machine as the authority last saw it.
    pub baseline: Fingerprint,
    /// How far the machine may change.
    pub policy: Policy,
    /// How many more deactivations the license had when this was issued; none is without limit.
    pub deactivations_left: Option<u32>,
    /// The SHA-256 of the body of the activation request that this answers.
    pub request_digest: [u8; 32],
    /// The digest of the message that this license answers: that request, or a check-in. None for one that nobody asked
    /// for. Only an answer sets a wrong clock right.
    pub answers: Option<[u8; 32]>,
    /// Counts the licenses issued for this seat: a renewal has a higher one.
    pub revision: u32,
    /// What the device shows at its next check-in, so that a restored copy is found.
    pub sync_token: [u8; 16],
    /// The minute of the authority's service in which this was signed.
    pub page: Page,
    #[serde(deserialize_with = "codec::list::<_, _, MAX_EXTENSIONS>")]
    pub(crate) extensions: Vec<Extension>,
}

/// How many features a license may have.
pub(crate) const MAX_FEATURES: usize = 1024;

impl LicenseBody {
    /// The feature of that name, expired or not.
    ///
    /// ```
    /// # use nodelock::testing::{Machine, TestAuthority};
    /// # let authority = TestAuthority::new("Example Editor");
    /// # let license_key = authority.sell(1)?;
    /// # let client = authority.client(&Machine::new("desk")).build()?;
    /// # client.activate(&license_key)?;
    /// # let status = client.check()?;
    /// # let license = status.license().expect("it is activated");
    /// assert!(license.feature("export").is_none());
    /// # Ok::<(), nodelock::Error>(())
    /// ```
    pub fn feature(&self, name: &str) -> Option<&Feature> {
        let found = self.features.binary_search_by(|feature| feature.name.as_str().cmp(name));
        found.ok().map(|at| &self.features[at])
    }

    /// The digest of the authority's chain of seals at the [page](Self::page), where it keeps one. The device shows it
    /// at its next check-in, so that a chain that was made anew is noticed. It tells nothing of what is in the chain.
    ///
    /// ```
    /// # use nodelock::testing::{Machine, TestAuthority};
    /// # let authority = TestAuthority::new("Example Editor");
    /// # let license_key = authority.sell(1)?;
    /// # let client = authority.client(&Machine::new("desk")).build()?;
    /// # client.activate(&license_key)?;
    /// # let status = client.check()?;
    /// # let license = status.license().expect("it is activated");
    /// assert_eq!(license.chain(), None, "the authority of tests has no audit");
    /// # Ok::<(), nodelock::Error>(())
    /// ```
    pub fn chain(&self) -> Option<[u8; 32]> {
        self.extensions.iter().find(|extension| extension.id == CHAIN)?.data().try_into().ok()
    }

    /// The extension of a check-in that says so again.
    pub(crate) fn chain_again(&self) -> Option<Extension> {
        let data = [&self.page.as_bytes()[..], &self.chain()?[..]].concat();
        Some(Extension { id: CHAIN, critical: false, data: data.into() })
    }

    /// When its use ends: its lease or the license itself, whichever ends first. None is never.
    pub(crate) fn end_of_use(&self) -> Option<Timestamp> {
        [self.lease_until, self.expires].into_iter().flatten().min()
    }

    /// The first value of that name in the [metadata](Self::metadata).
    ///
    /// ```
    /// # use nodelock::testing::{Machine, TestAuthority};
    /// # let authority = TestAuthority::new("Example Editor");
    /// # let license_key = authority.sell(1)?;
    /// # let client = authority.client(&Machine::new("desk")).build()?;
    /// # client.activate(&license_key)?;
    /// # let status = client.check()?;
    /// # let license = status.license().expect("it is activated");
    /// assert_eq!(license.metadata_value("order"), None);
    /// # Ok::<(), nodelock::Error>(())
    /// ```
    pub fn metadata_value(&self, name: &str) -> Option<&str> {
        self.metadata.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

/// Features as a license must have them.
pub(crate) fn check_features(features: &[Feature]) -> Result<()> {
    if features.len() > MAX_FEATURES {
        return Err(Error::length("a license", "features", features.len(), 0, MAX_FEATURES));
    }
    for feature in features {
        check_text("feature", &feature.name, MAX_NAME)?;
    }
    if let Some(pair) = features.windows(2).find(|pair| pair[0].name >= pair[1].name) {
        let name = shown(&pair[1].name);
        let text = format!("feature `{name}` is there twice or out of order; each name once, ascending");
        return Err(Error::new(ErrorKind::InvalidInput, text));
    }
    Ok(())
}

impl private::Sealed for LicenseBody {}

impl Body for LicenseBody {
    const KIND: Kind = Kind::License;
    const LIMIT: usize = 128 * 1024;

    fn validate(&self) -> Result<()> {
        check_product(&self.product)?;
        check_text("licensee", &self.licensee, MAX_TEXT)?;
        check_text("edition", &self.edition, MAX_NAME)?;
        check_features(&self.features)?;
        check_metadata(&self.metadata)?;
        check_extensions(&self.extensions)
    }

    fn headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = vec![
            ("Product", self.product.clone()),
            ("License", self.license_id.to_string()),
            ("Seat", self.handle.to_string()),
            ("Licensee", self.licensee.clone()),
        ];
        if !self.edition.is_empty() {
            headers.push(("Edition", self.edition.clone()));
        }
        headers.push(("Issued", self.issued.to_string()));
        if let Some(time) = self.expires {
            headers.push(("Expires", time.to_string()));
        }
        if let Some(time) = self.lease_until {
            headers.push(("Lease-Until", time.to_string()));
        }
        headers
    }
}

impl AuthorityBody for LicenseBody {
    fn signed_at(&self) -> Timestamp {
        self.issued
    }

    fn check_certificate(&self, certificate: &CertificateBody) -> Result<()> {
        certificate.check_time(self.issued)?;
        certificate.check_lease(self.issued, self.end_of_use())
    }
}

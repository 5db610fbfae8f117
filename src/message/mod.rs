//! Messages: everything that travels between a device and its authority.
//!
//! `frame` puts a body into an envelope, `armor` is the text form, `text` reads whatever became of a text on its way,
//! `signed` ties a verified body to its bytes;
//! each kind of message has a file of its own.

pub(crate) mod armor;
mod certificate;
mod check_in;
mod description;
pub(crate) mod frame;
mod id;
mod license;
mod page;
pub(crate) mod proof;
mod receipt;
pub(crate) mod request;
mod revocation;
pub(crate) mod signed;
pub(crate) mod text;

use std::fmt;

use serde::{Deserialize, Serialize};

#[cfg(any(feature = "description", feature = "testing", test))]
pub(crate) use self::description::describing;
#[cfg(feature = "authority")]
pub(crate) use self::license::check_features;
pub use self::{
    armor::ChangedHeader,
    certificate::{Certificate, CertificateBody, Roots},
    check_in::{CheckInBody, CheckInRequest, PreflightBody, PreflightRequest, RecoveryBody, RecoveryRequest},
    frame::{Kind, MAX_INPUT},
    license::{Feature, License, LicenseBody, LicenseId, Limit},
    page::Page,
    proof::{DeactivationProof, ProofBody, Reason, product_tag},
    receipt::{Binding, DeactivationReceipt, Outcome, ReceiptBody},
    request::{ActivationRequest, RequestBody},
    revocation::{Revocation, RevocationBody},
    signed::{AuthorityBody, Body, Signed},
};
use crate::{Error, ErrorKind, Result, codec::Bytes};

/// Pairs of names and values that the vendor or the application chose, in the order they were given.
pub type Metadata = Vec<(String, String)>;

/// Something a later version added to a body.
///
/// An extension that is not critical is kept and passed over; a critical one that this version does not know is
/// [`ErrorKind::CriticalExtension`] (docs/PROTOCOL.md, Signed envelopes). `docs/FORMAT.md` has those that this version
/// knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Extension {
    /// Which extension; numbers are never used again.
    pub(crate) id: u32,
    /// Whether a reader that does not know it must refuse the whole message.
    pub(crate) critical: bool,
    data: Bytes,
}

/// The extension with the digest of the authority's chain of seals: of a license as it was at its page, of a check-in
/// behind the page of the license that the device has.
pub(crate) const CHAIN: u32 = 3;

impl Extension {
    /// The digest of the chain in a license.
    #[cfg(feature = "authority")]
    pub(crate) fn chain(digest: [u8; 32]) -> Self {
        Self { id: CHAIN, critical: false, data: digest.to_vec().into() }
    }

    /// The extension's content.
    pub(crate) fn data(&self) -> &[u8] {
        &self.data
    }
}

/// How many extensions a body may hold.
pub(crate) const MAX_EXTENSIONS: usize = 32;
/// How many pairs of metadata a body may hold.
pub(crate) const MAX_METADATA: usize = 64;
/// The longest name: of a product, a license key, a feature, an edition, a metadata entry; bytes of UTF-8.
pub(crate) const MAX_NAME: usize = 64;
/// The longest text: a licensee, a metadata value, a revocation's reason; bytes of UTF-8.
pub(crate) const MAX_TEXT: usize = 1024;

/// Refuses text that would not survive being a line of its own in a text file.
pub(crate) fn check_text(about: &'static str, text: &str, limit: usize) -> Result<()> {
    if text.len() > limit {
        return Err(Error::length(about, "bytes", text.len(), 0, limit));
    }
    if text.trim() != text || text.chars().any(char::is_control) {
        let text = format!("{about} must be one line of at most {limit} bytes, with no space at its ends");
        return Err(Error::new(ErrorKind::InvalidInput, text));
    }
    Ok(())
}

/// Whether a text may hold a license key or a code, which no error text repeats: 20 letters and digits in a row, or
/// five groups of five.
#[cfg(any(feature = "authority", feature = "transport"))]
pub(crate) fn may_hold_a_code(text: &str) -> bool {
    let length = |word: &str| word.chars().filter(char::is_ascii_alphanumeric).count();
    let lengths: Vec<_> = text.split_whitespace().map(length).collect();
    lengths.iter().any(|length| *length >= 20)
        || lengths.windows(5).any(|group| group.iter().all(|n| *n == 5))
}

/// A product's name: 1 to 64 bytes on one line.
pub(crate) fn check_product(product: &str) -> Result<()> {
    if product.is_empty() {
        return Err(Error::length("product", "bytes", 0, 1, MAX_NAME));
    }
    check_text("product", product, MAX_NAME)
}

pub(crate) fn check_metadata(metadata: &[(String, String)]) -> Result<()> {
    if metadata.len() > MAX_METADATA {
        return Err(Error::length("metadata", "entries", metadata.len(), 0, MAX_METADATA));
    }
    for (name, value) in metadata {
        check_text("metadata name", name, MAX_NAME)?;
        check_text("metadata value", value, MAX_TEXT)?;
    }
    Ok(())
}

pub(crate) fn check_extensions<'e>(extensions: impl IntoIterator<Item = &'e Extension>) -> Result<()> {
    match extensions.into_iter().find(|e| e.critical) {
        Some(e) => {
            let text = format!("the message needs extension {}, which this version does not have", e.id);
            Err(Error::new(ErrorKind::CriticalExtension, text))
        }
        None => Ok(()),
    }
}

/// Hex digits, lower case.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        fmt::Write::write_fmt(&mut text, format_args!("{byte:02x}")).expect("a String takes any text");
        text
    })
}

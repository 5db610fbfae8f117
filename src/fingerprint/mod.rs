//! Machine fingerprints: what is found on a machine, what of it is sent, and how two of them compare.
//!
//! ```
//! use nodelock::fingerprint::{Acceptance, Policy, Probe, TagKey, judge};
//!
//! let key = TagKey::new("example.com", "editor");
//! let baseline = Probe::this_machine().fingerprint(&key);
//! // ... later:
//! let now = Probe::this_machine().fingerprint(&key);
//! assert_eq!(judge(&baseline, &now, &Policy::default()).acceptance, Acceptance::Accept);
//! ```
//!
//! A [`Probe`] holds raw values and stays in memory; a [`Fingerprint`] holds three-byte tags under a
//! [`TagKey`] and can be sent. Scoring is pure. `docs/FINGERPRINT.md` specifies the
//! rules; comments cite its sections where they are carried out.

mod component;
mod firmware;
mod junk;
mod normalize;
mod policy;
mod probe;
mod score;
mod tag;
mod virtualization;
mod wire;

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "macos")]
#[allow(unsafe_code)]
mod macos;
#[cfg(not(any(target_os = "linux", target_os = "macos", windows)))]
mod other;
#[cfg(any(windows, test))]
mod windows;

pub use component::{Class, Component};
pub use policy::{Policy, Weight};
pub use probe::{HostId, Probe, machine_id};
#[cfg(feature = "authority")]
pub(crate) use score::is_same;
pub use score::{Acceptance, ComponentResult, Judgement, Match, compare, judge};
pub use tag::TagKey;
pub use virtualization::{Environment, Sign};
pub use wire::{Fingerprint, MAX_ITEMS, Tag};

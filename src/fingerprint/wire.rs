//! What is sent and signed: a fingerprint as a list of tags, and the limits that hold when one is read.

use serde::{Deserialize, Serialize};

use super::component::{Class, Component};
use crate::{Error, Result, codec};

/// The most tags in one fingerprint and the most weights in one policy; a longer list is refused unread.
pub const MAX_ITEMS: usize = 32;

/// The most network addresses in one fingerprint.
pub(super) const MAX_MACS: usize = 4;

/// One component of a fingerprint, as it is sent: its number and three bytes of a keyed hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Tag {
    component: u8,
    tag: [u8; 3],
}

impl Tag {
    pub(super) fn new(component: Component, tag: [u8; 3]) -> Self {
        Self { component: component.number(), tag }
    }

    /// The tag of a component by its number, for records that name one.
    pub fn from_parts(component: u8, tag: [u8; 3]) -> Self {
        Self { component, tag }
    }

    /// The number of the component, which may be one that this version does not know.
    pub fn component(&self) -> u8 {
        self.component
    }

    /// The first three bytes of the keyed hash.
    pub fn bytes(&self) -> [u8; 3] {
        self.tag
    }
}

/// A machine as it is sent: tags and two answers, never a raw value. (docs/FINGERPRINT.md, Tags)
///
/// The order of the fields is the wire format. Reading refuses more than [`MAX_ITEMS`] tags; tags of unknown
/// components are kept and score nothing. The default is the empty fingerprint, which binds to nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    #[serde(deserialize_with = "codec::list::<_, _, MAX_ITEMS>")]
    tags: Vec<Tag>,
    virtual_machine: bool,
    container: bool,
}

impl Fingerprint {
    /// Sorts the tags: a machine has one spelling, and the order of a set does not tell the order of its values.
    pub(super) fn new(mut tags: Vec<Tag>, virtual_machine: bool, container: bool) -> Self {
        tags.sort_unstable();
        Self { tags, virtual_machine, container }
    }

    /// Rejects fingerprints with more than four MAC tags or more than one tag of any other component. Otherwise a
    /// client could send the tags of many machines and match all of them. (docs/FINGERPRINT.md, Network addresses)
    pub(crate) fn validate(&self) -> Result<()> {
        for component in Component::ALL {
            let most = if component == Component::Mac { MAX_MACS } else { 1 };
            let count = self.tags.iter().filter(|tag| tag.component == component.number()).count();
            if count > most {
                let what = format!("fingerprint component {}", component.name());
                return Err(Error::length(&what, "tags", count, 0, most));
            }
        }
        Ok(())
    }

    /// The tags; when made here, in the order of their components.
    pub fn tags(&self) -> &[Tag] {
        &self.tags
    }

    /// Whether signs of a virtual machine were seen. Feeds policy, never security.
    pub fn virtual_machine(&self) -> bool {
        self.virtual_machine
    }

    /// Whether signs of a container were seen. Feeds policy, never security.
    pub fn container(&self) -> bool {
        self.container
    }

    /// The tags, and nothing of what the machine is.
    #[cfg(feature = "authority")]
    pub(crate) fn tags_alone(&self) -> Self {
        Self { tags: self.tags.clone(), virtual_machine: false, container: false }
    }

    /// Whether there is a hardware-unique component to bind to. (docs/FINGERPRINT.md, Unbindable machines)
    pub fn bindable(&self) -> bool {
        self.hardware().next().is_some()
    }

    /// The tags of hardware-unique components: what a machine is found again by.
    pub fn hardware(&self) -> impl Iterator<Item = Tag> + '_ {
        let class = |tag: &Tag| Component::from_number(tag.component).map(Component::class);
        self.tags.iter().copied().filter(move |tag| class(tag) == Some(Class::HardwareUnique))
    }
}

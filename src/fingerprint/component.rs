//! The components of a fingerprint and what kind of evidence each one is.

use std::fmt;

/// One property of a machine that a fingerprint scores.
///
/// The numbers are permanent: they are sent, signed and hashed. (docs/FINGERPRINT.md, Components)
///
/// ```
/// use nodelock::fingerprint::{Class, Component};
///
/// let unique = Component::ALL.into_iter().filter(|component| component.class() == Class::HardwareUnique);
/// assert_eq!(unique.count(), 5);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum Component {
    /// The identity of the operating system's installation (machine-id, `MachineGuid`).
    OsId = 1,
    /// The UUID of the root file system.
    RootFs = 2,
    /// The UUID that the firmware gives the machine (SMBIOS, `IOPlatformUUID`).
    HwUuid = 3,
    /// The serial number of the main board.
    BoardSerial = 4,
    /// The serial number of the disk that carries the root file system.
    DiskSerial = 5,
    /// The permanent address of a network card; up to four of them, of which one has to match.
    Mac = 6,
    /// Maker and model of the machine.
    Model = 7,
    /// Maker, family, model, stepping and brand of the processor.
    Cpu = 8,
    /// An identity that the application supplies: a dongle, a cloud instance id, a user id.
    HostId = 9,
}

/// What a component's agreement is worth as evidence. (docs/FINGERPRINT.md, Components)
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Class {
    /// Copied along with a disk image.
    Software,
    /// Found on one machine only; without one of these no fingerprint binds to hardware.
    HardwareUnique,
    /// Shared by every machine of the same kind.
    Common,
}

impl Component {
    /// All components, in the order of their numbers.
    pub const ALL: [Self; 9] = [
        Self::OsId,
        Self::RootFs,
        Self::HwUuid,
        Self::BoardSerial,
        Self::DiskSerial,
        Self::Mac,
        Self::Model,
        Self::Cpu,
        Self::HostId,
    ];

    /// The name used in reports and documents, such as `os_id`.
    pub fn name(self) -> &'static str {
        match self {
            Self::OsId => "os_id",
            Self::RootFs => "root_fs",
            Self::HwUuid => "hw_uuid",
            Self::BoardSerial => "board_serial",
            Self::DiskSerial => "disk_serial",
            Self::Mac => "mac",
            Self::Model => "model",
            Self::Cpu => "cpu",
            Self::HostId => "host_id",
        }
    }

    /// The permanent number of this component, as it stands in a tag.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The component with this number, or `None` when this version knows none.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number).checked_sub(1)?).copied()
    }

    /// What the component's agreement is worth as evidence.
    pub fn class(self) -> Class {
        match self {
            Self::OsId | Self::RootFs => Class::Software,
            Self::HwUuid | Self::BoardSerial | Self::DiskSerial | Self::Mac | Self::HostId => {
                Class::HardwareUnique
            }
            Self::Model | Self::Cpu => Class::Common,
        }
    }
}

impl fmt::Display for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

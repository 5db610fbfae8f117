//! Windows: the registry, the firmware's table and a few calls of the system, none of which needs an administrator.
//!
//! WMI would answer all of this in one language, but it hangs and breaks, and asking it starts processes. What
//! can be told without the system is in modules of its own, which are tested everywhere.

mod adapter;
#[cfg(windows)]
#[allow(unsafe_code)]
mod calls;
mod smbios;
mod storage;

#[cfg(windows)]
use zeroize::Zeroizing;

#[cfg(windows)]
use super::{
    component::Component,
    normalize,
    probe::Raw,
    virtualization::{self, Sign},
};

/// The installation's identity; 32-bit programs must ask for the 64-bit view, theirs has another one.
#[cfg(windows)]
const CRYPTOGRAPHY: &str = r"SOFTWARE\Microsoft\Cryptography";
/// What the system found out about its first processor.
#[cfg(windows)]
const PROCESSOR: &str = r"HARDWARE\DESCRIPTION\System\CentralProcessor\0";
/// The network connections; below each one's GUID is the device that it belongs to.
#[cfg(windows)]
const NETWORK: &str = r"SYSTEM\CurrentControlSet\Control\Network\{4D36E972-E325-11CE-BFC1-08002BE10318}";

/// Probes the machine that this runs on.
///
/// The processor's hypervisor bit is not asked: it is set on physical machines too, where Windows runs beside
/// its own hypervisor.
#[cfg(windows)]
pub(super) fn this_machine() -> Raw {
    let mut raw = Raw::default();
    raw.push(Component::OsId, calls::registry(CRYPTOGRAPHY, "MachineGuid"));
    if let Some(table) = calls::firmware_table() {
        smbios::parse(&table).report(&mut raw);
    }
    let processor = ["VendorIdentifier", "Identifier", "ProcessorNameString"];
    let processor: Vec<_> = processor.iter().filter_map(|name| calls::registry(PROCESSOR, name)).collect();
    let processor: Vec<_> = processor.iter().map(|value| value.as_str()).collect();
    raw.push(Component::Cpu, Some(Zeroizing::new(processor.join(" "))));
    cards(&mut raw);
    if let Some(drive) = calls::system_drive() {
        let serial = calls::volume_serial(&drive);
        raw.push(Component::RootFs, serial.map(|serial| Zeroizing::new(format!("{serial:08x}"))));
        if !raw.environment.virtual_machine() {
            raw.push(Component::DiskSerial, disk_serial(&drive));
        }
    }
    raw
}

/// Adds the permanent address of each card that is built in.
#[cfg(windows)]
fn cards(raw: &mut Raw) {
    let device = |guid: &str| calls::registry(&format!(r"{NETWORK}\{guid}\Connection"), "PnPInstanceID");
    let adapters = calls::adapters().into_iter();
    let cards = adapters.filter(|(guid, card)| card.is_hardware() && !adapter::is_foreign(device(guid)));
    for (_, card) in cards {
        let Some(address) = card.permanent_address() else { continue };
        if virtualization::mac_is_virtual(&address) {
            raw.environment.see(Sign::MacPrefix);
        }
        raw.push(Component::Mac, Some(address));
    }
}

/// The serial of the disk that holds the system; of several (a spanned or mirrored volume) the least one.
#[cfg(windows)]
fn disk_serial(drive: &str) -> Option<Zeroizing<String>> {
    let serial = |disk| storage::serial(&calls::storage_descriptor(disk)?);
    let usable = |serial: Zeroizing<String>| normalize::value(Component::DiskSerial, &serial, false);
    let serials = calls::disks(drive).into_iter().filter_map(serial).filter_map(usable);
    serials.min_by(|a, b| a.as_str().cmp(b.as_str()))
}

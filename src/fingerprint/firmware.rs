//! Windows, macOS and the rest: what the firmware says, by way of `sysinfo`.
//!
//! Left absent here because no library gives it at a fair price: the installation's id and the volume's
//! serial, the disk's serial, and permanent network addresses other than macOS's `en0`. The UUID and the
//! serial of the firmware need no administrator on these systems, so a fingerprint binds without them.

use sysinfo::{Motherboard, Product};
use zeroize::Zeroizing;

use super::{
    component::Component,
    junk, normalize,
    probe::Raw,
    virtualization::{self, Sign},
};

pub(super) fn this_machine() -> Raw {
    let mut raw = Raw::default();
    let vendor = Product::vendor_name().unwrap_or_default();
    let model = Product::name().unwrap_or_default();
    if virtualization::firmware_is_virtual(&vendor, &model) {
        raw.environment.see(Sign::FirmwareVendor);
    }
    if !junk::text(&normalize::text(&model)) {
        raw.push(Component::Model, Some(Zeroizing::new(format!("{vendor} {model}"))));
    }
    raw.push(Component::HwUuid, Product::uuid().map(Zeroizing::new));
    let serial = Motherboard::new().and_then(|board| board.serial_number());
    raw.push(Component::BoardSerial, serial.map(Zeroizing::new));
    raw.push(Component::Cpu, cpu().map(Zeroizing::new));
    #[cfg(target_os = "macos")]
    raw.push(Component::Mac, built_in_mac().map(Zeroizing::new));
    raw
}

/// Family, model, stepping and vendor as Windows gives them to every process; asking for the brand as well
/// would start its performance counters.
#[cfg(windows)]
fn cpu() -> Option<String> {
    std::env::var("PROCESSOR_IDENTIFIER").ok()
}

#[cfg(not(windows))]
fn cpu() -> Option<String> {
    let mut system = sysinfo::System::new();
    system.refresh_cpu_list(sysinfo::CpuRefreshKind::nothing());
    system.cpus().first().map(|cpu| format!("{} {}", cpu.vendor_id(), cpu.brand()))
}

/// The address of the built-in card. When macOS shows a private one instead, that is locally administered
/// and dropped with the rest of them.
#[cfg(target_os = "macos")]
fn built_in_mac() -> Option<String> {
    let address = mac_address::mac_address_by_name("en0").ok().flatten()?;
    Some(address.to_string())
}

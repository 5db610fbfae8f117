//! Systems without a probe of their own: what the firmware says, by way of `sysinfo`.

use sysinfo::{Motherboard, Product};
use zeroize::Zeroizing;

use super::{component::Component, firmware::Firmware, probe::Raw};

pub(super) fn this_machine() -> Raw {
    let mut raw = Raw::default();
    let board_serial = Motherboard::new().and_then(|board| board.serial_number());
    let firmware = Firmware {
        vendor: Product::vendor_name().map(Zeroizing::new),
        product: Product::name().map(Zeroizing::new),
        uuid: Product::uuid().map(Zeroizing::new),
        board_serial: board_serial.map(Zeroizing::new),
    };
    firmware.report(&mut raw);
    let mut system = sysinfo::System::new();
    system.refresh_cpu_list(sysinfo::CpuRefreshKind::nothing());
    let cpu = system.cpus().first().map(|cpu| format!("{} {}", cpu.vendor_id(), cpu.brand()));
    raw.push(Component::Cpu, cpu.map(Zeroizing::new));
    raw
}

//! The permanent addresses of physical network cards.

use super::SystemRoot;
use crate::fingerprint::{
    component::Component,
    probe::Raw,
    virtualization::{self, Sign},
};

/// `addr_assign_type` of an address that the card brought along (`NET_ADDR_PERM`).
const PERMANENT: &str = "0";

/// The most cards that are asked for their address.
const CARDS: usize = 16;

/// Adds the permanent address of each physical card.
///
/// The current address is of no use: Wi-Fi randomization, docks and VPNs change it (docs/FINGERPRINT.md, Network
/// addresses).
///
/// When the kernel says that the current address is the card's own, that is the permanent one: the kernel
/// copies it there in just this case. Otherwise the driver is asked, which is the last resort because it
/// may have to wake the card up, and a broken one may not answer.
pub(super) fn cards(system: &SystemRoot<'_>, raw: &mut Raw) {
    let physical = system.names("sys/class/net").filter(|name| is_physical(system, name));
    let mut physical: Vec<_> = physical.collect();
    // A folder is listed in no order; which cards are asked must not depend on it.
    physical.sort_unstable();
    physical.truncate(CARDS);
    let address = |name: String| {
        let file = |file: &str| system.value(&format!("sys/class/net/{name}/{file}"));
        let own = file("addr_assign_type").is_some_and(|kind| kind.trim() == PERMANENT);
        if own { file("address") } else { system.permanent_address(&name) }
    };
    let addresses: Vec<_> = physical.into_iter().filter_map(address).collect();
    if addresses.iter().any(|address| virtualization::mac_is_virtual(address)) {
        raw.environment.see(Sign::MacPrefix);
    }
    for address in addresses {
        raw.push(Component::Mac, Some(address));
    }
}

/// Whether an interface is a card in this machine: its folder lies below that of a device of a bus other than USB.
fn is_physical(system: &SystemRoot<'_>, name: &str) -> bool {
    // Container hosts have hundreds of these; the name saves looking at each.
    const VIRTUAL: [&str; 6] = ["veth", "cali", "docker", "br-", "virbr", "tap"];
    if name == "lo" || VIRTUAL.iter().any(|prefix| name.starts_with(prefix)) {
        return false;
    }
    let Some(device) = system.link(&format!("sys/class/net/{name}")) else { return false };
    let usb =
        |part: &str| part.strip_prefix("usb").is_some_and(|n| n.starts_with(|c: char| c.is_ascii_digit()));
    device.contains("/devices/") && !device.split('/').any(|part| part == "virtual" || usb(part))
}

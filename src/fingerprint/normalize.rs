//! One spelling for each value, so that two readings of the same thing give the same tag.
//!
//! Trimmed, lower case and single spaces, as far as it is ASCII; UUIDs and network addresses as bare digits, of a UUID
//! and its byte-swapped twin the lesser. Then what is junk is dropped.

use zeroize::Zeroizing;

use super::{component::Component, junk};

/// A longer value identifies nothing; it is dropped, not cut. It also keeps the length that is hashed in 16 bits.
pub(super) const MAX_VALUE: usize = 1024;

/// The canonical spelling of `raw`, or `None` when it is junk or not of the component's form.
///
/// `virtual_machine` matters to what a machine cannot vouch for from inside a virtual machine (the disk's
/// serial and the model are the hypervisor's), and to locally administered network addresses, which are
/// made up on a physical machine and ordinary in a virtual one.
pub(super) fn value(component: Component, raw: &str, virtual_machine: bool) -> Option<Zeroizing<String>> {
    if raw.len() > MAX_VALUE {
        return None;
    }
    match component {
        Component::OsId => {
            let id = uuid(raw).filter(|id| !junk::uuid(id))?;
            Some(hex(&id)).filter(|id| !junk::machine_id(id))
        }
        Component::HwUuid => {
            let id = uuid(raw).filter(|id| !junk::uuid(id))?;
            Some(hex(&id.min(byte_swapped(&id))))
        }
        // A volume id is a UUID on most file systems and a short serial such as `1A2B-3C4D` on others.
        Component::RootFs => match uuid(raw) {
            Some(id) => Some(hex(&id)).filter(|_| !junk::uuid(&id)),
            None => Some(bare_serial(text(raw))).filter(|id| !junk::text(id)),
        },
        Component::Mac => {
            let mac = mac(raw).filter(|mac| !junk::mac(mac))?;
            let local = mac[0] & 0x02 != 0;
            (virtual_machine || !local).then(|| hex(&mac))
        }
        Component::DiskSerial | Component::Model if virtual_machine => None,
        Component::BoardSerial
        | Component::DiskSerial
        | Component::Model
        | Component::Cpu
        | Component::HostId => Some(text(raw)).filter(|value| !junk::text(value)),
    }
}

/// ASCII letters in lower case, trimmed, every run of ASCII white space or control characters one space.
///
/// What is not ASCII stays as it is. Firmware says the same bytes each time, and the tables of a Unicode normal form
/// would be an eighth of the library and change with each version of Unicode, and the tags with them.
pub(super) fn text(raw: &str) -> Zeroizing<String> {
    let mut out = Zeroizing::new(String::with_capacity(raw.len()));
    for word in raw.split(is_gap).filter(|word| !word.is_empty()) {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
    }
    out.make_ascii_lowercase();
    out
}

/// White space and control characters, as far as they are ASCII.
fn is_gap(c: char) -> bool {
    c == ' ' || c.is_ascii_control()
}

/// The 16 bytes of a UUID in any of its usual spellings: bare, with hyphens, in braces.
pub(super) fn uuid(raw: &str) -> Option<[u8; 16]> {
    from_hex(raw, |c| matches!(c, '-' | '{' | '}'))
}

/// The 6 bytes of a network address: bare, or parted by colons, hyphens or dots.
pub(super) fn mac(raw: &str) -> Option<[u8; 6]> {
    from_hex(raw, |c| matches!(c, ':' | '-' | '.'))
}

/// The same UUID with its first three fields in the other byte order.
///
/// SMBIOS 2.6 made those fields little-endian and firmware, kernels and tools disagree about it; the lesser
/// of the twins is the one that is hashed.
pub(super) fn byte_swapped(id: &[u8; 16]) -> [u8; 16] {
    let mut twin = *id;
    twin[0..4].reverse();
    twin[4..6].reverse();
    twin[6..8].reverse();
    twin
}

fn from_hex<const N: usize>(raw: &str, separator: fn(char) -> bool) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let mut digits = 0;
    for c in raw.trim_matches(is_gap).chars().filter(|&c| !separator(c)) {
        let digit = c.to_digit(16)? as u8;
        let byte = bytes.get_mut(digits / 2)?;
        *byte = *byte << 4 | digit;
        digits += 1;
    }
    (digits == 2 * N).then_some(bytes)
}

/// `bytes` as lower-case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> Zeroizing<String> {
    let mut out = Zeroizing::new(String::with_capacity(2 * bytes.len()));
    push_hex(&mut out, bytes);
    out
}

/// Appends `bytes` as lower-case hexadecimal digits.
pub(super) fn push_hex(out: &mut String, bytes: &[u8]) {
    let nibble = |n: u8| char::from_digit(u32::from(n), 16).unwrap_or('0');
    for byte in bytes {
        out.push(nibble(byte >> 4));
        out.push(nibble(byte & 15));
    }
}

/// `1a2b-3c4d` and `1a2b3c4d` are the same volume serial.
fn bare_serial(mut serial: Zeroizing<String>) -> Zeroizing<String> {
    if serial.chars().all(|c| c.is_ascii_hexdigit() || c == '-') {
        serial.retain(|c| c != '-');
    }
    serial
}

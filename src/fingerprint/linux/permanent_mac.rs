//! The one thing that only an `ioctl` tells: the permanent address of a network card.

use std::{ffi::c_char, mem, os::fd::AsRawFd, os::unix::net::UnixDatagram};

const ETHTOOL_GPERMADDR: u32 = 0x20;

/// `struct ethtool_perm_addr` of `linux/ethtool.h`, with room for the longest address (`MAX_ADDR_LEN`).
#[repr(C)]
struct PermanentAddress {
    command: u32,
    size: u32,
    address: [u8; 32],
}

/// The permanent address of the interface `name`, or nothing when the driver has none.
///
/// Needs no privilege. The kernel answers for a socket of any family, so this takes the one that std can
/// make without binding it to anything.
pub(super) fn of(name: &str) -> Option<String> {
    let mut answer = PermanentAddress { command: ETHTOOL_GPERMADDR, size: 32, address: [0; 32] };
    // SAFETY: `ifreq` is plain data of integers, arrays and unions of these; all-zero is a valid value.
    let mut request: libc::ifreq = unsafe { mem::zeroed() };
    // One byte stays zero to end the name.
    let room = request.ifr_name.len() - 1;
    if name.len() > room {
        return None;
    }
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from as c_char;
    }
    request.ifr_ifru.ifru_data = (&raw mut answer).cast();
    let socket = UnixDatagram::unbound().ok()?;
    // SAFETY: the descriptor is open for the whole call. SIOCETHTOOL takes a pointer to an `ifreq` with a
    // terminated name, whose data points to a request that starts with its command; for ETHTOOL_GPERMADDR
    // the kernel writes the header and at most `size` bytes of address after it, and `answer` has room
    // for them. Both outlive the call.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCETHTOOL as _, &raw mut request) };
    let [a, b, c, d, e, f, ..] = answer.address;
    // Other lengths are not Ethernet; all zero means that the driver does not know.
    (result == 0 && answer.size == 6 && [a, b, c, d, e, f] != [0; 6])
        .then(|| format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    /// Where the kernel says that the current address is the card's own, the driver says the same; and what has no
    /// permanent address has no answer.
    #[test]
    fn agrees_with_sysfs() {
        for name in fs::read_dir("/sys/class/net").into_iter().flatten().flatten() {
            let file = |file: &str| fs::read_to_string(name.path().join(file)).unwrap_or_default();
            let Ok(interface) = name.file_name().into_string() else { continue };
            if file("addr_assign_type") == "0\n" && file("type") == "1\n" {
                let answer = super::of(&interface);
                assert!(answer.is_none_or(|mac| mac == file("address").trim()), "{interface}");
            }
        }
        for absent in ["lo", "", "no-such-card", "a-name-longer-than-the-kernel-allows", "\0\0", "e/0"] {
            assert_eq!(super::of(absent), None, "{absent:?}");
        }
    }
}

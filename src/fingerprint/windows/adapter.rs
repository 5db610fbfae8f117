//! Which of the interfaces that Windows lists are cards in this machine.

use zeroize::Zeroizing;

/// `IF_TYPE_ETHERNET_CSMACD` and `IF_TYPE_IEEE80211`.
const ETHERNET_AND_WIFI: [u32; 2] = [6, 71];

/// `HardwareInterface` and `ConnectorPresent` of `MIB_IF_ROW2`.
const HARDWARE: u8 = 1;
const CONNECTOR: u8 = 4;

/// What Windows says about one interface.
#[derive(Clone, Copy, Debug)]
pub(super) struct Adapter {
    pub(super) kind: u32,
    pub(super) flags: u8,
    pub(super) address_length: u32,
    pub(super) permanent: [u8; 6],
}

impl Adapter {
    /// Whether a device with a connector (or an antenna) stands behind it: no tunnel, filter, bridge or switch.
    pub(super) fn is_hardware(&self) -> bool {
        let wanted = HARDWARE | CONNECTOR;
        self.flags & wanted == wanted && ETHERNET_AND_WIFI.contains(&self.kind)
    }

    /// The address that the card was made with; `None` when the driver does not tell.
    pub(super) fn permanent_address(&self) -> Option<Zeroizing<String>> {
        let [a, b, c, d, e, f] = self.permanent;
        (self.address_length == 6 && self.permanent != [0; 6])
            .then(|| Zeroizing::new(format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")))
    }
}

/// Whether a device, by its instance's path, is no card in this machine: plugged in by USB, by Bluetooth, or made up
/// by software. Where the system does not say, its other signs have to do.
pub(super) fn is_foreign(device: Option<Zeroizing<String>>) -> bool {
    let bus = |device: &str| device.split('\\').next().unwrap_or_default().to_ascii_uppercase();
    device.is_some_and(|device| matches!(bus(&device).as_str(), "USB" | "BTH" | "BTHENUM" | "ROOT" | "SWD"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cards_are_told_from_everything_else_that_windows_lists() {
        let card = Adapter {
            kind: 6,
            flags: HARDWARE | CONNECTOR,
            address_length: 6,
            permanent: [0x3c, 0x52, 0x82, 0xaa, 0xbb, 0xcc],
        };
        assert!(card.is_hardware());
        assert!(Adapter { kind: 71, flags: 0xff, ..card }.is_hardware());
        // A tunnel, loopback, a cellular modem; a filter above a card; a virtual switch.
        for kind in [131, 24, 243] {
            assert!(!Adapter { kind, ..card }.is_hardware());
        }
        for flags in [0, HARDWARE, CONNECTOR, 2, !HARDWARE, !CONNECTOR] {
            assert!(!Adapter { flags, ..card }.is_hardware(), "{flags}");
        }
        assert_eq!(card.permanent_address().unwrap().as_str(), "3c:52:82:aa:bb:cc");
        assert!(Adapter { permanent: [0; 6], ..card }.permanent_address().is_none());
        for address_length in [0, 5, 8, u32::MAX] {
            assert!(Adapter { address_length, ..card }.permanent_address().is_none());
        }
    }

    #[test]
    fn what_is_plugged_in_or_made_up_is_foreign() {
        let foreign = |device: &str| is_foreign(Some(Zeroizing::new(device.to_owned())));
        for device in [
            r"USB\VID_0BDA&PID_8153\001000001",
            r"usb\VID_0BDA&PID_8153\001000001",
            r"BTH\MS_BTHPAN\6&1A2B3C4D&0&2",
            r"ROOT\VMS_MP\0000",
            r"SWD\IP_TUNNEL_VBUS\TEREDO_TUNNEL_ADAPTER",
        ] {
            assert!(foreign(device), "{device}");
        }
        for device in [
            r"PCI\VEN_8086&DEV_15FB&SUBSYS_22BE17AA&REV_20\3&11583659&0&FE",
            r"VMBUS\{F8615163-DF3E-46C5-913F-F2D2F965ED0E}\{1F0A5D2C-8B3E-4C61-9D7F-204E6A8C0B12}",
            r"XENVIF\VEN_XP0001&DEV_NET&REV_08000009\0",
            r"SD\VID_02D0&PID_A94D&FN_1\5&1A2B3C4D&0&1",
            "",
        ] {
            assert!(!foreign(device), "{device}");
        }
        assert!(!is_foreign(None));
    }
}

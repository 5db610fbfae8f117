//! The serial of a disk, out of what its driver answers (`STORAGE_DEVICE_DESCRIPTOR`).

use zeroize::Zeroizing;

/// Where the answer says how long it is, and where its serial stands.
const SIZE: usize = 4;
const SERIAL: usize = 24;

/// The serial in `descriptor`; `None` when the disk has none, or the answer is cut off or no text.
pub(super) fn serial(descriptor: &[u8]) -> Option<Zeroizing<String>> {
    let number = |at: usize| {
        let bytes = descriptor.get(at..at + 4)?.try_into().ok()?;
        usize::try_from(u32::from_le_bytes(bytes)).ok()
    };
    let text = descriptor.get(..number(SIZE)?.min(descriptor.len()))?;
    // Zero means that there is none.
    let text = text.get(number(SERIAL).filter(|offset| *offset > SERIAL)?..)?;
    let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
    std::str::from_utf8(text).ok().map(|text| Zeroizing::new(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The fixed part of an answer, with offsets of vendor, product, revision and serial, and the texts after it.
    fn descriptor(serial: u32, texts: &[u8]) -> Vec<u8> {
        let length = 40 + texts.len() as u32;
        let mut bytes = Vec::new();
        for number in [40, length, 0x0000_0100, 0, 40, 0, serial, 17, 0, 0] {
            bytes.extend_from_slice(&u32::to_le_bytes(number));
        }
        [&bytes, texts].concat()
    }

    #[test]
    fn the_serial_is_found_where_the_answer_says() {
        let found = |bytes: &[u8]| serial(bytes).map(|serial| serial.to_string());
        let answer = descriptor(53, b"SAMSUNG 970\0\0S4EVNF0M812345  \0");
        assert_eq!(found(&answer).unwrap(), "S4EVNF0M812345  ");
        // It may end with the answer instead of a zero.
        assert_eq!(found(&answer[..answer.len() - 3]).unwrap(), "S4EVNF0M812345");
        assert_eq!(found(&descriptor(0, b"SAMSUNG 970\0")), None);
        for offset in [1, 24, 1 << 16, u32::MAX] {
            assert_eq!(found(&descriptor(offset, b"text\0")), None, "{offset}");
        }
        assert_eq!(found(&descriptor(40, b"\xff\xfe\0")), None);
        for length in 0..answer.len() {
            let _ = found(&answer[..length]);
        }
        let mut claims = answer.clone();
        claims[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(found(&claims), found(&answer));
        claims[4..8].copy_from_slice(&10_u32.to_le_bytes());
        assert_eq!(found(&claims), None);
    }
}

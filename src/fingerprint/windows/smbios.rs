//! The table that a PC's firmware leaves in memory, as Windows hands it out (SMBIOS, DSP0134).
//!
//! It comes from outside: every length in it is a claim, and nothing is read beyond what is there.

use zeroize::Zeroizing;

use crate::fingerprint::{firmware::Firmware, normalize};

/// `RawSMBIOSData`: calling method, version (two bytes), revision, length (four bytes).
const HEADER: usize = 8;

/// Types of structures.
const SYSTEM: u8 = 1;
const BASE_BOARD: u8 = 2;
const END: u8 = 127;

/// Reads the first system and the first board in `table`, which starts with Windows' header. What is missing,
/// cut off or no text is absent.
pub(super) fn parse(table: &[u8]) -> Firmware {
    let mut firmware = Firmware::default();
    let Some((header, table)) = table.split_at_checked(HEADER) else { return firmware };
    // SMBIOS 2.6 made the UUID's first three fields little-endian; before that it said nothing about them.
    let little_endian = (header[1], header[2]) >= (2, 6);
    let claimed = u32::from_le_bytes([header[4], header[5], header[6], header[7]]);
    let claimed = usize::try_from(claimed).unwrap_or(usize::MAX);
    let mut rest = &table[..claimed.min(table.len())];
    let (mut system, mut board) = (false, false);
    while let Some((structure, next)) = Structure::first(rest) {
        rest = next;
        match structure.kind() {
            SYSTEM if !system => {
                system = true;
                firmware.vendor = structure.text(4);
                firmware.product = structure.text(5);
                firmware.uuid = structure.uuid(8, little_endian);
            }
            BASE_BOARD if !board => {
                board = true;
                firmware.board_serial = structure.text(7);
            }
            END => break,
            _ => {}
        }
    }
    firmware
}

/// One structure: a formatted area that starts with type, length and handle, and the texts that it numbers.
struct Structure<'a> {
    formatted: &'a [u8],
    texts: &'a [u8],
}

impl<'a> Structure<'a> {
    /// The structure that `table` starts with, and what follows it; `None` when there is no whole one.
    fn first(table: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let length = usize::from(*table.get(1)?);
        if length < 4 {
            return None;
        }
        let (formatted, rest) = table.split_at_checked(length)?;
        // Each text ends with a zero, and an empty one ends them all; without any there are two zeros.
        let end = rest.windows(2).position(|pair| pair == [0, 0])?;
        Some((Self { formatted, texts: &rest[..end] }, &rest[end + 2..]))
    }

    fn kind(&self) -> u8 {
        self.formatted[0]
    }

    /// The text whose number stands at `offset`; numbers count from one, and zero is no text.
    fn text(&self, offset: usize) -> Option<Zeroizing<String>> {
        let number = usize::from(*self.formatted.get(offset)?);
        let text = self.texts.split(|byte| *byte == 0).nth(number.checked_sub(1)?)?;
        std::str::from_utf8(text).ok().map(|text| Zeroizing::new(text.to_owned()))
    }

    fn uuid(&self, offset: usize, little_endian: bool) -> Option<Zeroizing<String>> {
        let id: [u8; 16] = self.formatted.get(offset..offset + 16)?.try_into().ok()?;
        let id = if little_endian { normalize::byte_swapped(&id) } else { id };
        Some(normalize::hex(&id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn structure(kind: u8, formatted: &[u8], texts: &[&str]) -> Vec<u8> {
        let mut bytes = vec![kind, 4 + formatted.len() as u8, 0, kind];
        bytes.extend_from_slice(formatted);
        for text in texts {
            bytes.extend_from_slice(text.as_bytes());
            bytes.push(0);
        }
        bytes.extend_from_slice(if texts.is_empty() { &[0, 0] } else { &[0] });
        bytes
    }

    fn table(version: (u8, u8), structures: &[Vec<u8>]) -> Vec<u8> {
        let content = structures.concat();
        let length = (content.len() as u32).to_le_bytes();
        [&[0, version.0, version.1, 0], &length[..], &content].concat()
    }

    /// A machine's table in the order in which firmware has it: BIOS, system, board, chassis, the end.
    fn machine(version: (u8, u8), system: &[&str], uuid: u128, board: &[&str]) -> Vec<u8> {
        let numbers =
            |count: usize| (1..=4).map(|n| if n <= count { n as u8 } else { 0 }).collect::<Vec<_>>();
        let uuid = uuid.to_be_bytes();
        let system_area = [&numbers(system.len())[..], &uuid, &[6, 0, 0]].concat();
        let board_area = [&numbers(board.len())[..], &[0, 9, 0, 0, 3, 10, 0]].concat();
        table(
            version,
            &[
                structure(
                    0,
                    &[1, 2, 0, 0xe0, 3, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
                    &["Maker", "1.0", "12/01/2006"],
                ),
                structure(1, &system_area, system),
                structure(2, &board_area, board),
                structure(3, &[1, 1, 0, 0, 0, 3, 3, 3, 2], &["Maker"]),
                structure(32, &[0; 7], &[]),
                structure(127, &[], &[]),
            ],
        )
    }

    fn values(firmware: &Firmware) -> [Option<&str>; 4] {
        [&firmware.vendor, &firmware.product, &firmware.uuid, &firmware.board_serial]
            .map(|value| value.as_ref().map(|value| value.as_str()))
    }

    /// Makers, models and forms of serials are those of public reports; see `tests/data/machines/README.md`.
    #[test]
    fn machines_are_read_as_they_are() {
        let laptop = machine(
            (3, 2),
            &["LENOVO", "20VJS0HB00", "ThinkPad L13 Gen 2", "PF2ABCDE"],
            0xcc8c1f3d_5f2d_b211_a85c_c4d1a9f0e617,
            &["LENOVO", "20VJS0HB00", "SDK0J40697 WIN", "L1HF14V00AB"],
        );
        let uuid = "3d1f8ccc2d5f11b2a85cc4d1a9f0e617";
        assert_eq!(
            values(&parse(&laptop)),
            [Some("LENOVO"), Some("20VJS0HB00"), Some(uuid), Some("L1HF14V00AB")]
        );
        // The order of the bytes is not said before 2.6: they are taken as they stand.
        let guest = machine(
            (2, 4),
            &["VMware, Inc.", "VMware Virtual Platform", "None", "VMware-56 4d c1 b7 3e 08 92 a4"],
            0x564dc1b7_3e08_92a4_5f6b_0d17e3c98a42,
            &["Intel Corporation", "440BX Desktop Reference Platform", "None", "None"],
        );
        let uuid = "564dc1b73e0892a45f6b0d17e3c98a42";
        assert_eq!(
            values(&parse(&guest)),
            [Some("VMware, Inc."), Some("VMware Virtual Platform"), Some(uuid), Some("None")]
        );
        let bare = machine((2, 8), &["innotek GmbH", "VirtualBox"], 0, &[]);
        let zeros = "00000000000000000000000000000000";
        assert_eq!(values(&parse(&bare)), [Some("innotek GmbH"), Some("VirtualBox"), Some(zeros), None]);
    }

    #[test]
    fn the_first_system_and_the_first_board_count_and_nothing_after_the_end() {
        let board = |serial: &str| structure(2, &[1, 0, 0, 2], &["Maker", serial]);
        let system = |name: &str| structure(1, &[1, 2, 0, 0], &["Maker", name]);
        let end = || structure(127, &[], &[]);
        let several = [system("one"), board("first"), system("two"), board("second"), end()];
        let one = [None, Some("one"), None, Some("first")];
        assert_eq!(values(&parse(&table((3, 0), &several)))[1..], one[1..]);
        let late = [end(), system("one"), board("first")];
        assert_eq!(values(&parse(&table((3, 0), &late))), [None; 4]);
        // A system of SMBIOS 2.0 has no UUID; one that is shorter still has not even a product.
        let short = table((2, 0), &[structure(1, &[1], &["Maker", "one"])]);
        assert_eq!(values(&parse(&short)), [Some("Maker"), None, None, None]);
    }

    #[test]
    fn numbers_of_texts_that_are_not_there_and_bytes_that_are_no_text_are_absent() {
        let of = |numbers: &[u8], texts: &[&str]| {
            let firmware = parse(&table((2, 8), &[structure(1, numbers, texts)]));
            [firmware.vendor, firmware.product].map(|value| value.map(|value| value.to_string()))
        };
        assert_eq!(of(&[0, 1, 0, 0], &["one"]), [None, Some("one".to_owned())]);
        assert_eq!(of(&[2, 255, 0, 0], &["one"]), [None, None]);
        assert_eq!(of(&[1, 2, 0, 0], &[]), [Some(String::new()), None]);
        let mut binary = table((2, 8), &[structure(1, &[1, 2, 0, 0], &["ab", "cd"])]);
        let at = binary.windows(2).position(|pair| pair == b"ab").unwrap();
        binary[at] = 0xff;
        assert_eq!(values(&parse(&binary)), [None, Some("cd"), None, None]);
    }

    /// Cut anywhere, with any byte changed and with any length claimed, a table is read to its end or not at all.
    #[test]
    fn damaged_tables_are_read_without_harm() {
        let whole =
            machine((3, 2), &["Maker", "Model", "1", "S"], u128::MAX / 3, &["Maker", "Board", "1", "B"]);
        for length in 0..whole.len() {
            parse(&whole[..length]);
        }
        for at in 0..whole.len() {
            for byte in 0..=255 {
                let mut changed = whole.clone();
                changed[at] = byte;
                parse(&changed);
            }
        }
        for claim in [0, 1, 5, 1 << 16, 1 << 31, u32::MAX] {
            let mut changed = whole.clone();
            changed[4..8].copy_from_slice(&claim.to_le_bytes());
            let found = values(&parse(&changed))[0] == Some("Maker");
            assert_eq!(found, claim >= 1 << 16);
        }
        // Structures of length zero would never come to an end.
        parse(&table((3, 0), &[vec![0; 1 << 16]]));
        parse(&table((3, 0), &[vec![1; 1 << 16]]));
    }
}

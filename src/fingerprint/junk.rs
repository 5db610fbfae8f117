//! Values that are found on many machines and therefore identify none.
//!
//! They are dropped (docs/FINGERPRINT.md, Fillers). Everything here takes a value that is normalized already.

use super::normalize;

/// UUIDs that firmware makers left in place.
const UUIDS: [u128; 5] = [
    0x03000200_0400_0500_0006_000700080009,
    0x00010203_0405_0607_0809_0a0b0c0d0e0f,
    0x6ab5b300_538d_1014_9fb5_b0684d007b53,
    0x31393138_3538_5a43_3135_353130323750,
    0x8a95d198_7f46_11e5_bf8b_08002704d48e,
];

/// Machine-ids that shipped inside an image, so that each machine made from it has the same one.
const MACHINE_IDS: [&str; 12] = [
    "b76cc7b1bbdc489e93909d2043031de8", // Linux Mint 20: linuxmint/linuxmint issue 361
    "e7d0df732b0649e49e97a4d764308014", // Linux Mint 21.x: linuxmint/linuxmint issue 126
    "cdb7f92199c748a7a20d33ab52974cbb", // Debian 8.1 for OpenStack: hartwork/image-bootstrap issue 13
    "85f94e57ab75f80918cab17d001eac85", // Docker debian:11.1: debuerreotype/docker-debian-artifacts issue 151
    "88544b92092430bc5d3fbbffc12a2f04", // Docker debian:11.2: the same
    "ad432f2cb0c28bbcd1f87a20199237f9", // Talos kubelet image 1.22: siderolabs/talos issue 4759
    "b4047197195f4f359571cd0658157294", // Vagrant box bento/ubuntu-22.04: chef/bento issue 1421
    "ebb19c6b226f48fa86a541fd060e8762", // footloose ubuntu18.04: weaveworks/footloose issue 154
    "3766705eb195582e8168a9a1b913c7c7", // footloose debian10: weaveworks/footloose issue 280
    "9989a26f06984d6dbadc01770f018e3b", // HypriotOS up to 1.6: hypriot/image-builder-rpi issue 167
    "1c4ad377574c4263adbb7c624b6a3429", // Ubuntu for Pi 4: TheRemote/Ubuntu-Server-raspi4-unofficial issue 74
    "512e938faf4449bdabef0c5f82325488", // NanoPi R5 12.0.1: inindev/nanopi-r5 issue 17
];

/// Serials and names that stand for "nothing was filled in".
const TEXTS: [&str; 11] = [
    "to be filled by o.e.m.",
    "default string",
    "system serial number",
    "system product name",
    "not specified",
    "none",
    "n/a",
    "invalid",
    "eval",
    "sku",
    "all series",
];

/// Network addresses that come with a driver, an emulator or a virtual adapter.
const MACS: [[u8; 6]; 9] = [
    [0x20, 0x41, 0x53, 0x59, 0x4e, 0xff],
    [0x50, 0x50, 0x54, 0x50, 0x30, 0x30],
    [0x00, 0xa0, 0xc6, 0x00, 0x00, 0x00],
    [0x0a, 0x00, 0x27, 0x00, 0x00, 0x00],
    [0x00, 0x50, 0x56, 0xc0, 0x00, 0x01],
    [0x00, 0x50, 0x56, 0xc0, 0x00, 0x08],
    [0x0c, 0x5b, 0x8f, 0x27, 0x9a, 0x64],
    [0x52, 0x54, 0x00, 0x12, 0x34, 0x56],
    [0x5c, 0xbb, 0xf6, 0x9e, 0xee, 0xfa], // every bridged WSL: microsoft/WSL issue 9492
];

/// Whether a UUID, in either byte order, is one that many machines have.
pub(super) fn uuid(id: &[u8; 16]) -> bool {
    [*id, normalize::byte_swapped(id)].iter().any(|id| {
        UUIDS.contains(&u128::from_be_bytes(*id))
            || id.starts_with(&[0xde, 0xad, 0xbe, 0xef])
            || distinct(id) <= 3
            || is_run(id.iter().copied(), 0xff)
            || is_run(id.iter().flat_map(|byte| [byte >> 4, byte & 15]), 15)
    })
}

/// Whether a machine-id (bare hex) is known to have shipped in an image.
pub(super) fn machine_id(id: &str) -> bool {
    MACHINE_IDS.contains(&id)
}

/// Whether a serial or a name says nothing.
pub(super) fn text(value: &str) -> bool {
    // "0000-0000" and "00 00 00" are as empty as "00000000".
    let mut letters = value.chars().filter(|c| c.is_alphanumeric());
    let first = letters.next();
    let monotone = matches!(first, None | Some('0' | '1' | 'x')) && letters.all(|c| Some(c) == first);
    let emulated_disk =
        value.strip_prefix("qm0000").is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
    value.chars().count() < 4
        || monotone
        || emulated_disk
        || value.starts_with("123456")
        || value == "overlayblk"
        || TEXTS.contains(&value)
}

/// Whether a network address belongs to no card in particular.
pub(super) fn mac(mac: &[u8; 6]) -> bool {
    let most = mac.iter().map(|a| mac.iter().filter(|b| a == *b).count()).max();
    // All-00, all-ff and any other address of five equal octets.
    most >= Some(5) || mac.starts_with(&[0x44, 0x45, 0x53, 0x54]) || MACS.contains(mac)
}

fn distinct(bytes: &[u8]) -> usize {
    bytes.iter().enumerate().filter(|(i, byte)| !bytes[..*i].contains(byte)).count()
}

/// Whether each item is the one before it plus the same step, counted round `mask + 1`.
fn is_run(items: impl Iterator<Item = u8> + Clone, mask: u8) -> bool {
    let mut steps = items.clone().zip(items.skip(1)).map(|(a, b)| b.wrapping_sub(a) & mask);
    let first = steps.next();
    steps.all(|step| Some(step) == first)
}

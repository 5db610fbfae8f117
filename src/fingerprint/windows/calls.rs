//! The calls of Windows that the probe needs, each made once, with a bound, giving what Rust owns.

use std::{
    ffi::c_void,
    fs::{File, OpenOptions},
    os::windows::{fs::OpenOptionsExt as _, io::AsRawHandle as _},
    ptr, slice,
};

use windows_sys::{
    Win32::{
        Foundation::ERROR_SUCCESS,
        NetworkManagement::IpHelper::{FreeMibTable, GetIfTable2, MIB_IF_ROW2},
        Storage::FileSystem::{GetVolumeInformationW, IOCTL_VOLUME_GET_VOLUME_DISK_EXTENTS},
        System::{
            IO::DeviceIoControl,
            Ioctl::IOCTL_STORAGE_QUERY_PROPERTY,
            Registry::{HKEY_LOCAL_MACHINE, RRF_RT_REG_SZ, RRF_SUBKEY_WOW6464KEY, RegGetValueW},
            SystemInformation::{GetSystemFirmwareTable, GetSystemWindowsDirectoryW},
        },
    },
    core::GUID,
};
use zeroize::Zeroizing;

use super::adapter::Adapter;

/// `RSMB`: the table of SMBIOS.
const SMBIOS: u32 = u32::from_be_bytes(*b"RSMB");
/// More than any firmware's table takes.
const TABLE: usize = 1 << 20;
/// More UTF-16 units than any value that is asked for has.
const TEXT: usize = 1024;
/// The most interfaces and the most disks of one volume that are looked at.
const INTERFACES: usize = 1024;
const DISKS: usize = 16;

/// `text` as Windows takes it.
fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}

/// What stands before the first zero; `None` when it is no UTF-16.
fn text(units: &[u16]) -> Option<Zeroizing<String>> {
    let text = units.split(|unit| *unit == 0).next().unwrap_or_default();
    String::from_utf16(text).ok().map(Zeroizing::new)
}

/// A text below `HKEY_LOCAL_MACHINE`, from the 64-bit view; `None` when it is missing, no text or too long.
pub(super) fn registry(key: &str, value: &str) -> Option<Zeroizing<String>> {
    let (key, value) = (wide(key), wide(value));
    let mut units = Zeroizing::new(vec![0_u16; TEXT]);
    let mut bytes = (TEXT * size_of::<u16>()) as u32;
    // SAFETY: both names end with a zero, and `units` has room for the `bytes` that are said to be there. All of them
    // outlive the call, which keeps nothing.
    let result = unsafe {
        RegGetValueW(
            HKEY_LOCAL_MACHINE,
            key.as_ptr(),
            value.as_ptr(),
            RRF_RT_REG_SZ | RRF_SUBKEY_WOW6464KEY,
            ptr::null_mut(),
            units.as_mut_ptr().cast(),
            &raw mut bytes,
        )
    };
    (result == ERROR_SUCCESS).then(|| text(&units)).flatten()
}

/// The table of SMBIOS with Windows' header before it.
pub(super) fn firmware_table() -> Option<Zeroizing<Vec<u8>>> {
    // SAFETY: without a buffer the call only tells how long the table is.
    let length = unsafe { GetSystemFirmwareTable(SMBIOS, 0, ptr::null_mut(), 0) };
    let length = usize::try_from(length).ok().filter(|length| (1..=TABLE).contains(length))?;
    let mut table = Zeroizing::new(vec![0; length]);
    // SAFETY: `table` has room for the `length` bytes that are said to be there.
    let written = unsafe { GetSystemFirmwareTable(SMBIOS, 0, table.as_mut_ptr(), length as u32) };
    // More than there is room for means that it has grown meanwhile, and that nothing was written.
    (usize::try_from(written) == Ok(length)).then_some(table)
}

/// The drive that Windows runs from, such as `C:`.
pub(super) fn system_drive() -> Option<String> {
    let mut units = [0; TEXT];
    // SAFETY: `units` has room for the TEXT units that are said to be there.
    let length = unsafe { GetSystemWindowsDirectoryW(units.as_mut_ptr(), TEXT as u32) };
    let path = text(units.get(..usize::try_from(length).ok()?)?)?;
    let drive = path.get(..2).filter(|drive| drive.ends_with(':'))?;
    Some(drive.to_owned())
}

/// The serial that the file system on `drive` was given when it was made.
pub(super) fn volume_serial(drive: &str) -> Option<u32> {
    let root = wide(&format!(r"{drive}\"));
    let mut serial = 0;
    // SAFETY: `root` ends with a zero and `serial` takes the one number that is asked for; what is null is not asked
    // for.
    let done = unsafe {
        GetVolumeInformationW(
            root.as_ptr(),
            ptr::null_mut(),
            0,
            &raw mut serial,
            ptr::null_mut(),
            ptr::null_mut(),
            ptr::null_mut(),
            0,
        )
    };
    (done != 0).then_some(serial)
}

/// The numbers of the disks that hold the volume `drive`.
pub(super) fn disks(drive: &str) -> Vec<u32> {
    // `VOLUME_DISK_EXTENTS`: a count, four bytes of nothing, then 24 bytes for each extent, with the disk's number
    // first.
    let mut answer = [0; 8 + 24 * DISKS];
    let read = device(&format!(r"\\.\{drive}"))
        .and_then(|volume| control(&volume, IOCTL_VOLUME_GET_VOLUME_DISK_EXTENTS, &[], &mut answer));
    let Some((count, extents)) = read.and_then(|read| answer[..read].split_at_checked(8)) else {
        return Vec::new();
    };
    let number = |bytes: &[u8]| u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    let count = usize::try_from(number(count)).unwrap_or(usize::MAX);
    let mut disks: Vec<_> = extents.chunks_exact(24).take(count).map(number).collect();
    disks.sort_unstable();
    disks.dedup();
    disks
}

/// What the driver of a disk says about it, as `STORAGE_DEVICE_DESCRIPTOR` and the texts behind that.
pub(super) fn storage_descriptor(disk: u32) -> Option<Vec<u8>> {
    let disk = device(&format!(r"\\.\PhysicalDrive{disk}"))?;
    // `STORAGE_PROPERTY_QUERY`, all zero: the standard query for the device's property.
    let query = [0; 12];
    let mut answer = vec![0; 4096];
    let read = control(&disk, IOCTL_STORAGE_QUERY_PROPERTY, &query, &mut answer)?;
    answer.truncate(read);
    Some(answer)
}

/// Opens a device for questions about it alone, which everybody may ask and which leaves a sleeping disk asleep.
fn device(path: &str) -> Option<File> {
    OpenOptions::new().access_mode(0).open(path).ok()
}

/// Asks a device, and says how much of `answer` it filled.
fn control(device: &File, code: u32, question: &[u8], answer: &mut [u8]) -> Option<usize> {
    let mut written = 0;
    // SAFETY: the handle is open for the whole call and not for overlapped use; the driver reads at most the bytes of
    // `question` and writes at most those of `answer`, whose lengths are said.
    let done = unsafe {
        DeviceIoControl(
            device.as_raw_handle(),
            code,
            question.as_ptr().cast::<c_void>(),
            question.len() as u32,
            answer.as_mut_ptr().cast(),
            answer.len() as u32,
            &raw mut written,
            ptr::null_mut(),
        )
    };
    (done != 0).then(|| usize::try_from(written).ok()).flatten().filter(|written| *written <= answer.len())
}

/// The interfaces of this machine, each with its GUID as the registry spells it.
pub(super) fn adapters() -> Vec<(String, Adapter)> {
    let mut table = ptr::null_mut();
    // SAFETY: `table` takes the address of a table that the system makes.
    if unsafe { GetIfTable2(&raw mut table) } != ERROR_SUCCESS || table.is_null() {
        return Vec::new();
    }
    // SAFETY: the table is valid until it is freed below. It is declared with one row and has as many as it says; they
    // are plain data, written by the system. The slice is not used after the table is freed.
    let rows = unsafe {
        let count = usize::try_from((*table).NumEntries).unwrap_or(0).min(INTERFACES);
        slice::from_raw_parts((&raw const (*table).Table).cast::<MIB_IF_ROW2>(), count)
    };
    let adapters = rows.iter().map(|row| {
        let [a, b, c, d, e, f, ..] = row.PermanentPhysicalAddress;
        let adapter = Adapter {
            kind: row.Type,
            flags: row.InterfaceAndOperStatusFlags._bitfield,
            address_length: row.PhysicalAddressLength,
            permanent: [a, b, c, d, e, f],
        };
        (spelled(&row.InterfaceGuid), adapter)
    });
    let adapters = adapters.collect();
    // SAFETY: the system made this table, and nothing refers to it any more.
    unsafe { FreeMibTable(table.cast()) };
    adapters
}

/// A GUID as the registry spells it.
fn spelled(guid: &GUID) -> String {
    let [a, b, rest @ ..] = guid.data4;
    let rest = u64::from_be_bytes([0, 0, rest[0], rest[1], rest[2], rest[3], rest[4], rest[5]]);
    format!("{{{:08X}-{:04X}-{:04X}-{a:02X}{b:02X}-{rest:012X}}}", guid.data1, guid.data2, guid.data3)
}

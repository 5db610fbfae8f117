//! The root file system and the disk below it, without touching a mount point.

use zeroize::Zeroizing;

use super::{MOUNTS, SystemRoot, UDEV};
use crate::fingerprint::{component::Component, normalize};

/// How many devices are looked at on the way down through device mapper, RAID and the like.
const DEVICES: usize = 64;

/// What `mountinfo` says about `/`.
#[derive(Default)]
pub(super) struct RootMount {
    /// The device as `major:minor`, when there is one.
    pub(super) device: Option<String>,
    /// Whether it is an overlay, as containers have it.
    pub(super) overlay: bool,
}

/// Finds the root file system. The last mount on `/` is the one that is seen.
pub(super) fn root_mount(system: &SystemRoot<'_>) -> RootMount {
    let mounts = system.text("proc/self/mountinfo", MOUNTS);
    // proc(5): id, parent, major:minor, root, mount point, options, optional fields, "-", type, source
    let root = mounts.lines().rev().find(|line| line.split(' ').nth(4) == Some("/")).unwrap_or_default();
    let number = root.split(' ').nth(2).filter(|number| is_number(number));
    let mut tail = root.split_once(" - ").map_or("", |(_, tail)| tail).split(' ');
    let (kind, source) = (tail.next().unwrap_or_default(), tail.next().unwrap_or_default());
    let device = match number {
        // Btrfs and others have no number of their own; their source is the device.
        Some(number) if number.starts_with("0:") => number_of_source(system, source),
        number => number.map(str::to_owned),
    };
    RootMount { device, overlay: kind == "overlay" }
}

fn number_of_source(system: &SystemRoot<'_>, source: &str) -> Option<String> {
    let path = source.strip_prefix('/').filter(|path| path.starts_with("dev/") && !path.contains(".."))?;
    let target = system.link(path);
    let name = target.as_deref().unwrap_or(path).rsplit('/').next()?;
    number(system, &format!("sys/class/block/{name}/dev"))
}

/// A device's `major:minor` from its `dev` file.
fn number(system: &SystemRoot<'_>, path: &str) -> Option<String> {
    let number = system.value(path)?;
    Some(number.trim().to_owned()).filter(|number| is_number(number))
}

fn is_number(number: &str) -> bool {
    number.split_once(':').is_some_and(|(major, minor)| {
        [major, minor].iter().all(|n| !n.is_empty() && n.len() <= 8 && n.bytes().all(|b| b.is_ascii_digit()))
    })
}

/// The UUID of the file system on the device with this number: udev's record, else the link named after it.
pub(super) fn file_system_uuid(system: &SystemRoot<'_>, device: &str) -> Option<Zeroizing<String>> {
    udev(system, device, "E:ID_FS_UUID=").or_else(|| {
        let folder = folder(system, device)?;
        let name = folder.rsplit('/').next()?;
        let points_here = |uuid: &String| {
            let target = system.link(&format!("dev/disk/by-uuid/{uuid}"));
            target.is_some_and(|target| target.rsplit('/').next() == Some(name))
        };
        system.names("dev/disk/by-uuid").find(points_here).map(Zeroizing::new)
    })
}

/// The serial of the disk below the device with this number; of several disks (RAID) the least one, so that
/// the order in which they were found does not matter.
pub(super) fn serial(system: &SystemRoot<'_>, device: &str) -> Option<Zeroizing<String>> {
    let mut devices = vec![device.to_owned()];
    let mut serials = Vec::new();
    let mut next = 0;
    while next < devices.len().min(DEVICES) {
        if let Some(folder) = folder(system, &devices[next]) {
            let slaves = system.names(&format!("{folder}/slaves"));
            let below = slaves.filter_map(|name| number(system, &format!("{folder}/slaves/{name}/dev")));
            let known = devices.len();
            devices.extend(below);
            if devices.len() == known {
                serials.extend(disk_serial(system, &folder, &devices[next]));
            }
        }
        next += 1;
    }
    serials.into_iter().min_by(|a, b| a.as_str().cmp(b.as_str()))
}

/// The serial of one disk, given the folder of the disk or of a partition on it.
fn disk_serial(system: &SystemRoot<'_>, folder: &str, device: &str) -> Option<Zeroizing<String>> {
    let is_partition = system.exists(&format!("{folder}/partition"));
    let disk = if is_partition { folder.rsplit_once('/')?.0 } else { folder };
    let usable = |serial: Zeroizing<String>| normalize::value(Component::DiskSerial, &serial, false);
    system.value(&format!("{disk}/device/serial")).and_then(usable).or_else(|| {
        let device = if is_partition { number(system, &format!("{disk}/dev"))? } else { device.to_owned() };
        udev(system, &device, "E:ID_SERIAL_SHORT=").and_then(usable)
    })
}

/// The folder in `/sys` of the device with this number.
fn folder(system: &SystemRoot<'_>, device: &str) -> Option<String> {
    let link = system.link(&format!("sys/dev/block/{device}"))?;
    let path = link.trim_start_matches("../");
    (path.starts_with("devices/") && !path.contains("..")).then(|| format!("sys/{path}"))
}

fn udev(system: &SystemRoot<'_>, device: &str, property: &str) -> Option<Zeroizing<String>> {
    let record = system.record(&format!("run/udev/data/b{device}"), UDEV);
    let value = record.lines().find_map(|line| line.strip_prefix(property))?;
    (!value.is_empty()).then(|| Zeroizing::new(value.to_owned()))
}

//! Linux: everything is a small file, read once, with a bound, and never waited for.
//!
//! A dead network mount or a broken driver must not stop a probe (docs/FINGERPRINT.md, Probing), so no mount point
//! other than `/` is touched. Everything read is in `/proc`, `/sys`, `/run`, `/etc` and `/dev`.

mod disk;
mod net;
#[allow(unsafe_code)]
mod permanent_mac;
#[allow(unsafe_code)]
mod release;

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, Read},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use zeroize::{Zeroize as _, Zeroizing};

use disk::RootMount;

use super::{
    component::Component,
    firmware::Firmware,
    normalize,
    probe::Raw,
    virtualization::{self, Environment, Sign},
};

/// More than any value or small table holds.
const SMALL: usize = 4096;
/// Nearly every value is shorter.
const VALUE: usize = 512;
/// More than the first processor's block holds.
const FIRST_CPU: usize = 2048;
/// udev's record of one device, with all its links.
const UDEV: usize = 8192;
/// Room for some five hundred mounts.
const MOUNTS: u64 = 65536;
/// A folder with more entries is not read to its end.
const ENTRIES: usize = 1024;

/// Probes the machine that this runs on.
pub(super) fn this_machine() -> Raw {
    SystemRoot::of_this_machine().probe()
}

/// As much of this machine as [`machine_id`](super::machine_id) needs.
pub(super) fn identity() -> Raw {
    SystemRoot::of_this_machine().identity()
}

/// Probes the machine recorded below `root`.
#[cfg(any(test, feature = "testing"))]
pub(super) fn recorded(root: &Path) -> Raw {
    SystemRoot { root, is_recorded: true }.probe()
}

/// As much of the machine recorded below `root` as [`machine_id`](super::machine_id) needs.
#[cfg(any(test, feature = "testing"))]
pub(super) fn recorded_identity(root: &Path) -> Raw {
    SystemRoot { root, is_recorded: true }.identity()
}

/// The folder below which the kernel and the system show what the machine is: `/`, or a recording of one.
struct SystemRoot<'a> {
    root: &'a Path,
    /// Whether the kernel's own calls are about another machine than the folder.
    is_recorded: bool,
}

impl SystemRoot<'_> {
    fn of_this_machine() -> Self {
        Self { root: Path::new("/"), is_recorded: false }
    }

    fn probe(&self) -> Raw {
        let mut raw = Raw::default();
        self.os_id(&mut raw);
        let firmware = self.smbios(&mut raw) || self.device_tree(&mut raw);
        let hypervisor_bit = self.cpu(&mut raw);
        self.hypervisor(hypervisor_bit, &mut raw.environment);
        if (hypervisor_bit || !firmware) && self.is_wsl() {
            // Its card has another address after each start, and says that it is the card's own.
            raw.environment.see(Sign::Wsl);
        } else {
            net::cards(self, &mut raw);
        }
        let mount = self.root_mount();
        self.container(mount.overlay, &mut raw.environment);
        if let Some(device) = &mount.device {
            raw.push(Component::RootFs, disk::file_system_uuid(self, device));
            // Inside a virtual machine it is the hypervisor's choice, so it is not worth the reads.
            if !raw.environment.virtual_machine() {
                raw.push(Component::DiskSerial, disk::serial(self, device));
            }
        }
        raw
    }

    /// The machine-id alone, and the root file system's where that is unusable.
    fn identity(&self) -> Raw {
        let mut raw = Raw::default();
        self.os_id(&mut raw);
        if raw.values.is_empty() {
            let device = self.root_mount().device;
            let uuid = device.and_then(|device| disk::file_system_uuid(self, &device));
            raw.push(Component::RootFs, uuid);
        }
        raw
    }

    fn root_mount(&self) -> RootMount {
        // The kernel has this number at hand, where `mountinfo` takes it 35 µs to write. Asking for it touches the
        // file system that holds `/etc/machine-id` and no other.
        let device = match self.is_recorded {
            true => 0,
            false => fs::metadata(self.root).map_or(0, |root| root.dev()),
        };
        match (libc::major(device), libc::minor(device)) {
            (0, _) => disk::root_mount(self),
            (major, minor) => RootMount { device: Some(format!("{major}:{minor}")), overlay: false },
        }
    }

    /// The permanent address of the network card with this name, as its driver has it.
    fn permanent_address(&self, card: &str) -> Option<Zeroizing<String>> {
        match self.is_recorded {
            true => self.value(&format!("sys/class/net/{card}/permaddr")),
            false => permanent_mac::of(card).map(Zeroizing::new),
        }
    }

    /// machine-id(5): `/etc/machine-id`, else D-Bus's older copy; an unusable first one is no reason to stop.
    fn os_id(&self, raw: &mut Raw) {
        let id = ["etc/machine-id", "var/lib/dbus/machine-id"].into_iter().find_map(|path| {
            self.value(path).filter(|id| normalize::value(Component::OsId, id, false).is_some())
        });
        raw.push(Component::OsId, id);
    }

    /// What the firmware says by way of SMBIOS; false when the machine has none.
    fn smbios(&self, raw: &mut Raw) -> bool {
        let dmi = |name: &str| self.value(&format!("sys/class/dmi/id/{name}"));
        let product = dmi("product_name");
        let found = product.is_some();
        if found {
            // Only root can read the last two.
            let (vendor, uuid, board_serial) = (dmi("sys_vendor"), dmi("product_uuid"), dmi("board_serial"));
            Firmware { vendor, product, uuid, board_serial }.report(raw);
        }
        found
    }

    /// What stands in for SMBIOS on most ARM boards; false when the machine has none. Everybody can read the
    /// serial here.
    fn device_tree(&self, raw: &mut Raw) -> bool {
        if !self.exists("sys/firmware/devicetree/base") {
            return false;
        }
        let tree = |name: &str| self.value(&format!("sys/firmware/devicetree/base/{name}"));
        raw.push(Component::Model, tree("model"));
        raw.push(Component::BoardSerial, tree("serial-number"));
        let made_up = || tree("compatible").is_some_and(|names| names.contains("linux,dummy-virt"));
        if self.exists("sys/firmware/devicetree/base/hypervisor") || made_up() {
            raw.environment.see(Sign::DeviceTree);
        }
        true
    }

    /// What `/proc/cpuinfo` says about its first processor, under the names that x86 and ARM use; answers
    /// whether it says that a hypervisor is there.
    fn cpu(&self, raw: &mut Raw) -> bool {
        const KEYS: [&str; 9] = [
            "vendor_id",
            "cpu family",
            "model",
            "stepping",
            "model name",
            "CPU implementer",
            "CPU variant",
            "CPU part",
            "CPU revision",
        ];
        let text = self.first_cpu();
        let first = text.split("\n\n").next().unwrap_or_default();
        let (mut found, mut flags) = ([None; KEYS.len()], None);
        for (name, value) in first.lines().filter_map(|line| line.split_once(':')) {
            let place = match name.trim() {
                "flags" => Some(&mut flags),
                name => KEYS.iter().position(|key| *key == name).map(|key| &mut found[key]),
            };
            // Of several lines of a name the first counts.
            if let Some(place) = place {
                place.get_or_insert(value.trim());
            }
        }
        let found: Vec<&str> = found.into_iter().flatten().collect();
        raw.push(Component::Cpu, Some(Zeroizing::new(found.join(" "))));
        flags.is_some_and(|flags| flags.split(' ').any(|flag| flag == "hypervisor"))
    }

    fn hypervisor(&self, bit: bool, environment: &mut Environment) {
        let guest = self.exists("sys/hypervisor/type");
        // Xen's first domain runs under the hypervisor and yet sees the physical machine.
        if guest && self.is_first_domain() {
            return;
        }
        if bit {
            environment.see(Sign::HypervisorBit);
        }
        if guest {
            environment.see(Sign::HypervisorGuest);
        }
    }

    /// Linux inside Windows. Its kernel is named so unless somebody has built one; the folder is there then too.
    fn is_wsl(&self) -> bool {
        let release = match self.is_recorded {
            true => self.value("proc/sys/kernel/osrelease").unwrap_or_default().to_ascii_lowercase(),
            false => release::of_kernel().to_ascii_lowercase(),
        };
        release.contains("microsoft") || self.exists("run/WSL")
    }

    fn is_first_domain(&self) -> bool {
        const DOM0: u64 = 1 << 11; // XENFEAT_dom0
        let features = self.value("sys/hypervisor/properties/features");
        let features = features.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok());
        features.is_some_and(|features| features & DOM0 != 0)
    }

    fn container(&self, overlay_root: bool, environment: &mut Environment) {
        let signs = [
            (Sign::DockerEnv, self.exists(".dockerenv")),
            (Sign::ContainerEnv, self.exists("run/.containerenv")),
            (Sign::ContainerManager, self.exists("run/systemd/container")),
            (
                Sign::Cgroup,
                self.record("proc/self/cgroup", SMALL).lines().any(virtualization::cgroup_is_container),
            ),
            (Sign::OverlayRoot, overlay_root),
        ];
        signs.into_iter().filter(|(_, seen)| *seen).for_each(|(sign, _)| environment.see(sign));
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    fn exists(&self, path: &str) -> bool {
        self.path(path).exists()
    }

    fn open(&self, path: &str) -> Option<File> {
        // Should a pipe stand where a file is expected, opening it must not wait for a writer.
        File::options().read(true).custom_flags(libc::O_NONBLOCK).open(self.path(path)).ok()
    }

    /// A file that holds one value; nothing when it is not text. One that fills the bound is longer than any
    /// value may be and dropped as such.
    fn value(&self, path: &str) -> Option<Zeroizing<String>> {
        let mut bytes = Vec::new();
        read_record::<VALUE>(self.open(path)?, &mut bytes, SMALL).ok()?;
        String::from_utf8(bytes).ok().map(Zeroizing::new)
    }

    /// Lines that were written in one piece, as far as `limit`; empty when they cannot be read.
    fn record(&self, path: &str, limit: usize) -> Zeroizing<String> {
        let mut bytes = Vec::new();
        // What was read before an error is as good as what was read before the limit.
        let _ = self.open(path).map(|file| read_record::<SMALL>(file, &mut bytes, limit));
        Zeroizing::new(lossy(bytes))
    }

    /// A file of lines, as far as `limit`; empty when it cannot be read.
    fn text(&self, path: &str, limit: u64) -> Zeroizing<String> {
        let mut bytes = Vec::with_capacity(SMALL);
        let _ = self.open(path).map(|file| file.take(limit).read_to_end(&mut bytes));
        Zeroizing::new(lossy(bytes))
    }

    /// The first processor's block of `/proc/cpuinfo`, or as much of it as is wanted.
    ///
    /// The kernel makes a block when the one before is used up, at 10 µs each, so this reads in small steps
    /// and stops at the end of the block, or past the flags, which are the last thing of interest. The first step is
    /// shorter than the block of any x86 processor with AVX; of an older one it costs a second block.
    fn first_cpu(&self) -> String {
        const FIRST_STEP: usize = 1000;
        const STEP: usize = 400;
        const BOGOMIPS: &[u8] = b"bogomips";
        let mut block = vec![0; FIRST_CPU];
        let mut end = 0;
        if let Some(mut file) = self.open("proc/cpuinfo") {
            while end < FIRST_CPU {
                let step = if end == 0 { FIRST_STEP } else { STEP };
                // A mark may begin in the step before.
                let begin = end.saturating_sub(BOGOMIPS.len());
                let step = &mut block[end..FIRST_CPU.min(end + step)];
                let Ok(1..) = file.read(step).inspect(|n| end += n) else { break };
                let fresh = &block[begin..end];
                let is_last = |rest: &[u8]| rest.starts_with(b"\n") || rest.starts_with(BOGOMIPS);
                let mut lines = (0..fresh.len()).filter(|at| fresh[*at] == b'\n');
                if lines.any(|at| is_last(&fresh[at + 1..])) {
                    break;
                }
            }
        }
        block.truncate(end);
        lossy(block)
    }

    /// The names in a folder, in no order.
    fn names(&self, path: &str) -> impl Iterator<Item = String> + use<> {
        let entries = fs::read_dir(self.path(path)).into_iter().flatten().take(ENTRIES);
        entries.flatten().map(|entry| entry.file_name()).flat_map(OsString::into_string)
    }

    /// Where a symbolic link points, as it is written.
    fn link(&self, path: &str) -> Option<String> {
        fs::read_link(self.path(path)).ok()?.into_os_string().into_string().ok()
    }
}

/// Reads what was written in one piece, `ROOM` bytes at first and `limit` at most.
///
/// A read that leaves room, and ends where a line or a text of a device tree does, has found the end: another one would
/// find nothing.
fn read_record<const ROOM: usize>(mut file: File, bytes: &mut Vec<u8>, limit: usize) -> io::Result<()> {
    // What is handed on is as long as the value: all of it is wiped in the end, byte by byte.
    let mut room = [0; ROOM];
    let read = loop {
        match file.read(&mut room) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => break read?,
        }
    };
    bytes.extend_from_slice(&room[..read]);
    room[..read].zeroize();
    if read < ROOM && matches!(bytes.last(), None | Some(b'\n' | 0)) {
        return Ok(());
    }
    let left = limit - bytes.len();
    file.take(left as u64).read_to_end(bytes).map(drop)
}

fn lossy(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())
}

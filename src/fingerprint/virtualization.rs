//! Signs that the machine is a virtual machine or the process is in a container.
//!
//! They are two separate answers and feed the policy, never security (docs/FINGERPRINT.md, Virtual machines and
//! containers). Each sign can be forged, and some occur on physical machines (an overlay root on a live medium), so a
//! report names the signs beside the answers.

use std::fmt;

use super::normalize;

/// One observation that speaks for a virtual machine or for a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Sign {
    /// The firmware names a hypervisor as maker or model.
    FirmwareVendor,
    /// The processor says that a hypervisor is there.
    HypervisorBit,
    /// The kernel runs as a guest of a hypervisor (`/sys/hypervisor/type`).
    HypervisorGuest,
    /// The device tree is one made up for virtual machines.
    DeviceTree,
    /// A network card has an address of a hypervisor's range.
    MacPrefix,
    /// Docker left its mark (`/.dockerenv`).
    DockerEnv,
    /// Podman left its mark (`/run/.containerenv`).
    ContainerEnv,
    /// A container manager gave its name (`/run/systemd/container`).
    ContainerManager,
    /// The process is in the control group of a container.
    Cgroup,
    /// The root file system is an overlay.
    OverlayRoot,
    /// The system runs inside Windows (WSL), beside others in one virtual machine.
    Wsl,
}

impl Sign {
    /// Whether the sign speaks for a container; the others speak for a virtual machine.
    pub fn of_container(self) -> bool {
        match self {
            Self::FirmwareVendor
            | Self::HypervisorBit
            | Self::HypervisorGuest
            | Self::DeviceTree
            | Self::MacPrefix => false,
            Self::DockerEnv
            | Self::ContainerEnv
            | Self::ContainerManager
            | Self::Cgroup
            | Self::OverlayRoot
            | Self::Wsl => true,
        }
    }
}

impl fmt::Display for Sign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::FirmwareVendor => "firmware of a hypervisor",
            Self::HypervisorBit => "hypervisor bit of the processor",
            Self::HypervisorGuest => "guest of a hypervisor",
            Self::DeviceTree => "device tree of a virtual machine",
            Self::MacPrefix => "network address of a hypervisor",
            Self::DockerEnv => "/.dockerenv",
            Self::ContainerEnv => "/run/.containerenv",
            Self::ContainerManager => "/run/systemd/container",
            Self::Cgroup => "control group of a container",
            Self::OverlayRoot => "overlay as root file system",
            Self::Wsl => "Linux inside Windows",
        })
    }
}

/// The two answers about the surroundings of the process, and the signs that led to them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    pub(super) virtual_machine: bool,
    pub(super) container: bool,
    signs: Vec<Sign>,
}

impl Environment {
    pub(super) fn see(&mut self, sign: Sign) {
        match sign.of_container() {
            true => self.container = true,
            false => self.virtual_machine = true,
        }
        self.signs.push(sign);
    }

    /// Whether a sign of a virtual machine was seen.
    pub fn virtual_machine(&self) -> bool {
        self.virtual_machine
    }

    /// Whether a sign of a container was seen.
    pub fn container(&self) -> bool {
        self.container
    }

    /// The signs that were seen, each once.
    pub fn signs(&self) -> &[Sign] {
        &self.signs
    }
}

/// Whether maker and model, as the firmware has them, are a hypervisor's.
pub(super) fn firmware_is_virtual(vendor: &str, model: &str) -> bool {
    const VENDORS: [&str; 15] = [
        "alibaba cloud",
        "amazon ec2",
        "apple virtualization",
        "bhyve",
        "bochs",
        "digitalocean",
        "google compute engine",
        "innotek gmbh",
        "kubevirt",
        "openstack",
        "parallels",
        "qemu",
        "virtualbox",
        "virtualmac",
        "vmware",
    ];
    let (vendor, model) = (normalize::text(vendor), normalize::text(model));
    // The clouds rent out physical machines under the same name: `Amazon EC2`, `c5.metal`.
    let starts = |name: &str| vendor.starts_with(name) || model.starts_with(name);
    (VENDORS.into_iter().any(starts) && !model.contains(".metal"))
        || (vendor.starts_with("microsoft") && model.starts_with("virtual machine"))
        || vendor.as_str() == "xen"
        || model.starts_with("kvm")
        || model.starts_with("standard pc (")
}

/// Whether a network address is from a range that hypervisors take theirs from.
#[cfg(any(target_os = "linux", target_os = "macos", windows))]
pub(super) fn mac_is_virtual(mac: &str) -> bool {
    const PREFIXES: [[u8; 3]; 9] = [
        [0x00, 0x05, 0x69], // VMware
        [0x00, 0x0c, 0x29],
        [0x00, 0x1c, 0x14],
        [0x00, 0x50, 0x56],
        [0x00, 0x15, 0x5d], // Hyper-V
        [0x00, 0x16, 0x3e], // Xen
        [0x00, 0x1c, 0x42], // Parallels
        [0x08, 0x00, 0x27], // VirtualBox
        [0x52, 0x54, 0x00], // QEMU
    ];
    normalize::mac(mac).is_some_and(|mac| PREFIXES.iter().any(|prefix| mac.starts_with(prefix)))
}

/// Whether a line of `/proc/self/cgroup` puts the process into a container.
///
/// The names are matched as whole parts of the path: `docker.service` is Docker itself, on the host.
#[cfg(target_os = "linux")]
pub(super) fn cgroup_is_container(line: &str) -> bool {
    const SCOPES: [&str; 5] = ["docker-", "libpod-", "crio-", "cri-containerd-", "lxc.payload."];
    let mut parts = line.rsplit(':').next().unwrap_or(line).split('/').peekable();
    while let Some(part) = parts.next() {
        let inside = parts.peek().is_some_and(|next| !next.is_empty());
        let scope = SCOPES.iter().any(|prefix| part.starts_with(prefix));
        if part.starts_with("kubepods")
            || (inside && matches!(part, "docker" | "lxc" | "garden"))
            || (scope && (part.ends_with(".scope") || part.starts_with("lxc.")))
        {
            return true;
        }
    }
    false
}

//! macOS: what the registry of devices (IOKit), the kernel and the root volume say to everybody.
//!
//! Written to Apple's documentation and type-checked; it has not run on a Mac yet.

use std::{
    ffi::{CStr, CString, c_void},
    mem, ptr,
};

use objc2_core_foundation::{CFData, CFRetained, CFString, CFType};
use objc2_io_kit::{
    IOBSDNameMatching, IOObjectRelease, IORegistryEntrySearchCFProperty, IOServiceGetMatchingService,
    IOServiceMatching, io_object_t, kIOPlatformSerialNumberKey, kIOPlatformUUIDKey, kIOServicePlane,
};
use zeroize::Zeroizing;

use super::{
    component::Component,
    firmware::Firmware,
    normalize,
    probe::Raw,
    virtualization::{self, Sign},
};

/// Null, which stands for the one port that there is (`kIOMainPortDefault`).
const MAIN_PORT: libc::mach_port_t = 0;
/// `kIORegistryIterateRecursively | kIORegistryIterateParents`: the entry, then what it belongs to.
const UPWARDS: u32 = 1 | 2;

pub(super) fn this_machine() -> Raw {
    let mut raw = Raw::default();
    let mut firmware = Firmware {
        vendor: Some(Zeroizing::new("Apple".to_owned())),
        product: sysctl(c"hw.model"),
        ..Firmware::default()
    };
    if let Some(platform) = RegistryEntry::of_class(c"IOPlatformExpertDevice") {
        firmware.uuid = platform.text(kIOPlatformUUIDKey);
        firmware.board_serial = platform.text(kIOPlatformSerialNumberKey);
    }
    firmware.report(&mut raw);
    // Set in a guest alone, not on a Mac that has guests.
    if sysctl_number(c"kern.hv_vmm_present") == Some(1) {
        raw.environment.see(Sign::HypervisorBit);
    }
    // Apple's own processors have a name and nothing else of this.
    let names = [c"machdep.cpu.vendor", c"machdep.cpu.brand_string"];
    let cpu: Vec<_> = names.into_iter().filter_map(sysctl).collect();
    let cpu: Vec<_> = cpu.iter().map(|value| value.as_str()).collect();
    raw.push(Component::Cpu, Some(Zeroizing::new(cpu.join(" "))));
    if let Some(address) = built_in_mac() {
        if virtualization::mac_is_virtual(&address) {
            raw.environment.see(Sign::MacPrefix);
        }
        raw.push(Component::Mac, Some(address));
    }
    raw.push(Component::RootFs, root_volume());
    raw
}

/// The address that the built-in card was made with. The interface shows another one where Wi-Fi addresses are
/// private, so its controller is asked first; one that the interface made up is locally administered and dropped with
/// the rest of them.
fn built_in_mac() -> Option<Zeroizing<String>> {
    let data = || RegistryEntry::of_interface(c"en0")?.find(c"IOMACAddress")?.downcast::<CFData>().ok();
    let permanent = data().map(|data| data.to_vec()).filter(|data| data.len() == 6);
    let shown =
        || mac_address::mac_address_by_name("en0").ok().flatten().map(|address| address.bytes().to_vec());
    permanent.or_else(shown).map(|address| normalize::hex(&address))
}

/// An entry of IOKit's registry, released when it is dropped.
struct RegistryEntry(io_object_t);

impl RegistryEntry {
    /// The first entry of a class.
    fn of_class(class: &CStr) -> Option<Self> {
        // SAFETY: the name ends with a zero and is only read.
        let matching = unsafe { IOServiceMatching(class.as_ptr()) }?;
        // SAFETY: a dictionary made by IOKit for this very call.
        let entry = unsafe { IOServiceGetMatchingService(MAIN_PORT, Some(matching.as_opaque().into())) };
        (entry != 0).then_some(Self(entry))
    }

    /// The entry of a network interface.
    fn of_interface(name: &CStr) -> Option<Self> {
        // SAFETY: the name ends with a zero and is only read; there are no options.
        let matching = unsafe { IOBSDNameMatching(MAIN_PORT, 0, name.as_ptr()) }?;
        // SAFETY: a dictionary made by IOKit for this very call.
        let entry = unsafe { IOServiceGetMatchingService(MAIN_PORT, Some(matching.as_opaque().into())) };
        (entry != 0).then_some(Self(entry))
    }

    /// A property of the entry, or of the nearest one above it that has it.
    fn find(&self, key: &CStr) -> Option<CFRetained<CFType>> {
        let key = CFString::from_str(key.to_str().ok()?);
        let mut plane = [0; 128];
        for (to, from) in plane.iter_mut().zip(kIOServicePlane.to_bytes()) {
            *to = *from as libc::c_char;
        }
        // SAFETY: the entry is held by this object, and the plane's name ends with a zero within its array; no
        // allocator stands for the default one.
        unsafe { IORegistryEntrySearchCFProperty(self.0, &raw mut plane, Some(&key), None, UPWARDS) }
    }

    fn text(&self, key: &CStr) -> Option<Zeroizing<String>> {
        self.find(key)?.downcast::<CFString>().ok().map(|text| Zeroizing::new(text.to_string()))
    }
}

impl Drop for RegistryEntry {
    fn drop(&mut self) {
        IOObjectRelease(self.0);
    }
}

/// The UUID of the volume that `/` is.
fn root_volume() -> Option<Zeroizing<String>> {
    #[repr(C)]
    struct VolumeUuid {
        length: u32,
        uuid: [u8; 16],
    }
    let mut wanted = libc::attrlist {
        bitmapcount: libc::ATTR_BIT_MAP_COUNT,
        reserved: 0,
        commonattr: 0,
        volattr: libc::ATTR_VOL_INFO | libc::ATTR_VOL_UUID,
        dirattr: 0,
        fileattr: 0,
        forkattr: 0,
    };
    let mut answer = VolumeUuid { length: 0, uuid: [0; 16] };
    // SAFETY: the path ends with a zero, and `answer` has room for the bytes that are said to be there. All of them
    // outlive the call.
    let result = unsafe {
        libc::getattrlist(
            c"/".as_ptr(),
            (&raw mut wanted).cast::<c_void>(),
            (&raw mut answer).cast::<c_void>(),
            mem::size_of::<VolumeUuid>(),
            0,
        )
    };
    // A file system without a UUID answers with less.
    (result == 0 && answer.length as usize == mem::size_of::<VolumeUuid>())
        .then(|| normalize::hex(&answer.uuid))
}

/// A text that the kernel knows under a name.
fn sysctl(name: &CStr) -> Option<Zeroizing<String>> {
    let mut bytes = vec![0; 256];
    let mut length = bytes.len();
    // SAFETY: the name ends with a zero, and `bytes` has room for the `length` bytes that are said to be there. Nothing
    // is set.
    let result = unsafe {
        libc::sysctlbyname(name.as_ptr(), bytes.as_mut_ptr().cast(), &raw mut length, ptr::null_mut(), 0)
    };
    bytes.truncate(length);
    let text = CString::from_vec_with_nul(bytes).ok().filter(|_| result == 0)?;
    text.into_string().ok().map(Zeroizing::new)
}

/// A number that the kernel knows under a name.
fn sysctl_number(name: &CStr) -> Option<i32> {
    let mut number = 0_i32;
    let mut length = mem::size_of::<i32>();
    // SAFETY: the name ends with a zero, and `number` is as long as it is said to be. Nothing is set.
    let result = unsafe {
        libc::sysctlbyname(name.as_ptr(), (&raw mut number).cast(), &raw mut length, ptr::null_mut(), 0)
    };
    (result == 0 && length == mem::size_of::<i32>()).then_some(number)
}

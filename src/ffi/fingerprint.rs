//! What is found on a machine, for support.

use std::{
    ffi::{CStr, CString, c_char},
    fmt::Write as _,
    ptr,
};

use super::{
    boundary::{Lent, Out, c_string, fallible, free, look, put, text},
    bytes::nodelock_bytes,
    error::nodelock_error,
    status::nodelock_status,
};
use crate::fingerprint::{self, Acceptance, Component, Fingerprint, Match, Probe};

/// The identity of the operating system's installation.
pub const NODELOCK_COMPONENT_OS_ID: u32 = 1;
/// The UUID of the root file system.
pub const NODELOCK_COMPONENT_ROOT_FS: u32 = 2;
/// The UUID that the firmware gives the machine.
pub const NODELOCK_COMPONENT_HW_UUID: u32 = 3;
/// The serial number of the main board.
pub const NODELOCK_COMPONENT_BOARD_SERIAL: u32 = 4;
/// The serial number of the disk that carries the root file system.
pub const NODELOCK_COMPONENT_DISK_SERIAL: u32 = 5;
/// The permanent address of a network card; up to four of them, of which one has to match.
pub const NODELOCK_COMPONENT_MAC: u32 = 6;
/// Maker and model of the machine.
pub const NODELOCK_COMPONENT_MODEL: u32 = 7;
/// Maker, family, model, stepping and brand of the processor.
pub const NODELOCK_COMPONENT_CPU: u32 = 8;
/// An identity that the application supplies.
pub const NODELOCK_COMPONENT_HOST_ID: u32 = 9;

/// There is nothing to compare: no license, or the component is missing on either side.
pub const NODELOCK_MATCH_NONE: u32 = 0;
/// A component agrees, or the machine is the one of the license.
pub const NODELOCK_MATCH_AGREES: u32 = 1;
/// A component differs, or the machine is another one.
pub const NODELOCK_MATCH_DIFFERS: u32 = 2;
/// The machine has changed, and is good for the days of grace.
pub const NODELOCK_MATCH_GRACE: u32 = 3;

/// What was found on a machine, and how it compares with the one that the license was issued for; no value that was
/// found. Belongs to the caller; may be read from any number of threads.
pub struct nodelock_fingerprint {
    fingerprint: Fingerprint,
    report: Option<Match>,
    signs: Vec<CString>,
    found: Vec<Component>,
    tags: Vec<[u8; 3]>,
    text: Lent,
}

impl nodelock_fingerprint {
    pub(super) fn new(probe: &Probe, fingerprint: Fingerprint, report: Option<Match>) -> Self {
        Self {
            signs: probe.environment().signs().iter().map(|sign| c_string(sign.to_string())).collect(),
            found: probe.components().collect(),
            tags: fingerprint.tags().iter().map(|tag| tag.bytes()).collect(),
            fingerprint,
            report,
            text: Lent::default(),
        }
    }

    fn report(&self) -> String {
        let mut text = String::new();
        match &self.report {
            Some(report) => {
                let _ = writeln!(text, "{report}");
            }
            None => {
                for component in Component::ALL {
                    let what = if self.found.contains(&component) { "found" } else { "not found" };
                    let _ = writeln!(text, "{component:<12}  {what}");
                }
            }
        }
        for sign in &self.signs {
            let _ = writeln!(text, "sign: {}", sign.to_string_lossy());
        }
        text
    }
}

fn component(number: u32) -> Option<Component> {
    Component::from_number(u8::try_from(number).ok()?)
}

/// The name of a component, one of NODELOCK_COMPONENT_*, such as `os_id`. Lives as long as the library is loaded. NULL
/// for any other number.
#[unsafe(no_mangle)]
pub extern "C" fn nodelock_component_name(component: u32) -> *const c_char {
    let name: Option<&CStr> = self::component(component).map(|component| match component {
        Component::OsId => c"os_id",
        Component::RootFs => c"root_fs",
        Component::HwUuid => c"hw_uuid",
        Component::BoardSerial => c"board_serial",
        Component::DiskSerial => c"disk_serial",
        Component::Mac => c"mac",
        Component::Model => c"model",
        Component::Cpu => c"cpu",
        Component::HostId => c"host_id",
    });
    name.map_or(ptr::null(), CStr::as_ptr)
}

/// Whether signs of a virtual machine were seen. They can be forged: for the application to know, no protection.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_fingerprint_is_virtual_machine(
    fingerprint: *const nodelock_fingerprint,
) -> bool {
    // SAFETY: NULL or a fingerprint that lives.
    unsafe { look(fingerprint, false, |f| f.fingerprint.virtual_machine()) }
}

/// Whether signs of a container were seen.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_fingerprint_is_container(fingerprint: *const nodelock_fingerprint) -> bool {
    // SAFETY: NULL or a fingerprint that lives.
    unsafe { look(fingerprint, false, |f| f.fingerprint.container()) }
}

/// How many signs of a virtual machine or a container were seen.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_fingerprint_sign_count(fingerprint: *const nodelock_fingerprint) -> usize {
    // SAFETY: NULL or a fingerprint that lives.
    unsafe { look(fingerprint, 0, |f| f.signs.len()) }
}

/// A sign in words, by its place from 0 on. Lent until the fingerprint is freed. NULL beyond the last.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_fingerprint_sign(
    fingerprint: *const nodelock_fingerprint,
    index: usize,
) -> *const c_char {
    // SAFETY: NULL or a fingerprint that lives.
    unsafe {
        look(fingerprint, ptr::null(), |f| f.signs.get(index).map_or(ptr::null(), |sign| sign.as_ptr()))
    }
}

/// Whether the machine has something that is unique to its hardware. If not, a license asks for renewal sooner.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_fingerprint_is_bindable(fingerprint: *const nodelock_fingerprint) -> bool {
    // SAFETY: NULL or a fingerprint that lives.
    unsafe { look(fingerprint, false, |f| f.fingerprint.bindable()) }
}

/// Whether a component, one of NODELOCK_COMPONENT_*, was found.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_fingerprint_found(
    fingerprint: *const nodelock_fingerprint,
    component: u32,
) -> bool {
    // SAFETY: NULL or a fingerprint that lives.
    unsafe {
        look(fingerprint, false, |f| self::component(component).is_some_and(|known| f.found.contains(&known)))
    }
}

/// How a component, one of NODELOCK_COMPONENT_*, compares with the license's: NODELOCK_MATCH_NONE,
/// NODELOCK_MATCH_AGREES or NODELOCK_MATCH_DIFFERS. What it adds to the score is stored in `weight` if that is not
/// NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_fingerprint_compare(
    fingerprint: *const nodelock_fingerprint,
    component: u32,
    weight: *mut i32,
) -> u32 {
    // SAFETY: NULL or a fingerprint that lives; NULL or a place for the weight.
    unsafe {
        let result = look(fingerprint, None, |f| {
            let component = self::component(component)?;
            f.report.as_ref()?.components.iter().find(|result| result.component == component).copied()
        });
        put(Some(result.map_or(0, |result| result.weight)), weight);
        match result.and_then(|result| result.agreed) {
            None => NODELOCK_MATCH_NONE,
            Some(true) => NODELOCK_MATCH_AGREES,
            Some(false) => NODELOCK_MATCH_DIFFERS,
        }
    }
}

/// How the machine compares with the license's as a whole: NODELOCK_MATCH_NONE without a license,
/// NODELOCK_MATCH_AGREES, NODELOCK_MATCH_GRACE or NODELOCK_MATCH_DIFFERS. The score is stored in `score` if that is not
/// NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_fingerprint_outcome(
    fingerprint: *const nodelock_fingerprint,
    score: *mut i32,
) -> u32 {
    // SAFETY: NULL or a fingerprint that lives; NULL or a place for the score.
    unsafe {
        let judged =
            look(fingerprint, None, |f| f.report.as_ref().map(|report| (report.acceptance, report.score)));
        put(Some(judged.map_or(0, |(_, score)| score)), score);
        match judged.map(|(acceptance, _)| acceptance) {
            None => NODELOCK_MATCH_NONE,
            Some(Acceptance::Accept) => NODELOCK_MATCH_AGREES,
            Some(Acceptance::Grace) => NODELOCK_MATCH_GRACE,
            Some(Acceptance::Reject) => NODELOCK_MATCH_DIFFERS,
        }
    }
}

/// How many tags the machine sends to the authority: three bytes of a keyed hash for each value that was found.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_fingerprint_tag_count(fingerprint: *const nodelock_fingerprint) -> usize {
    // SAFETY: NULL or a fingerprint that lives.
    unsafe { look(fingerprint, 0, |f| f.tags.len()) }
}

/// The three bytes of a tag, by its place from 0 on. Its component is stored in `component` if that is not NULL. Lent
/// until the fingerprint is freed. NULL beyond the last.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_fingerprint_tag(
    fingerprint: *const nodelock_fingerprint,
    index: usize,
    component: *mut u32,
) -> *const u8 {
    // SAFETY: NULL or a fingerprint that lives; NULL or a place for the component.
    unsafe {
        let number = look(fingerprint, None, |f| f.fingerprint.tags().get(index).map(|tag| tag.component()));
        put(Some(number.map_or(0, u32::from)), component);
        look(fingerprint, ptr::null(), |f| f.tags.get(index).map_or(ptr::null(), |tag| tag.as_ptr()))
    }
}

/// All of it in English, a line for each component, for support. Lent until the fingerprint is freed. NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_fingerprint_report(
    fingerprint: *const nodelock_fingerprint,
) -> *const c_char {
    // SAFETY: NULL or a fingerprint that lives.
    unsafe { look(fingerprint, ptr::null(), |f| f.text.get(|| f.report())) }
}

/// Frees a fingerprint. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_fingerprint_free(fingerprint: *mut nodelock_fingerprint) {
    // SAFETY: NULL or a fingerprint that nobody uses any more.
    unsafe { free(fingerprint) }
}

/// A stable identity of this machine for an application, as text: 32 hexadecimal digits, for applications that want no
/// more than that. It differs between applications, is the same for every user, changes when the operating system is
/// installed anew, and is copied along with a disk image.
///
/// NODELOCK_UNSUPPORTED: the machine has nothing to make it of, as most containers. NODELOCK_INVALID_INPUT: an empty
/// name.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_machine_id(
    application: *const c_char,
    id: *mut *mut nodelock_bytes,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or text; NULL or places for the results.
    unsafe {
        fallible(error, &mut || {
            let id = Out::<nodelock_bytes>::new(id)?;
            id.set(fingerprint::machine_id(text(application, "application")?)?);
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_have_their_names() {
        for component in Component::ALL {
            let name = nodelock_component_name(component.number().into());
            // SAFETY: it is not NULL, or this fails.
            assert_eq!(unsafe { CStr::from_ptr(name) }.to_str().unwrap(), component.name());
        }
        assert!(nodelock_component_name(0).is_null() && nodelock_component_name(256 + 1).is_null());
    }
}

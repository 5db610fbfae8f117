//! The same client as a C program has it. The functions are called through pointers that the compiler cannot see
//! through, because a C program cannot have them inlined either.
#![allow(unsafe_code, reason = "what C calls is unsafe to call")]

use std::{
    ffi::{CStr, CString, c_char},
    hint::black_box,
    path::Path,
    ptr,
};

use nodelock::{PublicKey, ffi::*};

use crate::vendor::PRODUCT;

type CheckFunction = unsafe extern "C" fn(
    *const nodelock_client,
    *mut *mut nodelock_license,
    *mut *mut nodelock_error,
) -> nodelock_status;
type HasFeature = unsafe extern "C" fn(*const nodelock_license, *const c_char) -> bool;
type Free = unsafe extern "C" fn(*mut nodelock_license);

/// A client for as long as the process lives.
pub struct CClient {
    client: *mut nodelock_client,
    check: CheckFunction,
    has_feature: HasFeature,
    free: Free,
}

impl CClient {
    /// On the store in `folder`, whose licenses `root` vouches for.
    pub fn open(folder: &Path, root: &PublicKey) -> Self {
        let c_string = |text: &str| CString::new(text).unwrap();
        let (product, root) = (c_string(PRODUCT), c_string(&root.to_string()));
        let place = |name: &str| c_string(folder.join(name).to_str().unwrap());
        let (store, tombstones) = (place("store"), place("tombstones"));
        let (mut config, mut client) = (ptr::null_mut(), ptr::null_mut());
        let well = |status| assert_eq!(status, nodelock_status::NODELOCK_OK);
        let error = ptr::null_mut();
        // SAFETY: texts that live, and places for the results.
        unsafe {
            well(nodelock_config_new(product.as_ptr(), &mut config, error));
            well(nodelock_config_add_root(config, root.as_ptr(), error));
            well(nodelock_config_set_store_directory(config, store.as_ptr(), tombstones.as_ptr(), error));
            well(nodelock_client_new(config, &mut client, error));
            nodelock_config_free(config);
        }
        Self {
            client,
            check: black_box(nodelock_client_check),
            has_feature: black_box(nodelock_license_has_feature),
            free: black_box(nodelock_license_free),
        }
    }

    /// A check whose result is freed.
    pub fn check(&self) {
        let license = self.license();
        // SAFETY: a license that was just made.
        unsafe { (self.free)(license) }
    }

    pub fn license(&self) -> *mut nodelock_license {
        let mut license = ptr::null_mut();
        // SAFETY: a client that lives, and places for the results.
        let status = unsafe { (self.check)(self.client, &mut license, ptr::null_mut()) };
        assert_eq!(status, nodelock_status::NODELOCK_OK);
        license
    }

    pub fn has_feature(&self, license: *const nodelock_license, name: &CStr) -> bool {
        // SAFETY: a license that is never freed, and text.
        unsafe { (self.has_feature)(license, name.as_ptr()) }
    }
}

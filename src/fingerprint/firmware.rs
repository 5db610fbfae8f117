//! What a machine's firmware says about it, however the operating system tells.

use zeroize::Zeroizing;

use super::{
    component::Component,
    junk, normalize,
    probe::Raw,
    virtualization::{self, Sign},
};

/// The identity that the maker gave a machine, as it was read.
#[derive(Default)]
pub(super) struct Firmware {
    pub(super) vendor: Option<Zeroizing<String>>,
    pub(super) product: Option<Zeroizing<String>>,
    pub(super) uuid: Option<Zeroizing<String>>,
    pub(super) board_serial: Option<Zeroizing<String>>,
}

impl Firmware {
    /// Adds what can be scored, and sees whether the maker is a hypervisor's.
    pub(super) fn report(self, raw: &mut Raw) {
        let vendor = self.vendor.as_ref().map_or("", |vendor| vendor.trim());
        let product = self.product.as_ref().map_or("", |product| product.trim());
        if virtualization::firmware_is_virtual(vendor, product) {
            raw.environment.see(Sign::FirmwareVendor);
        }
        // A maker alone is no model.
        if !junk::text(&normalize::text(product)) {
            raw.push(Component::Model, Some(Zeroizing::new(format!("{vendor} {product}"))));
        }
        raw.push(Component::HwUuid, self.uuid);
        raw.push(Component::BoardSerial, self.board_serial);
    }
}

//! Machines that a test chooses.

use ring::digest::{SHA256, digest};

use crate::{
    Error, ErrorKind, Result,
    fingerprint::{Component, Probe},
};

/// The first half of the network addresses: of a maker of computers, and of a hypervisor.
const CARD: &str = "f0:4d:a2";
const VIRTUAL_CARD: &str = "52:54:00";

/// A machine for [`ClientBuilder::probe`](crate::ClientBuilder::probe), known by its name: the same name is the same
/// machine, and no two names have a serial in common.
///
/// A probe drops what many machines have, such as a serial of zeros. In a test that would leave a machine out of
/// account that the test believes in, so [`with`](Self::with) fails there.
#[derive(Clone, Debug)]
pub struct Machine {
    name: String,
    values: Vec<(Component, String)>,
    is_virtual: bool,
    is_container: bool,
}

impl Machine {
    /// A physical computer, with what a user who is not root can read of it: the identity of its system, a disk, a
    /// network card, model and processor.
    pub fn new(name: &str) -> Self {
        let values = vec![
            (Component::OsId, system(name)),
            (Component::DiskSerial, disk(name)),
            (Component::Mac, card(CARD, name)),
            (Component::Model, "Framework Laptop 13".to_owned()),
            (Component::Cpu, "AuthenticAMD 25 116 1 Ryzen 7".to_owned()),
        ];
        Self { name: name.to_owned(), values, is_virtual: false, is_container: false }
    }

    /// A virtual machine: its disk and model are the hypervisor's and do not count.
    pub fn virtual_machine(name: &str) -> Self {
        let values = vec![
            (Component::OsId, system(name)),
            (Component::Mac, card(VIRTUAL_CARD, name)),
            (Component::Cpu, "AuthenticAMD 25 1 1 EPYC".to_owned()),
        ];
        Self { name: name.to_owned(), values, is_virtual: true, is_container: false }
    }

    /// The same machine with another network card, or, of a virtual one, on a host with another processor. It still
    /// matches.
    pub fn changed_a_little(&self) -> Self {
        match self.is_virtual {
            true => self.replaced(&[(Component::Cpu, "GenuineIntel 6 143 8 Xeon".to_owned())]),
            false => self.with_another_card(),
        }
    }

    /// The same machine with its system installed anew, and with another network card if it is a physical one. It gets
    /// the days of grace that its license allows: [`Verdict::Grace`](crate::Verdict::Grace).
    pub fn changed_much(&self) -> Self {
        let machine = if self.is_virtual { self.clone() } else { self.with_another_card() };
        let other = format!("{}, installed anew", self.name);
        machine.replaced(&[(Component::OsId, system(&other))])
    }

    /// Another system, another network card and another disk: another machine, as far as can be told.
    pub fn changed_too_much(&self) -> Self {
        let other = format!("{}, another disk", self.name);
        let disk = self.has(Component::DiskSerial).then(|| (Component::DiskSerial, disk(&other)));
        self.changed_much().with_another_card().replaced(disk.as_slice())
    }

    /// The same machine from inside a sandbox that shows no more than model and processor: nothing differs, and nothing
    /// says that it is this machine.
    pub fn hidden(&self) -> Self {
        let mut hidden = self.clone();
        hidden.values.retain(|(component, _)| matches!(component, Component::Model | Component::Cpu));
        hidden
    }

    /// The same machine from inside a container, as far as the signs go.
    pub fn in_container(&self) -> Self {
        Self { is_container: true, ..self.clone() }
    }

    /// This machine with another value for a component, spelled as a system does it.
    ///
    /// Fails with [`ErrorKind::InvalidInput`] for a value that a probe drops: one that many machines have, one that is
    /// not of the component's form, or one that does not count on a virtual machine.
    pub fn with(&self, component: Component, value: &str) -> Result<Self> {
        let probe = Probe::from_values([(component, value.to_owned())], self.is_virtual, self.is_container);
        if probe.components().next().is_none() {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                format!("{component}: a probe drops this value, so the machine would be without it"),
            ));
        }
        Ok(self.without(component).replaced(&[(component, value.to_owned())]))
    }

    /// This machine without a component.
    pub fn without(&self, component: Component) -> Self {
        let mut machine = self.clone();
        machine.values.retain(|(known, _)| *known != component);
        machine
    }

    /// What a probe finds on it.
    pub fn probe(&self) -> Probe {
        Probe::from_values(self.values.iter().cloned(), self.is_virtual, self.is_container)
    }

    fn with_another_card(&self) -> Self {
        let prefix = if self.is_virtual { VIRTUAL_CARD } else { CARD };
        self.replaced(&[(Component::Mac, card(prefix, &format!("{}, another card", self.name)))])
    }

    fn has(&self, component: Component) -> bool {
        self.values.iter().any(|(known, _)| *known == component)
    }

    fn replaced(&self, values: &[(Component, String)]) -> Self {
        let mut machine = self.clone();
        machine.values.retain(|(known, _)| values.iter().all(|(other, _)| known != other));
        machine.values.extend_from_slice(values);
        machine
    }
}

/// The identity of a system's installation.
fn system(name: &str) -> String {
    hex(&hash("system", name)[..16], "")
}

fn disk(name: &str) -> String {
    format!("disk {name} {}", hex(&hash("disk", name)[..4], ""))
}

fn card(prefix: &str, name: &str) -> String {
    format!("{prefix}:{}", hex(&hash("card", name)[..3], ":"))
}

fn hash(what: &str, name: &str) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest(&SHA256, format!("{what} {name}").as_bytes()).as_ref());
    bytes
}

fn hex(bytes: &[u8], separator: &str) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(separator)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fingerprint::{Acceptance, Policy, TagKey, judge};

    fn compare(baseline: &Machine, now: &Machine) -> Acceptance {
        let key = TagKey::new("vendor", "product");
        let [baseline, now] = [baseline, now].map(|machine| machine.probe().fingerprint(&key));
        judge(&baseline, &now, &Policy::default()).acceptance
    }

    #[test]
    fn machines_are_what_their_names_say() {
        for name in ["desk", "", "a name of many words, with ünicode"] {
            let (desk, guest) = (Machine::new(name), Machine::virtual_machine(name));
            for machine in [&desk, &guest] {
                assert_eq!(machine.probe().components().count(), machine.values.len(), "nothing is dropped");
                assert_eq!(compare(machine, &machine.clone()), Acceptance::Accept);
                assert_eq!(compare(machine, &machine.in_container()), Acceptance::Accept);
                assert_eq!(compare(machine, &machine.changed_a_little()), Acceptance::Accept);
                assert_eq!(compare(machine, &machine.changed_much()), Acceptance::Grace);
                assert_eq!(compare(machine, &machine.changed_too_much()), Acceptance::Reject);
            }
            assert_eq!(compare(&desk, &Machine::new("another")), Acceptance::Reject);
            assert_eq!(compare(&guest, &Machine::virtual_machine("another")), Acceptance::Reject);
            assert!(desk.hidden().probe().components().eq([Component::Model, Component::Cpu]));
        }
    }

    #[test]
    fn a_value_that_a_probe_drops_is_an_error() {
        let desk = Machine::new("desk");
        for (component, value) in [
            (Component::DiskSerial, "00000000"),
            (Component::BoardSerial, "To Be Filled By O.E.M."),
            (Component::OsId, "no identity"),
            (Component::Mac, "02:00:00:11:22:33"),
        ] {
            let error = desk.with(component, value).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{component}");
            assert!(!error.to_string().contains(value), "{error}");
        }
        assert!(Machine::virtual_machine("guest").with(Component::DiskSerial, "S4EVNX0R").is_err());
        let other = desk.with(Component::DiskSerial, "S4EVNX0R").unwrap();
        assert_eq!(other.values.len(), desk.values.len());
        assert_eq!(compare(&desk, &other), Acceptance::Accept);
    }
}

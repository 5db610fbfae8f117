//! The grace of a changed machine: it counts and ends whether or not anybody records it, and a machine that shows
//! nothing unique is not taken for another one (docs/PROTOCOL.md, A changed machine).

use nodelock::{
    Client, ErrorKind, GraceReason, MachineReason, Verdict,
    fingerprint::{Component, Policy, Probe},
};

use crate::support::vendor::{Device, START, Vendor};

const DAY: u64 = 86_400;

/// The machine with another network card and without what else it is known by: grace.
fn changed() -> Probe {
    probe(&[(Component::DiskSerial, "disk machine 2718281"), (Component::Mac, "f0:4d:a2:99:88:77")])
}

fn probe(values: &[(Component, &str)]) -> Probe {
    Probe::from_values(
        values.iter().map(|(component, value)| (*component, (*value).to_owned())),
        false,
        false,
    )
}

fn on(device: &Device, probe: fn() -> Probe) -> Client {
    device.builder().probe(probe).build().unwrap()
}

fn until(client: &Client) -> u64 {
    match client.check().unwrap().verdict() {
        Verdict::Grace { until, .. } => (until.unix_seconds() - START) / DAY,
        verdict => panic!("{verdict}"),
    }
}

fn is_over(client: &Client) -> bool {
    let over = Verdict::WrongMachine { reason: MachineReason::GraceOver };
    *client.check().unwrap().verdict() == over
}

/// A vendor, and a device whose license never ends, so that nothing but the grace ends its use.
fn perpetual() -> (Vendor, Device) {
    let mut vendor = Vendor::new();
    vendor.terms().lease_days = None;
    let device = Device::activated(&mut vendor, "machine");
    (vendor, device)
}

#[test]
fn an_application_that_never_observes_has_its_days_of_grace_and_no_more() {
    let (vendor, device) = perpetual();
    vendor.clock.advance_days(5);
    assert_eq!(until(&on(&device, changed)), 14, "from the last time that the store knows");
    vendor.clock.advance_days(8);
    assert_eq!(until(&on(&device, changed)), 14);
    vendor.clock.advance_days(1);
    assert!(is_over(&on(&device, changed)));
    vendor.clock.advance_days(400);
    assert!(is_over(&on(&device, changed)));
    assert_eq!(device.verdict(), Verdict::Active, "the machine is itself again");
}

#[test]
fn after_a_long_break_an_observation_gives_the_days_of_grace_from_then_on_once() {
    let (vendor, device) = perpetual();
    vendor.clock.advance_days(100);
    let client = on(&device, changed);
    assert!(is_over(&client) && client.check().unwrap().should_observe());
    assert!(client.observe().unwrap());
    assert_eq!(until(&client), 114);
    vendor.clock.advance_days(14);
    client.observe().unwrap();
    assert!(is_over(&client));
}

#[test]
fn a_request_for_a_renewal_records_a_change_and_none_after_it_prolongs_the_grace() {
    let (vendor, device) = perpetual();
    vendor.clock.advance_days(5);
    let client = on(&device, changed);
    for _ in 0..14 {
        client.check_in_offline().unwrap();
        assert_eq!(until(&client), 19);
        vendor.clock.advance_days(1);
    }
    client.check_in_offline().unwrap();
    assert!(is_over(&client));
}

#[test]
fn a_renewal_ends_the_grace_whenever_it_comes() {
    for days in [5, 100] {
        let (mut vendor, device) = perpetual();
        vendor.clock.advance_days(days);
        let client = on(&device, changed);
        let request = client.check_in_offline().unwrap().to_bytes();
        client.accept(&vendor.check_in(&request).unwrap().to_bytes()).unwrap();
        assert_eq!(*client.check().unwrap().verdict(), Verdict::Active);
    }
}

/// What a private network namespace or a hidden /sys leaves of the machine.
const LEFT: [fn() -> Probe; 3] = [
    || probe(&[]),
    || probe(&[(Component::Cpu, "AuthenticAMD 25 116 1 Ryzen 7")]),
    || {
        let common =
            [(Component::Model, "Framework Laptop 13"), (Component::Cpu, "AuthenticAMD 25 116 1 Ryzen 7")];
        probe(&common)
    },
];

#[test]
fn a_machine_that_shows_nothing_unique_and_nothing_that_differs_is_in_grace() {
    for left in LEFT {
        let (mut vendor, device) = perpetual();
        vendor.clock.advance_days(1);
        let client = on(&device, left);
        let verdict = client.check().unwrap().verdict().clone();
        assert!(matches!(verdict, Verdict::Grace { reason: GraceReason::MachineHidden, .. }), "{verdict}");
        assert!(client.observe().unwrap());
        // It would bind the license to nothing.
        let request = client.check_in_offline().unwrap().to_bytes();
        assert_eq!(vendor.check_in(&request).unwrap_err().kind(), ErrorKind::WrongMachine);
        vendor.clock.advance_days(14);
        let reason = MachineReason::HiddenTooLong;
        assert_eq!(*client.check().unwrap().verdict(), Verdict::WrongMachine { reason });
        assert_eq!(device.verdict(), Verdict::Active, "it is seen again");
    }
}

#[test]
fn a_machine_that_shows_something_that_differs_is_another_one() {
    let (_, device) = perpetual();
    for other in [
        (|| probe(&[(Component::Cpu, "GenuineIntel 6 158 10 Core i7")])) as fn() -> Probe,
        || probe(&[(Component::DiskSerial, "disk other 31415926")]),
        || probe(&[(Component::Model, "ThinkPad X1 Carbon")]),
    ] {
        let reason = MachineReason::Fingerprint;
        assert_eq!(*on(&device, other).check().unwrap().verdict(), Verdict::WrongMachine { reason });
    }
}

/// As in a container, which is bound to nothing unique.
#[test]
fn a_baseline_without_anything_unique_is_not_another_machine_for_showing_less() {
    let mut vendor = Vendor::new();
    vendor.terms().lease_days = None;
    let device = Device::new(&vendor, "machine");
    let client = on(&device, LEFT[2]);
    let request = client.begin(vendor.license_key()).unwrap().to_bytes();
    client.accept(&vendor.activate(&request).unwrap()).unwrap();
    assert_eq!(*client.check().unwrap().verdict(), Verdict::Active);
    let verdict = on(&device, LEFT[0]).check().unwrap().verdict().clone();
    assert!(matches!(verdict, Verdict::Grace { reason: GraceReason::MachineHidden, .. }), "{verdict}");
}

#[cfg(feature = "online")]
#[test]
fn what_is_due_is_a_check_in_that_can_help() {
    use std::time::Duration;

    use nodelock::Renewal;

    use crate::support::wire::Wire;

    for (seen, days, helps) in
        [(changed as fn() -> Probe, 5, true), (changed, 100, true), (LEFT[1], 5, false)]
    {
        let (vendor, device) = perpetual();
        vendor.clock.advance_days(days);
        let wire = Wire::to(vendor);
        let client = device
            .builder()
            .probe(seen)
            .authority(nodelock::Authority::new("https://authority", wire))
            .build()
            .unwrap();
        let started = client.start(Duration::from_secs(3)).unwrap();
        assert_eq!(matches!(started.renewal(), Renewal::Done), helps, "{:?}", started.renewal());
        assert_eq!(*started.status().verdict() == Verdict::Active, helps);
    }
}

/// A store that is copied, and put back again and again where the hardware is hidden, has no days of its own.
#[test]
fn a_hidden_copy_is_usable_for_the_days_after_the_last_observation_of_the_original() {
    let (vendor, device) = perpetual();
    vendor.clock.advance_days(10);
    device.client().observe().unwrap();
    let copy = device.store().read().unwrap().body.clone().unwrap();
    let put_back = || device.store().write().unwrap().commit(&copy).unwrap();
    for _ in 0..3 {
        put_back();
        let client = on(&device, LEFT[0]);
        client.observe().unwrap();
        let _asked = client.check_in_offline();
        assert_eq!(until(&on(&device, LEFT[0])), 24);
        vendor.clock.advance_days(4);
    }
    vendor.clock.advance_days(2);
    put_back();
    let client = on(&device, LEFT[0]);
    let over = Verdict::WrongMachine { reason: MachineReason::HiddenTooLong };
    assert_eq!(*client.check().unwrap().verdict(), over);
    client.observe().unwrap();
    client.check_in_offline().unwrap();
    assert_eq!(*client.check().unwrap().verdict(), over);
}

#[test]
fn a_vendor_who_grants_no_grace_grants_none_to_a_hidden_machine() {
    let mut vendor = Vendor::new();
    let terms = vendor.terms();
    terms.lease_days = None;
    terms.policy = Policy::default().with_thresholds(16, 16).unwrap();
    let device = Device::activated(&mut vendor, "machine");
    let over = Verdict::WrongMachine { reason: MachineReason::HiddenTooLong };
    assert_eq!(*on(&device, LEFT[0]).check().unwrap().verdict(), over);
}

#[test]
fn what_a_vendor_gives_no_weight_does_not_make_a_hidden_machine_another_one() {
    let mut vendor = Vendor::new();
    let terms = vendor.terms();
    terms.lease_days = None;
    terms.policy = Policy::default().with_weight(Component::Cpu, 0, 0).unwrap();
    let device = Device::activated(&mut vendor, "machine");
    let client = on(&device, || probe(&[(Component::Cpu, "GenuineIntel 6 158 10 Core i7")]));
    let verdict = client.check().unwrap().verdict().clone();
    assert!(matches!(verdict, Verdict::Grace { reason: GraceReason::MachineHidden, .. }), "{verdict}");
}

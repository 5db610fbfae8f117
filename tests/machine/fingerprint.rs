//! Fingerprints: what is found, what is dropped, what is sent, and how it is scored. (docs/THREATS.md, Test 13)

use bincode::Options;
use nodelock::{
    ErrorKind,
    fingerprint::{
        Acceptance, Class, Component, Fingerprint, HostId, Match, Policy, Probe, TagKey, compare, judge,
        machine_id,
    },
};

use Component::{BoardSerial, Cpu, DiskSerial, HwUuid, Mac, Model, OsId, RootFs};

const OS_ID: &str = "4f1c2a9be07d4c5a8e3d6b7a90c1d2e3";

fn key() -> TagKey {
    TagKey::new("example.com", "editor")
}

/// A physical machine with these values.
fn probe(values: &[(Component, &str)]) -> Probe {
    Probe::from_values(values.iter().map(|&(component, value)| (component, value.to_owned())), false, false)
}

fn fingerprint(values: &[(Component, &str)]) -> Fingerprint {
    probe(values).fingerprint(&key())
}

fn found(component: Component, value: &str, virtual_machine: bool) -> bool {
    let values = [(component, value.to_owned())];
    Probe::from_values(values, virtual_machine, false).components().next().is_some()
}

/// Every component, as a physical machine under root has them.
const WHOLE: [(Component, &str); 8] = [
    (OsId, "4f1c2a9b-e07d-4c5a-8e3d-6b7a90c1d2e3"),
    (RootFs, "9B2F0C1D-7E3A-4856-B1C2-D3E4F5A60718"),
    (HwUuid, "4C4C4544-0042-3510-8054-B7C04F4E4D32"),
    (BoardSerial, "/7ABC123/CN1296378300AF/"),
    (DiskSerial, " S4EVNF0M123456 "),
    (Mac, "3c:52:82:aa:bb:cc"),
    (Model, "Dell Inc.  OptiPlex\t7090"),
    (Cpu, "GenuineIntel 6 167 1 11th Gen Intel(R) Core(TM) i7-11700 @ 2.50GHz"),
];

/// `WHOLE` with some components replaced by another machine's.
fn changed(which: &[Component]) -> Vec<(Component, &'static str)> {
    let other = |component| match component {
        OsId => "00a1c2a9be07d4c5a8e3d6b7a90c1d2e",
        RootFs => "0b2f0c1d-7e3a-4856-b1c2-d3e4f5a60718",
        HwUuid => "1c4c4544-0042-3510-8054-b7c04f4e4d32",
        BoardSerial => "/7ABC124/CN1296378300B0/",
        DiskSerial => "S4EVNF0M999999",
        Mac => "3c:52:82:aa:bb:cd",
        Model => "Dell Inc. OptiPlex 7080",
        _ => "GenuineIntel 6 165 1 10th Gen",
    };
    let change =
        |(component, value)| (component, if which.contains(&component) { other(component) } else { value });
    WHOLE.into_iter().map(change).collect()
}

fn without(which: &[Component]) -> Vec<(Component, &'static str)> {
    WHOLE.into_iter().filter(|(component, _)| !which.contains(component)).collect()
}

fn acceptance(baseline: &[(Component, &str)], now: &[(Component, &str)]) -> (i32, Acceptance) {
    let (baseline, now, policy) = (fingerprint(baseline), fingerprint(now), Policy::default());
    let judgement = judge(&baseline, &now, &policy);
    let Match { score, acceptance, hardware_agreed, components, .. } = compare(&baseline, &now, &policy);
    assert_eq!(
        (judgement.score, judgement.acceptance, judgement.hardware_agreed),
        (score, acceptance, hardware_agreed)
    );
    assert_eq!(components.iter().map(|result| result.weight).sum::<i32>(), score);
    (score, acceptance)
}

// ---- tags ----

/// Made with Python's hashlib and hmac from the recipe in `fingerprint/tag.rs`.
#[test]
fn tags_are_those_of_an_independent_implementation() {
    let host = probe(&WHOLE).with_host_id("Dongle \t 12 Ä", HostId::Join).unwrap();
    let tags = |key| {
        let fingerprint = host.fingerprint(&key);
        let hex = |bytes: [u8; 3]| bytes.map(|byte| format!("{byte:02x}")).concat();
        fingerprint.tags().iter().map(|tag| (tag.component(), hex(tag.bytes()))).collect::<Vec<_>>()
    };
    let numbered = |tags: [&str; 9]| (1..).zip(tags.map(str::to_owned)).collect::<Vec<_>>();
    assert_eq!(
        tags(key()),
        numbered(["0503f0", "d86471", "a353f0", "8093a9", "a3d805", "e847ea", "76ab82", "f7cbe1", "40bb73"])
    );
    assert_eq!(
        tags(TagKey::new("", "")),
        numbered(["a74d2d", "3e93dd", "dd7ecb", "f45761", "37279c", "1aa982", "5b8014", "254ba9", "9dbc72"])
    );
}

#[test]
fn tags_of_two_products_or_two_salts_have_nothing_in_common() {
    let machine = probe(&WHOLE);
    let one = machine.fingerprint(&key());
    for other in [TagKey::new("example.com", "viewer"), TagKey::new("example.org", "editor")] {
        let other = machine.fingerprint(&other);
        assert!(one.tags().iter().all(|tag| !other.tags().contains(tag)));
    }
}

#[test]
fn component_numbers_and_names_are_permanent() {
    let names =
        ["os_id", "root_fs", "hw_uuid", "board_serial", "disk_serial", "mac", "model", "cpu", "host_id"];
    for (number, name) in (1..).zip(names) {
        let component = Component::from_number(number).unwrap();
        assert_eq!((component.number(), component.name()), (number, name));
    }
    assert_eq!(Component::from_number(0), None);
    assert_eq!(Component::from_number(10), None);
    assert_eq!(Component::from_number(255), None);
    assert_eq!((OsId.class(), Model.class()), (Class::Software, Class::Common));
    assert_eq!(Component::HostId.class(), Class::HardwareUnique);
}

// ---- normalization and junk ----

#[test]
fn spellings_of_one_value_give_one_tag() {
    let same: [(Component, &[&str]); 7] = [
        (OsId, &[OS_ID, "4F1C2A9B-E07D-4C5A-8E3D-6B7A90C1D2E3\n", "{4f1c2a9b-e07d-4c5a-8e3d-6b7a90c1d2e3}"]),
        // SMBIOS's first three fields in the other byte order.
        (HwUuid, &["4c4c4544-0042-3510-8054-b7c04f4e4d32", "44454C4C-4200-1035-8054-B7C04F4E4D32"]),
        (RootFs, &["1A2B-3C4D", "1a2b3c4d\n"]),
        (Mac, &["3C-52-82-AA-BB-CC", "3c:52:82:aa:bb:cc", "3c52.82aa.bbcc"]),
        (DiskSerial, &["S4EV NF0M", "  s4ev \t nf0m\0", "\x7fS4ev\u{1}Nf0m "]),
        (Model, &["Café Book", "CAFé\r\nBOOK"]),
        (Cpu, &["fine cpu", "FINE  CPU"]),
    ];
    for (component, spellings) in same {
        let tags = spellings.iter().map(|value| fingerprint(&[(component, value)]));
        let tags: Vec<_> = tags.collect();
        assert_eq!(tags[0].tags().len(), 1, "{component}");
        assert!(tags.iter().all(|other| *other == tags[0]), "{component}");
    }
    // What is not ASCII is one spelling each: no normal form of Unicode, and no lower case.
    let spellings = ["Café Book", "CAFÉ Book", "CAFE\u{301} Book", "Café\u{a0}Book", "\u{ff23}afé Book"];
    for (at, one) in spellings.iter().enumerate() {
        for other in &spellings[..at] {
            assert_ne!(fingerprint(&[(Model, one)]), fingerprint(&[(Model, other)]), "{one} {other}");
        }
    }
    // Of these forms a value is absent, or it would be another one than the format says.
    for value in
        [format!("{OS_ID}\u{a0}"), format!("\u{85}{OS_ID}"), format!("{}:{}", &OS_ID[..8], &OS_ID[8..])]
    {
        assert!(!found(OsId, &value, false) && !found(HwUuid, &value, false), "{value:?}");
    }
    assert!(!found(Mac, "{3c5282aabbcc}", false) && !found(Mac, "3c:52:82:aa:bb:cc\u{2003}", false));
    // The twin of a machine-id is another machine-id.
    assert_ne!(fingerprint(&[(OsId, OS_ID)]), fingerprint(&[(OsId, "9b2a1c4f7de05a4c8e3d6b7a90c1d2e3")]));
}

#[test]
fn junk_uuids_are_dropped() {
    let junk = [
        "00000000-0000-0000-0000-000000000000",
        "ffffffff-ffff-ffff-ffff-ffffffffffff",
        "11111111-1111-1111-1111-111111111111",
        "00000000-0000-0000-0000-0000000000a1",
        "a1b2a1b2-c3c3-a1b2-c3a1-b2a1c3c3a1b2",
        "00112233-4455-6677-8899-aabbccddeeff",
        "33221100-5544-7766-8899-aabbccddeeff",
        "01234567-89ab-cdef-0123-456789abcdef",
        "0f0e0d0c-0b0a-0908-0706-050403020100",
        "03000200-0400-0500-0006-000700080009",
        "00020003-0004-0005-0006-000700080009",
        "00010203-0405-0607-0809-0a0b0c0d0e0f",
        "deadbeef-1234-5678-9abc-def012345678",
        "efbeadde-1234-5678-9abc-def012345678",
        "6ab5b300-538d-1014-9fb5-b0684d007b53",
        "31393138-3538-5a43-3135-353130323750",
        "8a95d198-7f46-11e5-bf8b-08002704d48e",
        "98D1958A-467F-E511-BF8B-08002704D48E",
        "",
        "4c4c4544-0042-3510-8054-b7c04f4e4d3",
        "4c4c4544-0042-3510-8054-b7c04f4e4d321",
        "4c4c4544-0042-3510-8054-b7c04f4e4d3g",
        "Not Settable",
    ];
    for value in junk {
        for component in [HwUuid, OsId] {
            assert!(!found(component, value, false), "{component} {value}");
        }
    }
    for value in &junk[..18] {
        assert!(!found(RootFs, value, false), "root_fs {value}");
    }
    // Four distinct bytes, or a run with one step missing, are an identity.
    assert!(found(HwUuid, "a1b2c3d4-a1b2-c3d4-a1b2-c3d4a1b2c3d4", false));
    assert!(found(HwUuid, "00112233-4455-6677-8899-aabbccddeefe", false));
}

#[test]
fn junk_machine_ids_are_dropped() {
    let junk = [
        "",
        "\n",
        "uninitialized",
        "uninitialized\n",
        "00000000000000000000000000000000",
        "b76cc7b1bbdc489e93909d2043031de8",
        "e7d0df732b0649e49e97a4d764308014",
        "cdb7f92199c748a7a20d33ab52974cbb",
        "85f94e57ab75f80918cab17d001eac85",
        "88544b92092430bc5d3fbbffc12a2f04",
        "ad432f2cb0c28bbcd1f87a20199237f9",
        "b4047197195f4f359571cd0658157294",
        "ebb19c6b226f48fa86a541fd060e8762",
        "3766705eb195582e8168a9a1b913c7c7",
        "9989a26f06984d6dbadc01770f018e3b",
        "1c4ad377574c4263adbb7c624b6a3429",
        "512e938faf4449bdabef0c5f82325488",
    ];
    for value in junk {
        assert!(!found(OsId, value, false), "{value:?}");
        assert!(!found(OsId, &value.to_uppercase(), false), "{value:?}");
    }
    assert!(found(OsId, OS_ID, false));
}

#[test]
fn junk_serials_and_names_are_dropped() {
    let junk = [
        "To Be Filled By O.E.M.",
        "Default string",
        "System Serial Number",
        "System Product Name",
        "Not Specified",
        "None",
        "N/A",
        "INVALID",
        "Eval",
        "SKU",
        "All Series",
        "123456",
        "123456789",
        "1234567890ABC",
        "0000",
        "00000000",
        "0000-0000",
        "11111111",
        "xxxx",
        "XXXXXXXXXXX",
        "overlayblk",
        "QM00001",
        "QM00009",
        "..........",
        "",
        "   ",
        "a",
        "ab",
        "abc",
        "äöü",
    ];
    for value in junk {
        for component in [BoardSerial, DiskSerial, Model, Cpu, RootFs] {
            assert!(!found(component, value, false), "{component} {value:?}");
        }
        let host = probe(&[]).with_host_id(value, HostId::Join);
        assert_eq!(host.unwrap_err().kind(), ErrorKind::InvalidInput, "host_id {value:?}");
    }
    for value in ["abcd", "0001", "xxxy", "2123456", "qm0000a", "none of these", "wd-wcc4n0123456"] {
        assert!(found(DiskSerial, value, false), "{value:?}");
    }
}

#[test]
fn junk_network_addresses_are_dropped_everywhere() {
    let junk = [
        "00:00:00:00:00:00",
        "ff:ff:ff:ff:ff:ff",
        "00:00:00:00:00:01",
        "80:00:00:00:00:00",
        "aa:aa:aa:bb:aa:aa",
        "44:45:53:54:00:00",
        "44:45:53:54:12:34",
        "20:41:53:59:4e:ff",
        "50:50:54:50:30:30",
        "00:a0:c6:00:00:00",
        "0a:00:27:00:00:00",
        "00:50:56:c0:00:01",
        "00:50:56:c0:00:08",
        "0c:5b:8f:27:9a:64",
        "52:54:00:12:34:56",
        "5c:bb:f6:9e:ee:fa",
        "",
        "3c:52:82:aa:bb",
        "3c:52:82:aa:bb:cc:dd",
        "3c:52:82:aa:bb:cg",
    ];
    for value in junk {
        assert!(!found(Mac, value, false), "{value}");
        assert!(!found(Mac, value, true), "{value}");
    }
    // Locally administered: made up on a physical machine, ordinary in a virtual one.
    for value in ["52:54:00:7a:3b:1c", "02:fc:00:00:00:01", "5e:1a:22:07:99:41"] {
        assert!(!found(Mac, value, false), "{value}");
        assert!(found(Mac, value, true), "{value}");
    }
    assert!(found(Mac, "3c:52:82:aa:bb:cc", false));
}

#[test]
fn values_that_are_too_long_are_dropped() {
    for component in [BoardSerial, DiskSerial, Model, Cpu, RootFs] {
        assert!(found(component, &"serial ".repeat(146), false));
        assert!(!found(component, &"serial ".repeat(147), false));
    }
}

#[test]
fn a_virtual_machine_has_neither_model_nor_disk() {
    for component in [Model, DiskSerial] {
        assert!(found(component, "QEMU HARDDISK 12", false));
        assert!(!found(component, "QEMU HARDDISK 12", true));
    }
}

#[test]
fn the_first_usable_value_and_the_four_lowest_addresses_count() {
    let serials = [(DiskSerial, "none"), (DiskSerial, "first"), (DiskSerial, "second")];
    assert_eq!(fingerprint(&serials), fingerprint(&[(DiskSerial, "first")]));
    let mac = |n: u8| (Mac, format!("3c:52:82:00:00:{n:02x}"));
    let of = |numbers: &[u8]| {
        Probe::from_values(numbers.iter().map(|&n| mac(n)), false, false).fingerprint(&key())
    };
    assert_eq!(of(&[9, 3, 5, 3, 1, 7]), of(&[1, 3, 5, 7]));
    assert_eq!(of(&[9, 3, 5, 3, 1, 7]).tags().len(), 4);
}

#[test]
fn host_ids_join_or_replace() {
    let joined = probe(&WHOLE).with_host_id("i-0abc", HostId::Join).unwrap();
    assert_eq!(joined.components().count(), 9);
    let replaced = probe(&WHOLE).with_host_id("  I-0ABC ", HostId::Replace).unwrap();
    assert_eq!(replaced.components().collect::<Vec<_>>(), [Component::HostId]);
    assert!(replaced.fingerprint(&key()).bindable());
    // Of two the later one counts.
    let again = joined.with_host_id("i-0abd", HostId::Join).unwrap();
    assert_eq!(again.fingerprint(&key()).tags().len(), 9);
    assert_ne!(
        again.fingerprint(&key()),
        probe(&WHOLE).with_host_id("i-0abc", HostId::Join).unwrap().fingerprint(&key())
    );

    let judged = |now: &str| {
        let now = probe(&WHOLE).with_host_id(now, HostId::Replace).unwrap();
        let result = judge(&replaced.fingerprint(&key()), &now.fingerprint(&key()), &Policy::default());
        (result.score, result.acceptance)
    };
    assert_eq!(judged("i-0ABC"), (16, Acceptance::Accept));
    assert_eq!(judged("i-0abd"), (-16, Acceptance::Reject));

    for (id, valid) in [("abcd", true), ("abc", false), (&"ä".repeat(256), true), (&"ä".repeat(257), false)]
    {
        assert_eq!(probe(&[]).with_host_id(id, HostId::Join).is_ok(), valid, "{} characters", id.len());
    }
    assert!(probe(&[]).with_host_id(&"a ".repeat(1 << 20), HostId::Join).is_err());
}

// ---- score ----

#[test]
fn every_weight_is_that_of_the_table() {
    let table = [
        (OsId, 8, -3),
        (RootFs, 6, -2),
        (HwUuid, 16, -8),
        (BoardSerial, 12, -6),
        (DiskSerial, 14, -5),
        (Mac, 14, -6),
        (Model, 6, -8),
        (Cpu, 4, -5),
    ];
    let whole: i32 = table.iter().map(|(_, agree, _)| agree).sum();
    assert_eq!(acceptance(&WHOLE, &WHOLE), (whole, Acceptance::Accept));
    for (component, agree, differ) in table {
        let score = |now: &[_]| acceptance(&WHOLE, now).0;
        assert_eq!(score(&changed(&[component])), whole - agree + differ, "{component} differs");
        assert_eq!(score(&without(&[component])), whole - agree, "{component} is missing now");
        let grown = acceptance(&without(&[component]), &WHOLE).0;
        assert_eq!(grown, whole - agree, "{component} is missing in the baseline");
    }
}

#[test]
fn thresholds_hold_from_both_sides() {
    let base = [WHOLE[0], WHOLE[1], WHOLE[4], WHOLE[5], WHOLE[6], WHOLE[7]];
    let now = |which: &[Component]| {
        let other = changed(which);
        base.map(|(component, _)| *other.iter().find(|(c, _)| *c == component).unwrap())
    };
    // disk 14, mac -6, model 6, cpu 4, os_id -3
    let some = |keep: &[Component], which: &[Component]| {
        now(which).into_iter().filter(|(component, _)| keep.contains(component)).collect::<Vec<_>>()
    };
    let cases: [(&[Component], &[Component], i32, Acceptance); 8] = [
        (&[DiskSerial, Mac, OsId], &[Mac], 16, Acceptance::Accept),
        (&[DiskSerial, Mac, OsId, RootFs, Cpu], &[Mac, RootFs, OsId, Cpu], -2, Acceptance::Reject),
        (&[DiskSerial, Cpu, OsId], &[OsId], 15, Acceptance::Grace),
        (&[DiskSerial, RootFs, Cpu], &[RootFs], 16, Acceptance::Accept),
        (&[DiskSerial, Mac], &[Mac], 8, Acceptance::Grace),
        (&[DiskSerial, Mac, Cpu, RootFs, Model], &[Mac, Cpu, RootFs], 7, Acceptance::Reject),
        (&[DiskSerial], &[], 14, Acceptance::Grace),
        // Software and common alone reach 24, which is no proof of hardware.
        (&[OsId, RootFs, Model, Cpu], &[], 24, Acceptance::Reject),
    ];
    for (keep, which, score, expected) in cases {
        assert_eq!(acceptance(&base, &some(keep, which)), (score, expected), "{keep:?} {which:?}");
    }
}

#[test]
fn one_of_several_network_cards_is_enough() {
    let macs = |last: &[u8]| {
        let values = last.iter().map(|n| (Mac, format!("3c:52:82:00:00:{n:02x}")));
        Probe::from_values(values, false, false).fingerprint(&key())
    };
    let score = |a: &[u8], b: &[u8]| judge(&macs(a), &macs(b), &Policy::default()).score;
    assert_eq!(score(&[1, 2, 3, 4], &[4, 5, 6, 7]), 14);
    assert_eq!(score(&[1, 2], &[3, 4]), -6);
    assert_eq!(score(&[1, 2], &[]), 0);
}

/// One request that lists the addresses of four computers of one model, and nothing that would tell them apart.
#[test]
fn the_addresses_of_four_machines_are_at_home_on_none_of_them() {
    let of = |last: &[u8]| {
        let macs = last.iter().map(|n| (Mac, format!("3c:52:82:00:00:{n:02x}")));
        let common = [WHOLE[6], WHOLE[7]].map(|(component, value)| (component, value.to_owned()));
        Probe::from_values(macs.chain(common), false, false).fingerprint(&key())
    };
    let judged = |baseline: &[u8], now: &[u8]| judge(&of(baseline), &of(now), &Policy::default());
    for n in 1..=4 {
        let judgement = judged(&[1, 2, 3, 4], &[n]);
        assert_eq!((judgement.score, judgement.acceptance), (24, Acceptance::Reject), "{n}");
    }
    // A card that is off, or a new one, is an ordinary day.
    assert_eq!(judged(&[1, 2], &[2]).acceptance, Acceptance::Accept);
    assert_eq!(judged(&[1, 2, 3, 4], &[3, 4, 5]).acceptance, Acceptance::Accept);
    assert_eq!(judged(&[1], &[1, 2, 3, 4]).acceptance, Acceptance::Accept);
}

#[test]
fn an_unbindable_baseline_needs_half_of_what_it_can_reach() {
    // os_id 8, root_fs 6, cpu 4: 18, so 9 and more is accepted.
    let base = [WHOLE[0], WHOLE[1], WHOLE[7]];
    assert!(!fingerprint(&base).bindable());
    let now = |which: &[Component]| changed(which).into_iter().collect::<Vec<_>>();
    assert_eq!(acceptance(&base, &base), (18, Acceptance::Accept));
    assert_eq!(acceptance(&base, &now(&[Cpu])), (9, Acceptance::Accept));
    assert_eq!(acceptance(&base, &now(&[RootFs])), (10, Acceptance::Accept));
    assert_eq!(acceptance(&base, &now(&[OsId])), (7, Acceptance::Reject));
    assert_eq!(acceptance(&base, &[WHOLE[0]]), (8, Acceptance::Reject));
    assert_eq!(acceptance(&base, &[]), (0, Acceptance::Reject));
    // An odd maximum is halved upwards.
    let policy = Policy::default().with_weight(OsId, 7, -3).unwrap();
    let of = |score| {
        if judge(&fingerprint(&base), &fingerprint(score), &policy).acceptance == Acceptance::Accept {
            1
        } else {
            0
        }
    };
    assert_eq!((of(&[WHOLE[0]]), of(&[WHOLE[0], WHOLE[7]])), (0, 1));
    // Nothing to bind to: the device key alone binds.
    assert_eq!(acceptance(&[], &WHOLE), (0, Acceptance::Accept));
    assert_eq!(acceptance(&[], &[]), (0, Acceptance::Accept));
}

#[test]
fn a_policy_overrides_weights_and_thresholds() {
    let (base, other) = (fingerprint(&WHOLE), fingerprint(&changed(&[HwUuid, BoardSerial, DiskSerial, Mac])));
    let judged = |now: &Fingerprint, policy: &Policy| judge(&base, now, policy).acceptance;
    let policy = Policy::default();
    assert_eq!(
        (policy.accept(), policy.grace(), policy.grace_days(), policy.weights().len()),
        (16, 8, 14, 0)
    );
    assert_eq!(judged(&other, &policy), Acceptance::Reject);

    // A component that is switched off binds nothing any more.
    let off = [HwUuid, BoardSerial, DiskSerial, Mac]
        .into_iter()
        .fold(policy.clone(), |policy, component| policy.with_weight(component, 0, 0).unwrap());
    assert_eq!(judge(&base, &other, &off).score, 24);
    assert_eq!(judged(&other, &off), Acceptance::Accept);

    let strict = Policy::default().with_thresholds(80, 70).unwrap().with_grace_days(3);
    assert_eq!(judged(&base, &strict), Acceptance::Accept);
    let strict = strict.with_thresholds(81, 80).unwrap();
    assert_eq!(judged(&base, &strict), Acceptance::Grace);
    assert_eq!(judged(&base, &strict.clone().with_thresholds(81, 81).unwrap()), Acceptance::Reject);

    let changed_twice = strict.with_weight(Mac, 1, -1).unwrap().with_weight(Mac, 2, -2).unwrap();
    assert_eq!(changed_twice.weights().len(), 1);
    assert_eq!(judge(&base, &base, &changed_twice).score, 80 - 14 + 2);

    for (agree, differ) in [(-1, 0), (0, 1)] {
        let refused = Policy::default().with_weight(Mac, agree, differ).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidInput);
    }
    assert_eq!(Policy::default().with_thresholds(8, 9).unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[test]
fn the_report_names_every_component_and_no_value() {
    let (base, now) = (without(&[Model]), changed(&[Mac]));
    let now: Vec<_> = now.into_iter().filter(|(component, _)| *component != BoardSerial).collect();
    let report = compare(&fingerprint(&base), &fingerprint(&now), &Policy::default());
    assert_eq!(
        report.to_string(),
        "\
os_id         agrees               +8
root_fs       agrees               +6
hw_uuid       agrees               +16
board_serial  not found now        +0
disk_serial   agrees               +14
mac           differs              -6
model         not in the baseline  +0
cpu           agrees               +4
host_id       not found            +0
score 42, some unique hardware agrees: accept"
    );
}

#[test]
fn debug_shows_no_value_and_no_key() {
    let machine = probe(&WHOLE).with_host_id("secret-dongle", HostId::Join).unwrap();
    let shown = format!("{machine:?} {machine:#?} {:?}", key()).to_lowercase();
    for (_, value) in WHOLE {
        for part in value.to_lowercase().split([' ', '-', ':', '/', '\t']).filter(|part| part.len() > 2) {
            assert!(!shown.contains(part), "{part} in {shown}");
        }
    }
    assert!(!shown.contains("dongle") && shown.contains("hostid"));
}

// ---- wire ----

fn wire() -> impl Options {
    bincode::DefaultOptions::new().with_limit(4096)
}

#[test]
fn the_bytes_that_are_sent_are_pinned() {
    let sent = Probe::from_values([(OsId, OS_ID.to_owned())], true, false).fingerprint(&key());
    assert_eq!(wire().serialize(&sent).unwrap(), [1, 1, 0x05, 0x03, 0xf0, 1, 0]);
    let policy = Policy::default().with_weight(Mac, 10, -4).unwrap();
    // Signed integers of 16 bits are zigzag-coded by bincode; those of 8 bits are one byte.
    assert_eq!(wire().serialize(&policy).unwrap(), [1, 6, 10, 0xfc, 32, 16, 14]);
    let whole = fingerprint(&WHOLE);
    assert_eq!(wire().deserialize::<Fingerprint>(&wire().serialize(&whole).unwrap()).unwrap(), whole);
    assert_eq!(wire().deserialize::<Policy>(&wire().serialize(&policy).unwrap()).unwrap(), policy);
}

#[test]
fn more_than_32_items_are_refused_before_they_are_read() {
    let tags = |n: u8| [vec![n], vec![6; usize::from(n) * 4], vec![0, 0]].concat();
    assert_eq!(wire().deserialize::<Fingerprint>(&tags(32)).unwrap().tags().len(), 32);
    assert!(wire().deserialize::<Fingerprint>(&tags(33)).is_err());
    // A length of 2^60 with nothing behind it.
    let claim = [&[253][..], &(1u64 << 60).to_le_bytes()].concat();
    assert!(wire().deserialize::<Fingerprint>(&claim).is_err());
    assert!(bincode::DefaultOptions::new().with_no_limit().deserialize::<Fingerprint>(&claim).is_err());
    let weights = |n: u8| [vec![n], vec![1; usize::from(n) * 3], vec![32, 16, 14]].concat();
    assert_eq!(wire().deserialize::<Policy>(&weights(32)).unwrap().weights().len(), 32);
    assert!(wire().deserialize::<Policy>(&weights(33)).is_err());
    let full: Policy = wire().deserialize(&[&[32][..], &[77; 96], &[32, 16, 14]].concat()).unwrap();
    assert_eq!(full.with_weight(Mac, 1, 0).unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[test]
fn unknown_components_are_kept_and_score_nothing() {
    let bytes = [2, 1, 0x05, 0x03, 0xf0, 200, 1, 2, 3, 0, 0];
    let newer: Fingerprint = wire().deserialize(&bytes).unwrap();
    assert_eq!(wire().serialize(&newer).unwrap(), bytes);
    assert!(!newer.bindable());
    assert_eq!(judge(&newer, &newer, &Policy::default()).score, 8);
    let only_unknown: Fingerprint = wire().deserialize(&[1, 200, 1, 2, 3, 0, 0]).unwrap();
    assert_eq!(judge(&only_unknown, &newer, &Policy::default()).acceptance, Acceptance::Accept);
}

// ---- this machine ----

#[test]
fn two_probes_of_this_machine_agree() {
    let (one, two) = (Probe::this_machine(), Probe::this_machine());
    let (baseline, now) = (one.fingerprint(&key()), two.fingerprint(&key()));
    assert_eq!(baseline, now);
    assert_eq!(judge(&baseline, &now, &Policy::default()).acceptance, Acceptance::Accept);
    assert_eq!(one.environment(), two.environment());
}

/// What every Windows tells every user; the rest depends on the machine. The values stay unsaid.
#[cfg(windows)]
#[test]
fn windows_tells_its_identity_its_volume_and_its_processor_to_everybody() {
    let probe = Probe::this_machine();
    println!("{probe:?}");
    let found: Vec<_> = probe.components().collect();
    for component in [OsId, RootFs, Cpu] {
        assert!(found.contains(&component), "{component}: {found:?}");
    }
    assert!(machine_id("editor").is_ok());
}

#[test]
fn a_machine_id_is_stable_keyed_and_never_made_from_nothing() {
    let machine = probe(&WHOLE);
    // Made with Python from the recipe in `fingerprint/tag.rs`.
    assert_eq!(machine.machine_id("editor").unwrap(), "8f2aa9ba65116e4f058f8851e8cbaf09");
    assert_ne!(machine.machine_id("viewer").unwrap(), machine.machine_id("editor").unwrap());
    // What only root sees, and what is plugged in, changes nothing.
    let user = probe(&without(&[HwUuid, BoardSerial, DiskSerial, Mac]));
    assert_eq!(user.machine_id("editor").unwrap(), machine.machine_id("editor").unwrap());
    if cfg!(target_os = "linux") {
        let unset = probe(&without(&[OsId]));
        assert_eq!(unset.machine_id("editor").unwrap(), "0a6cd397a7e2e0008c6d681f51590c9e");
    }
    let nothing = probe(&[(OsId, "uninitialized"), WHOLE[5], WHOLE[6], WHOLE[7]]);
    assert_eq!(nothing.machine_id("editor").unwrap_err().kind(), ErrorKind::Unsupported);
    assert_eq!(machine.machine_id("").unwrap_err().kind(), ErrorKind::InvalidInput);
    // Whether this machine has one or not, it is the one that a whole probe finds.
    assert_eq!(machine_id("editor").ok(), Probe::this_machine().machine_id("editor").ok());
}

// ---- recorded machines ----

#[cfg(target_os = "linux")]
mod recorded {
    use std::{
        fs::{self, File},
        os::unix::fs::symlink,
        path::Path,
        process::Command,
    };

    use nodelock::fingerprint::Sign;
    use tempfile::TempDir;

    use super::*;

    /// Lays out a tree as `data/machines/README.md` describes it.
    fn lay_out(tree: &str) -> TempDir {
        let root = tempfile::tempdir().unwrap();
        let place = |path: &str| {
            let path = root.path().join(path.trim_start_matches('/'));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            path
        };
        let mut lines = tree.lines().peekable();
        while let Some(line) = lines.next().map(|line| line.trim_end_matches('\r')) {
            if !line.starts_with('/') {
                continue;
            }
            if let Some((path, target)) = line.split_once(" -> ") {
                symlink(target, place(path)).unwrap();
            } else if let Some((path, value)) = line.split_once(" =") {
                let value =
                    value.strip_prefix(' ').unwrap_or(value).replace("\\0", "\0").replace("\\t", "\t");
                fs::write(place(path), value + "\n").unwrap();
            } else {
                let mut text = String::new();
                while let Some(more) = lines.next_if(|line| line.starts_with('|')) {
                    text += more[1..].strip_prefix(' ').unwrap_or_default();
                    text += "\n";
                }
                fs::write(place(line.trim_end_matches(':')), text).unwrap();
            }
        }
        root
    }

    fn machine(tree: &str) -> Probe {
        Probe::from_root(lay_out(tree).path())
    }

    fn expected<'a>(tree: &'a str, what: &str) -> Option<Vec<&'a str>> {
        let line = tree.lines().find(|line| line.split(' ').next() == Some(what))?;
        Some(line.split_whitespace().skip(1).collect())
    }

    #[test]
    fn every_recorded_machine_is_read_as_expected() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/machines");
        let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let mut machines = 0;
        for file in files.filter(|path| path.extension().is_some_and(|extension| extension == "tree")) {
            let tree = fs::read_to_string(&file).unwrap();
            let root = lay_out(&tree);
            let probe = Probe::from_root(root.path());
            let identity = Probe::identity_from_root(root.path());
            assert_eq!(
                identity.machine_id("editor").ok(),
                probe.machine_id("editor").ok(),
                "{}",
                file.display()
            );
            let names: Vec<_> = probe.components().map(Component::name).collect();
            assert_eq!(Some(names), expected(&tree, "components"), "{}", file.display());
            let signs: Vec<_> = probe.environment().signs().iter().map(|sign| format!("{sign:?}")).collect();
            assert_eq!(signs, expected(&tree, "signs").unwrap(), "{}", file.display());
            let fingerprint = probe.fingerprint(&key());
            let values = values(&tree);
            if !values.is_empty() {
                let environment = probe.environment();
                let (virtual_machine, container) = (environment.virtual_machine(), environment.container());
                let expected = Probe::from_values(values, virtual_machine, container);
                assert_eq!(fingerprint, expected.fingerprint(&key()), "{}", file.display());
            }
            let macs = fingerprint.tags().iter().filter(|tag| tag.component() == Mac.number()).count();
            let macs_expected = expected(&tree, "macs").map_or(0, |macs| macs[0].parse().unwrap());
            assert_eq!(macs, macs_expected, "{}", file.display());
            assert_eq!(fingerprint.virtual_machine(), probe.environment().virtual_machine());
            assert_eq!(fingerprint.container(), probe.environment().container());
            machines += 1;
        }
        assert!(machines >= 50);
    }

    /// The lines `is COMPONENT VALUE` of a tree.
    fn values(tree: &str) -> Vec<(Component, String)> {
        let lines = tree.lines().filter_map(|line| line.strip_prefix("is ")?.split_once(' '));
        let component = |name| Component::ALL.into_iter().find(|component| component.name() == name).unwrap();
        lines.map(|(name, value)| (component(name), value.to_owned())).collect()
    }

    /// Readings of one machine (by root and by a user, at a desk and on the move, in either byte order, before
    /// and after a restart) are that machine; all others are not, also those made from one image.
    #[test]
    fn readings_of_one_machine_agree_and_machines_are_told_apart() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/machines");
        let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let files = files.filter(|path| path.extension().is_some_and(|extension| extension == "tree"));
        let machines: Vec<_> = files
            .map(|file| {
                let tree = fs::read_to_string(&file).unwrap();
                let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
                let same = expected(&tree, "machine").map_or(name.clone(), |same| same[0].to_owned());
                (name, same, machine(&tree).fingerprint(&key()))
            })
            .collect();
        let (mut pairs, mut readings) = (0, 0);
        for (name, machine, baseline) in &machines {
            for (other, other_machine, now) in &machines {
                let acceptance = judge(baseline, now, &Policy::default()).acceptance;
                if machine == other_machine {
                    assert_eq!(acceptance, Acceptance::Accept, "{name} and {other}");
                    readings += usize::from(name != other);
                } else if baseline.bindable() {
                    assert_eq!(acceptance, Acceptance::Reject, "{name} and {other}");
                    pairs += 1;
                }
            }
        }
        assert!(pairs > 1000 && readings >= 12, "{pairs} {readings}");
    }

    fn tree(name: &str) -> String {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/machines");
        fs::read_to_string(folder.join(name).with_extension("tree")).unwrap()
    }

    #[test]
    fn values_are_read_from_the_right_places() {
        let laptop = machine(&tree("laptop-luks-btrfs")).fingerprint(&key());
        let same = [
            (OsId, "4f1c2a9be07d4c5a8e3d6b7a90c1d2e3"),
            (RootFs, "9b2f0c1d-7e3a-4856-b1c2-d3e4f5a60718"),
            (DiskSerial, "S4EVNF0M812345"),
            (Mac, "3c:52:82:aa:bb:cc"),
            (Mac, "34:cf:f6:10:20:31"),
            (Model, "lenovo 20xw00fpge"),
            (Cpu, "genuineintel 6 140 1 11th gen intel(r) core(tm) i7-1165g7 @ 2.80ghz"),
        ];
        assert_eq!(laptop, fingerprint(&same));
        let desktop = machine(&tree("desktop-junk")).fingerprint(&key());
        for value in [
            (OsId, "0d4e8f2b6a1947c3b5d7e9f10a2c4e68"),
            (RootFs, "7d1f3c5e-2b4a-4968-8f7e-6d5c4b3a2910"),
            (DiskSerial, "S3Z2NB0K812345A"),
        ] {
            assert!(desktop.tags().contains(&fingerprint(&[value]).tags()[0]), "{}", value.0);
        }
        // The lesser serial of the two disks, whichever was found first.
        let server = machine(&tree("server-raid")).fingerprint(&key());
        assert!(server.tags().contains(&fingerprint(&[(DiskSerial, "ZC1B2A09")]).tags()[0]));
    }

    #[test]
    fn root_and_user_agree_on_what_both_can_read() {
        let root = tree("workstation-root");
        let secret = |line: &&str| line.contains("product_uuid") || line.contains("board_serial");
        let user: Vec<_> = root.lines().filter(|line| !secret(line)).collect();
        let (root, user) = (machine(&root), machine(&user.join("\n")));
        assert_eq!(root.machine_id("editor").unwrap(), user.machine_id("editor").unwrap());
        let policy = Policy::default();
        let (root, user) = (root.fingerprint(&key()), user.fingerprint(&key()));
        assert_eq!(judge(&root, &user, &policy).acceptance, Acceptance::Accept);
        assert_eq!(judge(&user, &root, &policy).score, judge(&user, &user, &policy).score);
    }

    #[test]
    fn each_sign_is_seen_by_itself() {
        let cpu = |flags: &str| {
            format!("/proc/cpuinfo:\n| vendor_id\t: X\n| flags\t: fpu {flags} lm\n| bogomips: 1")
        };
        let dmi = |vendor: &str, name: &str| {
            format!("/sys/class/dmi/id/sys_vendor = {vendor}\n/sys/class/dmi/id/product_name = {name}")
        };
        let cgroup = |path: &str| format!("/proc/self/cgroup = 0::{path}");
        let id = "8f3b5c1d2e4a6079b8c7d6e5f4a3b2c1d0e9f8a7b6c5d4e3f2a1b0c9d8e7f6a5";
        let card = |mac: &str| {
            format!(
                "/sys/class/net/e0 -> ../../devices/pci/net/e0\n\
                 /sys/devices/pci/net/e0/addr_assign_type = 0\n/sys/devices/pci/net/e0/address = {mac}"
            )
        };
        let cases = [
            (cpu("hypervisor"), Some(Sign::HypervisorBit)),
            (cpu("hypervisors"), None),
            ("/sys/hypervisor/type = xen".into(), Some(Sign::HypervisorGuest)),
            (dmi("QEMU", "anything"), Some(Sign::FirmwareVendor)),
            (dmi("VMware, Inc.", "VMware Virtual Platform"), Some(Sign::FirmwareVendor)),
            (dmi("innotek GmbH", "VirtualBox"), Some(Sign::FirmwareVendor)),
            (dmi("Microsoft Corporation", "Virtual Machine"), Some(Sign::FirmwareVendor)),
            (dmi("Microsoft Corporation", "Surface Pro 7"), None),
            (dmi("Amazon EC2", "t3.micro"), Some(Sign::FirmwareVendor)),
            (dmi("Amazon EC2", "m5.metal"), None),
            (dmi("Google", "Google Compute Engine"), Some(Sign::FirmwareVendor)),
            (dmi("Red Hat", "KVM"), Some(Sign::FirmwareVendor)),
            (dmi("Xen", "HVM domU"), Some(Sign::FirmwareVendor)),
            (dmi("Xenon Systems", "Xenon 4"), None),
            (dmi("Dell Inc.", "PowerEdge R640"), None),
            ("/proc/sys/kernel/osrelease = 4.4.0-19041-Microsoft".into(), Some(Sign::Wsl)),
            ("/run/WSL/1_interop =".into(), Some(Sign::Wsl)),
            ("/proc/sys/kernel/osrelease = 6.8.0-1015-azure".into(), None),
            // A physical machine is not asked for the name of its kernel.
            (
                dmi("Microsoft Corporation", "Surface Pro 7")
                    + "\n/proc/sys/kernel/osrelease = 6.1.0-microsoft",
                None,
            ),
            ("/sys/firmware/devicetree/base/compatible = linux,dummy-virt\\0".into(), Some(Sign::DeviceTree)),
            (card("08:00:27:12:34:56"), Some(Sign::MacPrefix)),
            (card("00:0c:29:12:34:56"), Some(Sign::MacPrefix)),
            (card("3c:52:82:12:34:56"), None),
            ("/.dockerenv =".into(), Some(Sign::DockerEnv)),
            ("/run/.containerenv =".into(), Some(Sign::ContainerEnv)),
            ("/run/systemd/container = systemd-nspawn".into(), Some(Sign::ContainerManager)),
            (cgroup(&format!("/docker/{id}")), Some(Sign::Cgroup)),
            (cgroup(&format!("/system.slice/docker-{id}.scope")), Some(Sign::Cgroup)),
            (cgroup("/kubepods.slice/kubepods-burstable.slice/x"), Some(Sign::Cgroup)),
            (cgroup("/kubepods/besteffort/pod1/2"), Some(Sign::Cgroup)),
            (cgroup(&format!("/machine.slice/libpod-{id}.scope/container")), Some(Sign::Cgroup)),
            (cgroup("/lxc.payload.web/init.scope"), Some(Sign::Cgroup)),
            (cgroup("/lxc/web"), Some(Sign::Cgroup)),
            (cgroup("/system.slice/docker.service"), None),
            (cgroup("/system.slice/docker-cleanup.service"), None),
            (cgroup("/"), None),
            ("/proc/self/mountinfo = 1 0 0:9 / / rw - overlay overlay rw".into(), Some(Sign::OverlayRoot)),
            ("/proc/self/mountinfo = 1 0 0:9 / /var rw - overlay overlay rw".into(), None),
        ];
        for (tree, sign) in cases {
            let probe = machine(&tree);
            let environment = probe.environment();
            assert_eq!(environment.signs(), sign.as_slice(), "{tree}");
            assert_eq!(environment.container(), sign.is_some_and(Sign::of_container), "{tree}");
            assert_eq!(
                environment.virtual_machine(),
                sign.is_some_and(|sign| !sign.of_container()),
                "{tree}"
            );
        }
    }

    #[test]
    fn nothing_is_read_beyond_its_bound_and_nothing_blocks() {
        let root = lay_out(&tree("workstation-root"));
        let file = |path: &str| root.path().join(path);
        // Huge, binary, a folder, a loop, a pipe that nobody writes to: each stands where a value is expected.
        fs::write(
            file("etc/machine-id"),
            [b"4f1c2a9be07d4c5a8e3d6b7a90c1d2e3", &[b' '; 1 << 20][..]].concat(),
        )
        .unwrap();
        fs::write(file("sys/class/dmi/id/product_name"), vec![0xff; 1 << 20]).unwrap();
        // More than can be read in a lifetime.
        File::create(file("sys/class/dmi/id/sys_vendor")).unwrap().set_len(1 << 40).unwrap();
        File::create(file("run/udev/data/b259:2")).unwrap().set_len(1 << 40).unwrap();
        fs::write(file("proc/cpuinfo"), vec![b'a'; 1 << 20]).unwrap();
        fs::remove_file(file("sys/class/dmi/id/product_uuid")).unwrap();
        fs::create_dir(file("sys/class/dmi/id/product_uuid")).unwrap();
        fs::remove_file(file("sys/class/dmi/id/board_serial")).unwrap();
        symlink("board_serial", file("sys/class/dmi/id/board_serial")).unwrap();
        let pipe = file("var/lib/dbus/machine-id");
        fs::create_dir_all(pipe.parent().unwrap()).unwrap();
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let probe = Probe::from_root(root.path());
        assert_eq!(probe.components().collect::<Vec<_>>(), [DiskSerial, Mac]);

        // The root mount stands beyond the bound.
        let lines = "40 27 0:45 / /mnt/x rw,relatime - tmpfs tmpfs rw\n".repeat(2000);
        fs::write(file("proc/self/mountinfo"), lines + "27 1 259:2 / / rw - ext4 /dev/nvme0n1p2 rw\n")
            .unwrap();
        assert_eq!(Probe::from_root(root.path()).components().collect::<Vec<_>>(), [Mac]);
        assert_eq!(Probe::from_root(&file("does/not/exist")).components().count(), 0);
    }

    #[test]
    fn hostile_names_and_links_lead_nowhere() {
        let mountinfo = |line: &str| format!("/proc/self/mountinfo = {line}\n");
        let secret = "/run/udev/data/bx = E:ID_FS_UUID=9b2f0c1d-7e3a-4856-b1c2-d3e4f5a60718\n";
        for line in [
            "",
            "27",
            "27 1 x / / rw - ext4 /dev/sda1 rw",
            "27 1 8:1/../x / / rw - ext4 /dev/sda1 rw",
            "27 1 0:9 / / rw - btrfs /dev/../../etc/passwd rw",
            "27 1 0:9 / / rw - btrfs nas:/export rw",
            "27 1 0:9 / / rw - btrfs /dev/ rw",
            "27 1 999999999999999999999:1 / / rw - ext4 /dev/sda1 rw",
        ] {
            assert_eq!(machine(&(mountinfo(line) + secret)).components().count(), 0, "{line}");
        }
        // A source that leaves /dev, though it would lead back to a device.
        let block = "/sys/class/block/dm-0/dev = 253:0\n\
                     /run/udev/data/b253:0 = E:ID_FS_UUID=9b2f0c1d-7e3a-4856-b1c2-d3e4f5a60718\n";
        let btrfs = |source: &str| mountinfo(&format!("27 1 0:9 / / rw - btrfs {source} rw")) + block;
        assert_eq!(machine(&(btrfs("/dev/../etc/x") + "/dev/y =\n/etc/x -> dm-0")).components().count(), 0);
        assert_eq!(machine(&(btrfs("/dev/x") + "/dev/x -> dm-0")).components().count(), 1);
        // Of two mounts on the root the later one is seen.
        let twice = "/proc/self/mountinfo:\n| 1 0 0:2 / / rw - rootfs rootfs rw\n| 2 1 253:0 / / rw - ext4 /dev/r rw\n";
        assert_eq!(machine(&(twice.to_owned() + block)).components().count(), 1);
        // A device that is its own slave.
        let looped = mountinfo("27 1 253:0 / / rw - ext4 /dev/dm-0 rw")
            + "/sys/dev/block/253:0 -> ../../devices/virtual/block/dm-0\n\
               /sys/devices/virtual/block/dm-0/dev = 253:0\n\
               /sys/devices/virtual/block/dm-0/slaves/dm-0 -> ../../dm-0\n";
        assert_eq!(machine(&looped).components().count(), 0);
    }
}

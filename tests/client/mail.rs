//! A license that came by mail (docs/THREATS.md, Test 22).

use crate::support::{
    forms::{REFUSED, TAKEN},
    vendor::{Device, Vendor},
};
use nodelock::{ErrorKind, License, Reason, Store};

#[test]
fn a_license_is_installed_in_every_form_and_nothing_changes_by_what_is_refused() {
    let mut vendor = Vendor::new();
    vendor.terms().licensee = "Jörg \"Müller\" & Söhne".into();
    let device = Device::activated(&mut vendor, "machine");
    let license = device.client().check().unwrap().license().unwrap().clone();
    let text = license.to_text();
    for (form, make) in TAKEN {
        let accepted = device.client().accept(&make(&text)).unwrap_or_else(|error| panic!("{form}: {error}"));
        assert_eq!(accepted.license(), Some(&license), "{form}");
    }
    for (form, make, _) in REFUSED {
        let error = device.client().accept(&make(&text)).expect_err(form).kind();
        // What is mixed up may begin like a message of any kind and version.
        let kinds = [
            ErrorKind::Malformed,
            ErrorKind::BadSignature,
            ErrorKind::UntrustedSigner,
            ErrorKind::WrongType,
            ErrorKind::UnsupportedVersion,
        ];
        assert!(kinds.contains(&error), "{form}: {error:?}");
    }
    let edited = text.replace("Söhne", "Töchter");
    let status = device.client().accept(edited.as_bytes()).unwrap().into_status();
    let changed: Vec<String> = status.changed_headers().iter().map(ToString::to_string).collect();
    assert_eq!(changed, ["Licensee: Jörg \"Müller\" & Söhne"]);
    assert_eq!(status.license().unwrap().licensee, license.licensee, "what was signed is shown");
    assert!(device.client().check().unwrap().changed_headers().is_empty());
}

#[test]
fn of_several_licenses_in_a_mail_the_newest_of_this_device_is_installed() {
    let mut vendor = Vendor::new();
    vendor.sell(2);
    let device = Device::activated(&mut vendor, "machine");
    let other = Device::activated(&mut vendor, "another machine");
    let older = device.client().check().unwrap().license().unwrap().to_text();
    let elsewhere = other.client().check().unwrap().license().unwrap().to_text();
    vendor.clock.advance_days(30);
    let check_in = device.client().check_in_offline().unwrap();
    let newer = vendor.check_in(&check_in.to_bytes()).unwrap().to_text();
    let expected = License::verify(newer.as_bytes(), &vendor.roots).unwrap();
    for mail in [
        format!("{newer}\n{older}\n{elsewhere}"),
        format!("{elsewhere}\n{older}\n{newer}"),
        format!("{older}\n{newer}\n{}", device.client().check_in_offline().unwrap().to_text()),
    ] {
        assert_eq!(device.client().accept(mail.as_bytes()).unwrap().license(), Some(&expected));
    }
    let mine = device.client().accept(elsewhere.as_bytes()).unwrap_err();
    assert_eq!(mine.kind(), ErrorKind::WrongMachine);
    let damaged = newer.replacen("-----END", "-----BEGIN", 1);
    let error = device.client().accept(format!("{damaged}\n{older}").as_bytes()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Malformed, "it may have been the newer one");
}

#[test]
fn a_request_alone_is_told_as_that() {
    let mut vendor = Vendor::new();
    let device = Device::new(&vendor, "machine");
    let request = device.client().begin(vendor.license_key()).unwrap();
    let refused = |input: &[u8]| {
        assert_eq!(device.client().accept(input).unwrap_err().kind(), ErrorKind::WrongType);
    };
    refused(request.to_text().as_bytes());
    refused(&request.to_bytes());
    device.client().accept(&vendor.activate(&request.to_bytes()).unwrap()).unwrap();
    let given_up = device.client().deactivate_offline(Reason::Moved).unwrap();
    let receipt = vendor.redeem(given_up.proof()).unwrap();
    device.client().accept(receipt.as_bytes()).unwrap();
    // The receipt comes along with what is asked next.
    let request = device.client().begin(vendor.license_key()).unwrap();
    assert!(request.to_text().contains("RECEIPT"));
    refused(request.to_text().as_bytes());
    device.client().accept(receipt.as_bytes()).unwrap();
}

/// A mail quotes what came before the store was made anew.
#[test]
fn what_a_file_holds_about_unknown_seats_is_passed_over_and_not_told() {
    let mut vendor = Vendor::new();
    let folder = tempfile::tempdir().unwrap();
    let store = || Store::in_directory(folder.path(), None);
    let device = Device::with_store(&vendor, "machine", store());
    device.activate(&mut vendor);
    let quoted = vendor.force_release(device.handle(), "the disk is gone").to_text();
    std::fs::remove_file(folder.path().join("state")).unwrap();
    let client = Device::with_store(&vendor, "machine", store()).reopen();

    let request = client.begin(vendor.license_key()).unwrap().to_bytes();
    let license = License::verify(&vendor.activate(&request).unwrap(), &vendor.roots).unwrap().to_text();
    assert_eq!(client.accept(quoted.as_bytes()).unwrap_err().kind(), ErrorKind::UnknownSeat);
    let accepted = client.accept((license + &quoted).as_bytes()).unwrap();
    assert!(accepted.license().is_some() && accepted.revocation().is_none() && accepted.status().is_usable());

    let given_up = client.deactivate_offline(Reason::Moved).unwrap();
    let receipt = vendor.redeem(given_up.proof()).unwrap().to_text();
    let accepted = client.accept((quoted + &receipt).as_bytes()).unwrap();
    assert_eq!((accepted.receipts().len(), accepted.revocation().is_none()), (1, true));
}

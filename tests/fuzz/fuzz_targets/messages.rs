//! Every reader of messages, on any bytes.
#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use nodelock::{
    ActivationRequest, Body, Certificate, CheckInRequest, DeactivationProof, DeactivationReceipt, License,
    PreflightRequest, Result, Revocation, Signed,
    authority::{ActivationFile, CheckInClaim, Evidence, PreflightClaim, ReleaseClaim},
};
use nodelock_fuzz::{mutate_messages, planted, world};

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutate_messages(data, size, max_size, seed).unwrap_or_else(|| fuzzer_mutate(data, size, max_size))
});

fuzz_target!(|data: &[u8]| {
    let (roots, device) = (&world().roots, world().device.public_key());
    same_in_every_form(data, |input| License::verify(input, roots));
    same_in_every_form(data, |input| DeactivationReceipt::verify(input, roots));
    same_in_every_form(data, |input| Revocation::verify(input, roots));
    same_in_every_form(data, |input| Certificate::verify(input, roots));
    same_in_every_form(data, ActivationRequest::verify);
    same_in_every_form(data, |input| DeactivationProof::verify(input, &device));
    same_in_every_form(data, |input| CheckInRequest::verify(input, &device));
    same_in_every_form(data, |input| PreflightRequest::verify(input, &device));

    if let Ok(file) = ActivationFile::read(data) {
        assert!(ActivationRequest::verify(file.request().as_bytes()).is_ok());
        assert!(file.without(&[]).releases().len() == file.releases().len());
    }
    let claims = ReleaseClaim::read_all(data).unwrap_or_default();
    planted(claims.len(), 2);
    for claim in claims {
        let evidence = Evidence::Proof(Box::new(claim));
        assert_eq!(Evidence::from_bytes(&evidence.to_bytes()).expect("it was written"), evidence);
    }
    let _ = CheckInClaim::read(data).map(|claim| claim.handle());
    let _ = PreflightClaim::read(data).map(|claim| claim.handle());
    let _ = Evidence::from_bytes(data).map(|evidence| evidence.handle());
});

/// What was accepted is accepted as bytes, as text, also as mail programs leave it, and as a link, and says the same.
fn same_in_every_form<T: Body>(data: &[u8], read: impl Fn(&[u8]) -> Result<Signed<T>>) {
    let Ok(message) = read(data) else { return };
    let link = format!("https://example.com/#{}", message.to_base64url());
    let text = message.to_text();
    let quoted = text.replace('\n', "\r\n> ");
    let joined = text.replace('\n', " ").replace("-----", "\u{2014}");
    for form in [message.as_bytes(), text.as_bytes(), quoted.as_bytes(), joined.as_bytes(), link.as_bytes()] {
        assert!(read(form).expect("it was accepted before") == message);
    }
}

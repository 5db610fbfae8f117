//! Everything that people type, and lists of public keys.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nodelock::{
    LicenseId, PublicKey, Timestamp,
    authority::{KeyHash, LicenseKeyName, SeatName, TypedCode},
    code::{DeactivationCode, Handle, LicenseKey, base32, check_typing},
};
use nodelock_fuzz::planted;

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let typing = check_typing(&text);
    let codes = DeactivationCode::read(&text);
    let keys = LicenseKey::read(&text);
    if typing.complete {
        let is_known = |kind| kind != nodelock::ErrorKind::UnreadableCode;
        assert!(codes.as_ref().map_or_else(|e| is_known(e.kind()), |_| true), "a whole code is a code");
    }
    for reading in codes.iter().flatten() {
        let shown = reading.code.to_string();
        let read = DeactivationCode::read(&shown).expect("a code as it is shown");
        assert!(read.len() == 1 && read[0].code == reading.code && read[0].corrections.is_empty());
        let in_words = DeactivationCode::read(&format!("code=*{shown}*")).expect("a code among signs");
        assert!(in_words.iter().any(|read| read.code == reading.code));
        for correction in &reading.corrections {
            assert!(correction.position() >= 1 && correction.group() <= 5 && correction.place() >= 1);
            let _ = correction.to_string();
        }
    }
    for reading in keys.iter().flatten() {
        let shown = reading.code.to_string();
        assert!(shown.parse::<LicenseKey>().expect("a key as it is shown") == reading.code);
    }
    assert!(codes.is_err() || TypedCode::read(&text).is_ok_and(|typed| !typed.readings().is_empty()));
    if let Some(name) = LicenseKeyName::new(&text) {
        let KeyHash(hash) = name.hash();
        assert!(hash != [0; 32] && !name.hint().is_empty());
    }
    same(text.parse::<Handle>());
    same(text.parse::<PublicKey>());
    same(text.parse::<LicenseId>());
    same(text.parse::<Timestamp>());
    same(text.parse::<SeatName>());
    if let Ok(keys) = PublicKey::read_list(data) {
        let list: String = keys.iter().map(|key| format!("# a key\n{key}\n")).collect();
        assert!(PublicKey::read_list(list.as_bytes()).is_ok_and(|again| again == keys));
    }
    if let Ok(bytes) = base32::decode(&text, data.len()) {
        assert_eq!(base32::decode(&base32::encode(&bytes), bytes.len()).expect("it was encoded"), bytes);
        planted(bytes.len(), 32);
    }
});

/// What was read is shown in a form that is read as the same.
fn same<T: std::str::FromStr + std::fmt::Display + PartialEq>(read: Result<T, T::Err>) {
    if let Ok(value) = read {
        assert!(value.to_string().parse::<T>().is_ok_and(|again| again == value));
    }
}

//! Signatures: Wycheproof's vectors and the small-order keys, through the crate's own verify function
//! (docs/THREATS.md, Test 10).

use nodelock::{ErrorKind, PublicKey, SigningKey, SystemRandom};
use wycheproof::{
    TestResult,
    eddsa::{TestName, TestSet},
};

#[test]
fn wycheproof_ed25519() {
    let set = TestSet::load(TestName::Ed25519).unwrap();
    let (mut valid, mut invalid) = (0, 0);
    for group in set.test_groups {
        let key = PublicKey::from_bytes(group.key.pk.as_ref().try_into().unwrap()).unwrap();
        for test in group.tests {
            let verified = key.verify(&test.msg, &test.sig);
            match test.result {
                TestResult::Valid | TestResult::Acceptable => {
                    assert!(verified.is_ok(), "{}: {}", test.tc_id, test.comment);
                    valid += 1;
                }
                TestResult::Invalid => {
                    let kind = verified.expect_err(&test.comment).kind();
                    assert_eq!(kind, ErrorKind::BadSignature, "{}", test.tc_id);
                    invalid += 1;
                }
            }
        }
    }
    println!("Wycheproof Ed25519: {valid} valid, {invalid} invalid");
    assert!(valid > 50 && invalid > 50, "{valid} {invalid}");
}

/// RFC 8032, section 7.1, tests 1 to 3: secret key, public key, message, signature.
#[test]
fn rfc_8032() {
    let cases = [
        (
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        ),
        (
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "72",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        ),
        (
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
            "af82",
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
        ),
    ];
    for (key, message, signature) in cases {
        let key = PublicKey::from_bytes(unhex(key).try_into().unwrap()).unwrap();
        key.verify(&unhex(message), &unhex(signature)).unwrap();
        assert!(key.verify(b"another message", &unhex(signature)).is_err());
    }
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// The y coordinates of the points of small order (libsodium's list and its non-canonical twins).
const SMALL_ORDER: [&str; 7] = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
];

#[test]
fn the_fourteen_small_order_keys_are_refused_at_every_entrance() {
    let mut refused = 0;
    for text in SMALL_ORDER {
        for sign in [0, 0x80] {
            let mut bytes: [u8; 32] = unhex(text).try_into().unwrap();
            bytes[31] |= sign;
            assert_eq!(PublicKey::from_bytes(bytes).unwrap_err().kind(), ErrorKind::WeakKey);
            let text = base64(&bytes);
            assert_eq!(text.parse::<PublicKey>().unwrap_err().kind(), ErrorKind::WeakKey);
            // As a private key's public half it does not fit any seed either.
            let stored = [&[1; 32][..], &bytes].concat();
            assert!(SigningKey::from_bytes(&stored).is_err());
            refused += 1;
        }
    }
    assert_eq!(refused, 14);
}

fn base64(bytes: &[u8]) -> String {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    URL_SAFE_NO_PAD.encode(bytes)
}

#[test]
fn private_keys_survive_storage_and_show_nothing() {
    let key = SigningKey::generate(&SystemRandom).unwrap();
    let bytes = key.to_bytes();
    assert_eq!(SigningKey::from_bytes(&*bytes).unwrap().public_key(), key.public_key());
    let seed: String = bytes[..32].iter().map(|b| format!("{b:02x}")).collect();
    assert!(!format!("{key:?}").contains(&seed[..8]));
    for length in [0, 31, 32, 63, 65] {
        assert_eq!(SigningKey::from_bytes(&vec![7; length]).unwrap_err().kind(), ErrorKind::Malformed);
    }
    assert_eq!("short".parse::<PublicKey>().unwrap_err().kind(), ErrorKind::Malformed);
    assert_eq!("A".repeat(10_000).parse::<PublicKey>().unwrap_err().kind(), ErrorKind::Malformed);
}

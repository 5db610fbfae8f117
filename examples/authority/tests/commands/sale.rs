//! Licenses are sold: none whose key nobody has, and none twice.

use nodelock::code::LicenseKey;

use crate::program::{Authority, field};

#[test]
fn terms_that_no_license_can_be_made_of_are_not_sold() {
    let authority = Authority::new();
    let long = "x".repeat(65);
    for terms in [["--edition", long.as_str()], ["--feature", long.as_str()], ["--metadata", "a=b\nc"]] {
        let new = ["license", "new", "--licensee", "Jane", "--seats", "1", terms[0], terms[1]];
        assert_eq!(authority.refused(&new, b""), "invalid-input", "{terms:?}");
    }
    let new = ["license", "new", "--licensee", "Jane", "--seats", "1", "--expires", "2001-01-01"];
    assert_eq!(authority.refused(&new, b""), "license-ended");
    let key = LicenseKey::from_random([3; 12]).to_string();
    let (id, _) = authority.sell("1", &["--key", &key, "--metadata", "order=77"]);
    let taken = ["license", "new", "--licensee", "Jane", "--seats", "1", "--key", &key];
    assert_eq!(authority.refused(&taken, b""), "key-in-use");
    let list = authority.done(&["license", "list"]);
    assert_eq!(list["licenses"].as_array().unwrap().len(), 1);
    assert_eq!(
        (field(&list["licenses"][0], "id"), &list["licenses"][0]["metadata"]["order"]),
        (&*id, &"77".into())
    );
    assert_eq!(field(&list["licenses"][0], "key_hint"), &key[key.len() - 5..]);
}

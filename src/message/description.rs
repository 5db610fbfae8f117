//! What a device says of its machine for people: an extension of requests and check-ins.

use serde::{Deserialize, Serialize};

use super::{Body as _, Extension, MAX_METADATA, Metadata, RequestBody, check_extensions, check_metadata};
use crate::{Result, codec};

/// The extension that describes the machine; its data is a list of names and values. It is not critical: an authority
/// that does not know it shows no description.
const DESCRIPTION: u32 = 2;

#[derive(Serialize, Deserialize)]
struct Pairs(#[serde(deserialize_with = "codec::list::<_, _, MAX_METADATA>")] Metadata);

/// The extension of a message that describes its machine so.
#[cfg(any(feature = "description", feature = "testing", test))]
pub(crate) fn describing(pairs: Metadata) -> Result<Extension> {
    check_metadata(&pairs)?;
    Ok(Extension { id: DESCRIPTION, critical: false, data: codec::encode(&Pairs(pairs))?.into() })
}

/// What the first such extension says; none without one, or if it holds anything but lines of text.
fn read(extensions: &[Extension]) -> Option<Metadata> {
    let extension = extensions.iter().find(|extension| extension.id == DESCRIPTION)?;
    let Pairs(pairs) = codec::decode(extension.data(), RequestBody::LIMIT, "description").ok()?;
    check_metadata(&pairs).is_ok().then_some(pairs)
}

/// The description; empty without one.
pub(super) fn description(extensions: &[Extension]) -> Metadata {
    read(extensions).unwrap_or_default()
}

/// Fails for a critical extension that is neither a description nor `known`.
pub(super) fn check_others(extensions: &[Extension], known: impl Fn(&Extension) -> bool) -> Result<()> {
    let is_description = |extension: &Extension| extension.id == DESCRIPTION && read(extensions).is_some();
    check_extensions(extensions.iter().filter(|extension| !known(extension) && !is_description(extension)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    fn pairs(value: &str) -> Metadata {
        vec![("computer".to_owned(), value.to_owned())]
    }

    #[test]
    fn what_is_no_description_is_passed_over_unless_it_is_critical() {
        let right = describing(pairs("desk")).unwrap();
        assert_eq!(description(std::slice::from_ref(&right)), pairs("desk"));
        for value in ["two\nlines", " desk", "\u{1b}[2J", &"x".repeat(1025)] {
            assert_eq!(describing(pairs(value)).unwrap_err().kind(), ErrorKind::InvalidInput);
        }
        let encoded = |pairs: Metadata| codec::encode(&Pairs(pairs)).unwrap();
        let many = (0..=MAX_METADATA).map(|n| (n.to_string(), String::new())).collect();
        for data in [
            encoded(pairs("two\nlines")),
            encoded(pairs(" desk")),
            encoded(pairs("\u{85}")),
            encoded(pairs(&"x".repeat(1025))),
            encoded(vec![("x".repeat(65), String::new())]),
            encoded(many),
            [right.data(), b"\0"].concat(),
            right.data()[1..].to_vec(),
            vec![1, 1, 0xff, 0],
            Vec::new(),
        ] {
            let wrong = |critical| Extension { id: DESCRIPTION, critical, data: data.clone().into() };
            let extensions = [wrong(false), right.clone()];
            assert_eq!(description(&extensions), Metadata::new(), "{data:?}");
            check_others(&extensions, |_| false).unwrap();
            let kind = check_others(&[wrong(true)], |_| false).unwrap_err().kind();
            assert_eq!(kind, ErrorKind::CriticalExtension);
        }
        let critical = Extension { critical: true, ..right };
        check_others(std::slice::from_ref(&critical), |_| false).unwrap();
        let another = Extension { id: 3, ..critical };
        check_others(std::slice::from_ref(&another), |extension| extension.id == 3).unwrap();
        assert!(check_others(&[another], |_| false).is_err());
    }
}

//! What happens to a license, as those are told who are to know.

use nodelock::{LicenseId, Timestamp, authority::SeatName};

/// Something that happened to a license.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct EventRow {
    /// The only one there is of that name.
    pub(crate) id: String,
    pub(crate) license: LicenseId,
    /// From 1 on, for each license.
    pub(crate) sequence: u32,
    pub(crate) at: Timestamp,
    pub(crate) kind: String,
    /// The seat that it happened to, if it did to one.
    pub(crate) seat: Option<SeatName>,
    pub(crate) from: Option<String>,
    pub(crate) to: Option<String>,
}

/// What devices do day by day, and typing errors: the audit has them, and nobody is told.
const QUIET: [&str; 3] = ["renewed", "checked-in", "code-tried"];

/// The kind of the event that a line of the audit about a license is; none for what nobody is told.
pub(crate) fn kind_of(action: &str, is_of_seat: bool) -> Option<String> {
    if QUIET.contains(&action) {
        return None;
    }
    let parted = ["license", "request"].into_iter().find_map(|of| Some((of, action.strip_prefix(of)?)));
    Some(match parted.and_then(|(of, rest)| Some((of, rest.strip_prefix('-')?))) {
        Some((of, rest)) => format!("{of}.{rest}"),
        None if is_of_seat => format!("seat.{action}"),
        None => format!("license.{action}"),
    })
}

#[cfg(test)]
mod tests {
    use super::kind_of;

    #[test]
    fn an_event_is_named_as_its_line_of_the_audit_is() {
        let kind = |action, is_of_seat| kind_of(action, is_of_seat);
        assert_eq!(kind("license-created", false).as_deref(), Some("license.created"));
        assert_eq!(kind("request-waiting", true).as_deref(), Some("request.waiting"));
        assert_eq!(kind("granted", true).as_deref(), Some("seat.granted"));
        assert_eq!(kind("healed", false).as_deref(), Some("license.healed"));
        assert_eq!(kind("checked-in", true), None);
    }
}

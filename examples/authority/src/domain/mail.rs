//! What customers are mailed, from whom, and in which language.

use std::{fmt, ops::RangeInclusive, str::FromStr};

use serde::{Deserialize, Serialize};

use super::rights::named;

named! {
    /// The languages of mails.
    Language {
        English = "en",
        German = "de",
    }
}

named! {
    /// What a customer may be mailed of: events, by their kinds.
    Mailed {
        KeySent = "license.key-sent",
        Expiring = "license.expiring",
        Deactivated = "license.deactivated",
        Returned = "seat.returned",
        HeldReturned = "seat.held-returned",
        Released = "seat.released",
        Lapsed = "seat.lapsed",
        Replaced = "seat.replaced",
        ReplacedByCustomer = "seat.replaced-by-customer",
    }
}

/// Longer than any name in front of an address.
const LONGEST_NAME: usize = 200;
/// As SMTP has it.
const LONGEST_ADDRESS: usize = 254;
const LONGEST_LOCAL_PART: usize = 64;

/// Whether mail can be sent there as it is written: a plain address in ASCII. Nothing in it means anything else in a
/// header, whoever reads that.
pub(crate) fn is_mailable(address: &str) -> bool {
    let Some((local, host)) = address.rsplit_once('@') else { return false };
    let is_local = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    address.len() <= LONGEST_ADDRESS
        && local.len() <= LONGEST_LOCAL_PART
        && local.split('.').all(|part| !part.is_empty() && part.bytes().all(is_local))
        && host.split('.').all(is_label)
}

/// Who a mail is from: an address, with a name if it has one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Sender {
    pub(crate) name: String,
    pub(crate) address: String,
}

impl FromStr for Sender {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let wrong =
            "an address such as `sales@example.com` or `Example Editor <sales@example.com>` is expected";
        let (name, address) = match text.trim().strip_suffix('>') {
            Some(front) => front.split_once('<').ok_or(wrong)?,
            None => ("", text.trim()),
        };
        let name = name.trim();
        let is_name = name.len() <= LONGEST_NAME && !name.chars().any(|letter| letter.is_control());
        match is_name && is_mailable(address) {
            true => Ok(Self { name: name.to_owned(), address: address.to_owned() }),
            false => Err(wrong),
        }
    }
}

impl TryFrom<String> for Sender {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        text.parse()
    }
}

impl From<Sender> for String {
    fn from(sender: Sender) -> Self {
        sender.to_string()
    }
}

impl fmt::Display for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.name {
            "" => f.write_str(&self.address),
            name => write!(f, "{name} <{}>", self.address),
        }
    }
}

/// What is mailed, as the authority says for every product, or one product for itself. What is none is not said there.
/// `docs/FORMAT.md` has the record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct MailPolicy {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) from: Option<Sender>,
    /// Of a customer that has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) language: Option<Language>,
    /// Of what customers are told without being asked for: in the order of [`Mailed`], each once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) events: Option<Vec<Mailed>>,
    /// How many days before its end a license is said to expire. Only the authority says it, for every product.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) expiring_days: Option<u32>,
    /// How many days a mail may wait: one that waited longer is not sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) wait_days: Option<u32>,
}

/// How many days a policy may say.
pub(crate) const MAIL_DAYS: RangeInclusive<u32> = 1..=365;
/// What holds where nothing is said.
const EXPIRING_DAYS: u32 = 14;
const WAIT_DAYS: u32 = 7;

impl MailPolicy {
    /// This over another one: what both say is said by this.
    pub(crate) fn over(self, other: Self) -> Self {
        Self {
            from: self.from.or(other.from),
            language: self.language.or(other.language),
            events: self.events.or(other.events),
            expiring_days: self.expiring_days.or(other.expiring_days),
            wait_days: self.wait_days.or(other.wait_days),
        }
    }

    pub(crate) fn expiring_days(&self) -> u32 {
        self.expiring_days.unwrap_or(EXPIRING_DAYS)
    }

    pub(crate) fn wait_days(&self) -> u32 {
        self.wait_days.unwrap_or(WAIT_DAYS)
    }

    /// Whether somebody is to be mailed, and it is not said from whom.
    pub(crate) fn is_from_nobody(&self) -> bool {
        self.from.is_none() && self.events.as_ref().is_some_and(|events| !events.is_empty())
    }

    /// Whether customers are mailed of an event. A key is sent because somebody asks for that, whatever is said.
    pub(crate) fn mails(&self, event: Mailed) -> bool {
        event == Mailed::KeySent || self.events.as_ref().is_some_and(|events| events.contains(&event))
    }
}

/// What changes of a policy; none stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct MailPolicyChange {
    pub(crate) from: Option<Sender>,
    pub(crate) language: Option<Language>,
    pub(crate) events: Option<Vec<Mailed>>,
    pub(crate) expiring_days: Option<u32>,
    pub(crate) wait_days: Option<u32>,
    /// What is not said there any more.
    pub(crate) unset: Vec<MailTerm>,
}

named! {
    /// What a policy says, by the name in its record.
    MailTerm {
        From = "from",
        Language = "language",
        Events = "events",
        ExpiringDays = "expiring_days",
        WaitDays = "wait_days",
    }
}

impl MailPolicyChange {
    pub(crate) fn of(&self, before: &MailPolicy) -> MailPolicy {
        let Self { from, language, events, expiring_days, wait_days, unset } = self.clone();
        let events = events.map(|mut events| {
            events.sort();
            events.dedup();
            events
        });
        let mut after = MailPolicy { from, language, events, expiring_days, wait_days }.over(before.clone());
        for term in unset {
            match term {
                MailTerm::From => after.from = None,
                MailTerm::Language => after.language = None,
                MailTerm::Events => after.events = None,
                MailTerm::ExpiringDays => after.expiring_days = None,
                MailTerm::WaitDays => after.wait_days = None,
            }
        }
        after
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_plain_or_refused() {
        for right in ["jane@example.com", "j.d+x@a-b.example", "o'neill@localhost", "a@xn--mller-kva.de"] {
            assert!(is_mailable(right), "{right}");
        }
        let long = format!("{}@example.com", "a".repeat(65));
        let wrong = [
            "",
            "jane",
            "@example.com",
            "jane@",
            "a,b@example.com",
            "a b@example.com",
            "a@b@example.com",
            "<a@example.com>",
            "a@example.com>,<b@example.com",
            "a@example.com\r\nBcc: b@example.com",
            "\"a\"@b.c",
            ".a@b.c",
            "a..b@c.d",
            "a@b..c",
            "a@-b.c",
            "a@b_c.d",
            "a:b@c.d",
            "jäne@example.com",
            "a@müller.de",
            &long,
        ];
        for wrong in wrong {
            assert!(!is_mailable(wrong), "{wrong}");
        }
    }

    #[test]
    fn a_sender_is_read_as_it_is_written() {
        for text in ["sales@example.com", "Example, Inc. <sales@example.com>", "Müller <a@example.com>"] {
            assert_eq!(text.parse::<Sender>().unwrap().to_string(), text);
        }
        for wrong in
            ["Example", "a\nb <sales@example.com>", "<sales@example.com> x", "x> <a@b.c", "a <b> <c@d.e>"]
        {
            assert!(wrong.parse::<Sender>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_a_product_says_goes_before_what_the_authority_says() {
        let policy = |text: &str| serde_json::from_str::<MailPolicy>(text).unwrap();
        let whole = policy(r#"{"from":"sales@example.com","events":["seat.released","seat.lapsed"]}"#);
        let product = policy(r#"{"language":"de","events":[]}"#);
        assert!(whole.mails(Mailed::Lapsed) && !whole.mails(Mailed::Expiring));
        let both = product.over(whole.clone());
        assert_eq!(both.language, Some(Language::German));
        assert!(both.from == whole.from && !both.mails(Mailed::Lapsed) && both.mails(Mailed::KeySent));
        let change = MailPolicyChange {
            events: Some(vec![Mailed::Lapsed, Mailed::Expiring, Mailed::Lapsed]),
            unset: vec![MailTerm::From],
            ..MailPolicyChange::default()
        };
        let changed = change.of(&whole);
        assert_eq!(changed, policy(r#"{"events":["license.expiring","seat.lapsed"]}"#));
    }
}

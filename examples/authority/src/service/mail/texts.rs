//! The catalogue: every text of a mail, in each language.
//!
//! What stands in braces is filled in. A text that is missing in a language does not compile, and one that no mail uses
//! fails a test.

use crate::domain::Language;

/// The texts in one language.
#[derive(Debug)]
pub(super) struct Texts {
    pub(super) greeting: &'static str,
    /// Of which license the mail is.
    pub(super) license: &'static str,
    pub(super) automatic: &'static str,
    pub(super) computer: &'static str,
    pub(super) reason: &'static str,
    /// A seat is free, and the key activates a computer now.
    pub(super) available: &'static str,
    pub(super) key_subject: &'static str,
    pub(super) key: &'static str,
    pub(super) free_subject: &'static str,
    pub(super) returned: &'static str,
    pub(super) held_returned: &'static str,
    pub(super) released: &'static str,
    pub(super) lapsed: &'static str,
    pub(super) deactivated: &'static str,
    pub(super) replaced_subject: &'static str,
    pub(super) replaced: &'static str,
    pub(super) replaced_by_customer: &'static str,
    pub(super) expiring_subject: &'static str,
    pub(super) expiring: &'static str,
    /// A date, as jiff writes it.
    pub(super) date: &'static str,
}

pub(super) fn texts(language: Language) -> &'static Texts {
    match language {
        Language::English => &ENGLISH,
        Language::German => &GERMAN,
    }
}

const ENGLISH: Texts = Texts {
    greeting: "Hello {name},",
    license: "License {license}; its key ends with {hint}.",
    automatic: "This mail was sent automatically.",
    computer: "Computer: {computer}",
    reason: "Reason: {reason}",
    available: "Your license key activates another computer now. {free} of {seats} seats are free.",
    key_subject: "Your license key for {product}",
    key: "this is your license key for {product}:\n\n    {key}\n\nType it into the application to activate it. Whoever \
          has the key can use your license, so keep it where no stranger reads it.",
    free_subject: "{product}: a seat is free again",
    returned: "a computer has given up its license for {product}. The seat is free again.",
    held_returned: "we have returned a seat for {product} to your license. The seat is free again.",
    released: "we have released the seat of a computer for {product}. The application ends there once it has contacted \
               us. The seat is free again.",
    lapsed: "a computer has not contacted us for a long time, and its license for {product} is over. The seat is free \
             again.",
    deactivated: "we have released all seats of your license for {product}. The application ends on those computers once \
                  it has contacted us. The seats are free again.",
    replaced_subject: "{product}: a seat was replaced",
    replaced: "{product} was installed anew on a computer. The new installation has the seat, and the former one ends.",
    replaced_by_customer: "somebody who has your license key has given up the seat of a computer for {product}. The \
                           application ends there once it has contacted us. If that was none of you, tell us: \
                           strangers may know your key.",
    expiring_subject: "{product}: your license ends on {date}",
    expiring: "your license for {product} ends on {date}. The application does not run without a license. If you want to \
               go on using it, extend the license before that day.",
    date: "%-d %B %Y",
};

const GERMAN: Texts = Texts {
    greeting: "Guten Tag {name},",
    license: "Lizenz {license}; ihr Schlüssel endet auf {hint}.",
    automatic: "Diese Mail wurde automatisch verschickt.",
    computer: "Computer: {computer}",
    reason: "Grund: {reason}",
    available: "Mit Ihrem Lizenzschlüssel können Sie jetzt einen anderen Computer aktivieren. Von {seats} \
                Plätzen sind {free} frei.",
    key_subject: "Ihr Lizenzschlüssel für {product}",
    key: "dies ist Ihr Lizenzschlüssel für {product}:\n\n    {key}\n\nGeben Sie ihn in der Anwendung ein, um sie \
          zu aktivieren. Wer den Schlüssel hat, kann Ihre Lizenz nutzen. Bewahren Sie ihn deshalb so auf, dass kein \
          Fremder ihn lesen kann.",
    free_subject: "{product}: Ein Platz ist wieder frei",
    returned: "ein Computer hat seine Lizenz für {product} zurückgegeben. Der Platz ist wieder frei.",
    held_returned: "wir haben Ihrer Lizenz einen Platz für {product} zurückgegeben. Der Platz ist wieder frei.",
    released: "wir haben den Platz eines Computers für {product} freigegeben. Die Anwendung endet dort, sobald sie \
               sich bei uns gemeldet hat. Der Platz ist wieder frei.",
    lapsed: "ein Computer hat sich lange nicht bei uns gemeldet, und seine Lizenz für {product} ist abgelaufen. Der \
             Platz ist wieder frei.",
    deactivated: "wir haben alle Plätze Ihrer Lizenz für {product} freigegeben. Die Anwendung endet auf diesen \
                  Computern, sobald sie sich bei uns gemeldet hat. Die Plätze sind wieder frei.",
    replaced_subject: "{product}: Ein Platz wurde ersetzt",
    replaced: "{product} wurde auf einem Computer neu installiert. Die neue Installation hat jetzt den Platz, und die \
               frühere endet.",
    replaced_by_customer: "jemand hat mit Ihrem Lizenzschlüssel den Platz eines Computers für {product} \
                           aufgegeben. Die Anwendung endet dort, sobald sie sich bei uns gemeldet hat. War das niemand \
                           von Ihnen? Dann sagen Sie es uns bitte: Vielleicht kennen Fremde Ihren Schlüssel.",
    expiring_subject: "{product}: Ihre Lizenz endet am {date}",
    expiring: "Ihre Lizenz für {product} endet am {date}. Ohne Lizenz läuft die Anwendung nicht. Wenn Sie sie \
               weiter nutzen möchten, verlängern Sie die Lizenz bitte vor diesem Tag.",
    date: "%d.%m.%Y",
};

#[cfg(test)]
impl Texts {
    /// The texts with their names. A new one that is left out here does not compile.
    pub(super) fn all(&self) -> Vec<(&'static str, &'static str)> {
        macro_rules! all {
            ($($name:ident),+) => {{
                let Self { $($name),+ } = self;
                vec![$((stringify!($name), *$name)),+]
            }};
        }
        all!(
            greeting,
            license,
            automatic,
            computer,
            reason,
            available,
            key_subject,
            key,
            free_subject,
            returned,
            held_returned,
            released,
            lapsed,
            deactivated,
            replaced_subject,
            replaced,
            replaced_by_customer,
            expiring_subject,
            expiring,
            date
        )
    }
}

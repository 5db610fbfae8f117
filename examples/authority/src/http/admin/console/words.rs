//! Every text of the console, in each language. A text that is missing does not compile, and neither does one that no
//! page says. `{0}`, `{1}` stand for what is said with it.
//!
//! Another language is one more column here and one more line in [`of_language`].

use nodelock::{Timestamp, authority::SeatState};

use super::{view::words_of_time, visitor::Visitor};
use crate::domain::AskedFor;

macro_rules! words {
    ($($name:ident: $english:literal, $german:literal;)+) => {
        /// The texts of one language.
        pub(super) struct Words {
            pub(super) lang: &'static str,
            $(pub(super) $name: &'static str),+
        }

        pub(super) static ENGLISH: Words = Words { lang: "en", $($name: $english),+ };
        pub(super) static GERMAN: Words = Words { lang: "de", $($name: $german),+ };

        #[cfg(test)]
        const TEXTS: &[(&str, &str, &str)] = &[$((stringify!($name), $english, $german)),+];
    };
}

words! {
    console: "License console", "Lizenzkonsole";
    skip: "Skip to the content", "Zum Inhalt springen";
    pages: "Pages", "Seiten";
    next_page: "Next page", "Nächste Seite";
    back: "Back", "Zurück";
    cancel: "Cancel", "Abbrechen";
    show: "Show", "Anzeigen";
    save: "Save", "Speichern";
    yes: "yes", "ja";
    no: "no", "nein";
    none: "none", "keine";
    never: "never", "nie";
    all: "all", "alle";
    of: "{0} of {1}", "{0} von {1}";
    days: "{0} days", "{0} Tage";
    without_limit: "without limit", "ohne Grenze";
    without_name: "without a name", "ohne Namen";

    sign_in: "Sign in", "Anmelden";
    sign_out: "Sign out", "Abmelden";
    account: "Account", "Konto";
    password: "Password", "Passwort";
    new_password: "New password", "Neues Passwort";
    about_password: "At least 12 characters.", "Mindestens 12 Zeichen.";
    second_factor: "Code of the authenticator", "Code der Authenticator-App";
    about_second_factor: "Six digits, or a recovery code.", "Sechs Ziffern oder ein Wiederherstellungscode.";
    me: "Your account", "Ihr Konto";
    role: "Role", "Rolle";
    rights: "Rights", "Rechte";
    about_me: "Whoever may change accounts gives you a new password or a new second factor.",
        "Wer Konten ändern darf, gibt Ihnen ein neues Passwort oder einen neuen zweiten Faktor.";

    search: "Search", "Suche";
    search_for: "What the customer reads out", "Was der Kunde vorliest";
    about_search: "A license key or its last group, a code, a seat, a mail address, an order, a computer, or the beginning of a name.",
        "Ein Lizenzschlüssel oder seine letzte Gruppe, ein Code, ein Platz, eine Mailadresse, eine Bestellung, ein Rechner oder der Anfang eines Namens.";
    nothing_found: "Nothing was found", "Nichts gefunden";
    what_to_try: "Try the last group of the license key, the mail address of the order, or the beginning of the computer's name.",
        "Versuchen Sie die letzte Gruppe des Lizenzschlüssels, die Mailadresse der Bestellung oder den Anfang des Rechnernamens.";

    license: "License", "Lizenz";
    licenses: "Licenses", "Lizenzen";
    license_of: "License of {0}", "Lizenz von {0}";
    licensee: "Licensed to", "Lizenziert für";
    terms: "Terms", "Bedingungen";
    state: "State", "Zustand";
    id: "Id", "Kennung";
    product: "Product", "Produkt";
    edition: "Edition", "Edition";
    features: "Features", "Funktionen";
    seats_taken: "Seats taken", "Belegte Plätze";
    deactivations_allowed: "Deactivations Allowed", "Erlaubte Deaktivierungen";
    deactivations_left: "Deactivations Left", "Übrige Deaktivierungen";
    activations_left: "Activations Left", "Übrige Aktivierungen";
    utilization: "Utilization", "Ausnutzung";
    sold_on: "Sold on", "Verkauft am";
    expires: "Expires", "Läuft ab";
    lease: "Lease", "Laufzeit ohne Kontakt";
    margin: "Margin", "Spielraum";
    updates_until: "Updates until", "Updates bis";
    next_period: "Counted anew from", "Neu gezählt ab";
    customer: "Customer", "Kunde";
    version: "Version", "Version";
    active: "active", "aktiv";
    suspended: "suspended", "angehalten";
    expired: "expired", "abgelaufen";
    void: "void", "ungültig";
    keys: "License keys", "Lizenzschlüssel";
    key: "License key", "Lizenzschlüssel";
    no_key: "This license has no key.", "Diese Lizenz hat keinen Schlüssel.";
    made_on: "Made on", "Erstellt am";
    valid: "valid", "gültig";
    revoked: "revoked", "widerrufen";
    acts: "Acts", "Aktionen";
    no_license_yet: "Nothing was sold yet. Sell a license with `authority license new` or by a call of your shop.",
        "Es wurde noch nichts verkauft. Verkaufen Sie eine Lizenz mit `authority license new` oder durch einen Aufruf Ihres Shops.";
    timeline: "What happened", "Was geschah";
    when: "When", "Wann";
    what_happened: "What", "Was";
    who: "Who", "Wer";
    more: "Details", "Einzelheiten";
    nothing_happened: "Nothing has happened yet.", "Es ist noch nichts geschehen.";
    refused_times: "refused: {0} ({1} times)", "abgelehnt: {0} ({1}-mal)";

    seat: "Seat", "Platz";
    seats: "Seats", "Plätze";
    computer: "Computer", "Rechner";
    computer_without_name: "a computer without a name", "ein Rechner ohne Namen";
    last_contact: "Last contact", "Letzter Kontakt";
    activated: "Activated", "Aktiviert";
    ends: "Use ends", "Nutzung endet";
    changed: "Changed", "Geändert";
    system: "System", "System";
    application: "Application", "Anwendung";
    device: "Device", "Gerät";
    copies: "Suspected copies", "Vermutete Kopien";
    in_use: "in use", "in Benutzung";
    held: "held for its computer", "für seinen Rechner gehalten";
    replaced: "replaced", "ersetzt";
    returned: "given back", "zurückgegeben";
    cancelled: "cancelled", "abgebrochen";
    released: "released", "freigegeben";
    lapsed: "free: not renewed for too long", "frei: zu lange nicht erneuert";
    came_back_on: "came back on {0}", "wieder da am {0}";
    filter: "Filter", "Filter";
    about_filter: "Terms such as created<2026-08-01, all of which hold. Fields: {0}. Empty for all.",
        "Ausdrücke wie created<2026-08-01, die alle gelten. Felder: {0}. Leer für alle.";
    about_seat_filter: "For example: state:active last_contact<2026-08-01 label~\"NW-\". Fields: product, license, state, label, granted, last_contact, came_back.",
        "Zum Beispiel: state:active last_contact<2026-08-01 label~\"NW-\". Felder: product, license, state, label, granted, last_contact, came_back.";
    order: "Order by", "Sortieren nach";
    by_activation: "activation, oldest first", "Aktivierung, älteste zuerst";
    by_last_contact: "last contact, longest ago first", "letztem Kontakt, längster zuerst";
    by_computer: "name of the computer", "Name des Rechners";
    in_order_of_filter: "This list is longer than one page, so it is in the order of the filter. A filter that finds less has it in the one that is chosen.",
        "Diese Liste ist länger als eine Seite, deshalb folgt sie der Ordnung des Filters. Findet er weniger, gilt die gewählte.";
    columns: "Columns", "Spalten";
    no_seat_yet: "No computer has been activated yet. Send the customer the license key.",
        "Es wurde noch kein Rechner aktiviert. Senden Sie dem Kunden den Lizenzschlüssel.";
    nothing_passes: "Nothing passes this filter.", "Nichts entspricht diesem Filter.";
    came_back: "Came back", "Wieder da";
    about_came_back: "Computers whose seat was released and that were heard of again since: whoever said that the computer is gone still uses it.",
        "Rechner, deren Platz freigegeben wurde und von denen man seither gehört hat: Wer sagte, der Rechner sei weg, benutzt ihn noch.";
    nobody_back: "No computer came back after its seat was released.",
        "Kein Rechner kam wieder, nachdem sein Platz freigegeben war.";

    suspend: "Suspend", "Anhalten";
    suspend_lead: "Nothing is issued for this license until it is resumed. Computers work on to the end of their leases, and seats can still be given back.",
        "Für diese Lizenz wird nichts ausgestellt, bis sie fortgesetzt wird. Rechner arbeiten bis zum Ende ihrer Laufzeit weiter, und Plätze können zurückgegeben werden.";
    suspend_done: "The license is suspended", "Die Lizenz ist angehalten";
    resume: "Resume", "Fortsetzen";
    resume_lead: "Computers are activated and renewed again.", "Rechner werden wieder aktiviert und erneuert.";
    resume_done: "The license is resumed", "Die Lizenz ist fortgesetzt";
    extend: "Extend", "Verlängern";
    extend_lead: "The end moves so many days later; where it is over, it counts from now.",
        "Das Ende rückt um so viele Tage nach hinten; wo es vorbei ist, zählt es ab jetzt.";
    extend_order_lead: "The end of every license of this order moves so many days later.",
        "Das Ende jeder Lizenz dieser Bestellung rückt um so viele Tage nach hinten.";
    extend_done: "The end has moved", "Das Ende ist verschoben";
    for_days: "Days", "Tage";
    reset_deactivations: "Reset deactivations", "Deaktivierungen zurücksetzen";
    reset_activations: "Reset activations", "Aktivierungen zurücksetzen";
    reset_lead: "What was used up counts no more. Seats stay as they are.",
        "Was verbraucht wurde, zählt nicht mehr. Plätze bleiben, wie sie sind.";
    reset_done: "The counter is reset", "Der Zähler ist zurückgesetzt";
    extra: "Or so many extra ones", "Oder so viele zusätzliche";
    about_extra: "Leave it empty to have all of them counted anew.", "Leer lassen, um alle neu zu zählen.";
    reason: "Reason", "Grund";
    reason_for_audit: "For the audit.", "Für das Protokoll.";
    reason_for_customer: "The customer will read it.", "Der Kunde wird ihn lesen.";
    deactivate: "Free all seats", "Alle Plätze freigeben";
    deactivate_lead: "Every computer of this license loses its seat, and stops when it is heard of. The license key activates again.",
        "Jeder Rechner dieser Lizenz verliert seinen Platz und hält an, sobald er sich meldet. Der Lizenzschlüssel aktiviert wieder.";
    deactivate_done: "All seats are free", "Alle Plätze sind frei";
    void_license: "End for good", "Endgültig beenden";
    void_lead: "Nothing is issued for this license any more. That cannot be undone.",
        "Für diese Lizenz wird nichts mehr ausgestellt. Das kann nicht rückgängig gemacht werden.";
    void_done: "It is ended for good", "Es ist endgültig beendet";
    add_key: "Add a key", "Schlüssel hinzufügen";
    add_key_lead: "The license gets one key more. The others stay valid.", "Die Lizenz bekommt einen weiteren Schlüssel. Die anderen bleiben gültig.";
    rekey: "Replace all keys", "Alle Schlüssel ersetzen";
    rekey_lead: "The license gets a new key, and the old ones activate nothing any more. Computers keep their seats.",
        "Die Lizenz bekommt einen neuen Schlüssel, und die alten aktivieren nichts mehr. Rechner behalten ihre Plätze.";
    key_made: "The key is made", "Der Schlüssel ist erstellt";
    show_key: "Show", "Anzeigen";
    show_key_lead: "The key is shown once more, which the audit notes with your name.",
        "Der Schlüssel wird noch einmal angezeigt, was das Protokoll mit Ihrem Namen vermerkt.";
    key_shown: "This is the key", "Das ist der Schlüssel";
    revoke: "Revoke", "Widerrufen";
    revoke_key_lead: "This key activates nothing any more, and gets none in its place. Computers keep their seats.",
        "Dieser Schlüssel aktiviert nichts mehr und bekommt keinen Ersatz. Rechner behalten ihre Plätze.";
    revoked_now: "It is revoked", "Es ist widerrufen";
    release: "Release", "Freigeben";
    release_lead: "For a computer that is gone: its seat is free at once. The computer stops when it is heard of, and at the end of its lease in any case.",
        "Für einen Rechner, der weg ist: Sein Platz ist sofort frei. Der Rechner hält an, sobald er sich meldet, und auf jeden Fall am Ende seiner Laufzeit.";
    release_done: "The seat is released", "Der Platz ist freigegeben";
    unrelease: "Take the release back", "Freigabe zurücknehmen";
    unrelease_lead: "The computer keeps its seat, if it has not heard of the release and a seat is free.",
        "Der Rechner behält seinen Platz, wenn er von der Freigabe noch nichts weiß und ein Platz frei ist.";
    unrelease_done: "The release is taken back", "Die Freigabe ist zurückgenommen";
    return_held: "Return to the pool", "Zurück in den Vorrat";
    return_lead: "The seat is held for its computer, because no deactivation was left. Any computer may have it then.",
        "Der Platz wird für seinen Rechner gehalten, weil keine Deaktivierung übrig war. Danach kann ihn jeder Rechner bekommen.";
    return_done: "The seat is back in the pool", "Der Platz ist zurück im Vorrat";

    desk: "Phone desk", "Telefonplatz";
    about_desk: "The customer reads the code of a computer that gives its seat up. Type it group by group; small letters do not matter, and a few errors are mended.",
        "Der Kunde liest den Code eines Rechners vor, der seinen Platz aufgibt. Tippen Sie ihn Gruppe für Gruppe; Kleinbuchstaben sind egal, und einige Fehler werden behoben.";
    code: "Deactivation code", "Deaktivierungscode";
    group: "Group", "Gruppe";
    about_code: "Five groups of five characters. The whole code may stand in the first field.",
        "Fünf Gruppen zu fünf Zeichen. Der ganze Code darf im ersten Feld stehen.";
    read_code: "Read the code", "Code lesen";
    code_unreadable: "This code cannot be read", "Dieser Code ist nicht lesbar";
    code_not_counted: "Nothing has changed, and it does not count as an attempt. Have it read once more.",
        "Nichts hat sich geändert, und es zählt nicht als Versuch. Lassen Sie ihn noch einmal vorlesen.";
    group_incomplete: "Group {0} has {1} characters, and not 5 that can be read.", "Gruppe {0} hat {1} Zeichen, und nicht 5 lesbare.";
    group_hint: "The next field follows by itself once a group is complete.", "Das nächste Feld folgt von selbst, sobald eine Gruppe vollständig ist.";
    group_whole: "Group {0} is complete.", "Gruppe {0} ist vollständig.";
    group_wrong: "Group {0} has a character that no code has.", "Gruppe {0} hat ein Zeichen, das in keinem Code vorkommt.";
    code_complete: "The code is complete", "Der Code ist vollständig";
    code_mended: "The code is complete, with {0} errors mended", "Der Code ist vollständig, {0} Fehler wurden behoben";
    read_back: "Read it back to the customer, and compare the computer.", "Lesen Sie ihn dem Kunden vor und vergleichen Sie den Rechner.";
    several_devices: "several computers have a seat of this name", "mehrere Rechner haben einen Platz dieses Namens";
    seat_unknown_yet: "not known here yet", "hier noch nicht bekannt";
    redeem: "Give the seat back", "Platz zurückgeben";
    seat_is_free: "Seat {0} is free", "Platz {0} ist frei";
    seat_was_free: "Seat {0} was free already", "Platz {0} war schon frei";
    seat_is_held: "Seat {0} is held for its computer", "Platz {0} wird für seinen Rechner gehalten";
    tell_the_customer: "Tell the customer.", "Sagen Sie es dem Kunden.";
    code_kept: "Seat {0} is not known here yet", "Platz {0} ist hier noch nicht bekannt";
    code_kept_why: "The code is kept. As soon as the computer's activation request arrives, the seat is free by itself.",
        "Der Code wird aufbewahrt. Sobald die Aktivierungsanfrage des Rechners eintrifft, ist der Platz von selbst frei.";

    refusals: "Refusals", "Ablehnungen";
    about_refusals: "Why did it fail? What computers were refused lately, latest first.",
        "Warum ging es nicht? Was Rechnern zuletzt abgelehnt wurde, das Neueste zuerst.";
    about_license_id: "The id of a license.", "Die Kennung einer Lizenz.";
    asked_for: "Asked for", "Gewünscht";
    activation: "activation", "Aktivierung";
    check_in: "check-in", "Meldung";
    why: "Why not", "Warum nicht";
    times: "Times", "Anzahl";
    nothing_refused: "Nothing was refused lately.", "Zuletzt wurde nichts abgelehnt.";

    orders: "Orders", "Bestellungen";
    order_id: "Order", "Bestellung";
    order_named: "Order {0}", "Bestellung {0}";
    sold: "sold", "verkauft";
    reseller: "Reseller", "Händler";
    void_order: "Void the order", "Bestellung stornieren";
    void_order_lead: "Every license of this order is ended for good. That cannot be undone.",
        "Jede Lizenz dieser Bestellung wird endgültig beendet. Das kann nicht rückgängig gemacht werden.";
    no_order_yet: "No order was sold yet. A shop sells with an order of its own, by `POST /v1/admin/licenses`.",
        "Es wurde noch keine Bestellung verkauft. Ein Shop verkauft mit einer eigenen Bestellnummer, durch `POST /v1/admin/licenses`.";
    customers: "Customers", "Kunden";
    name: "Name", "Name";
    email: "Mail address", "Mailadresse";
    external_id: "Id in the shop", "Kennung im Shop";
    notes: "Notes", "Notizen";
    entered: "Entered", "Eingetragen";
    erased: "erased", "gelöscht";
    no_customer_yet: "No customer is entered yet. Enter one with `authority customer new`.",
        "Es ist noch kein Kunde eingetragen. Tragen Sie einen mit `authority customer new` ein.";
    no_license_of_customer: "This customer has no license yet.", "Dieser Kunde hat noch keine Lizenz.";

    products: "Products", "Produkte";
    about_products: "A product is made on the command line, where its root key can be taken offline.",
        "Ein Produkt wird auf der Kommandozeile erstellt, wo sein Wurzelschlüssel vom Netz genommen werden kann.";
    template: "Template of its licenses", "Vorlage seiner Lizenzen";
    about_template: "The terms that a sale has where it says nothing else, in JSON. Licenses that are sold stay as they are.",
        "Die Bedingungen eines Verkaufs, der nichts anderes sagt, in JSON. Verkaufte Lizenzen bleiben, wie sie sind.";
    template_saved: "The template is saved", "Die Vorlage ist gespeichert";
    keys_kept: "License keys are kept", "Lizenzschlüssel werden aufbewahrt";
    root: "Root", "Wurzel";

    audit: "Audit", "Protokoll";
    latest: "The latest lines", "Die neuesten Zeilen";
    from_the_first: "From the first line on", "Von der ersten Zeile an";
    events: "Events", "Ereignisse";
    about_events: "What webhooks are told, in order.", "Was Webhooks gesagt wird, der Reihe nach.";
    webhook: "Webhook", "Webhook";
    webhooks: "Webhooks", "Webhooks";
    address: "Address", "Adresse";
    about_address: "Where it is told, beginning with https://.", "Wohin es gesagt wird, beginnend mit https://.";
    kinds: "Kinds of events", "Arten von Ereignissen";
    about_kinds: "Empty for all, or kinds with commas between them, such as license.created, seat.granted.",
        "Leer für alle, oder Arten mit Kommas dazwischen, etwa license.created, seat.granted.";
    add_webhook: "Add a webhook", "Webhook hinzufügen";
    no_webhook_yet: "Nobody is told yet. Add the address of a program that is to hear what happens.",
        "Es wird noch niemandem gesagt. Fügen Sie die Adresse eines Programms hinzu, das hören soll, was geschieht.";
    deliveries: "Deliveries", "Zustellungen";
    attempts: "Attempts", "Versuche";
    answered: "Answered", "Antwort";
    taken_in: "taken in", "angenommen";
    set_aside: "set aside", "beiseitegelegt";
    delivered: "delivered", "zugestellt";
    waiting: "waiting", "wartet";
    no_delivery_yet: "Nothing was told yet. Test the webhook to see whether it is reached.",
        "Es wurde noch nichts gesagt. Testen Sie den Webhook, um zu sehen, ob er erreicht wird.";
    test_webhook: "Test", "Testen";
    test_lead: "A message that means nothing is sent, and the answer is shown.", "Eine Nachricht ohne Bedeutung wird gesendet und die Antwort angezeigt.";
    test_done: "It was sent", "Gesendet";
    replay: "Tell again", "Noch einmal sagen";
    replay_lead: "The events are told once more. Whoever is told knows them by their ids.",
        "Die Ereignisse werden noch einmal gesagt. Der Empfänger erkennt sie an ihren Kennungen.";
    replay_done: "They are told again", "Sie werden noch einmal gesagt";
    since: "Since", "Seit";
    about_since: "Empty for those alone that were set aside.", "Leer nur für die beiseitegelegten.";
    new_secret: "New secret", "Neues Geheimnis";
    new_secret_lead: "Messages are signed with a new secret, and for a day with the former one too.",
        "Nachrichten werden mit einem neuen Geheimnis signiert, und einen Tag lang auch mit dem bisherigen.";
    remove: "Remove", "Entfernen";
    remove_lead: "It is told nothing any more, and what was told is forgotten.", "Ihm wird nichts mehr gesagt, und was gesagt wurde, ist vergessen.";
    remove_done: "It is removed", "Entfernt";

    accounts: "Accounts", "Konten";
    no_account_yet: "Nobody may sign in yet.", "Noch darf sich niemand anmelden.";
    make_account: "Make an account", "Konto erstellen";
    account_made: "The account is made", "Das Konto ist erstellt";
    account_changed: "The account is changed", "Das Konto ist geändert";
    shown_once: "Note it down now. It is shown this once.", "Notieren Sie es jetzt. Es wird nur dieses eine Mal angezeigt.";
    quota: "{0}, at most within 30 days", "{0}, höchstens in 30 Tagen";
    recovery_codes: "Recovery codes", "Wiederherstellungscodes";
    authenticator_secret: "Secret for the authenticator", "Geheimnis für die Authenticator-App";
    authenticator_link: "The same as a link", "Dasselbe als Link";
    disabled: "disabled", "gesperrt";
    disable: "Disable", "Sperren";
    disable_lead: "Nobody signs in to this account any more, and whoever is signed in is signed out.",
        "Niemand meldet sich mehr an diesem Konto an, und wer angemeldet ist, wird abgemeldet.";
    enable: "Enable", "Entsperren";
    enable_lead: "This account can be signed in to again.", "An diesem Konto kann man sich wieder anmelden.";
    change_role: "Change the role", "Rolle ändern";
    change_role_lead: "The account has other rights at once, and signs in anew.", "Das Konto hat sofort andere Rechte und meldet sich neu an.";
    change_password: "Change the password", "Passwort ändern";
    change_password_lead: "The account signs in anew, with the new password.", "Das Konto meldet sich neu an, mit dem neuen Passwort.";
    new_factor: "New second factor", "Neuer zweiter Faktor";
    new_factor_lead: "The former authenticator and its recovery codes are good for nothing any more.",
        "Die bisherige Authenticator-App und ihre Wiederherstellungscodes gelten nicht mehr.";
    factor_made: "This is the new second factor", "Das ist der neue zweite Faktor";
    tokens: "Tokens", "Tokens";
    about_tokens: "What programs show, such as a shop. Each may do no more than its scopes.",
        "Was Programme vorzeigen, etwa ein Shop. Jedes darf nicht mehr als seine Bereiche.";
    scopes: "Scopes", "Bereiche";
    last_used: "Last used", "Zuletzt benutzt";
    no_token_yet: "No program has a token yet.", "Noch hat kein Programm ein Token.";
    make_token: "Make a token", "Token erstellen";
    revoke_token_lead: "The program that has this token may do nothing any more.", "Das Programm mit diesem Token darf nichts mehr.";
    about_end: "Empty for no end.", "Leer für kein Ende.";
    secret: "Secret", "Geheimnis";
    secret_made: "This is the secret", "Das ist das Geheimnis";
    deployment_keys: "Deployment keys", "Bereitstellungsschlüssel";
    about_deployment_keys: "What machines show that are installed unattended. Each is good for so many machines of one license.",
        "Was Rechner vorzeigen, die unbeaufsichtigt installiert werden. Jeder gilt für so viele Rechner einer Lizenz.";
    machines: "Machines", "Rechneranzahl";
    no_deployment_key_yet: "No deployment key is made yet.", "Noch ist kein Bereitstellungsschlüssel erstellt.";
    make_deployment_key: "Make a deployment key", "Bereitstellungsschlüssel erstellen";
    revoke_deployment_key_lead: "No machine is installed with this key any more. Those that are keep their seats.",
        "Kein Rechner wird mehr mit diesem Schlüssel installiert. Installierte behalten ihre Plätze.";

    health: "Health", "Betrieb";
    works: "The authority does its work", "Die Authority arbeitet";
    cannot_work: "The authority cannot do its work", "Die Authority kann nicht arbeiten";
    was_restored: "The ledger was restored to an earlier copy", "Das Register wurde auf eine frühere Kopie zurückgesetzt";
    restored_until: "Until {0} licenses may be in use that it has lost.", "Bis {0} können Lizenzen in Benutzung sein, die es verloren hat.";
    certificates: "Certificates", "Zertifikate";
    certificate: "Serial number", "Seriennummer";
    valid_from: "Valid from", "Gültig ab";
    check_audit: "Check the audit", "Protokoll prüfen";
    audit_whole: "whole: no line was changed or taken out", "unversehrt: keine Zeile wurde geändert oder entfernt";
    audit_broken: "{0} findings; see `authority verify`", "{0} Befunde; siehe `authority verify`";
    lines: "Lines", "Zeilen";
    seals: "Seals", "Siegel";
    unsealed: "Lines without a seal yet", "Zeilen noch ohne Siegel";
    backup: "Backup", "Sicherung";
    command: "Command", "Befehl";
    backup_file: "authority backup FILE", "authority backup DATEI";
    backup_server: "pg_dump --format=custom --file FILE", "pg_dump --format=custom --file DATEI";
    about_backup: "The ledger is copied while it is at work. Keep the copy, and the keys, on another machine.",
        "Das Register wird im Betrieb kopiert. Bewahren Sie die Kopie und die Schlüssel auf einem anderen Rechner auf.";

    not_done: "This was not done", "Das wurde nicht getan";
    not_possible_now: "This is not possible now", "Das ist jetzt nicht möglich";
    refused: "It was refused", "Es wurde abgelehnt";
    forbidden: "This is not within your rights", "Dazu haben Sie kein Recht";
    quota_used_up: "You did this as often as you may for now", "Sie haben das vorerst so oft getan, wie Sie dürfen";
    superseded: "Somebody else changed it meanwhile; look at it once more", "Jemand anderes hat es inzwischen geändert; sehen Sie noch einmal nach";
    form_used_before: "This form was sent before, with something else in it", "Dieses Formular wurde schon gesendet, mit anderem Inhalt";
    too_many_attempts: "Too many attempts", "Zu viele Versuche";
    sign_in_refused: "The account, the password or the code is wrong", "Das Konto, das Passwort oder der Code ist falsch";
    busy: "There is too much to do right now", "Im Moment ist zu viel zu tun";
    failed: "Something went wrong here", "Hier ist etwas schiefgegangen";
    no_such_page: "There is no such page", "Diese Seite gibt es nicht";
    from_another_website: "This form was sent from another website, or from a session that is over", "Dieses Formular kam von einer anderen Website oder aus einer beendeten Sitzung";
    unknown_thing: "There is no such thing, or not for you", "Das gibt es nicht, oder nicht für Sie";
    not_read: "What was typed cannot be read", "Die Eingabe ist nicht lesbar";
    try_again_in: "Please try again in {0} seconds.", "Bitte versuchen Sie es in {0} Sekunden noch einmal.";
}

/// The texts of a language; none for one that there is not.
pub(super) fn of_language(language: &str) -> Option<&'static Words> {
    [&ENGLISH, &GERMAN].into_iter().find(|words| words.lang.eq_ignore_ascii_case(language))
}

/// A text with values in it. What a value says stands as it is.
pub(super) fn say(text: &str, values: &[&str]) -> String {
    let mut said = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('{') {
        said.push_str(before);
        let (number, behind) = behind.split_once('}').unwrap_or((behind, ""));
        said.push_str(number.parse().ok().and_then(|at: usize| values.get(at)).copied().unwrap_or_default());
        rest = behind;
    }
    said + rest
}

impl Words {
    pub(super) fn of_seat_state(&self, state: SeatState) -> &'static str {
        match state {
            SeatState::Active => self.in_use,
            SeatState::Held => self.held,
            SeatState::Replaced => self.replaced,
            SeatState::Returned => self.returned,
            SeatState::Cancelled => self.cancelled,
            SeatState::Revoked => self.released,
            other => other.name(),
        }
    }

    pub(super) fn of_asked(&self, asked: AskedFor) -> &'static str {
        match asked {
            AskedFor::Activation => self.activation,
            AskedFor::CheckIn => self.check_in,
        }
    }

    pub(super) fn say_came_back(&self, at: Timestamp) -> String {
        say(self.came_back_on, &[&words_of_time(at)])
    }
}

impl Visitor {
    /// What a computer is called.
    pub(super) fn computer<'a>(&self, label: &'a str) -> &'a str {
        if label.is_empty() { self.words.computer_without_name } else { label }
    }
}

#[cfg(test)]
mod tests {
    use super::{TEXTS, say};

    #[test]
    fn every_text_is_there_in_each_language_with_the_same_values() {
        let values = |text: &str| {
            let mut found: Vec<&str> =
                text.split('{').skip(1).filter_map(|rest| rest.split('}').next()).collect();
            found.sort_unstable();
            found.join(" ")
        };
        for (name, english, german) in TEXTS {
            assert!(!english.trim().is_empty() && !german.trim().is_empty(), "{name}");
            assert_eq!(values(english), values(german), "{name}");
            assert_eq!(english.ends_with('.'), german.ends_with('.'), "{name}");
        }
        let same = TEXTS.iter().filter(|(_, english, german)| english == german).count();
        assert!(same < 12, "{same} texts are not translated");
    }

    #[test]
    fn what_a_value_says_is_no_place_for_another_one() {
        assert_eq!(say("{0} of {1}", &["{1}", "3"]), "{1} of 3");
        assert_eq!(say("{0}{2", &["a"]), "a");
    }
}

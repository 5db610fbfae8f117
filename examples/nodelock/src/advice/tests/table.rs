//! The advice about each kind of failure, word for word, and the story that follows it.

use nodelock::ErrorKind::*;

use super::{Row, disk, letters, row, seats, there, way};

pub fn rows() -> Vec<Row> {
    vec![
        there(
            Unsupported,
            "Use a build of the application that has this part, or another computer.",
            "Without a home directory, give a folder with --store.",
            "tests/cli/advice.rs",
            "what_this_machine_lacks_is_given_or_left_out",
        ),
        row(
            UnreadableCode,
            "Compare it with the original: 25 letters and digits in five groups.",
            "Compare the license key with the one you received: 25 letters and digits in five groups.",
            seats::unreadable_code,
        ),
        row(
            AlreadyActive,
            "Give the license back or take the request back first.",
            "`nodelock request` without a key shows a pending request again and `nodelock cancel` takes it back; \
             --replace-request does so for a new one. --replace-license keeps a valid license until the new one is \
             installed; `nodelock deactivate` gives it back now.",
            seats::already_active,
        ),
        row(
            NotPending,
            "Ask for a seat first.",
            "Ask for a seat with `nodelock request LICENSE-KEY` first.",
            seats::not_pending,
        ),
        row(
            NotActive,
            "",
            "There is nothing to give back. `nodelock status` says what there is, `nodelock code` shows earlier \
             codes.",
            seats::not_active,
        ),
        row(
            DeactivationNotAllowed,
            "The license is still active. Ask the vendor.",
            "",
            seats::deactivation_not_allowed,
        ),
        row(
            TooManyOutstanding,
            "Hand the codes or files of the earlier deactivations to the vendor, and take the receipts in.",
            "Hand them in: `nodelock check-in` does so online. By hand: send the vendor what `nodelock code \
             --format file --seat SEAT` writes of each, then `nodelock receipt FILE` with the receipt.",
            seats::too_many_outstanding,
        ),
        row(Busy, "Try again when the other program has finished.", "", disk::busy),
        row(
            Corrupt,
            "Do not delete the store: its device key can prove whose seat it was. Recover the seat with it.",
            "Do not delete the store: its device key can prove whose seat it was. `nodelock recover` takes a new \
             seat in place of the lost one.",
            disk::corrupt,
        ),
        row(NoSpace, "Free some space, then try again. Nothing was lost.", "", disk::no_space),
        row(
            ReadOnly,
            "Make the store's folder writable, or choose another. Nothing was lost.",
            "Make the store's folder writable, or choose another with --store. Nothing was lost.",
            disk::read_only,
        ),
        row(
            AccessDenied,
            "Give the folder to the user who runs this program, or choose another. Nothing was lost.",
            "Check who owns the store's folder: what is root's there, `sudo chown -R USER FOLDER` gives back. Or \
             choose another with --store. Nothing was lost.",
            disk::access_denied,
        ),
        row(
            Io,
            "Check the disk and that the folder is there, then try again. Nothing that was confirmed is lost.",
            "Check the disk, and that the store's folder can be there; --store names another. Nothing that was \
             confirmed is lost.",
            disk::io,
        ),
        row(NoRandom, "Try again when the system has started up. Nothing was changed.", "", disk::no_random),
        row(
            NoLocks,
            "Choose a folder on a disk of this machine. A shared folder can be mounted with locks, too. Nothing \
             was lost.",
            "Choose a folder on a disk of this machine with --store. A shared folder can be mounted with locks, \
             too. Nothing was lost.",
            disk::no_locks,
        ),
        row(
            Unreachable,
            "Check the network, the firewall and the proxy, then try again; or carry the file by hand. Nothing was \
             lost.",
            "Try again later; nothing was lost. Or do it by hand: `request`, `install`, `deactivate --offline`.",
            way::unreachable,
        ),
        row(
            TimedOut,
            "Try again later, or carry the file by hand. Nothing was lost.",
            "Try again later; nothing was lost. Or do it by hand: `request`, `install`, `deactivate --offline`.",
            way::timed_out,
        ),
        there(
            TlsUntrusted,
            "Behind a proxy that inspects traffic, trust its certificate. Otherwise somebody may be in between: \
             tell the vendor. Nothing was lost.",
            "Behind a proxy that inspects traffic, give its certificate with --trust. Otherwise somebody may be in \
             between: tell the vendor. Nothing was lost.",
            "../authority/tests/http/tls.rs",
            "what_is_advised_about_a_server_leads_out",
        ),
        there(
            TlsWrongHost,
            "Check the authority's address: another host answers there. Nothing was lost.",
            "Check --authority: another host answers there. Nothing was lost.",
            "../authority/tests/http/tls.rs",
            "what_is_advised_about_a_server_leads_out",
        ),
        there(
            TlsExpired,
            "Check this machine's clock; if it is right, tell the vendor. Nothing was lost.",
            "",
            "../authority/tests/http/tls.rs",
            "what_is_advised_about_a_server_leads_out",
        ),
        row(
            BadReply,
            "Check the authority's address, and whether a proxy or a log-in page answers in its place. Nothing was \
             lost.",
            "Check --authority, and whether a proxy or a log-in page answers in its place. Nothing was lost.",
            way::bad_reply,
        ),
        row(
            ServerBusy,
            "Try again later, or carry the file by hand. Nothing was lost.",
            "Try again later; nothing was lost. Or do it by hand: `request`, `install`, `deactivate --offline`.",
            way::server_busy,
        ),
        row(
            ServerFailed,
            "Try again later, or carry the file by hand. Nothing was lost.",
            "Try again later; nothing was lost. Or do it by hand: `request`, `install`, `deactivate --offline`.",
            way::server_failed,
        ),
        row(
            LicenseWanted,
            "Hand over the whole check-in file, not its QR code.",
            "Hand the whole file over: `nodelock check-in --offline` writes it. A QR code of a large license lacks \
             a part.",
            letters::license_wanted,
        ),
        row(UnknownLicense, "Compare the license key with the one you received.", "", seats::unknown_license),
        row(
            NoFreeSeat,
            "Give a seat back on another machine, or ask the vendor for more seats. Then ask again.",
            "Give a seat back on another machine, or ask the vendor for more seats; `nodelock activate LICENSE-KEY` \
             asks again, and `check-in` for a seat that lapsed; `activate --instead-of SEAT` takes the place of a \
             silent computer. `nodelock cancel` takes the request back.",
            seats::no_free_seat,
        ),
        row(LicenseEnded, "Ask the vendor to renew it.", "", seats::license_ended),
        row(RequestCancelled, "Ask for a seat with a new request.", "", seats::request_cancelled),
        row(
            UnknownSeat,
            "It is about a seat that is not known: check that it is this computer's.",
            "It is about a seat that this store does not know: check --store.",
            letters::unknown_seat,
        ),
        row(
            WrongCode,
            "Compare the code with what the computer shows, or hand in the deactivation file.",
            "",
            seats::wrong_code,
        ),
        row(Revoked, "Ask the vendor why, or for another seat.", "", seats::revoked),
        row(TooManyAttempts, "Wait a while, then try again.", "", seats::too_many_attempts),
        row(
            CrowdedHandle,
            "Take the request back and make a new one.",
            "Ask again with a new request: `nodelock cancel`, then `nodelock request LICENSE-KEY`.",
            seats::crowded_handle,
        ),
        row(
            NoActivationLeft,
            "Ask the vendor for more activations. Then ask again.",
            "",
            seats::no_activation_left,
        ),
        row(
            TrialUsed,
            "Buy a license, and enter its key. The vendor can let the trial last longer.",
            "",
            seats::trial_used,
        ),
        row(
            ApprovalWanted,
            "Wait for the vendor's word, then ask again: the same request gets the license.",
            "",
            seats::approval_wanted,
        ),
        row(RequestRefused, "Ask the vendor why.", "", seats::request_refused),
        row(
            DeploymentKeyRefused,
            "Compare it with the one that was handed over, or ask the vendor for a new one.",
            "Ask the vendor for another one, and name its file with --deployment-key-file \
             (NODELOCK_DEPLOYMENT_KEY_FILE). The request is kept: `nodelock activate` sends it again.",
            seats::deployment_key_refused,
        ),
        row(
            DeploymentKeyUsedUp,
            "Ask the vendor for another one.",
            "Ask the vendor for another one, and name its file with --deployment-key-file \
             (NODELOCK_DEPLOYMENT_KEY_FILE). The request is kept: `nodelock activate` sends it again.",
            seats::deployment_key_used_up,
        ),
        row(
            Malformed,
            "Is it the file that the vendor sent, whole? Mail programs may break it: ask for it as an attachment.",
            "",
            letters::malformed,
        ),
        row(TooLarge, "This cannot be a file from the vendor: none is that large.", "", letters::too_large),
        row(
            WrongType,
            "Licenses, receipts and revocations come from the vendor. Requests, proofs and codes go there.",
            "Take in what the vendor sends: a license, a receipt or a revocation. Requests and codes go to the \
             vendor.",
            letters::wrong_type,
        ),
        row(UnsupportedVersion, "Update this program, then try again.", "", letters::unsupported_version),
        row(CriticalExtension, "Update this program, then try again.", "", letters::critical_extension),
        row(
            WrongProduct,
            "Ask the vendor for the file of this product.",
            "Check --product (NODELOCK_PRODUCT), or ask the vendor for the right file.",
            letters::wrong_product,
        ),
        row(
            UntrustedSigner,
            "Check your root key: it must be this vendor's.",
            "Check the root keys (--root, --roots, NODELOCK_ROOTS): they must be this vendor's.",
            letters::untrusted_signer,
        ),
        row(
            BadSignature,
            "Somebody or something has changed the file. Ask the vendor for it again.",
            "",
            letters::bad_signature,
        ),
        row(
            CertificateExpired,
            "Check this machine's clock; if it is right, ask the vendor to issue it again.",
            "",
            letters::certificate_expired,
        ),
        row(
            WrongMachine,
            "Have the vendor answer this machine's own request.",
            "A file for another computer or another store: check --store. Or show this one's request with `nodelock \
             request`, and have the vendor answer that. A check-in that was refused: `nodelock status` says what to \
             do.",
            letters::wrong_machine,
        ),
        row(
            WrongRequest,
            "Have the vendor answer this machine's own request.",
            "A file for another computer or another store: check --store. Or show this one's request with `nodelock \
             request`, and have the vendor answer that. A check-in that was refused: `nodelock status` says what to \
             do.",
            letters::wrong_request,
        ),
        row(
            GivenUp,
            "Ask for a new seat.",
            "That seat was given back. Ask for a new one with `nodelock request LICENSE-KEY`.",
            letters::given_up,
        ),
        row(
            Outdated,
            "If a later license is installed already, there is nothing to do. Otherwise check this machine's \
             clock, and try again.",
            "",
            letters::outdated,
        ),
        row(
            LeaseTooLong,
            "Ask the vendor: its certificate does not allow so long a license.",
            "",
            letters::lease_too_long,
        ),
        row(
            SeveralMessages,
            "Hand in one at a time: copy it into a file of its own.",
            "",
            letters::several_messages,
        ),
    ]
}

//! Every kind of error and every status of the C interface, each said once.
//!
//! From these rows come [`ErrorKind`](crate::ErrorKind) with its codes, texts and advice, `nodelock_status`, what an
//! authority may say and with which HTTP status, and the enumeration in `include/nodelock.h`, whose writer reads this
//! file (`tests/capi/generated.rs`). So a row keeps its form: comment, one line of names and numbers, text, advice.

/// Hands the rows to the macro `$make`.
///
/// A kind has a comment, its name, its status in C, its code, who says it, the HTTP status of its problem details, a
/// text for a failure that has no words of its own, and what to do about it: empty where the message says it all.
///
/// `here` is what goes wrong on this machine or on the way, which no authority can claim. `authority` is what an
/// authority may say, and `ends` what it refuses a request with for good.
///
/// Numbers and codes are permanent. 1 to 19 is the caller, 20 to 39 a verdict, 40 to 59 the store, 60 to 89 the way to
/// the authority and the authority, 90 the library itself, 100 to 119 a message (a file, or an answer of the
/// authority).
macro_rules! catalogue {
    ($make:ident) => {
        $make! {
            kinds {
                /// An argument is NULL, not UTF-8, or out of its documented range.
                InvalidInput, NODELOCK_INVALID_INPUT = 1, "invalid-input", authority, 500,
                "invalid argument",
                "";

                /// The platform or this build of the library cannot do it.
                Unsupported, NODELOCK_UNSUPPORTED = 2, "unsupported", here, 500,
                "not supported here",
                "Use a build of the application that has this part, or another computer.";

                /// The code cannot be read, not even with its typing errors mended.
                UnreadableCode, NODELOCK_UNREADABLE_CODE = 3, "unreadable-code", authority, 422,
                "the code cannot be read",
                "Compare it with the original: 25 letters and digits in five groups.";

                /// A license is active or a request is pending; it must be given up or cancelled first.
                AlreadyActive, NODELOCK_ALREADY_ACTIVE = 4, "already-active", here, 500,
                "a license is active or a request is pending already",
                "Give the license back or take the request back first.";

                /// There is no activation request to answer or cancel.
                NotPending, NODELOCK_NOT_PENDING = 5, "not-pending", here, 500,
                "no activation request is pending",
                "Ask for a seat first.";

                /// There is no active license to give up.
                NotActive, NODELOCK_NOT_ACTIVE = 6, "not-active", here, 500,
                "no license is active",
                "";

                /// The license allows no further deactivation without the authority.
                DeactivationNotAllowed, NODELOCK_DEACTIVATION_NOT_ALLOWED = 7, "deactivation-not-allowed", here, 409,
                "the license allows no more deactivations",
                "The license is still active. Ask the vendor.";

                /// Too many deactivations wait for their receipts.
                TooManyOutstanding, NODELOCK_TOO_MANY_OUTSTANDING = 8, "too-many-outstanding", here, 500,
                "too many deactivations without a receipt",
                "Hand the codes or files of the earlier deactivations to the vendor, and take the receipts in.";

                /// Another process is writing to the store.
                Busy, NODELOCK_BUSY = 40, "busy", here, 500,
                "another process is writing to the store",
                "Try again when the other program has finished.";

                /// A file of the store is damaged.
                Corrupt, NODELOCK_CORRUPT = 41, "corrupt", here, 500,
                "the store is damaged",
                "Do not delete the store: its device key can prove whose seat it was. Recover the seat with it.";

                /// The disk is full or the quota used up.
                NoSpace, NODELOCK_NO_SPACE = 42, "no-space", here, 500,
                "no space left",
                "Free some space, then try again. Nothing was lost.";

                /// The store is on read-only media.
                ReadOnly, NODELOCK_READ_ONLY = 43, "read-only", here, 500,
                "read-only",
                "Make the store's folder writable, or choose another. Nothing was lost.";

                /// The operating system denies access to the store.
                AccessDenied, NODELOCK_ACCESS_DENIED = 44, "access-denied", here, 500,
                "access denied",
                "Give the folder to the user who runs this program, or choose another. Nothing was lost.";

                /// Any other failure of reading or writing.
                Io, NODELOCK_IO = 45, "io", here, 500,
                "input/output error",
                "Check the disk and that the folder is there, then try again. Nothing that was confirmed is lost.";

                /// The operating system gave no random bytes.
                NoRandom, NODELOCK_NO_RANDOM = 46, "no-random", here, 500,
                "no random bytes",
                "Try again when the system has started up. Nothing was changed.";

                /// The file system that the store is on has no locks, so two programs could write at the same time.
                /// Keep the store on a disk of this machine.
                NoLocks, NODELOCK_NO_LOCKS = 47, "no-locks", here, 500,
                "the file system has no locks",
                "Choose a folder on a disk of this machine. A shared folder can be mounted with locks, too. Nothing \
                 was lost.";

                /// No connection to the authority came about.
                Unreachable, NODELOCK_UNREACHABLE = 60, "unreachable", here, 500,
                "the authority cannot be reached",
                "Check the network, the firewall and the proxy, then try again; or carry the file by hand. Nothing \
                 was lost.";

                /// The authority did not answer in time.
                TimedOut, NODELOCK_TIMED_OUT = 61, "timed-out", here, 500,
                "the authority did not answer in time",
                "Try again later, or carry the file by hand. Nothing was lost.";

                /// The call was cancelled from another thread.
                Cancelled, NODELOCK_CANCELLED = 62, "cancelled", here, 500,
                "the call was cancelled",
                "";

                /// The server's TLS certificate is from nobody who is trusted.
                TlsUntrusted, NODELOCK_TLS_UNTRUSTED = 63, "tls-untrusted", here, 500,
                "the server's certificate is not trusted",
                "Behind a proxy that inspects traffic, trust its certificate. Otherwise somebody may be in between: \
                 tell the vendor. Nothing was lost.";

                /// The server's TLS certificate is for another host.
                TlsWrongHost, NODELOCK_TLS_WRONG_HOST = 64, "tls-wrong-host", here, 500,
                "the server's certificate is for another host",
                "Check the authority's address: another host answers there. Nothing was lost.";

                /// The server's TLS certificate has expired or is not valid yet; the local clock may be wrong.
                TlsExpired, NODELOCK_TLS_EXPIRED = 65, "tls-expired", here, 500,
                "the server's certificate has expired or is not valid yet",
                "Check this machine's clock; if it is right, tell the vendor. Nothing was lost.";

                /// The answer is not one that an authority gives.
                BadReply, NODELOCK_BAD_REPLY = 66, "bad-reply", here, 500,
                "an answer that no authority gives",
                "Check the authority's address, and whether a proxy or a log-in page answers in its place. Nothing \
                 was lost.";

                /// The authority asks to be left alone for a while.
                ServerBusy, NODELOCK_SERVER_BUSY = 67, "server-busy", authority, 503,
                "the authority is busy, try again later",
                "Try again later, or carry the file by hand. Nothing was lost.";

                /// The authority failed.
                ServerFailed, NODELOCK_SERVER_FAILED = 68, "server-failed", authority, 500,
                "the authority failed",
                "Try again later, or carry the file by hand. Nothing was lost.";

                /// The authority does not know this seat or its latest license, and asks for the license: its ledger
                /// may have been restored to an earlier copy.
                LicenseWanted, NODELOCK_LICENSE_WANTED = 69, "license-wanted", authority, 409,
                "the authority asks for the license",
                "Hand over the whole check-in file, not its QR code.";

                /// No license has this license key.
                UnknownLicense, NODELOCK_UNKNOWN_LICENSE = 70, "unknown-license", ends, 404,
                "unknown license key",
                "Compare the license key with the one you received.";

                /// Every seat of the license is taken.
                NoFreeSeat, NODELOCK_NO_FREE_SEAT = 71, "no-free-seat", authority, 409,
                "no free seat",
                "Give a seat back on another machine, or ask the vendor for more seats. Then ask again.";

                /// The license has ended, or is suspended, at the authority.
                LicenseEnded, NODELOCK_LICENSE_ENDED = 72, "license-ended", ends, 403,
                "the license has ended or is suspended",
                "Ask the vendor to renew it.";

                /// The activation request was cancelled before it arrived.
                RequestCancelled, NODELOCK_REQUEST_CANCELLED = 73, "request-cancelled", ends, 410,
                "the activation request was cancelled",
                "Ask for a seat with a new request.";

                /// The seat is not known to the authority, or not yet.
                UnknownSeat, NODELOCK_UNKNOWN_SEAT = 74, "unknown-seat", ends, 404,
                "unknown seat",
                "It is about a seat that is not known: check that it is this computer's.";

                /// The deactivation code does not belong to the seat that it names.
                WrongCode, NODELOCK_WRONG_CODE = 75, "wrong-code", authority, 403,
                "the code does not belong to this seat",
                "Compare the code with what the computer shows, or hand in the deactivation file.";

                /// The seat was released by an administrator.
                Revoked, NODELOCK_REVOKED = 76, "revoked", ends, 410,
                "the seat was released by the vendor",
                "Ask the vendor why, or for another seat.";

                /// Too many wrong codes or license keys came; try again later.
                TooManyAttempts, NODELOCK_TOO_MANY_ATTEMPTS = 77, "too-many-attempts", authority, 429,
                "too many attempts, try again later",
                "Wait a while, then try again.";

                /// The seat is not held for its device, so there is nothing to return to the pool.
                NotHeld, NODELOCK_NOT_HELD = 78, "not-held", here, 500,
                "the seat is not held",
                "";

                /// Too many devices have asked for a seat under that handle. A new request draws another one.
                CrowdedHandle, NODELOCK_CROWDED_HANDLE = 79, "crowded-handle", ends, 409,
                "the handle is taken by too many devices; make a new request",
                "Take the request back and make a new one.";

                /// The license allows no more activations, until the vendor resets them or the next period begins.
                NoActivationLeft, NODELOCK_NO_ACTIVATION_LEFT = 80, "no-activation-left", authority, 409,
                "no activation left",
                "Ask the vendor for more activations. Then ask again.";

                /// The machine has had its trial of the product, or shows no hardware by which it could be known again.
                TrialUsed, NODELOCK_TRIAL_USED = 81, "trial-used", ends, 403,
                "the trial of this machine is over",
                "Buy a license, and enter its key. The vendor can let the trial last longer.";

                /// The license has the vendor approve each activation. The request is kept there and stays pending
                /// here: the same one gets its license once it is approved.
                ApprovalWanted, NODELOCK_APPROVAL_WANTED = 82, "approval-wanted", authority, 409,
                "the vendor has to approve the request first",
                "Wait for the vendor's word, then ask again: the same request gets the license.";

                /// The vendor refused the request.
                RequestRefused, NODELOCK_REQUEST_REFUSED = 83, "request-refused", ends, 403,
                "the vendor refused the request",
                "Ask the vendor why.";

                /// Nobody has that deployment key, or it has ended, was revoked, or is another kind of credential. The
                /// request stays pending: with a deployment key that is valid it gets its license.
                DeploymentKeyRefused, NODELOCK_DEPLOYMENT_KEY_REFUSED = 84, "deployment-key-refused", authority, 401,
                "the deployment key is not valid",
                "Compare it with the one that was handed over, or ask the vendor for a new one.";

                /// As many machines as the deployment key was made for have had their seats with it. The request stays
                /// pending: with another deployment key it gets its license.
                DeploymentKeyUsedUp, NODELOCK_DEPLOYMENT_KEY_USED_UP = 85, "deployment-key-used-up", authority, 403,
                "the deployment key is used up",
                "Ask the vendor for another one.";

                /// The bytes are truncated, have something left over, or break a rule of the format.
                Malformed, NODELOCK_MALFORMED = 100, "malformed", authority, 400,
                "damaged or not in this format",
                "Is it the file that the vendor sent, whole? Mail programs may break it: ask for it as an attachment.";

                /// The input is longer than any message of its kind can be; it was not read.
                TooLarge, NODELOCK_TOO_LARGE = 101, "too-large", authority, 413,
                "too large",
                "This cannot be a file from the vendor: none is that large.";

                /// A valid message of another kind, such as a receipt where a license is expected.
                WrongType, NODELOCK_WRONG_TYPE = 102, "wrong-type", authority, 400,
                "a message of another kind",
                "Licenses, receipts and revocations come from the vendor. Requests, proofs and codes go there.";

                /// Made by a later version of the format than this build knows.
                UnsupportedVersion, NODELOCK_UNSUPPORTED_VERSION = 103, "unsupported-version", authority, 400,
                "made by a newer version",
                "Update this program, then try again.";

                /// Holds an extension marked critical that this build does not know.
                CriticalExtension, NODELOCK_CRITICAL_EXTENSION = 104, "critical-extension", authority, 400,
                "needs a feature that this version does not have",
                "Update this program, then try again.";

                /// Made for another product.
                WrongProduct, NODELOCK_WRONG_PRODUCT = 105, "wrong-product", ends, 422,
                "made for another product",
                "Ask the vendor for the file of this product.";

                /// Signed by a key that no configured root vouches for.
                UntrustedSigner, NODELOCK_UNTRUSTED_SIGNER = 106, "untrusted-signer", here, 500,
                "signed by an unknown key",
                "Check your root key: it must be this vendor's.";

                /// The signature does not fit the bytes.
                BadSignature, NODELOCK_BAD_SIGNATURE = 107, "bad-signature", authority, 403,
                "the signature does not fit",
                "Somebody or something has changed the file. Ask the vendor for it again.";

                /// The issuer's certificate was not valid when the message was signed, or is not any more.
                CertificateExpired, NODELOCK_CERTIFICATE_EXPIRED = 108, "certificate-expired", authority, 500,
                "the issuer's certificate was not valid at that time",
                "Check this machine's clock; if it is right, ask the vendor to issue it again.";

                /// A public key for which anybody can forge signatures: one of the small-order points.
                WeakKey, NODELOCK_WEAK_KEY = 109, "weak-key", authority, 400,
                "a public key that must not be used",
                "";

                /// The message belongs to another machine's activation.
                WrongMachine, NODELOCK_WRONG_MACHINE = 111, "wrong-machine", ends, 403,
                "made for another machine",
                "Have the vendor answer this machine's own request.";

                /// The message answers another activation request than the one that is pending or active here.
                WrongRequest, NODELOCK_WRONG_REQUEST = 112, "wrong-request", ends, 409,
                "answers another activation request",
                "Have the vendor answer this machine's own request.";

                /// That activation was given up on this machine; it cannot be used again.
                GivenUp, NODELOCK_GIVEN_UP = 113, "given-up", ends, 410,
                "that activation has been given up",
                "Ask for a new seat.";

                /// An older message than one that counts already: a license than the installed one, a recovery than the
                /// seat's request. Or a request of more than five years ago.
                Outdated, NODELOCK_OUTDATED = 114, "outdated", ends, 409,
                "older than what counts already",
                "If a later license is installed already, there is nothing to do. Otherwise check this machine's \
                 clock, and try again.";

                /// A license that ends later than its issuer's certificate allows.
                LeaseTooLong, NODELOCK_LEASE_TOO_LONG = 115, "lease-too-long", authority, 500,
                "the license ends later than the issuer's certificate allows",
                "Ask the vendor: its certificate does not allow so long a license.";

                /// A text holds several messages or codes of the kind of which one is expected, and nothing says which
                /// is meant.
                SeveralMessages, NODELOCK_SEVERAL_MESSAGES = 116, "several-messages", authority, 400,
                "several where one is expected",
                "Hand in one at a time: copy it into a file of its own.";
            }
            // Nothing went wrong, or the library itself did. 110 said that a readable header of a text disagrees with
            // the signed body; that is no error any more.
            others {
                /// It went well.
                NODELOCK_OK = 0, "ok";
                /// Verdict: the license is valid. Run.
                NODELOCK_VERDICT_ACTIVE = 20, "active";
                /// Verdict: usable for now, because the machine has changed. Run, observe, and have the license
                /// renewed.
                NODELOCK_VERDICT_GRACE = 21, "grace";
                /// Verdict: the license starts later.
                NODELOCK_VERDICT_NOT_YET_VALID = 22, "not-yet-valid";
                /// Verdict: the license has expired.
                NODELOCK_VERDICT_EXPIRED = 23, "expired";
                /// Verdict: this copy of the license had to be renewed and was not. Check in, or install a renewed one.
                NODELOCK_VERDICT_LEASE_ENDED = 24, "lease-ended";
                /// Verdict: the clock was set back. Have it corrected, or check in: the authority's answer sets it
                /// right too.
                NODELOCK_VERDICT_CLOCK_SET_BACK = 25, "clock-set-back";
                /// Verdict: the license belongs to another machine, or this one has changed too much.
                NODELOCK_VERDICT_WRONG_MACHINE = 26, "wrong-machine";
                /// Verdict: the seat was given up on this machine.
                NODELOCK_VERDICT_DEACTIVATED = 27, "deactivated";
                /// Verdict: the vendor released the seat.
                NODELOCK_VERDICT_REVOKED = 28, "revoked";
                /// Verdict: the license does not cover a version of the application released this late.
                NODELOCK_VERDICT_VERSION_NOT_COVERED = 29, "version-not-covered";
                /// Verdict: the store or the license in it cannot be used as it is; nodelock_license_damage() says why.
                NODELOCK_VERDICT_DAMAGED = 30, "damaged";
                /// Verdict: no license was installed.
                NODELOCK_VERDICT_UNLICENSED = 31, "unlicensed";
                /// A fault of the library. The client that it happened in does nothing any more; free it and make a new
                /// one.
                NODELOCK_INTERNAL = 90, "internal";
            }
        }
    };
}
pub(crate) use catalogue;

// nodelock for Node.js: the C interface by koffi.
//
//     const client = new Client('Example Editor', { roots: ['...43 characters...'], authority: 'https://licenses.example.com' });
//     const license = await client.start();    // at each start: checks, and renews when that is due
//     if (license.usable) ...
//     await client.activate(licenseKey, { signal, timeout: 60_000 });
//
// What can fail throws a NodelockError, with the status of include/nodelock.h. What the library gave out is freed when JavaScript
// has no more use for it. Calls that go online run in a thread of Node's pool and return promises.

import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import koffi from 'koffi';

const ABI_VERSION = 1;

/** What a check found. docs/guides/verdicts.md says what to tell the user of each. */
export const Verdict = {
  ACTIVE: 20, GRACE: 21, NOT_YET_VALID: 22, EXPIRED: 23, LEASE_ENDED: 24, CLOCK_SET_BACK: 25, WRONG_MACHINE: 26,
  DEACTIVATED: 27, REVOKED: 28, VERSION_NOT_COVERED: 29, DAMAGED: 30, UNLICENSED: 31,
};
/** Why a call failed. include/nodelock.h says more of each. */
export const Status = {
  INVALID_INPUT: 1, UNSUPPORTED: 2, UNREADABLE_CODE: 3, ALREADY_ACTIVE: 4, NOT_PENDING: 5, NOT_ACTIVE: 6,
  DEACTIVATION_NOT_ALLOWED: 7, TOO_MANY_OUTSTANDING: 8, BUSY: 40, CORRUPT: 41, NO_SPACE: 42, READ_ONLY: 43,
  ACCESS_DENIED: 44, IO: 45, NO_RANDOM: 46, NO_LOCKS: 47, UNREACHABLE: 60, TIMED_OUT: 61, CANCELLED: 62,
  TLS_UNTRUSTED: 63, TLS_WRONG_HOST: 64, TLS_EXPIRED: 65, BAD_REPLY: 66, SERVER_BUSY: 67, SERVER_FAILED: 68,
  LICENSE_WANTED: 69, UNKNOWN_LICENSE: 70, NO_FREE_SEAT: 71, LICENSE_ENDED: 72, REQUEST_CANCELLED: 73,
  UNKNOWN_SEAT: 74, WRONG_CODE: 75, REVOKED: 76, TOO_MANY_ATTEMPTS: 77, NOT_HELD: 78, CROWDED_HANDLE: 79,
  NO_ACTIVATION_LEFT: 80, TRIAL_USED: 81, APPROVAL_WANTED: 82, REQUEST_REFUSED: 83, DEPLOYMENT_KEY_REFUSED: 84,
  DEPLOYMENT_KEY_USED_UP: 85, INTERNAL: 90, MALFORMED: 100, TOO_LARGE: 101, WRONG_TYPE: 102,
  UNSUPPORTED_VERSION: 103, CRITICAL_EXTENSION: 104, WRONG_PRODUCT: 105, UNTRUSTED_SIGNER: 106, BAD_SIGNATURE: 107,
  CERTIFICATE_EXPIRED: 108, WEAK_KEY: 109, WRONG_MACHINE: 111, WRONG_REQUEST: 112, GIVEN_UP: 113, OUTDATED: 114,
  LEASE_TOO_LONG: 115, SEVERAL_MESSAGES: 116,
};
/** Why the machine is the wrong one, or is in its days of grace: see License.machineReason. */
export const MachineReason = { FITS: 0, DEVICE_KEY: 1, FINGERPRINT: 2, GRACE_OVER: 3, HIDDEN: 4 };
export const Reason = { OTHER: 0, MOVED: 1, RETIRED: 2, REINSTALLED: 3 };
export const Replace = { LICENSE: 1, REQUEST: 2 };
export const Event = { SENDING: 1, WAITING: 2, DONE: 3, NO_TOMBSTONE: 4 };
export const Outcome = { RETURNED: 1, HELD: 2 };

const library = load();

/** The library: the file that NODELOCK_LIBRARY names, or the one beside this module, or the installed one. */
function load() {
    const name = `${process.platform === 'win32' ? '' : 'lib'}nodelock${koffi.extension}`;
    const beside = fileURLToPath(new URL(name, import.meta.url));
    const file = process.env.NODELOCK_LIBRARY || (existsSync(beside) ? beside : name);
    try {
        return koffi.load(file);
    } catch (cause) {
        const help = 'Set NODELOCK_LIBRARY to its file, or put it beside nodelock.js';
        throw new Error(`the library of nodelock cannot be loaded: ${cause.message}. ${help}`, { cause });
    }
}

// What is declared below is that of one version, so nothing of another one is looked for.
const version = library.func('const char *nodelock_version()')();
const abi = library.func('uint32_t nodelock_abi_version()')();
if (abi !== ABI_VERSION) {
    throw new Error(`this is nodelock ${version} with ABI ${abi}, and this module is for ABI ${ABI_VERSION}`);
}

const OBJECTS = ['error', 'config', 'details', 'client', 'license', 'request', 'proof', 'proofs', 'qr', 'receipt', 'receipts',
    'fingerprint', 'call'];
for (const name of OBJECTS) koffi.opaque(`nodelock_${name}`);
koffi.proto('void nodelock_progress_fn(void *user_data, uint32_t event, uint32_t attempt, uint64_t pause)');

// As in the header, where each is explained; those of the second list can fail, and their last parameter is the error.
const look = {};
for (const [result, name, parameters] of [
    ['uint32_t', 'error_status', 'const nodelock_error *'],
    ['const char *', 'error_kind', 'const nodelock_error *'],
    ['const char *', 'error_message', 'const nodelock_error *'],
    ['const char *', 'error_advice', 'const nodelock_error *'],
    ['const nodelock_proof *', 'error_proof', 'const nodelock_error *'],
    ['uint64_t', 'error_next_lapse', 'const nodelock_error *'],
    ['uint64_t', 'error_trial_ended', 'const nodelock_error *'],
    ['size_t', 'error_seat_count', 'const nodelock_error *'],
    ['const char *', 'error_seat_handle', 'const nodelock_error *, size_t'],
    ['const char *', 'error_seat_label', 'const nodelock_error *, size_t'],
    ['uint64_t', 'error_seat_last_contact', 'const nodelock_error *, size_t'],
    ['uint64_t', 'error_seat_lapses', 'const nodelock_error *, size_t'],
    ['bool', 'error_seat_is_replaceable', 'const nodelock_error *, size_t'],
    ['uint32_t', 'license_verdict', 'const nodelock_license *'],
    ['const char *', 'license_verdict_text', 'const nodelock_license *'],
    ['bool', 'license_verdict_time', 'const nodelock_license *, _Out_ uint64_t *'],
    ['uint64_t', 'license_set_back', 'const nodelock_license *'],
    ['int64_t', 'license_clock_error', 'const nodelock_license *'],
    ['uint32_t', 'license_machine_reason', 'const nodelock_license *'],
    ['uint32_t', 'license_damage', 'const nodelock_license *'],
    ['const char *', 'license_revocation_reason', 'const nodelock_license *'],
    ['uint64_t', 'license_time', 'const nodelock_license *'],
    ['bool', 'license_is_usable', 'const nodelock_license *'],
    ['bool', 'license_is_present', 'const nodelock_license *'],
    ['const char *', 'license_product', 'const nodelock_license *'],
    ['const char *', 'license_licensee', 'const nodelock_license *'],
    ['const char *', 'license_edition', 'const nodelock_license *'],
    ['const char *', 'license_id', 'const nodelock_license *'],
    ['const char *', 'license_seat', 'const nodelock_license *'],
    ['bool', 'license_issued', 'const nodelock_license *, _Out_ uint64_t *'],
    ['bool', 'license_starts', 'const nodelock_license *, _Out_ uint64_t *'],
    ['bool', 'license_expires', 'const nodelock_license *, _Out_ uint64_t *'],
    ['bool', 'license_lease_until', 'const nodelock_license *, _Out_ uint64_t *'],
    ['bool', 'license_renew_after', 'const nodelock_license *, _Out_ uint64_t *'],
    ['bool', 'license_updates_until', 'const nodelock_license *, _Out_ uint64_t *'],
    ['size_t', 'license_metadata_count', 'const nodelock_license *'],
    ['const char *', 'license_metadata_name', 'const nodelock_license *, size_t'],
    ['const char *', 'license_metadata_value', 'const nodelock_license *, size_t'],
    ['size_t', 'license_feature_count', 'const nodelock_license *'],
    ['const char *', 'license_feature_name', 'const nodelock_license *, size_t'],
    ['const char *', 'license_pending_seat', 'const nodelock_license *'],
    ['bool', 'license_has_feature', 'const nodelock_license *, const char *'],
    ['bool', 'license_feature_limit', 'const nodelock_license *, const char *, _Out_ uint64_t *'],
    ['size_t', 'license_outstanding', 'const nodelock_license *'],
    ['bool', 'license_should_observe', 'const nodelock_license *'],
    ['bool', 'license_renewal_due', 'const nodelock_license *'],
    ['bool', 'license_is_renewed', 'const nodelock_license *'],
    ['const char *', 'request_seat', 'const nodelock_request *'],
    ['const char *', 'request_text', 'const nodelock_request *'],
    ['const char *', 'proof_seat', 'const nodelock_proof *'],
    ['const char *', 'proof_code', 'const nodelock_proof *'],
    ['const char *', 'proof_text', 'const nodelock_proof *'],
    ['size_t', 'proofs_count', 'const nodelock_proofs *'],
    ['const nodelock_proof *', 'proofs_get', 'const nodelock_proofs *, size_t'],
    ['const char *', 'qr_terminal', 'const nodelock_qr *'],
    ['const char *', 'qr_svg', 'const nodelock_qr *'],
    ['const char *', 'receipt_seat', 'const nodelock_receipt *'],
    ['uint32_t', 'receipt_outcome', 'const nodelock_receipt *'],
    ['size_t', 'receipts_count', 'const nodelock_receipts *'],
    ['const nodelock_receipt *', 'receipts_get', 'const nodelock_receipts *, size_t'],
    ['const char *', 'fingerprint_report', 'const nodelock_fingerprint *'],
    ['void', 'call_cancel', 'const nodelock_call *'],
    ...OBJECTS.map((name) => ['void', `${name}_free`, `nodelock_${name} *`]),
]) look[name] = library.func(`${result} nodelock_${name}(${parameters})`);

const fallible = {};
for (const [name, parameters] of [
    ['config_new', 'const char *, _Out_ nodelock_config **'],
    ['config_add_root', 'nodelock_config *, const char *'],
    ['config_deny_key', 'nodelock_config *, const char *'],
    ['config_set_authority', 'nodelock_config *, const char *'],
    ['config_set_plain_http', 'nodelock_config *, bool'],
    ['config_set_patience', 'nodelock_config *, uint64_t, uint32_t'],
    ['config_set_proxy', 'nodelock_config *, const char *'],
    ['config_set_no_proxy', 'nodelock_config *'],
    ['config_trust_certificates', 'nodelock_config *, const uint8_t *, size_t'],
    ['config_set_store_directory', 'nodelock_config *, const char *, const char *'],
    ['config_set_application_version', 'nodelock_config *, const char *'],
    ['config_set_released', 'nodelock_config *, uint64_t'],
    ['config_set_salt', 'nodelock_config *, const char *'],
    ['config_set_host_id', 'nodelock_config *, const char *, uint32_t'],
    ['config_set_license_keys', 'nodelock_config *, uint32_t'],
    ['config_set_replace', 'nodelock_config *, uint32_t'],
    ['config_set_describe_machine', 'nodelock_config *, bool'],
    ['config_set_deployment_key', 'nodelock_config *, const char *'],
    ['client_new', 'const nodelock_config *, _Out_ nodelock_client **'],
    ['client_check', 'const nodelock_client *, _Out_ nodelock_license **'],
    ['client_observe', 'const nodelock_client *, _Out_ bool *'],
    ['client_begin', 'const nodelock_client *, const char *, const nodelock_details *, _Out_ nodelock_request **'],
    ['client_pending', 'const nodelock_client *, _Out_ nodelock_request **'],
    ['client_accept', 'const nodelock_client *, const uint8_t *, size_t, _Out_ nodelock_license **'],
    ['client_accept_receipt', 'const nodelock_client *, const uint8_t *, size_t, _Out_ nodelock_receipt **'],
    ['client_cancel', 'const nodelock_client *, _Out_ nodelock_proof **'],
    ['client_recover_offline', 'const nodelock_client *, _Out_ nodelock_request **'],
    ['client_hand_in', 'const nodelock_client *, const nodelock_call *, _Out_ nodelock_receipts **'],
    ['client_recover', 'const nodelock_client *, const nodelock_call *, _Out_ nodelock_license **'],
    ['client_deactivate_offline', 'const nodelock_client *, uint32_t, _Out_ nodelock_proof **'],
    ['client_check_in_offline', 'const nodelock_client *, _Out_ nodelock_request **'],
    ['client_outstanding', 'const nodelock_client *, _Out_ nodelock_proofs **'],
    ['client_fingerprint', 'const nodelock_client *, _Out_ nodelock_fingerprint **'],
    ['client_start', 'const nodelock_client *, uint64_t, const nodelock_call *, _Out_ nodelock_license **, _Out_ nodelock_error **'],
    ['client_activate', 'const nodelock_client *, const char *, const nodelock_details *, const nodelock_call *, _Out_ nodelock_license **'],
    ['client_check_in', 'const nodelock_client *, const nodelock_call *, _Out_ nodelock_license **'],
    ['client_deactivate', 'const nodelock_client *, uint32_t, const nodelock_call *, _Out_ nodelock_receipt **'],
    ['details_new', '_Out_ nodelock_details **'],
    ['details_add', 'nodelock_details *, const char *, const char *'],
    ['details_replace', 'nodelock_details *, const char *'],
    ['call_new', '_Out_ nodelock_call **'],
    ['call_set_timeout', 'nodelock_call *, uint64_t'],
    ['call_set_progress', 'nodelock_call *, void *, nodelock_progress_fn *, void *'],
    ['proof_qr', 'const nodelock_proof *, const char *, _Out_ nodelock_qr **'],
]) fallible[name] = library.func(`uint32_t nodelock_${name}(${parameters}, _Out_ nodelock_error **)`);

/** Text as the library takes it, which ends at a NUL. */
function text(value) {
    if (typeof value !== 'string' || value.includes('\0')) throw new TypeError('a text without a NUL is expected');
    return value;
}

/** What is in a file, as bytes or as text. */
function content(data) { return Buffer.from(data); }

/** Makes a call that can fail. */
function perform(name, ...values) {
    const error = [null];
    if (fallible[name](...values, error) !== 0) throw new NodelockError(error[0]);
}

/** Makes a call that can fail, and returns what it gives out. */
function get(name, ...values) {
    const result = [null];
    perform(name, ...values, result);
    return result[0];
}

/** The same in a thread of its own, and for a call that gives `count` things out: a list of them. */
function getLater(name, count, ...values) {
    return new Promise((resolve, reject) => {
        const results = Array.from({ length: count }, () => [null]);
        const error = [null];
        fallible[name].async(...values, ...results, error, (failure, status) => {
            if (failure) reject(failure);
            else if (status !== 0) reject(new NodelockError(error[0]));
            else resolve(results.map(([result]) => result));
        });
    });
}

const owned = new FinalizationRegistry(({ kind, pointer }) => look[`${kind}_free`](pointer));

/** Something of the library's. It belongs to this object, or is lent by `owner`, which it keeps alive. */
class Owned {
    constructor(kind, pointer, owner = null) {
        this.pointer = pointer;
        this.owner = owner;
        if (owner === null) owned.register(this, { kind, pointer });
    }
}

/** `status` is one of Status, to compare with, and `kind` its name, such as `no-free-seat`.
 *  `advice` is what a person can do about it, or empty.
 *  `proof` is what a deactivation gave up before it failed, else null: show its code.
 *  With Status.NO_FREE_SEAT, `seats` are the seats that there are, some of which may be replaced, and `nextLapse` is when the next
 *  one lapses. Dates, or null for never. */
export class NodelockError extends Error {
    constructor(pointer) {
        super(`${look.error_kind(pointer)} (${look.error_status(pointer)}): ${look.error_message(pointer)}`);
        const error = new Owned('error', pointer);
        this.status = look.error_status(pointer);
        this.kind = look.error_kind(pointer);
        this.advice = look.error_advice(pointer);
        const proof = look.error_proof(pointer);
        this.proof = proof ? new Proof(proof, error) : null;
        this.nextLapse = date(look.error_next_lapse(pointer));
        this.trialEnded = date(look.error_trial_ended(pointer));
        this.seats = Array.from({ length: Number(look.error_seat_count(pointer)) }, (_, index) => ({
            handle: look.error_seat_handle(pointer, index),
            label: look.error_seat_label(pointer, index),
            lastContact: date(look.error_seat_last_contact(pointer, index)),
            lapses: date(look.error_seat_lapses(pointer, index)),
            replaceable: look.error_seat_is_replaceable(pointer, index),
        }));
    }
}

/** Seconds since 1970 as a Date; null for 0. */
function date(seconds) {
    return Number(seconds) ? new Date(Number(seconds) * 1000) : null;
}

/** C takes no negative number: what is over waits no more, and what has no end waits as long as it can. */
function milliseconds(time) {
    if (Number.isNaN(Number(time))) throw new TypeError(`a time is a number of milliseconds, and this is ${time}`);
    return Math.trunc(Math.min(Math.max(Number(time), 0), Number.MAX_SAFE_INTEGER));
}

/** A Date as seconds since 1970. */
function seconds(date) {
    const since = Math.floor(date.getTime() / 1000);
    if (!(since >= 0)) throw new RangeError('a date from 1970 on is expected');
    return since;
}

/** What a request says beside the license key. */
class Details extends Owned {
    constructor(metadata, replace) {
        super('details', get('details_new'));
        for (const [name, value] of Object.entries(metadata)) perform('details_add', this.pointer, text(name), text(value));
        if (replace !== undefined) perform('details_replace', this.pointer, text(replace));
    }
}

/** What a check found. It does not change any more.
 *
 *  `verdict` is one of Verdict, and `verdictText` says it in words. What goes with it: `verdictTime` is until when GRACE lasts,
 *  from when on NOT_YET_VALID is valid, since when EXPIRED or LEASE_ENDED hold, and until when a version must have been released
 *  for VERSION_NOT_COVERED. `setBack` are the seconds of CLOCK_SET_BACK. `machineReason` is the MachineReason of WRONG_MACHINE;
 *  of GRACE, HIDDEN says that no renewal is needed. `damage` is the Status of DAMAGED: CORRUPT (recover), UNSUPPORTED_VERSION
 *  (update the application), another one (a store of another vendor or product). `revocationReason` is what the vendor said of
 *  REVOKED. Of another verdict these are null or 0. `clockError` says by how many seconds the clock is ahead of the authority's,
 *  or if negative behind, where that is more than 26 hours. `time` is the time that the verdict was made at.
 *
 *  Of Client.start(), `renewed` says whether the authority has answered, and
 *  `warning` is a NodelockError that keeps nobody from working, or null: why a renewal did not come, or why the store could not
 *  record that time has passed. */
export class License extends Owned {
    warning = null;
    constructor(pointer) { super('license', pointer); }
    get verdict() { return look.license_verdict(this.pointer); }
    get verdictText() { return look.license_verdict_text(this.pointer); }
    get verdictTime() { return this.#time('verdict_time'); }
    get setBack() { return Number(look.license_set_back(this.pointer)); }
    get clockError() { return Number(look.license_clock_error(this.pointer)); }
    get machineReason() { return look.license_machine_reason(this.pointer); }
    get damage() { return look.license_damage(this.pointer) || null; }
    get revocationReason() { return look.license_revocation_reason(this.pointer); }
    get time() { return date(look.license_time(this.pointer)); }
    get usable() { return look.license_is_usable(this.pointer); }
    get present() { return look.license_is_present(this.pointer); }
    get licensee() { return look.license_licensee(this.pointer); }
    get product() { return look.license_product(this.pointer); }
    get edition() { return look.license_edition(this.pointer); }
    get id() { return look.license_id(this.pointer); }
    get seat() { return look.license_seat(this.pointer); }
    // Dates, or null without a license and for never.
    get issued() { return this.#time('issued'); }
    get starts() { return this.#time('starts'); }
    get expires() { return this.#time('expires'); }
    get leaseUntil() { return this.#time('lease_until'); }
    get renewAfter() { return this.#time('renew_after'); }
    get updatesUntil() { return this.#time('updates_until'); }
    get pendingSeat() { return look.license_pending_seat(this.pointer); }
    /** What the vendor tells the application: pairs of a name and a value, in the vendor's order. */
    get metadata() {
        return Array.from({ length: Number(look.license_metadata_count(this.pointer)) }, (_, index) =>
            [look.license_metadata_name(this.pointer, index), look.license_metadata_value(this.pointer, index)]);
    }
    /** The names of all features, also of those that cannot be used: see hasFeature(). */
    get features() {
        return Array.from({ length: Number(look.license_feature_count(this.pointer)) }, (_, index) =>
            look.license_feature_name(this.pointer, index));
    }
    #time(which) {
        const seconds = [0];
        return look[`license_${which}`](this.pointer, seconds) ? new Date(Number(seconds[0]) * 1000) : null;
    }
    get outstanding() { return Number(look.license_outstanding(this.pointer)); }
    get shouldObserve() { return look.license_should_observe(this.pointer); }
    get renewalDue() { return look.license_renewal_due(this.pointer); }
    get renewed() { return look.license_is_renewed(this.pointer); }
    hasFeature(name) { return look.license_has_feature(this.pointer, text(name)); }
    /** The limit, Infinity if there is none. Undefined if the license does not have the feature. */
    featureLimit(name) {
        const limit = [0];
        if (!look.license_feature_limit(this.pointer, text(name), limit)) return undefined;
        return limit[0] > Number.MAX_SAFE_INTEGER ? Infinity : Number(limit[0]);
    }
}

export class Request extends Owned {
    constructor(pointer) { super('request', pointer); }
    get seat() { return look.request_seat(this.pointer); }
    get text() { return look.request_text(this.pointer); }
}

export class QR extends Owned {
    constructor(pointer) { super('qr', pointer); }
    get terminal() { return look.qr_terminal(this.pointer); }
    get svg() { return look.qr_svg(this.pointer); }
}

/** A seat given up. Losing this object loses nothing: see Client.outstanding(). */
export class Proof extends Owned {
    constructor(pointer, owner) { super('proof', pointer, owner); }
    get seat() { return look.proof_seat(this.pointer); }
    get code() { return look.proof_code(this.pointer); }
    get text() { return look.proof_text(this.pointer); }
    qr(link) { return new QR(get('proof_qr', this.pointer, text(link))); }
}

export class Receipt extends Owned {
    constructor(pointer, owner) { super('receipt', pointer, owner); }
    get seat() { return look.receipt_seat(this.pointer); }
    get outcome() { return look.receipt_outcome(this.pointer); }
}

export class Fingerprint extends Owned {
    constructor(pointer) { super('fingerprint', pointer); }
    get report() { return look.fingerprint_report(this.pointer); }
}

// What a thread works with must not be collected meanwhile.
const working = new Set();

/** One product's licensing on this machine. `roots` are the vendor's public keys, and `denied` keys that are believed no more.
 *  Without `store`, a directory, the license is kept in the user's profile. `version` is the application's, for the vendor to
 *  see, and `released`, a Date, is when it was released: what a license's maintenance date is compared with. `replace` is what a
 *  request for another license key puts in its place: Replace.LICENSE for a license that is valid, Replace.REQUEST for a request
 *  that is pending, or both, added. `describe` (a library with feature `description`) has requests and check-ins say what people
 *  call this computer, and its system. `deploymentKey` is for machines that nobody sits at: with it `activate(null)` takes a
 *  seat. `freeFormKeys` takes license keys that are not nodelock's own.
 *
 *  `salt` keys the fingerprint, and may never change. `hostId` is an identity that the application knows better than any probe;
 *  with `hostIdAlone` nothing else counts. `patience` is how long one exchange may take, and how often it is tried:
 *  `{ timeout: 30_000, attempts: 3 }` without. `plainHttp` allows `http://` on another host. `proxy` is an address, or '' for
 *  none, whatever the environment says. `certificates` are trusted beside the system's: PEM, as text or bytes. `test` is a
 *  computer of nodelock_testing.js, for tests without a server. */
export class Client extends Owned {
    constructor(product, { roots = [], denied = [], authority, store, version, released, replace = 0, describe = false,
        deploymentKey, freeFormKeys = false, salt, hostId, hostIdAlone = false, patience, plainHttp = false, proxy,
        certificates, test }) {
        for (const keys of [roots, denied]) {
            if (typeof keys === 'string') throw new TypeError('a list of keys is expected, not one key: [key]');
        }
        const isGiven = (value) => value !== null && value !== undefined;
        const config = get('config_new', text(product));
        try {
            for (const root of roots) perform('config_add_root', config, text(root));
            for (const key of denied) perform('config_deny_key', config, text(key));
            if (authority) perform('config_set_authority', config, text(authority));
            if (store) perform('config_set_store_directory', config, text(store), null);
            if (version) perform('config_set_application_version', config, text(version));
            if (released) perform('config_set_released', config, seconds(released));
            if (replace) perform('config_set_replace', config, replace);
            if (describe) perform('config_set_describe_machine', config, true);
            if (isGiven(deploymentKey)) perform('config_set_deployment_key', config, text(deploymentKey));
            if (freeFormKeys) perform('config_set_license_keys', config, 1);
            if (isGiven(salt)) perform('config_set_salt', config, text(salt));
            if (isGiven(hostId)) perform('config_set_host_id', config, text(hostId), Number(hostIdAlone));
            if (patience) perform('config_set_patience', config, milliseconds(patience.timeout ?? 30_000), patience.attempts ?? 3);
            if (plainHttp) perform('config_set_plain_http', config, true);
            // A test sends nothing over a network, and its library may have none.
            if (isGiven(proxy) && !test) {
                if (proxy) perform('config_set_proxy', config, text(proxy));
                else perform('config_set_no_proxy', config);
            }
            if (isGiven(certificates) && !test) {
                const pem = content(certificates);
                perform('config_trust_certificates', config, pem, pem.length);
            }
            if (test) test.setUp(config, Boolean(store));
            super('client', get('client_new', config));
        } finally {
            look.config_free(config);
        }
    }

    /** All that an application does when it starts, and once a day if it runs for days: checks, records that time has passed, and
     *  renews when that is due. It waits for the network `limit` milliseconds at most; with 0 it uses none. */
    async start(limit = 3000, options = {}) {
        const [found, warning] = await this.#online(options, ['license', 'error'], 'client_start', milliseconds(limit));
        const license = new License(found);
        if (warning) license.warning = new NodelockError(warning);
        return license;
    }

    check() { return new License(get('client_check', this.pointer)); }

    /** Records once in a run that time has passed: call it when License.shouldObserve. */
    observe() { return get('client_observe', this.pointer); }

    /** `licenseKey` is null where the vendor assigns licenses by hand. `replace` is the name of a seat that the request takes
        the place of, if no seat is free: see NodelockError. The same again gives the same request. */
    begin(licenseKey, { metadata = {}, replace } = {}) {
        return new Request(get('client_begin', this.pointer, licenseKey === null ? null : text(licenseKey), new Details(metadata, replace).pointer));
    }

    /** The pending request, or null. */
    pending() {
        const request = get('client_pending', this.pointer);
        return request ? new Request(request) : null;
    }

    /** Takes the pending request back. The authority may have granted it, so this gives a seat up. */
    cancel() { return new Proof(get('client_cancel', this.pointer)); }

    /** Asks for a new seat in place of the one whose record is damaged; accept() takes the answer in. */
    recoverOffline() { return new Request(get('client_recover_offline', this.pointer)); }

    /** Takes in whatever the authority sent, as bytes or text: a license, receipts, a revocation. */
    accept(data) {
        const bytes = content(data);
        return new License(get('client_accept', this.pointer, bytes, bytes.length));
    }

    acceptReceipt(data) {
        const bytes = content(data);
        return new Receipt(get('client_accept_receipt', this.pointer, bytes, bytes.length));
    }

    deactivateOffline(reason = Reason.OTHER) {
        return new Proof(get('client_deactivate_offline', this.pointer, reason));
    }

    /** Asks for a renewal without a network; accept() takes the answer in. */
    checkInOffline() { return new Request(get('client_check_in_offline', this.pointer)); }

    outstanding() {
        const proofs = new Owned('proofs', get('client_outstanding', this.pointer));
        const count = Number(look.proofs_count(proofs.pointer));
        return Array.from({ length: count }, (_, index) => new Proof(look.proofs_get(proofs.pointer, index), proofs));
    }

    fingerprint() { return new Fingerprint(get('client_fingerprint', this.pointer)); }

    /** `replace` is the name of a seat that is replaced, if no seat is free: see NodelockError. */
    async activate(licenseKey, { metadata = {}, replace, ...options } = {}) {
        const details = new Details(metadata, replace);
        return new License((await this.#online(options, ['license'], 'client_activate', licenseKey === null ? null : text(licenseKey), details))[0]);
    }

    /** Sends what was given up and has no receipt. The receipts that came. */
    async handIn(options = {}) {
        const receipts = new Owned('receipts', (await this.#online(options, ['receipts'], 'client_hand_in'))[0]);
        const count = Number(look.receipts_count(receipts.pointer));
        return Array.from({ length: count }, (_, index) => new Receipt(look.receipts_get(receipts.pointer, index), receipts));
    }

    /** Takes a new seat in place of the one whose record is damaged. */
    async recover(options = {}) { return new License((await this.#online(options, ['license'], 'client_recover'))[0]); }

    async checkIn(options = {}) { return new License((await this.#online(options, ['license'], 'client_check_in'))[0]); }

    async deactivate(reason = Reason.OTHER, options = {}) {
        return new Receipt((await this.#online(options, ['receipt'], 'client_deactivate', reason))[0]);
    }

    /** `signal`, an AbortSignal, makes the call end with Status.CANCELLED, and `timeout`, in milliseconds, limits it in all.
     *  `onProgress(event, attempt, pause)` is told what it does. What it throws cancels the call, which throws that. */
    async #online({ signal, timeout, onProgress }, kinds, name, ...values) {
        const call = get('call_new');
        const cancel = () => look.call_cancel(call);
        let progress = null;
        let thrown = null;
        const used = [this, ...values];
        working.add(used);
        try {
            if (timeout !== undefined) perform('call_set_timeout', call, milliseconds(timeout));
            if (onProgress) {
                const tell = (_, event, attempt, pause) => {
                    try {
                        onProgress(event, attempt, Number(pause));
                    } catch (error) { // C cannot pass it on
                        thrown = { error };
                        cancel();
                    }
                };
                progress = koffi.register(tell, 'nodelock_progress_fn *');
                perform('call_set_progress', call, null, progress, null);
            }
            if (signal?.aborted) cancel();
            signal?.addEventListener('abort', cancel);
            const pointers = used.map((value) => (value instanceof Owned ? value.pointer : value));
            const results = await getLater(name, kinds.length, ...pointers, call);
            // A start that was cancelled has a result all the same.
            if (thrown) kinds.forEach((kind, index) => look[`${kind}_free`](results[index]));
            else return results;
        } catch (error) {
            if (!thrown) throw error;
        } finally {
            signal?.removeEventListener('abort', cancel);
            look.call_free(call);
            if (progress) koffi.unregister(progress);
            working.delete(used);
        }
        throw thrown.error;
    }
}

/** What nodelock_testing.js adds its functions to. */
export const forTesting = { library, look, fallible, perform, get, text, content, seconds, Owned };

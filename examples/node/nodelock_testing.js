// For an application's own tests in JavaScript: a vendor in memory, a clock to set, computers to choose.
//
//     const authority = new Authority('Example Editor');
//     const licenseKey = authority.sell({ seats: 2 });
//     const client = new Client('Example Editor', { test: authority.computer('desk') });
//     await client.activate(licenseKey);
//     authority.advance({ days: 90 });
//     assert(!client.check().usable);
//
// It needs a library that was built with feature `testing`, which NODELOCK_LIBRARY names. What customers get has no such
// feature. Nothing is written to a disk and nothing is sent.

import koffi from 'koffi';
import { forTesting } from './nodelock.js';

const { library, look, fallible, perform, get, text, content, seconds: secondsOf, Owned } = forTesting;

/** What goes wrong on the way: see include/nodelock.h. */
export const Fault = { NONE: 0, DOWN: 1, SILENT: 2, TIMED_OUT: 3, ANSWER_LOST: 4, ANSWER_CUT: 5, STRANGER: 6, BUSY: 7, FAILED: 8,
    TLS_UNTRUSTED: 9, TLS_WRONG_HOST: 10, TLS_EXPIRED: 11 };
/** What a computer of a name is. */
export const Machine = { SAME: 0, CHANGED_A_LITTLE: 1, CHANGED_MUCH: 2, CHANGED_TOO_MUCH: 3, HIDDEN: 4, VIRTUAL: 5 };

for (const name of ['test_authority', 'bytes']) koffi.opaque(`nodelock_${name}`);
try {
    for (const [name, parameters] of [
        ['test_authority_new', 'const char *, _Out_ nodelock_test_authority **'],
        ['test_authority_sell', 'nodelock_test_authority *, const char *, _Out_ nodelock_bytes **'],
        ['test_authority_change_terms', 'nodelock_test_authority *, const char *, const char *'],
        ['test_authority_new_deployment_key', 'nodelock_test_authority *, const char *, uint32_t, _Out_ nodelock_bytes **'],
        ['test_authority_revoke_deployment_key', 'nodelock_test_authority *, const char *'],
        ['test_authority_release', 'nodelock_test_authority *, const char *, const char *'],
        ['test_authority_set_time', 'nodelock_test_authority *, uint64_t'],
        ['test_authority_advance', 'nodelock_test_authority *, uint64_t'],
        ['test_authority_fail', 'nodelock_test_authority *, uint32_t'],
        ['test_authority_fail_next', 'nodelock_test_authority *, uint32_t'],
        ['test_authority_answer', 'nodelock_test_authority *, const uint8_t *, size_t, _Out_ nodelock_bytes **'],
        ['test_authority_redeem_code', 'nodelock_test_authority *, const char *, _Out_ nodelock_bytes **'],
        ['config_set_test_authority', 'nodelock_config *, nodelock_test_authority *'],
        ['config_set_test_machine', 'nodelock_config *, const char *, uint32_t'],
        ['config_set_store_in_memory', 'nodelock_config *'],
    ]) fallible[name] = library.func(`uint32_t nodelock_${name}(${parameters}, _Out_ nodelock_error **)`);
} catch (cause) {
    throw new Error('this library of nodelock was built without feature `testing`', { cause });
}
for (const [result, name, parameters] of [
    ['uint32_t', 'test_authority_taken', 'nodelock_test_authority *, const char *'],
    ['uint64_t', 'test_authority_now', 'nodelock_test_authority *'],
    ['void', 'test_authority_free', 'nodelock_test_authority *'],
    ['const uint8_t *', 'bytes_data', 'const nodelock_bytes *, _Out_ size_t *'],
    ['void', 'bytes_free', 'nodelock_bytes *'],
]) look[name] = library.func(`${result} nodelock_${name}(${parameters})`);

/** What a function gives out as bytes. */
function takenBytes(name, ...values) {
    const given = get(name, ...values);
    const size = [0];
    const data = look.bytes_data(given, size);
    const content = Buffer.from(koffi.decode(data, koffi.array('uint8_t', Number(size[0]))));
    look.bytes_free(given);
    return content;
}

/** A vendor in memory that answers the online calls of any number of clients, by the rules that an authority has. It refuses what
 *  an authority refuses. Its clock, which its clients share, stands still until it is moved. */
export class Authority extends Owned {
    constructor(product) { super('test_authority', get('test_authority_new', text(product))); }

    /** Sells a license and returns its key. `terms` are those that differ from the defaults: one seat, from now on, without an
     *  end, a lease of 90 days. Times are seconds since 1970, as `authority.now.getTime() / 1000` gives:
     *
     *      authority.sell({ licensee: 'Jane Doe', edition: 'pro', seats: 2 })
     *      authority.sell({ expires: 1_802_592_000 }) // also `starts`, `updates_until`
     *      authority.sell({ features: [{ name: 'export' }, { name: 'projects', limit: 10 }] })
     *      authority.sell({ trial_days: 14 })
     *      authority.sell({ deactivations: 3, lease_days: 30, metadata: [['plan', 'yearly']] })
     *
     *  Of a license with `seats: 0` nobody can take a seat. All terms: docs/FORMAT.md, Terms. */
    sell(terms = {}) { return takenBytes('test_authority_sell', this.pointer, JSON.stringify(terms)).toString(); }

    /** What devices hold says so after their next renewal. */
    changeTerms(licenseKey, terms) {
        perform('test_authority_change_terms', this.pointer, text(licenseKey), JSON.stringify(terms));
    }

    /** Makes a deployment key that so many machines may take a seat of a license with, for Client's `deploymentKey`. */
    newDeploymentKey(licenseKey, most) {
        return takenBytes('test_authority_new_deployment_key', this.pointer, text(licenseKey), most).toString();
    }

    /** The next request with it is refused. The seats that were taken with it stay. */
    revokeDeploymentKey(key) { perform('test_authority_revoke_deployment_key', this.pointer, text(key)); }

    /** How many seats of a license are taken. */
    taken(licenseKey) { return look.test_authority_taken(this.pointer, text(licenseKey)); }

    /** Releases the seat of a computer that is lost, which hears of it when it next checks in. */
    release(seat, notice) { perform('test_authority_release', this.pointer, text(seat), text(notice)); }

    /** What the clock shows: a Date. It may be set, to an earlier time too. */
    get now() { return new Date(Number(look.test_authority_now(this.pointer)) * 1000); }
    set now(date) { perform('test_authority_set_time', this.pointer, secondsOf(date)); }

    /** Lets time pass for the authority and its clients. To set their clock back, set `now`. */
    advance({ days = 0, seconds = 0 }) {
        const passed = Math.floor(days * 86400 + seconds);
        if (!(passed >= 0)) throw new RangeError(`${passed} seconds do not pass: set \`now\` to an earlier time`);
        perform('test_authority_advance', this.pointer, passed);
    }

    /** Lets every exchange meet a fault from now on, such as Fault.DOWN. Fault.NONE ends that. */
    fail(fault) { perform('test_authority_fail', this.pointer, fault); }

    /** Lets the next exchange meet a fault, or with Fault.NONE no fault. */
    failNext(fault) { perform('test_authority_fail_next', this.pointer, fault); }

    /** Answers a file that is carried by hand, as bytes or text: a request, a check-in, a proof. The answer is for
     *  Client.accept(). */
    answer(data) {
        const bytes = content(data);
        return takenBytes('test_authority_answer', this.pointer, bytes, bytes.length);
    }

    /** Redeems a deactivation code as somebody typed it. The receipt is for Client.accept(). */
    redeemCode(typed) { return takenBytes('test_authority_redeem_code', this.pointer, text(typed)); }

    /** A computer, for the option `test` of Client: the same name is the same computer. Without the client's own `store` the
     *  license is kept in memory. A client looks at its computer once, so a changed one is a new client over the same store. */
    computer(name, kind = Machine.SAME) {
        return {
            setUp: (config, hasStore) => {
                perform('config_set_test_authority', config, this.pointer);
                perform('config_set_test_machine', config, text(name), kind);
                if (!hasStore) perform('config_set_store_in_memory', config);
            },
        };
    }
}

// What the module for Node does beside the guides, over a library with feature `testing`: what it refuses before C sees
// it, and what it says. Runs beside the modules: examples/authority/tests/hosts.

import assert from 'node:assert';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Client, MachineReason, NodelockError, Outcome, Verdict } from './nodelock.js';
import { Authority, Machine } from './nodelock_testing.js';

const DAY = 86400;

let authority, licenseKey;
const client = (settings = {}) => new Client('Example Editor', { test: authority.computer('desk'), ...settings });

beforeEach(() => {
    authority = new Authority('Example Editor');
    licenseKey = authority.sell();
});

test('a key is no list of keys', () => {
    const key = 'K'.repeat(43);
    for (const settings of [{ roots: key }, { denied: key }]) {
        assert.throws(() => client(settings), { name: 'TypeError', message: /a list of keys/ });
    }
});

test('every setting is taken', async () => {
    const set = client({
        version: '1.0.0', released: authority.now, salt: 'example', hostId: 'dongle-17', hostIdAlone: true,
        patience: { timeout: 500, attempts: 2 }, plainHttp: true, proxy: '', certificates: '',
    });
    assert((await set.activate(licenseKey)).usable);
    assert.throws(() => client({ released: new Date(-1) }), RangeError);
    assert.throws(() => client().begin('no key of nodelock'), NodelockError);
    assert(client({ freeFormKeys: true }).begin("a key of the vendor's own").text);
});

test('settings reach the library', async (context) => {
    for (const settings of [{ hostId: 'x' }, { denied: ['short'] }, { patience: { timeout: 0 } }]) {
        assert.throws(() => client(settings), NodelockError, JSON.stringify(settings));
    }
    // A test sends nothing, so these are for a client without one.
    const roots = ['2DVT0pPAtl_HqGSokU5z5f_a4QdqpfYeuC4pLSf6yEM'];
    for (const settings of [{ certificates: 'no certificate' }, { proxy: 'http://[no proxy' }]) {
        const made = () => new Client('Example Editor', { roots, authority: 'https://licenses.example', ...settings });
        assert.throws(made, NodelockError, JSON.stringify(settings));
    }
    // A date of updates that has passed for a version of tomorrow.
    const updates = authority.sell({ updates_until: authority.now.getTime() / 1000 });
    const tomorrow = client({ released: new Date(authority.now.getTime() + DAY * 1000) });
    assert.strictEqual((await tomorrow.activate(updates)).verdict, Verdict.VERSION_NOT_COVERED);
    const store = mkdtempSync(join(tmpdir(), 'nodelock-'));
    context.after(() => rmSync(store, { recursive: true }));
    await client({ store }).activate(licenseKey);
    assert.strictEqual(client({ store }).check().verdict, Verdict.ACTIVE);
    // Another salt makes another machine of the same one.
    assert.strictEqual(client({ store, salt: 'other' }).check().verdict, Verdict.WRONG_MACHINE);
});

test('a time that is over is no endless one', async () => {
    const waiting = client();
    await assert.rejects(waiting.activate(licenseKey, { timeout: -1 }), { kind: 'timed-out' });
    assert((await waiting.activate(licenseKey, { timeout: Infinity })).usable);
    assert((await waiting.start(-1)).usable);
    await assert.rejects(waiting.start(NaN), TypeError);
});

test('files are bytes or text', () => {
    const offline = client();
    const request = offline.begin(licenseKey).text;
    assert(offline.accept(authority.answer(request)).usable);
    const receipt = authority.answer(Buffer.from(offline.deactivateOffline().text));
    assert.strictEqual(offline.acceptReceipt(new Uint8Array(receipt)).outcome, Outcome.RETURNED);
    assert.throws(() => offline.accept('no message'), NodelockError);
});

test('what onProgress throws cancels the call and comes out of it', async () => {
    const closed = client();
    const onProgress = () => { throw new RangeError('a window that is closed'); };
    await assert.rejects(closed.activate(licenseKey, { onProgress }), /a window that is closed/);
    await assert.rejects(closed.start(3000, { onProgress }), /a window that is closed/);
    assert.strictEqual(authority.taken(licenseKey), 0);
    assert((await closed.start()).usable);
});

test('time goes forward by parts of a day and back by setting it', () => {
    const begin = authority.now.getTime();
    authority.advance({ days: 0.5 });
    assert.strictEqual(authority.now.getTime(), begin + 500 * DAY);
    assert.throws(() => authority.advance({ days: -1 }), /set `now`/);
    assert.throws(() => { authority.now = new Date(-1); }, RangeError);
});

test('what goes with a verdict', async () => {
    const end = authority.now.getTime() / 1000 + 30 * DAY;
    const covered = client();
    let license = await covered.activate(authority.sell({ expires: end }));
    const { verdict, verdictTime, damage, machineReason: reason } = license;
    assert.deepStrictEqual([verdict, verdictTime, damage, reason], [Verdict.ACTIVE, null, null, MachineReason.FITS]);
    const { now } = authority;
    authority.advance({ days: 30 });
    license = covered.check();
    assert.deepStrictEqual([license.verdict, license.verdictTime], [Verdict.EXPIRED, new Date(end * 1000)]);

    const lasting = client();
    await lasting.activate(licenseKey);
    authority.now = now;
    license = lasting.check();
    assert.deepStrictEqual([license.verdict, license.setBack], [Verdict.CLOCK_SET_BACK, 30 * DAY]);
    authority.advance({ days: 30 });
    authority.release(license.seat, 'reported as stolen');
    await lasting.checkIn();
    license = lasting.check();
    assert.deepStrictEqual([license.verdict, license.revocationReason], [Verdict.REVOKED, 'reported as stolen']);
});

test('a machine that is another one', async (context) => {
    const store = mkdtempSync(join(tmpdir(), 'nodelock-'));
    context.after(() => rmSync(store, { recursive: true }));
    await client({ store }).activate(licenseKey);
    const hidden = client({ store, test: authority.computer('desk', Machine.HIDDEN) }).check();
    assert.deepStrictEqual([hidden.verdict, hidden.machineReason], [Verdict.GRACE, MachineReason.HIDDEN]);
});

test('a library that cannot be loaded is said', () => {
    const env = { ...process.env, NODELOCK_LIBRARY: join(tmpdir(), 'none.so') };
    const module = fileURLToPath(new URL('nodelock.js', import.meta.url));
    const { stderr } = spawnSync(process.execPath, [module], { env, encoding: 'utf8' });
    assert.match(stderr, /Set NODELOCK_LIBRARY to its file/);
});

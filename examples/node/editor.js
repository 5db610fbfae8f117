// The licensing of an application in JavaScript: all that one does with a license.
//
//     npm ci --prefix examples/node
//     export NODELOCK_ROOT=... NODELOCK_AUTHORITY=http://127.0.0.1:8420
//     export NODELOCK_LIBRARY=target/capi/libnodelock.so     # unless it is installed
//
//     node examples/node/editor.js                          start: check, renew when that is due, run if usable
//     node examples/node/editor.js activate KEY             take a seat online
//     node examples/node/editor.js replace KEY SEAT         take it in place of another one, if none is free
//     ... request KEY FILE, install FILE                    the same without a network, by files
//     ... check-in                                          renew the license at once, as a button does
//     ... deactivate                                        give the seat back online
//     ... deactivate-offline FILE, codes, receipt FILE      the same without a network, by a code or a file
//     ... details                                           say what the license says, and what it asks for
//     ... cancel                                            take a request back that was not answered
//     ... hand-in                                           send what was given back without a network
//     ... recover                                           take a new seat where the store is damaged
//     ... explain                                           say what of this machine can be recognized
//
// Exits with 0 if that went well, 1 if it failed, 2 for wrong usage, 3 if there is no usable license.

import { readFileSync, writeFileSync } from 'node:fs';
import { Client, Event, NodelockError, Outcome, Reason, Replace, Status } from './nodelock.js';

const PRODUCT = 'Example Editor';
// Where the phone that scans a QR code lands. What follows the number sign never reaches a server's log.
const RETURN_PAGE = 'https://example.com/return#';

const DONE = 0;
const FAILED = 1;
const USAGE = 2;
const UNUSABLE = 3;

/** An application has its root key, its authority's address and its version in it. */
function client() {
    const { NODELOCK_ROOT: root, NODELOCK_AUTHORITY: authority, NODELOCK_STORE: store } = process.env;
    // Whoever types another license key means that one: a request for the key before it is taken back.
    const replace = Replace.REQUEST;
    return new Client(PRODUCT, { roots: root ? [root] : [], authority, store, version: '1.0.0', replace });
}

/** A minute, what is going on meanwhile, and Ctrl-C for the button that cancels. */
function options() {
    const abort = new AbortController();
    process.once('SIGINT', () => abort.abort());
    const onProgress = (event, attempt, pause) => {
        if (event === Event.SENDING) console.error(`asking the authority, attempt ${attempt}...`);
        else if (event === Event.WAITING) console.error(`trying again in ${pause} ms`);
    };
    return { signal: abort.signal, timeout: 60_000, onProgress };
}

function showLicense(license) {
    console.log(`license: ${license.verdictText}`);
    if (license.present) console.log(`licensed to ${license.licensee}, seat ${license.seat}`);
    if (license.outstanding) console.log(`${license.outstanding} given up, without a receipt yet: see \`codes\``);
    if (!license.usable) return UNUSABLE;
    console.log(`export: ${license.hasFeature('export') ? 'yes' : 'no'}`);
    const limit = license.featureLimit('projects');
    if (limit !== undefined && limit !== Infinity) console.log(`projects: up to ${limit}`);
    return DONE;
}

function showProof(proof) {
    console.log(`seat: ${proof.seat}\ncode: ${proof.code}`);
    try {
        process.stdout.write(proof.qr(RETURN_PAGE).terminal);
    } catch (error) {
        // A library without QR codes says so, and the code is there all the same.
        if (error.status !== Status.UNSUPPORTED) throw error;
    }
}

/** When no seat is free: wait for the next one, or choose one to replace. */
function showSeats({ seats, nextLapse }) {
    const day = (date) => date.toISOString().slice(0, 10);
    for (const { handle, label, lastContact, lapses } of seats) {
        const free = lapses ? `, free on ${day(lapses)}` : '';
        console.error(`seat ${handle}: last heard of on ${day(lastContact)}${free} ${label}`.trimEnd());
    }
    if (nextLapse) console.error(`If nobody renews it, the next seat is free on ${day(nextLapse)}.`);
    const choice = seats.filter(({ replaceable }) => replaceable).map(({ handle }) => handle);
    if (choice.length) console.error(`To take the place of one that is not used any more: replace KEY ${choice.join(' or ')}`);
}

function showReceipt(receipt) {
    console.log(`seat ${receipt.seat} is ${receipt.outcome === Outcome.RETURNED ? 'returned' : 'held for this machine'}`);
    return DONE;
}

async function start() {
    // At most 3 seconds for the network, and only when something is due. It renews the license in time.
    const license = await client().start(3000);
    const code = showLicense(license);
    if (license.renewed) console.error('the authority answered');
    // Neither a network that is down nor a disk that is full keeps anybody from working.
    if (license.warning) console.error(`${PRODUCT}: ${license.warning.message}`);
    return code;
}

const metadata = { computer: 'the one in the office' };

const commands = {
    activate: async (licenseKey) => showLicense(await client().activate(licenseKey, { metadata, ...options() })),

    replace: async (licenseKey, seat) =>
        showLicense(await client().activate(licenseKey, { metadata, replace: seat, ...options() })),

    request(licenseKey, file) {
        // The same key gives the same request, so that nobody has to wonder whether the first file arrived.
        const request = client().begin(licenseKey);
        writeFileSync(file, request.text);
        console.log(`send ${file} to the authority: it asks for seat ${request.seat}`);
        return DONE;
    },

    install: (file) => showLicense(client().accept(readFileSync(file))),

    'check-in': async () => showLicense(await client().checkIn(options())),

    deactivate: async () => showReceipt(await client().deactivate(Reason.MOVED, options())),

    'deactivate-offline'(file) {
        const proof = client().deactivateOffline(Reason.MOVED);
        // The license is gone by now, so first of all the code is on the screen. It can be shown again with `codes`.
        showProof(proof);
        writeFileSync(file, proof.text);
        return DONE;
    },

    codes() {
        client().outstanding().forEach(showProof);
        return DONE;
    },

    receipt: (file) => showReceipt(client().acceptReceipt(readFileSync(file))),

    details() {
        const license = client().check();
        const day = (date) => date?.toISOString().slice(0, 10) ?? 'never';
        console.log(`edition: ${license.edition}\nexpires: ${day(license.expires)}\nlease until: ${day(license.leaseUntil)}`);
        console.log(`renew after: ${day(license.renewAfter)}, ${license.renewalDue ? 'due' : 'not due'}`);
        console.log(`features: ${license.features.join(', ')}`);
        for (const [name, value] of license.metadata) console.log(`${name}: ${value}`);
        if (license.pendingSeat) console.log(`pending: ${license.pendingSeat}`);
        return license.present ? DONE : UNUSABLE;
    },

    cancel() {
        // The authority may have granted it, so the code is worth as much as that of a license.
        showProof(client().cancel());
        return DONE;
    },

    async 'hand-in'() {
        (await client().handIn(options())).forEach(showReceipt);
        return DONE;
    },

    recover: async () => showLicense(await client().recover(options())),

    explain() {
        process.stdout.write(client().fingerprint().report);
        return DONE;
    },
};

async function main([name, ...values]) {
    const command = name === undefined ? start : Object.hasOwn(commands, name) ? commands[name] : undefined;
    if (command === undefined || values.length !== command.length) {
        console.error('usage: editor.js [activate KEY | replace KEY SEAT | request KEY FILE | install FILE | check-in |\n' +
            '                 deactivate | deactivate-offline FILE | codes | receipt FILE | details | cancel | hand-in | recover |\n' +
            '                 explain]');
        return USAGE;
    }
    try {
        return await command(...values);
    } catch (error) {
        if (!(error instanceof NodelockError)) throw error;
        console.error(`${PRODUCT}: ${error.message}`);
        if (error.advice) console.error(error.advice);
        if (error.proof) {
            console.error('The seat was given up here, and the authority has not heard of it yet.');
            showProof(error.proof);
        }
        showSeats(error);
        return FAILED;
    }
}

process.exitCode = await main(process.argv.slice(2));

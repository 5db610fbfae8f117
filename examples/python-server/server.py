#!/usr/bin/env python3
"""A vendor's own server in Python: it issues licenses and takes seats back through the C interface.

    cargo rustc --release --features capi,authority --crate-type cdylib
    export NODELOCK_LIBRARY=target/release/libnodelock.so

    python3 examples/python-server/server.py init vendor                    make keys and a database in `vendor`
    python3 examples/python-server/server.py sell vendor "Jane Doe" 1       sell a license of one seat; prints its key
    python3 examples/python-server/server.py serve vendor 127.0.0.1:8421    answer, until it is interrupted

`POST /activate` takes an activation file and answers with the license file. `POST /redeem` takes a deactivation file, or
a code that somebody was read over the phone as the field `code` of a form, and answers with the receipt. Where a request
is refused, the receipts are below the reason. Put TLS, your login and a limit of requests in front.

The library decides; what is here are tables, a query for each thing that a decision may ask for, and a transaction.
"""

import json
import os
import sqlite3
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from socketserver import ThreadingMixIn
from urllib.parse import parse_qs
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import authority
from authority import Activation, Code, Issuer, Key, Records, Refused, Release

PRODUCT = "Example Editor"
DAY = 86_400
# More than any message has; the library reads no more.
LARGEST = 512 * 1024

SCHEMA = """
    CREATE TABLE licenses (id TEXT PRIMARY KEY, key_hash TEXT UNIQUE NOT NULL, terms TEXT NOT NULL);
    -- Seats are kept for ever, so that no old message is ever news again. Two devices may have drawn the same handle.
    CREATE TABLE seats (
        handle TEXT NOT NULL, device_key TEXT NOT NULL, license TEXT,
        is_taken INTEGER NOT NULL, is_lapsed INTEGER NOT NULL, ends INTEGER NOT NULL,
        machine TEXT NOT NULL, tags TEXT NOT NULL, is_counted INTEGER NOT NULL,
        record TEXT NOT NULL, PRIMARY KEY (handle, device_key)
    );
    CREATE INDEX seats_of_license ON seats (license);
    CREATE INDEX taken_seats ON seats (device_key) WHERE is_taken;
    CREATE INDEX seats_of_machine ON seats (machine) WHERE is_taken;
    CREATE INDEX seats_by_end ON seats (license, ends) WHERE is_taken AND NOT is_lapsed;
    -- Proofs and codes that came before their requests. Anybody may send some, so the newest are kept and no more.
    CREATE TABLE evidence (number INTEGER PRIMARY KEY AUTOINCREMENT, handle TEXT NOT NULL, record TEXT NOT NULL);
    CREATE INDEX evidence_of_handle ON evidence (handle);
    CREATE TRIGGER newest_evidence AFTER INSERT ON evidence
    BEGIN DELETE FROM evidence WHERE number <= NEW.number - 100000; END;
    CREATE TABLE check_ins (name TEXT PRIMARY KEY, record TEXT NOT NULL);
    CREATE TABLE attempts (seat TEXT PRIMARY KEY, record TEXT NOT NULL);
    CREATE TABLE cancellations (license TEXT PRIMARY KEY, record TEXT NOT NULL);
    CREATE TABLE replacements (license TEXT PRIMARY KEY, record TEXT NOT NULL);
"""

# How a license is looked up: as JSON, with its seats counted.
LICENSE_RECORD = """
    SELECT json_object('terms', json(terms), 'taken', count(*) FILTER (WHERE is_taken AND NOT is_lapsed), 'deactivated',
        count(*) FILTER (WHERE is_counted))
    FROM licenses LEFT JOIN seats ON seats.license = licenses.id WHERE licenses.{} = ? GROUP BY licenses.id
"""
FIND = {
    authority.LICENSE_OF_KEY: LICENSE_RECORD.format("key_hash"),
    authority.LICENSE: LICENSE_RECORD.format("id"),
    authority.SEATS_OF_HANDLE: "SELECT record FROM seats WHERE handle = ?",
    authority.TAKEN_SEATS_OF: "SELECT record FROM seats WHERE device_key = ? AND is_taken",
    authority.EVIDENCE_OF: "SELECT record FROM evidence WHERE handle = ? ORDER BY number",
    authority.CHECK_IN: "SELECT record FROM check_ins WHERE name = ?",
    authority.ATTEMPTS: "SELECT record FROM attempts WHERE seat = ?",
    # The value has three parts: a license, the last end, how many seats at most.
    authority.SEATS_BY_END: """
        SELECT record FROM seats WHERE license = ? AND is_taken AND NOT is_lapsed AND ends <= ? ORDER BY ends LIMIT ?
    """,
    # A license and a tag. A vendor of large licenses has a table of tags with an index.
    authority.SEATS_WITH_TAG: """
        SELECT record FROM seats WHERE license = ? AND ' ' || tags || ' ' LIKE '% ' || ? || ' %'
            AND is_taken AND NOT is_lapsed ORDER BY json_extract(record, '$.contact') LIMIT 32
    """,
    authority.SEAT_OF_MACHINE: "SELECT record FROM seats WHERE machine = ? AND is_taken",
    authority.CANCELLATIONS: "SELECT record FROM cancellations WHERE license = ?",
    authority.REPLACEMENTS: "SELECT record FROM replacements WHERE license = ?",
}
# How many slashes part the value of a query that has several parts.
PARTS = {authority.SEATS_BY_END: 2, authority.SEATS_WITH_TAG: 1}
# A seat that is new must not take the place of another one: then the transaction fails.
SEAT = "INTO seats VALUES (:handle, :device_key, :license, :is_taken, :is_lapsed, :ends, :machine, :tags, :is_counted, :record)"
STORE = {
    authority.INSERT_SEAT: "INSERT " + SEAT,
    authority.UPDATE_SEAT: "REPLACE " + SEAT,
    authority.KEEP_EVIDENCE: "INSERT INTO evidence (handle, record) VALUES (:name, :record)",
    authority.FORGET_EVIDENCE: "DELETE FROM evidence WHERE handle = :name AND record = :record",
    authority.STORE_CHECK_IN: "REPLACE INTO check_ins VALUES (:name, :record)",
    authority.STORE_ATTEMPTS: "REPLACE INTO attempts VALUES (:name, :record)",
    authority.STORE_CANCELLATIONS: "REPLACE INTO cancellations VALUES (:name, :record)",
    authority.STORE_REPLACEMENTS: "REPLACE INTO replacements VALUES (:name, :record)",
}


class Vendor:
    def __init__(self, folder):
        self.folder = Path(folder)
        root = (self.folder / "root.public").read_text().strip()
        key = Key((self.folder / "issuer.key").read_bytes())
        self.issuer = Issuer(key, (self.folder / "issuer.certificate").read_text(), root)

    @staticmethod
    def init(folder):
        """Makes a root, which is to be taken offline, and an issuer that it certifies for a year."""
        folder = Path(folder)
        folder.mkdir(mode=0o700)
        root, key, now = Key(), Key(), int(time.time())
        for name, secret in ("root.key", root.data), ("issuer.key", key.data):
            with open(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(secret)
        (folder / "root.public").write_text(root.public + "\n")
        terms = {"issuer": key.public, "name": "Example Ltd", "serial": 1}
        terms |= {"not_before": now, "not_after": now + 365 * DAY}
        (folder / "issuer.certificate").write_text(authority.certificate(root, terms))
        database = sqlite3.connect(folder / "vendor.db")
        database.executescript("PRAGMA journal_mode = WAL;" + SCHEMA)
        database.close()
        return root.public

    @contextmanager
    def database(self, begin):
        database = sqlite3.connect(self.folder / "vendor.db", timeout=30, isolation_level=None)
        try:
            database.execute("PRAGMA synchronous = FULL")
            database.execute(begin)
            yield database
            database.execute("COMMIT")
        finally:
            # Without COMMIT, this takes everything back.
            database.close()

    def transaction(self):
        """Keeps other writers out from the first look on, and is on the disk before anything is answered."""
        return self.database("BEGIN IMMEDIATE")

    def look(self):
        """One state of the database, while others write."""
        return self.database("BEGIN")

    def sell(self, licensee, seats):
        license_id, license_key = authority.new_license_id(), authority.new_license_key()
        terms = {"id": license_id, "product": PRODUCT, "seats": seats, "licensee": licensee}
        terms["features"] = [{"name": "export"}, {"name": "projects", "limit": 10}]
        authority.check_terms(json.dumps(terms))
        with self.transaction() as database:
            row = license_id, authority.license_key_hash(license_key), json.dumps(terms)
            database.execute("INSERT INTO licenses VALUES (?, ?, ?)", row)
        return license_key

    def settle(self, message):
        """Decides about a message and stores that. Returns the decision, and what is sent for it as text."""
        records = Records()
        while True:
            # The verifications take their time, so they are done while others may write.
            records.keep_facts()
            with self.look() as database:
                decision = ask(database, message, records)
            if decision.outcome != authority.NEEDS:
                records.keep_facts()
                with self.transaction() as database:
                    decision = ask(database, message, records)
                    if decision.outcome != authority.NEEDS:
                        store(database, decision)
                        # Signed before it is committed: nothing is stored if the issuer must not sign.
                        text = decision.signed(self.issuer, now())
            if not decision.has_verifications:
                return decision, text
            records.verify(decision)


def now():
    return int(time.time())


def ask(database, message, records):
    """What is decided about a message, or what must be checked first."""
    while True:
        decision = message.decide(records, now())
        queries = list(decision.queries)
        if not queries:
            return decision
        for query in queries:
            value = query.value.split("/", PARTS[query.kind]) if query.kind in PARTS else [query.value]
            records.answer(query, [record for record, in database.execute(FIND[query.kind], value)])


def store(database, decision):
    for change in decision.changes:
        handle, _, device_key = change.name.partition(":")
        database.execute(STORE[change.kind], change._asdict() | {"handle": handle, "device_key": device_key})


PAGE = """<!doctype html><meta charset="utf-8"><title>Return a seat</title>
<form method="post" action="/redeem"><label>Deactivation code <input name="code" size="40" autocomplete="off"></label>
<button>Return the seat</button></form>
"""


def application(vendor):
    """The WSGI application, for any server of that kind."""

    def answer(environ):
        request = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        if request == ("GET", "/"):
            return "200 OK", "text/html", PAGE
        if request not in (("POST", "/activate"), ("POST", "/redeem")):
            return "404 Not Found", "text/plain", "nothing here\n"
        size = environ.get("CONTENT_LENGTH") or "-"
        if not size.isdecimal() or int(size) > LARGEST:
            return "413 Content Too Large", "text/plain", "too large\n"
        body = environ["wsgi.input"].read(int(size))
        try:
            if request[1] == "/activate":
                message = Activation(body)
            elif environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
                fields = parse_qs(body.decode("ascii", "replace"), max_num_fields=5)
                message = Code(fields.get("code", [""])[0].replace("\0", " "))
            else:
                message = Release(body)
            decision, text = vendor.settle(message)
        except Refused as refused:
            return problem(refused)
        if decision.refusal:
            return problem(Refused(decision.refusal), text)
        if decision.outcome == authority.KEPT and isinstance(message, Code):
            kept = "no such seat yet; the code is kept until its activation file comes"
            return problem(Refused(authority.UNKNOWN_SEAT, kept))
        if decision.outcome == authority.KEPT:
            text = "kept until its activation file comes\n"
        return "200 OK", "text/plain", text

    def problem(refused, receipts=""):
        reason = f"{refused.kind} ({refused.status}): {refused}\n"
        return "409 Conflict", "text/plain", "\n".join(filter(None, [reason, receipts]))

    def respond(environ, start_response):
        status, kind, text = answer(environ)
        body = text.encode()
        headers = [("Content-Type", kind + "; charset=utf-8"), ("Content-Length", str(len(body))), ("Cache-Control", "no-store")]
        start_response(status, headers)
        return [body]

    return respond


class Server(ThreadingMixIn, WSGIServer):
    """Answers each request in a thread, and ends when all of them are answered."""


class Quiet(WSGIRequestHandler):
    # Whoever says nothing for so many seconds is not waited for.
    timeout = 30

    def handle(self):
        with suppress(TimeoutError):
            super().handle()

    def log_message(self, *_):
        """Says nothing: there may be codes in what somebody types into an address bar."""


def main(arguments):
    match arguments:
        case ["init", folder]:
            print(Vendor.init(folder))
        case ["sell", folder, licensee, seats] if seats.isdecimal():
            print(Vendor(folder).sell(licensee, int(seats)))
        case ["serve", folder, listen]:
            host, _, port = listen.rpartition(":")
            with make_server(host, int(port), application(Vendor(folder)), Server, Quiet) as server:
                print(f"{host}:{server.server_port}", flush=True)
                with suppress(KeyboardInterrupt):
                    server.serve_forever()
        case _:
            print("usage:" + __doc__.partition("\n")[2], file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

#!/usr/bin/env python3
"""A vendor's own server in Python: it issues licenses and takes seats back through the C interface, in its own database.

    cargo rustc --release --features capi,authority --crate-type cdylib
    export NODELOCK_LIBRARY=target/release/libnodelock.so

    python3 examples/python-server/server.py init vendor                       make keys and a database in the folder `vendor`
    python3 examples/python-server/server.py sell vendor "Jane Doe" 1          sell a license of one seat; prints its key
    python3 examples/python-server/server.py serve vendor 127.0.0.1:8421       answer, until it is interrupted

`POST /activate` takes an activation file and answers with the license file. `POST /redeem` takes a deactivation file, or a code that
somebody was read over the phone as the field `code` of a form, and answers with the receipt. Where a request is refused, the receipts
are below the reason. Put TLS, your login and a limit of requests in front.

The rules are the library's; what is here is a table of licenses, a table of seats, and a transaction around each rule.
"""

import hashlib
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
from authority import Activation, Issuer, Key, Readings, Records, Refused, Release

PRODUCT = "Example Editor"
DAY = 86_400
# More than any message has; the library reads no more.
LARGEST = 512 * 1024
# How much evidence that came before its request is kept: of one name, and in all. A device has one proof and one code.
EARLY_OF_NAME = 8
EARLY = 100_000

SCHEMA = """
    CREATE TABLE licenses (id TEXT PRIMARY KEY, key_hash TEXT UNIQUE NOT NULL, terms TEXT NOT NULL);
    -- Seats are kept for ever, so that no old message is ever news again. Two devices may have drawn the same name.
    CREATE TABLE seats (
        seat TEXT NOT NULL, device_key TEXT NOT NULL, license TEXT NOT NULL, state TEXT NOT NULL, counted INTEGER NOT NULL,
        record TEXT NOT NULL, PRIMARY KEY (seat, device_key)
    );
    CREATE INDEX seats_of_license ON seats (license);
    -- Proofs, and codes as text, that came before their requests: nothing tells yet whether they are genuine.
    CREATE TABLE early (number INTEGER PRIMARY KEY, seat TEXT NOT NULL, evidence NOT NULL, UNIQUE (seat, evidence));
"""


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
        certificate = authority.certificate(root, key.public, "Example Ltd", 1, now, now + 365 * DAY)
        (folder / "issuer.certificate").write_text(certificate)
        database = sqlite3.connect(folder / "vendor.db")
        database.executescript("PRAGMA journal_mode = WAL;" + SCHEMA)
        database.close()
        return root.public

    @contextmanager
    def transaction(self):
        """Keeps other writers out from the first look on, and is on the disk before anything is answered."""
        database = sqlite3.connect(self.folder / "vendor.db", timeout=30, isolation_level=None)
        try:
            database.execute("PRAGMA synchronous = FULL")
            database.execute("BEGIN IMMEDIATE")
            yield database
            database.execute("COMMIT")
        finally:
            # Without COMMIT, this takes everything back.
            database.close()

    def sell(self, licensee, seats):
        license_id, license_key = authority.new_license_id(), authority.new_license_key()
        terms = {"id": license_id, "product": PRODUCT, "seats": seats, "licensee": licensee}
        terms["features"] = [{"name": "export"}, {"name": "projects", "limit": 10}]
        authority.check_terms(json.dumps(terms))
        with self.transaction() as database:
            row = license_id, hashed(license_key), json.dumps(terms)
            database.execute("INSERT INTO licenses VALUES (?, ?, ?)", row)
        return license_key

    def activate(self, file):
        """Returns the license with the receipts for the seats that the device gave up before. `Refused` has those in `receipts`."""
        activation = Activation(file)
        receipts = []
        for release in activation.releases:
            # The device has lost that license already, whatever becomes of the request. What is refused frees nothing and spoils
            # nothing; the device has no receipt for it, so it comes again.
            with suppress(Refused):
                receipts.append(self.redeem(release))
        try:
            decision = self.grant(activation)
            if decision.outcome == authority.DECISION_RETURNED:
                receipts.append(decision.text)
                raise Refused(authority.CANCELLED)
        except Refused as refused:
            refused.receipts = [*filter(None, receipts)]
            raise
        return "\n".join([decision.text, *filter(None, receipts)])

    def grant(self, activation):
        """The decision of the request: a license, or the receipt if it was given up before it came."""
        judged = {}
        while True:
            with self.transaction() as database:
                known = seats(database, "seat = ? AND device_key = ?", activation.seat, activation.device_key)
                early = [] if known else early_evidence(database, activation.seat)
                if all(evidence in judged for evidence in early):
                    for evidence in early:
                        if judged[evidence] is not None:
                            forget(database, activation.seat, evidence)
                            insert(database, judged[evidence])
                            return judged[evidence]
                    decision = self.grant_in(database, activation, known[0] if known else None)
                    store(database, decision)
                    return decision
                of_key = license_of_key(database, activation.license_key)
            # A code takes its time, so this is found out while others may write. Only so much is kept, so it comes to an end.
            for evidence in early:
                if evidence not in judged:
                    judged[evidence] = self.cancelled_by(evidence, activation, of_key)

    def cancelled_by(self, evidence, activation, license_id):
        """What it comes to that a proof or code came before this request, or None if it is another device's."""
        try:
            if isinstance(evidence, bytes):
                return Release.read(evidence).cancel(activation, self.issuer, license_id, now())
            # A code that was put right is its own first reading.
            return activation.cancel_by_code(Readings(evidence), 0, self.issuer, license_id, now())
        except Refused as refused:
            if refused.status not in (authority.BAD_SIGNATURE, authority.WRONG_REQUEST, authority.WRONG_CODE):
                raise
            return None

    def grant_in(self, database, activation, known):
        license_id = license_of(database, activation, known)
        of_device = seats(database, "device_key = ? AND license = ?", activation.device_key, license_id)
        others = [seat for seat in of_device if seat["seat"] != activation.seat]
        held = [seat["record"] for seat in others if seat["state"] == "held"]
        # With a license key, it is that license's free seats that are asked for.
        lost = [seat["record"] for seat in others if seat["state"] == "active" and activation.is_recovery]
        return activation.grant(
            self.issuer,
            records(database, license_id),
            known and known["record"],
            held[0] if held else None,
            lost,
            now(),
        )

    def redeem(self, release):
        """Takes a seat back on its device's proof. Returns the receipt, or None for a proof that is kept until its request comes."""
        with self.transaction() as database:
            known = seats(database, "seat = ?", release.seat)
            for seat in known:
                try:
                    decision = release.redeem(self.issuer, records(database, seat["license"]), seat["record"], now())
                except Refused as refused:
                    # Two devices may have drawn the same name. But a device's proof of another request than its seat's frees
                    # nothing: the seat may be in use.
                    if refused.status != authority.BAD_SIGNATURE:
                        raise
                else:
                    store(database, decision)
                    return decision.text
            if release.has_request:
                decision = release.cancel(None, self.issuer, None, now())
                insert(database, decision)
                return decision.text
            if known:
                raise Refused(authority.BAD_SIGNATURE)
            keep(database, release.seat, release.data)
        return None

    def redeem_code(self, typed):
        """Takes a seat back on a code that was read over the phone. Returns the receipt."""
        readings = Readings(typed)
        with self.transaction() as database:
            candidates = [(reading, seat) for reading in readings for seat in seats(database, "seat = ?", reading.seat)]
            wrong = {}
            for reading, seat in candidates:
                of_license = records(database, seat["license"])
                try:
                    decision = readings.redeem(reading.index, self.issuer, of_license, seat["record"], now())
                except Refused as refused:
                    # Of several seats, the right one may be another.
                    if refused.status != authority.TOO_MANY_ATTEMPTS:
                        raise
                    continue
                if decision.outcome != authority.DECISION_WRONG_CODE:
                    store(database, decision)
                    return decision.text
                wrong[seat["seat"], seat["device_key"]] = decision
            # They count, so that nobody can try them all; and however many readings a text has, each seat counts it once.
            for decision in wrong.values():
                store(database, decision)
            if not candidates:
                for reading in readings:
                    keep(database, reading.seat, reading.code)
        if not candidates:
            raise Refused(authority.UNKNOWN_SEAT, "no such seat yet; the code is kept until its activation file comes")
        raise Refused(authority.WRONG_CODE if wrong else authority.TOO_MANY_ATTEMPTS)


def now():
    return int(time.time())


def hashed(license_key):
    """A license key is as good as the license, so only this is kept."""
    return hashlib.sha256(license_key.encode()).hexdigest()


def license_of_key(database, license_key):
    row = database.execute("SELECT id FROM licenses WHERE key_hash = ?", [hashed(license_key)]).fetchone()
    return row and row[0]


def license_of(database, activation, known):
    """What a known seat was granted under does not change with a second look at the key. A device that lost its store has no key:
    its license is that of the seat that it was granted last."""
    license_id = known and known["license"]
    # A request that was cancelled may name no license.
    if license_id is None or database.execute("SELECT id FROM licenses WHERE id = ?", [license_id]).fetchone() is None:
        license_id = license_of_key(database, activation.license_key)
    if license_id is None and activation.is_recovery:
        active = "device_key = ? AND state = 'active' ORDER BY json_extract(record, '$.granted') DESC"
        of_device = seats(database, active, activation.device_key)
        license_id = of_device[0]["license"] if of_device else None
    if license_id is None:
        raise Refused(authority.UNKNOWN_LICENSE)
    return license_id


def seats(database, where, *values):
    columns = "seat", "device_key", "license", "state", "record"
    rows = database.execute(f"SELECT {', '.join(columns)} FROM seats WHERE {where}", values)
    return [dict(zip(columns, row)) for row in rows]


def early_evidence(database, seat):
    rows = database.execute("SELECT evidence FROM early WHERE seat = ? ORDER BY number", [seat])
    return [evidence for evidence, in rows]


def keep(database, seat, evidence):
    """Keeps what cannot be verified yet. When all places are taken, the oldest goes: a device repeats its proof."""
    early = early_evidence(database, seat)
    if evidence in early:
        return
    if len(early) >= EARLY_OF_NAME:
        raise Refused(authority.TOO_MANY_ATTEMPTS)
    full = "DELETE FROM early WHERE number = (SELECT min(number) FROM early) AND (SELECT count(*) FROM early) >= ?"
    database.execute(full, [EARLY])
    database.execute("INSERT INTO early (seat, evidence) VALUES (?, ?)", [seat, evidence])


def forget(database, seat, evidence):
    database.execute("DELETE FROM early WHERE seat = ? AND evidence = ?", [seat, evidence])


def records(database, license_id):
    row = database.execute("SELECT terms FROM licenses WHERE id = ?", [license_id]).fetchone()
    counts = "SELECT count(*) FILTER (WHERE state IN ('active', 'held')), count(*) FILTER (WHERE counted) FROM seats"
    taken, deactivated = database.execute(counts + " WHERE license = ?", [license_id]).fetchone()
    return Records(row and row[0], taken, deactivated)


def rows_of(decision):
    for record in decision.seats:
        seat = json.loads(record)
        yield seat["seat"], seat["device_key"], seat["license"], seat["state"], seat["counted"], record


def store(database, decision):
    database.executemany("INSERT OR REPLACE INTO seats VALUES (?, ?, ?, ?, ?, ?)", rows_of(decision))


def insert(database, decision):
    """Remembers a request that was cancelled. It must never replace a seat that is known."""
    for row in rows_of(decision):
        if seats(database, "seat = ? AND device_key = ?", *row[:2]):
            raise Refused(authority.WRONG_REQUEST)
        database.execute("INSERT INTO seats VALUES (?, ?, ?, ?, ?, ?)", row)


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
                text = vendor.activate(body)
            elif environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
                fields = parse_qs(body.decode("ascii", "replace"), max_num_fields=5)
                text = vendor.redeem_code(fields.get("code", [""])[0].replace("\0", " "))
            else:
                text = vendor.redeem(Release.read(body)) or "kept until its activation file comes\n"
        except Refused as refused:
            reason = f"{refused.kind} ({refused.status}): {refused}\n"
            return "409 Conflict", "text/plain", "\n".join([reason, *refused.receipts])
        return "200 OK", "text/plain", text

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

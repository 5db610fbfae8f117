#!/usr/bin/env python3
"""A vendor's own server in Python: it issues licenses and takes seats back through the C interface, in its own database.

    cargo rustc --release --features capi,authority --crate-type cdylib
    export NODELOCK_LIBRARY=target/release/libnodelock.so

    python3 examples/python-server/server.py init vendor                       make keys and a database in the folder `vendor`
    python3 examples/python-server/server.py sell vendor "Jane Doe" 1          sell a license of one seat; prints its key
    python3 examples/python-server/server.py serve vendor 127.0.0.1:8421       answer, until it is interrupted

`POST /activate` takes an activation file and answers with the license file. `POST /redeem` takes a deactivation file, or a code that
somebody was read over the phone as the field `code` of a form, and answers with the receipt. Put TLS and your login in front.

The rules are the library's; what is here is a table of licenses, a table of seats, and a transaction around each rule.
"""

import hashlib
import json
import os
import sqlite3
import sys
import time
from contextlib import contextmanager
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

SCHEMA = """
    CREATE TABLE licenses (id TEXT PRIMARY KEY, key_hash TEXT UNIQUE NOT NULL, terms TEXT NOT NULL);
    -- Seats are kept for ever, so that no old message is ever news again. Two devices may have drawn the same name.
    CREATE TABLE seats (
        seat TEXT NOT NULL, device_key TEXT NOT NULL, license TEXT NOT NULL, state TEXT NOT NULL, counted INTEGER NOT NULL,
        record TEXT NOT NULL, PRIMARY KEY (seat, device_key)
    );
    CREATE INDEX seats_of_license ON seats (license);
    -- Proofs that came before their requests.
    CREATE TABLE early_proofs (seat TEXT NOT NULL, proof BLOB NOT NULL, UNIQUE (seat, proof));
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
        activation = Activation(file)
        # Whatever becomes of the request: the device has lost those licenses already.
        receipts = [self.redeem(release) for release in activation.releases]
        with self.transaction() as database:
            license_id = self.license_of(database, activation)
            for proof in early_proofs(database, activation.seat):
                try:
                    store(database, proof.cancel(activation, self.issuer, license_id, now()))
                except Refused as refused:
                    not_that_one(refused)
            known = seats(database, "device_key = ? AND seat = ?", activation.device_key, activation.seat)
            of_device = seats(database, "device_key = ? AND license = ?", activation.device_key, license_id)
            others = [seat for seat in of_device if seat["seat"] != activation.seat]
            held = [seat["record"] for seat in others if seat["state"] == "held"]
            lost = [seat["record"] for seat in others if seat["state"] == "active" and activation.is_recovery]
            decision = activation.grant(
                self.issuer,
                records(database, license_id),
                known[0]["record"] if known else None,
                held[0] if held else None,
                lost,
                now(),
            )
            store(database, decision)
        return "\n".join([decision.text, *filter(None, receipts)])

    def license_of(self, database, activation):
        """By its license key, or, for a device that lost its store, by the seat that it has."""
        row = database.execute("SELECT id FROM licenses WHERE key_hash = ?", [hashed(activation.license_key)]).fetchone()
        if row is None and activation.is_recovery:
            where = "SELECT license FROM seats WHERE device_key = ? AND state = 'active'"
            row = database.execute(where, [activation.device_key]).fetchone()
        if row is None:
            raise Refused(authority.UNKNOWN_LICENSE)
        return row[0]

    def redeem(self, release):
        """Takes a seat back on its device's proof. Returns the receipt, or None for a proof that is kept until its request comes."""
        with self.transaction() as database:
            for seat in seats(database, "seat = ?", release.seat):
                try:
                    decision = release.redeem(self.issuer, records(database, seat["license"]), seat["record"], now())
                except Refused as refused:
                    not_that_one(refused)
                else:
                    store(database, decision)
                    return decision.text
            if release.has_request:
                decision = release.cancel(None, self.issuer, None, now())
                store(database, decision)
                return decision.text
            database.execute("INSERT OR IGNORE INTO early_proofs VALUES (?, ?)", [release.seat, release.data])
        return None

    def redeem_code(self, typed):
        """Takes a seat back on a code that was read over the phone. Returns the receipt."""
        readings = Readings(typed)
        refused, wrong = authority.UNKNOWN_SEAT, None
        with self.transaction() as database:
            for index, name in readings:
                for seat in seats(database, "seat = ?", name):
                    decision = readings.redeem(index, self.issuer, records(database, seat["license"]), seat["record"], now())
                    if decision.outcome != authority.DECISION_WRONG_CODE:
                        store(database, decision)
                        return decision.text
                    wrong = decision
            if wrong is not None:
                # It counts, so that nobody can try them all; and however many readings a text has, it counts once.
                store(database, wrong)
                refused = authority.WRONG_CODE
        raise Refused(refused)


def now():
    return int(time.time())


def hashed(license_key):
    """A license key is as good as the license, so only this is kept."""
    return hashlib.sha256(license_key.encode()).hexdigest()


def not_that_one(refused):
    """A proof of another seat of the same name is no failure."""
    if refused.status not in (authority.BAD_SIGNATURE, authority.WRONG_REQUEST):
        raise refused


def seats(database, where, *values):
    rows = database.execute(f"SELECT seat, license, state, record FROM seats WHERE {where}", values)
    return [dict(zip(("seat", "license", "state", "record"), row)) for row in rows]


def early_proofs(database, seat):
    return [Release.read(row[0]) for row in database.execute("SELECT proof FROM early_proofs WHERE seat = ?", [seat])]


def records(database, license_id):
    row = database.execute("SELECT terms FROM licenses WHERE id = ?", [license_id]).fetchone()
    counts = "SELECT count(*) FILTER (WHERE state IN ('active', 'held')), count(*) FILTER (WHERE counted) FROM seats"
    taken, deactivated = database.execute(counts + " WHERE license = ?", [license_id]).fetchone()
    return Records(row and row[0], taken, deactivated)


def store(database, decision):
    for record in decision.seats:
        seat = json.loads(record)
        row = seat["seat"], seat["device_key"], seat["license"], seat["state"], seat["counted"], record
        database.execute("INSERT OR REPLACE INTO seats VALUES (?, ?, ?, ?, ?, ?)", row)


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
            return "409 Conflict", "text/plain", f"{refused.kind} ({refused.status}): {refused}\n"
        return "200 OK", "text/plain", text

    def respond(environ, start_response):
        status, kind, text = answer(environ)
        body = text.encode()
        headers = [("Content-Type", kind + "; charset=utf-8"), ("Content-Length", str(len(body))), ("Cache-Control", "no-store")]
        start_response(status, headers)
        return [body]

    return respond


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class Quiet(WSGIRequestHandler):
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
                server.serve_forever()
        case _:
            print("usage:" + __doc__.partition("\n")[2], file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

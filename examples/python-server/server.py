#!/usr/bin/env python3
"""A vendor's own server in Python: it issues licenses and takes seats back through the C interface.

    cargo rustc --profile capi --lib --features capi,authority --crate-type cdylib
    export NODELOCK_LIBRARY=target/capi/libnodelock.so

    python3 examples/python-server/server.py init vendor                    make keys and a database in `vendor`
    python3 examples/python-server/server.py certify vendor                 let the server sign for another year
    python3 examples/python-server/server.py sell vendor "Jane Doe" 1       sell a license of one seat; prints its key
    python3 examples/python-server/server.py redeem vendor CODE             take a code that a customer reads out
    python3 examples/python-server/server.py serve vendor 127.0.0.1:8421    answer, until it is interrupted

`POST /activate` takes an activation file and answers with the license file. `POST /redeem` takes a deactivation file,
or a code that somebody was read over the phone as the field `code` of a form, and answers with the receipt. Where a
request is refused, the receipts are below the reason. `GET /healthz` says that the process answers, and `GET /readyz`
whether it can do its work: it must be able to sign and to write. Put TLS and your login in front, and name that proxy
as the last argument of `serve`, so that limits count for the customers behind it and not for the proxy.

The library decides; what is here are tables, a query for each thing that a decision may ask for, a transaction, and the
limits on strangers that only a server can count.
"""

import io
import json
import os
import sqlite3
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from socketserver import ThreadingMixIn
from threading import Lock
from urllib.parse import parse_qs
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import authority
from authority import Activation, Code, Issuer, Key, Note, Records, Refused, Release
from limits import HOUR, QUARTER, Limit, Pace, Places, TooMany, Turns, peer_of

PRODUCT = "Example Editor"
DAY = 86_400
# More than any message has; the library reads no more.
LARGEST = 512 * 1024
# How many seconds a request may take to arrive, however slowly it comes, and its answer to be taken.
PATIENCE = 30
# How many seconds a look at what the server lacks counts: anybody may ask, and each look is a write.
LOOK_LASTS = 5

SCHEMA = """
    CREATE TABLE licenses (id TEXT PRIMARY KEY, key_hash TEXT UNIQUE NOT NULL, terms TEXT NOT NULL, allowances TEXT);
    -- Seats are kept for ever, so that no old message is ever news again. Two devices may have drawn the same handle.
    CREATE TABLE seats (
        handle TEXT NOT NULL, device_key TEXT NOT NULL, license TEXT,
        is_taken INTEGER NOT NULL, is_lapsed INTEGER NOT NULL, ends INTEGER NOT NULL,
        machine TEXT NOT NULL, tags TEXT NOT NULL, is_counted INTEGER NOT NULL, is_activation INTEGER NOT NULL,
        record TEXT NOT NULL, cancelled_by TEXT, PRIMARY KEY (handle, device_key)
    );
    CREATE INDEX seats_of_license ON seats (license);
    CREATE INDEX taken_seats ON seats (device_key) WHERE is_taken;
    CREATE INDEX seats_of_machine ON seats (machine) WHERE is_taken;
    -- Except cancelled ones, once their requests are outdated: those are refused without them.
    CREATE INDEX cancelled_seats ON seats (json_extract(record, '$.requested'))
        WHERE json_extract(record, '$.state') = 'cancelled';
    CREATE INDEX cancelled_seats_of_peer ON seats (cancelled_by) WHERE cancelled_by IS NOT NULL;
    CREATE INDEX seats_by_end ON seats (license, ends) WHERE is_taken AND NOT is_lapsed;
    -- Proofs and codes that came before their requests. Anybody may send some, so they go after two years, and of each
    -- peer and in all the newest are kept and no more.
    CREATE TABLE evidence (
        number INTEGER PRIMARY KEY AUTOINCREMENT, handle TEXT NOT NULL, record TEXT NOT NULL,
        peer TEXT NOT NULL, kept INTEGER NOT NULL
    );
    CREATE INDEX evidence_of_handle ON evidence (handle);
    CREATE INDEX evidence_of_peer ON evidence (peer, number);
    CREATE INDEX evidence_by_age ON evidence (kept);
    CREATE TRIGGER newest_evidence AFTER INSERT ON evidence
    BEGIN
        DELETE FROM evidence WHERE kept < NEW.kept - 2 * 365 * 86400;
        DELETE FROM evidence WHERE peer = NEW.peer AND number <=
            (SELECT number FROM evidence WHERE peer = NEW.peer ORDER BY number DESC LIMIT 1 OFFSET 1000);
        DELETE FROM evidence WHERE number <= NEW.number - 100000;
    END;
    CREATE TABLE check_ins (name TEXT PRIMARY KEY, record TEXT NOT NULL);
    -- Requests that wait for approval, or were approved or refused. Whoever has a license key makes some, so they go
    -- after 60 days, and of each peer, of each license and in all the newest are kept and no more. What the vendor
    -- approved goes by its age alone.
    CREATE TABLE approvals (
        number INTEGER PRIMARY KEY AUTOINCREMENT, handle TEXT NOT NULL, device_key TEXT NOT NULL,
        license TEXT NOT NULL, record TEXT NOT NULL, is_approved INTEGER NOT NULL, peer TEXT NOT NULL,
        kept INTEGER NOT NULL, UNIQUE (handle, device_key)
    );
    CREATE INDEX approvals_of_peer ON approvals (peer, number) WHERE NOT is_approved;
    CREATE INDEX approvals_of_license ON approvals (license, number) WHERE NOT is_approved;
    CREATE INDEX approvals_in_all ON approvals (number) WHERE NOT is_approved;
    CREATE INDEX approvals_by_age ON approvals (kept);
    CREATE TRIGGER newest_approvals AFTER INSERT ON approvals
    BEGIN
        DELETE FROM approvals WHERE kept < NEW.kept - 60 * 86400;
        DELETE FROM approvals WHERE NOT is_approved AND peer = NEW.peer AND peer <> '' AND number <= (SELECT number
            FROM approvals WHERE NOT is_approved AND peer = NEW.peer ORDER BY number DESC LIMIT 1 OFFSET 100);
        DELETE FROM approvals WHERE NOT is_approved AND license = NEW.license AND number <= (SELECT number
            FROM approvals WHERE NOT is_approved AND license = NEW.license ORDER BY number DESC LIMIT 1 OFFSET 200);
        DELETE FROM approvals WHERE NOT is_approved AND number <= (SELECT number
            FROM approvals WHERE NOT is_approved ORDER BY number DESC LIMIT 1 OFFSET 10000);
    END;
    CREATE TABLE attempts (seat TEXT PRIMARY KEY, record TEXT NOT NULL);
    -- One row, and the pages under which something may have been signed. They are kept for ever.
    CREATE TABLE history (name TEXT PRIMARY KEY, record TEXT NOT NULL);
    CREATE TABLE pages (page TEXT PRIMARY KEY, record TEXT NOT NULL);
    CREATE TABLE counts (name TEXT PRIMARY KEY, record TEXT NOT NULL);
    -- Written to find out whether it can be.
    CREATE TABLE tried (one INTEGER PRIMARY KEY CHECK (one = 1), at INTEGER NOT NULL);
"""

# How a license is looked up: as JSON, with its seats counted.
LICENSE_RECORD = """
    SELECT json_object('terms', json(terms), 'taken', count(*) FILTER (WHERE is_taken AND NOT is_lapsed), 'deactivated',
        count(*) FILTER (WHERE is_counted), 'activated', count(*) FILTER (WHERE is_activation), 'allowances',
        json(allowances))
    FROM licenses LEFT JOIN seats ON seats.license = licenses.id WHERE licenses.{} = ? GROUP BY licenses.id
"""
FIND = {
    authority.LICENSE_OF_KEY: LICENSE_RECORD.format("key_hash"),
    authority.LICENSE: LICENSE_RECORD.format("id"),
    authority.SEATS_OF_HANDLE: "SELECT record FROM seats WHERE handle = ?",
    authority.TAKEN_SEATS_OF: """
        SELECT record FROM seats WHERE device_key = ? AND is_taken
        ORDER BY json_extract(record, '$.granted') DESC LIMIT 128
    """,
    authority.EVIDENCE_OF: "SELECT record FROM evidence WHERE handle = ? ORDER BY number",
    authority.CHECK_IN: "SELECT record FROM check_ins WHERE name = ?",
    authority.APPROVALS_OF: "SELECT record FROM approvals WHERE handle = ?",
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
    # The same of the product's trials, of whatever license. There is one product.
    authority.TRIALS_WITH_TAG: """
        SELECT record FROM seats WHERE ? <> '' AND ' ' || tags || ' ' LIKE '% ' || ? || ' %'
            AND json_extract(record, '$.trial') IS NOT NULL ORDER BY json_extract(record, '$.granted') DESC LIMIT 32
    """,
    authority.SEAT_OF_MACHINE: "SELECT record FROM seats WHERE machine = ? AND is_taken",
    authority.HISTORY: "SELECT record FROM history WHERE name = ?",
    authority.PAGE: "SELECT record FROM pages WHERE page = ?",
    authority.COUNT: "SELECT record FROM counts WHERE name = ?",
}
# How many slashes part the value of a query that has several parts.
PARTS = {authority.SEATS_BY_END: 2, authority.SEATS_WITH_TAG: 1, authority.TRIALS_WITH_TAG: 1}
# A seat that is new must not take the place of another one: then the transaction fails.
SEAT = """INTO seats VALUES (:handle, :device_key, :license, :is_taken, :is_lapsed, :ends, :machine, :tags, :is_counted,
    :is_activation, :record, {})"""
# Whose cancelled seat one is does not change.
CANCELLED_BY = "(SELECT cancelled_by FROM seats WHERE handle = :handle AND device_key = :device_key)"
STORE = {
    authority.INSERT_SEAT: "INSERT " + SEAT.format(":cancelled_by"),
    authority.UPDATE_SEAT: "REPLACE " + SEAT.format(CANCELLED_BY),
    authority.KEEP_EVIDENCE: "INSERT INTO evidence (handle, record, peer, kept) VALUES (:name, :record, :peer, :now)",
    authority.FORGET_EVIDENCE: "DELETE FROM evidence WHERE handle = :name AND record = :record",
    authority.STORE_CHECK_IN: "REPLACE INTO check_ins VALUES (:name, :record)",
    # Whose it is does not change when the vendor rules on it.
    authority.STORE_APPROVAL: """
        INSERT INTO approvals (handle, device_key, license, record, is_approved, peer, kept) VALUES
            (:handle, :device_key, :license, :record, json_extract(:record, '$.state') = 'approved', :peer, :now)
        ON CONFLICT (handle, device_key) DO UPDATE SET license = excluded.license, record = excluded.record,
            is_approved = excluded.is_approved, kept = excluded.kept
    """,
    authority.FORGET_APPROVALS: "DELETE FROM approvals WHERE device_key = :name AND license = :license",
    authority.STORE_ATTEMPTS: "REPLACE INTO attempts VALUES (:name, :record)",
    authority.STORE_HISTORY: "REPLACE INTO history VALUES (:name, :record)",
    authority.STORE_PAGE: "INSERT INTO pages VALUES (:name, :record)",
    # Its key is lost, and nothing has this hash.
    authority.STORE_LICENSE: "INSERT INTO licenses VALUES (:name, 'lost with ' || :name, :record, NULL)",
    authority.STORE_ALLOWANCES: "UPDATE licenses SET allowances = :record WHERE id = :name",
    authority.STORE_COUNT: "REPLACE INTO counts VALUES (:name, :record)",
}


class Limits:
    """One for each kind of act, so that none of them stands in the way of another."""

    def __init__(self):
        # Unknown license keys.
        self.license_keys = Limit(20, QUARTER)
        # Refused requests with a known one, by the key. An office whose license has too few seats may ask from one
        # address with every computer it has.
        self.refused_requests = Limit(1000, QUARTER)
        # Typed codes, right or wrong.
        self.codes = Limit(10, QUARTER)
        # Requests for which codes are tried that came before: up to eight each, and others may have left them.
        self.kept_codes = Limit(5, QUARTER)
        # What is kept about seats that nobody asked for: it cannot be verified, so it would fill the database for
        # nothing.
        self.unseen = Limit(1000, HOUR, in_all=10_000, for_newcomers=5000)


class Vendor:
    def __init__(self, folder):
        self.folder = Path(folder)
        self.limits, self.turns = Limits(), Turns()
        self.certificate = None
        # The page that is signed under, and since when by a clock that nobody sets.
        self.noted, self.noting = None, Lock()
        # What it lacked when it was last looked at, and when that was.
        self.looked, self.looking = None, Lock()

    @property
    def issuer(self):
        """A certificate that was renewed is used from the next request on."""
        certificate = (self.folder / "issuer.certificate").read_text()
        if certificate != self.certificate:
            root = (self.folder / "root.public").read_text().strip()
            self._issuer = Issuer(Key((self.folder / "issuer.key").read_bytes()), certificate, root)
            self.certificate = certificate
        return self._issuer

    @classmethod
    def init(cls, folder):
        """Makes a root, which is to be taken offline, and an issuer that it certifies."""
        folder = Path(folder)
        folder.mkdir(mode=0o700)
        root, key = Key(), Key()
        for name, secret in ("root.key", root.data), ("issuer.key", key.data):
            with open(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(secret)
        (folder / "root.public").write_text(root.public + "\n")
        cls.certify(folder)
        database = sqlite3.connect(folder / "vendor.db")
        database.executescript("PRAGMA journal_mode = WAL;" + SCHEMA)
        database.close()
        return root.public

    @staticmethod
    def certify(folder):
        """Certifies the issuer for a year from now. This is all that the root's key is needed for."""
        root, key = (Key((Path(folder) / name).read_bytes()) for name in ("root.key", "issuer.key"))
        terms = {"issuer": key.public, "name": "Example Ltd", "serial": now()}
        terms |= {"not_before": now(), "not_after": now() + 365 * DAY, "longest_lease_days": 400, "endless": True}
        new = Path(folder) / "issuer.certificate.new"
        new.write_text(authority.certificate(root, terms))
        new.replace(Path(folder) / "issuer.certificate")

    @contextmanager
    def database(self, begin, timeout=30):
        database = sqlite3.connect(self.folder / "vendor.db", timeout=timeout, isolation_level=None)
        try:
            database.execute("PRAGMA synchronous = FULL")
            database.execute(begin)
            yield database
            database.execute("COMMIT")
        finally:
            # Without COMMIT, this takes everything back.
            database.close()

    def transaction(self, timeout=30):
        """Keeps other writers out from the first look on, and is on the disk before anything is answered."""
        return self.database("BEGIN IMMEDIATE", timeout)

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
            database.execute("INSERT INTO licenses VALUES (?, ?, ?, NULL)", row)
        return license_key

    def lacking(self):
        """What keeps the server from its work, in words for its operator; None if nothing does."""
        with self.looking:
            if self.looked is None or time.monotonic() - self.looked[1] >= LOOK_LASTS:
                self.looked = self.look_for_lacks(), time.monotonic()
            return self.looked[0]

    def look_for_lacks(self):
        does = "signed"
        try:
            self.issuer.check(now())
            does = "written"
            with self.transaction(timeout=LOOK_LASTS) as database:
                database.execute("REPLACE INTO tried VALUES (1, ?)", [now()])
            # Nothing is signed but under a page of this minute.
            self.page()
        except OSError as error:
            # Anybody may ask, and a path is nobody's business.
            return f"nothing can be {does}: {error.strerror}"
        except (sqlite3.Error, Refused) as error:
            return f"nothing can be {does}: {error}"
        return None

    def settle(self, message, peer=None):
        """Decides about a message and stores that. Returns the decision, and what is sent for it as text: none while
        the issuer must not sign. Without a peer it is the vendor's, who has no limits."""
        if isinstance(message, Code):
            self.limits.codes.take(peer)
        return self.decide(message, Records(self.issuer, self.page()), peer)

    def page(self):
        """What is signed in this minute is signed under this page. It is in the database, and then outside of it,
        before that: so a database that was restored to an earlier copy is found out."""
        with self.noting:
            since = time.monotonic() - self.noted[1] if self.noted else None
            if since is None or since >= 60:
                outside, page = self.folder / "page", authority.new_page()
                note = Note(outside=outside.read_text() if outside.exists() else None)
                note["since_last"] = None if since is None else int(since)
                self.decide(note, Records(self.issuer, page))
                new = self.folder / "page.new"
                new.write_text(page)
                new.replace(outside)
                self.noted = page, time.monotonic()
            return self.noted[0]

    def decide(self, message, records, peer=None):
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
                        if count := unseen(decision):
                            self.limits.unseen.take(peer, count)
                        store(database, decision, peer)
                        # Signed before it is committed: what cannot be answered is not stored.
                        text = self.signed(decision)
            if not decision.has_verifications:
                return decision, text
            self.verify(records, decision, message, peer)

    def signed(self, decision):
        """A seat is given up also while nothing can be signed: its device has lost the license already. It keeps its
        proof, and gets the receipt when it hands that in again."""
        try:
            return decision.signed(self.issuer, now())
        except Refused as refused:
            is_released = decision.outcome in (authority.RETURNED, authority.HELD)
            if refused.status != authority.CERTIFICATE_EXPIRED or not is_released:
                raise
            return None

    def verify(self, records, decision, message, peer):
        if not decision.has_slow_verifications:
            return records.verify(decision)
        if not isinstance(message, Code):
            self.limits.kept_codes.take(peer)
        with self.turns.turn(peer):
            records.verify(decision)

    def activate(self, activation, peer):
        """Settles a request. What came along is free also while no license can be signed."""
        whose = peer and (peer, activation.key_hash)
        self.limits.refused_requests.check(whose)
        try:
            self.limits.license_keys.check(peer)
        except TooMany:
            # A right key is not refused because of wrong ones from the same address, and those cost no writer's lock.
            if not self.knows(activation, peer):
                raise
        try:
            decision, text = self.settle(activation, peer)
        except Refused as refused:
            if refused.status != authority.CERTIFICATE_EXPIRED:
                self.count_refused(refused, peer, whose)
            else:
                for release in activation.releases:
                    # What is refused here has no receipt, so it comes again.
                    with suppress(Refused, TooMany):
                        self.settle(release, peer)
            raise
        if decision.refusal:
            self.count_refused(decision.refusal, peer, whose)
        return decision, text

    def count_refused(self, refused, peer, whose):
        """An unknown key counts for its peer, any other for the peer with that key."""
        is_unknown = refused.status == authority.UNKNOWN_LICENSE
        # Beyond the limit the next one is refused.
        with suppress(TooMany):
            self.limits.license_keys.take(peer) if is_unknown else self.limits.refused_requests.take(whose)

    def knows(self, activation, peer):
        """Whether a request is refused for something else than its key, if at all, by looks that store nothing."""
        records = Records(self.issuer, self.page())
        while True:
            with self.look() as database:
                decision = ask(database, activation, records)
            if decision.outcome != authority.NEEDS:
                return not decision.refusal or decision.refusal.status != authority.UNKNOWN_LICENSE
            self.verify(records, decision, activation, peer)
            records.keep_facts()


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


FORGET_OUTDATED = """
    DELETE FROM seats WHERE json_extract(record, '$.state') = 'cancelled'
        AND json_extract(record, '$.requested') >= ? AND json_extract(record, '$.requested') < ?
"""


# How many cancelled seats may be one peer's. Each keeps its request from taking a seat, so none is dropped for another:
# the peer's further cancellations are not taken in, and their devices keep their proofs.
MOST_CANCELLED_OF_PEER = 10_000


def store(database, decision, peer):
    for change in decision.changes:
        # This server shows nobody what machines are called. A kind that it does not know fails.
        if change.kind == authority.STORE_DESCRIPTION:
            continue
        handle, _, device_key = change.name.partition(":")
        row = {"handle": handle, "device_key": device_key, "peer": peer or "", "now": now(), "cancelled_by": None}
        if change.kind == authority.INSERT_SEAT and json.loads(change.record)["state"] == "cancelled":
            database.execute(FORGET_OUTDATED, authority.outdated(now()))
            row["cancelled_by"] = peer
            kept = database.execute("SELECT count(*) FROM seats WHERE cancelled_by = ?", [peer]).fetchone()[0]
            if kept >= MOST_CANCELLED_OF_PEER:
                raise TooMany(DAY)
        database.execute(STORE[change.kind], change._asdict() | row)


def unseen(decision):
    """How many seats that nobody asked for a decision keeps something about. A request whose cancellation came before
    is none of them: its seat takes the place of what was kept."""
    changes = list(decision.changes)
    forgotten = {change.name for change in changes if change.kind == authority.FORGET_EVIDENCE}
    kept = [change.name for change in changes if change.kind == authority.KEEP_EVIDENCE]
    kept += [change.name for change in changes if change.kind == authority.STORE_APPROVAL]
    for change in changes:
        if change.kind == authority.INSERT_SEAT and json.loads(change.record)["state"] == "cancelled":
            kept.append(change.name.partition(":")[0])
    return len([name for name in kept if name not in forgotten])


def seat_list(found):
    """The seats that there are when none is free, for the person who waits or chooses one to replace."""
    if found is None:
        return ""

    def day(seconds):
        return time.strftime("%Y-%m-%d", time.gmtime(seconds))

    lines = []
    for seat in found["seats"]:
        lapses = f", free on {day(seat['lapses'])}" if seat["lapses"] is not None else ""
        lines.append(f"seat {seat['seat']}: last heard of on {day(seat['last_contact'])}{lapses} {seat['label']}".rstrip())
    if found["next_lapse"] is not None:
        lines.append(f"If nobody renews it, the next seat is free on {day(found['next_lapse'])}.")
    return "".join(line + "\n" for line in lines)


PAGE = """<!doctype html><meta charset="utf-8"><title>Return a seat</title>
<form method="post" action="/redeem"><label>Deactivation code <input name="code" size="40" autocomplete="off"></label>
<button>Return the seat</button></form>
"""


def application(vendor, proxy=None):
    """The WSGI application, for any server of that kind. `proxy` is the address of a proxy in front that says whose
    request it passes on."""
    places, pace = Places(of_peer=16, in_all=64), Pace()

    def answer(environ, peer):
        request = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        if request == ("GET", "/"):
            return "200 OK", "text/html", PAGE
        if request == ("GET", "/readyz"):
            if lacking := vendor.lacking():
                return "503 Service Unavailable", "text/plain", f"{lacking}\n"
            return "200 OK", "text/plain", "ready\n"
        if request not in (("POST", "/activate"), ("POST", "/redeem")):
            return "404 Not Found", "text/plain", "nothing here\n"
        size = environ.get("CONTENT_LENGTH") or "-"
        if not size.isdecimal() or int(size) > LARGEST:
            return "413 Content Too Large", "text/plain", "too large\n"
        try:
            body = environ["wsgi.input"].read(int(size))
            if request[1] == "/activate":
                decision, text = vendor.activate(Activation.read(body), peer)
            elif environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
                fields = parse_qs(body.decode("ascii", "replace"), max_num_fields=5)
                decision, text = vendor.settle(Code(fields.get("code", [""])[0].replace("\0", " ")), peer)
                if decision.outcome == authority.KEPT:
                    kept = "no such seat yet; the code is kept until its activation file comes"
                    return problem(Refused(authority.UNKNOWN_SEAT, kept))
            else:
                decision, text = vendor.settle(Release.read(body), peer)
        except Refused as refused:
            return problem(refused)
        except TooMany as too_many:
            return "429 Too Many Requests", "text/plain", f"{too_many}\n"
        except TimeoutError:
            return "408 Request Timeout", "text/plain", "too slow\n"
        if decision.refusal:
            return problem(decision.refusal, seat_list(decision.seats) + text)
        if text is None:
            return "202 Accepted", "text/plain", "the seat is free; for its receipt hand this in again later\n"
        if decision.outcome == authority.KEPT:
            text = "kept until its activation file comes\n"
        return "200 OK", "text/plain", text

    def problem(refused, receipts=""):
        reason = f"{refused.kind} ({refused.status}): {refused}\n"
        is_ours = refused.status == authority.CERTIFICATE_EXPIRED
        status = "503 Service Unavailable" if is_ours else "409 Conflict"
        return status, "text/plain", "\n".join(filter(None, [reason, receipts]))

    def customer(environ):
        peer = environ["REMOTE_ADDR"]
        forwarded = environ.get("HTTP_X_FORWARDED_FOR", "").rpartition(",")[2].strip()
        if peer != proxy or not forwarded:
            return peer_of(peer)
        # The proxy adds at the right whom it was connected from; what is left of that is whatever the customer wrote.
        with suppress(ValueError):
            return peer_of(forwarded)
        return peer_of(peer)

    def respond(environ, start_response):
        peer = customer(environ)
        if (environ["REQUEST_METHOD"], environ["PATH_INFO"]) == ("GET", "/healthz"):
            # Whatever strangers do, it is answered: a process that does not answer is started again.
            status, kind, text = "200 OK", "text/plain", "alive\n"
        elif places.enter(peer):
            try:
                pace.wait(peer)
                status, kind, text = answer(environ, peer)
                if status.startswith("2"):
                    pace.was_good(peer)
            finally:
                places.leave(peer)
        else:
            status, kind, text = "503 Service Unavailable", "text/plain", "too many at a time\n"
        body = text.encode()
        headers = [("Content-Type", kind + "; charset=utf-8"), ("Content-Length", str(len(body))), ("Cache-Control", "no-store")]
        start_response(status, headers)
        return [body]

    return respond


class Patient(io.RawIOBase):
    """What comes over a connection until its time is over, however slowly it comes."""

    def __init__(self, connection):
        self.connection, self.ends = connection, time.monotonic() + PATIENCE

    def readable(self):
        return True

    def readinto(self, buffer):
        left = self.ends - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self.connection.settimeout(left)
        return self.connection.recv_into(buffer)


class Handler(WSGIRequestHandler):
    timeout = PATIENCE

    def setup(self):
        super().setup()
        self.rfile.close()
        self.rfile = io.BufferedReader(Patient(self.connection))

    def handle(self):
        # The customer is gone, or was too slow.
        with suppress(TimeoutError, ConnectionError):
            super().handle()

    def log_message(self, *_):
        """Says nothing: there may be codes in what somebody types into an address bar."""


class Server(ThreadingMixIn, WSGIServer):
    """Answers each request in a thread, and ends when all of them are answered. So many connections are served at a
    time; one more is closed at once, which costs next to nothing."""

    request_queue_size = 128
    proxy = None

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.places = Places(of_peer=32, in_all=128)

    def process_request(self, connection, address):
        if self.places.enter(self.peer(address)):
            super().process_request(connection, address)
        else:
            self.shutdown_request(connection)

    def process_request_thread(self, connection, address):
        try:
            super().process_request_thread(connection, address)
        finally:
            self.places.leave(self.peer(address))

    def peer(self, address):
        """The proxy is all its customers, and no peer."""
        return None if address[0] == self.proxy else peer_of(address[0])


def main(arguments):
    match arguments:
        case ["init", folder]:
            print(Vendor.init(folder))
        case ["certify", folder]:
            Vendor.certify(folder)
        case ["sell", folder, licensee, seats] if seats.isdecimal():
            print(Vendor(folder).sell(licensee, int(seats)))
        case ["redeem", folder, code]:
            return redeem(Vendor(folder), code)
        case ["serve", folder, listen, *proxy] if len(proxy) <= 1:
            host, _, port = listen.rpartition(":")
            app = application(Vendor(folder), *proxy)
            with make_server(host, int(port), app, Server, Handler) as server:
                server.proxy = next(iter(proxy), None)
                print(f"{host}:{server.server_port}", flush=True)
                with suppress(KeyboardInterrupt):
                    server.serve_forever()
        case _:
            print("usage:" + __doc__.partition("\n")[2], file=sys.stderr)
            return 2
    return 0


def redeem(vendor, code):
    try:
        decision, text = vendor.settle(Code(code))
    except Refused as refused:
        print(refused, file=sys.stderr)
        return 1
    if decision.outcome == authority.KEPT:
        print("no such seat yet; the code is kept until its activation file comes", file=sys.stderr)
        return 1
    print(text or "the seat is free; its receipt cannot be signed until the issuer is certified again", end="")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

#!/usr/bin/env python3
"""How the authority's answers and lists change with the size of its ledger.

    cargo build -p nodelock-authority
    python3 examples/authority/benches/ledger.py [SEATS ...]

Makes one ledger of each size (10,000 and 1,000,000 seats unless told), in which one license has a tenth of all seats,
and as many customers, orders, events, refusals and lines of the audit. Prints the median times of calls over HTTP, one
at a time, on that license and on one with few seats; those of the administration's lists, with filters; then time and
memory of the commands that list. The rows are those that the authority made of one, with other names
(`ledger_rows.py`).

On SQLite, in the target directory; on PostgreSQL instead where NODELOCK_ONLINE_POSTGRES is set, as
tests/postgres/with_server.py does. Needs Python's `cryptography`. NODELOCK_BENCH_CALLS says how many calls of each
kind there are, 200 unless told.
"""

from __future__ import annotations

import http.client
import json
import os
import pathlib
import secrets
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT / "tests" / "interop"), str(ROOT / "tests" / "support"), str(pathlib.Path(__file__).parent)]

# pylint: disable=wrong-import-position
import ledger_rows  # noqa: E402
from nodelock_format import code, envelope, fingerprint, forms, keys, messages, release  # noqa: E402
import running  # noqa: E402

PRODUCT = "Example"
PROGRAM = ROOT / "target" / os.environ.get("PROFILE", "debug") / "authority"
SERVER = os.environ.get("NODELOCK_ONLINE_POSTGRES")
CALLS = int(os.environ.get("NODELOCK_BENCH_CALLS", "200"))


class Device:
    """A device that signs what it says."""

    def __init__(self) -> None:
        self.seed = secrets.token_bytes(32)
        self.key = keys.public_key_of(self.seed)
        self.release = release.Release(secrets.randbits(30), secrets.randbits(60))
        key = fingerprint.tagger_key(PRODUCT, PRODUCT)
        tags = {(1, fingerprint.tag(key, 1, self.key.hex()))}
        self.fingerprint = fingerprint.Fingerprint(sorted(tags), virtual_machine=False, container=False)
        self.request = b""
        self.token = bytes(16)

    def sealed(self, kind: envelope.Kind, message: object) -> envelope.Envelope:
        return envelope.seal(kind, messages.encode(message), self.seed)

    def activation(self, license_key: str) -> dict:
        request = messages.ActivationRequest(
            device_key=self.key,
            product=PRODUCT,
            license_key=license_key,
            handle=self.release.handle,
            release_commitment=self.release.commitment(self.key),
            created=int(time.time()),
            fingerprint=self.fingerprint,
            library="0.1.0",
            application="bench",
            metadata=[("computer", "a customer's computer")],
            extensions=[],
        )
        sealed = self.sealed(envelope.Kind.ACTIVATION_REQUEST, request)
        self.request = sealed.digest
        return {"request": forms.base64url(sealed.to_bytes())}

    def check_in(self) -> dict:
        request = messages.CheckInRequest(
            handle=self.release.handle,
            nonce=secrets.token_bytes(16),
            sync_token=self.token,
            revision=1,
            time=int(time.time()),
            fingerprint=self.fingerprint,
            library="0.1.0",
            application="bench",
            extensions=[],
        )
        sealed = self.sealed(envelope.Kind.CHECK_IN_REQUEST, request)
        return {"request": forms.base64url(sealed.to_bytes())}

    def proof(self, license_id: str) -> dict:
        proof = messages.DeactivationProof(
            product_tag=messages.product_tag(PRODUCT),
            license_id=bytes.fromhex(license_id),
            handle=self.release.handle,
            generation=3,
            time=int(time.time()),
            reason=1,
            flags=0,
            request=self.request[:8],
            extensions=[],
        )
        return {"proof": forms.base64url(self.sealed(envelope.Kind.DEACTIVATION_PROOF, proof).to_bytes())}


class Authority(running.Authority):
    """An authority with its database and its server."""

    def __init__(self, folder: pathlib.Path) -> None:
        database = f"{SERVER}/{folder.name}" if SERVER else None
        if database:
            subprocess.run(["psql", f"{SERVER}/postgres", "-qc", f'CREATE DATABASE "{folder.name}"'], check=True)
        super().__init__(PROGRAM, folder, PRODUCT, database)

    def license(self) -> tuple:
        """A license with more seats than there are, and its key."""
        terms = ["--seats", 1_000_000, "--deactivations", "none"]
        sold = self.run("license", "new", "--licensee", "Jane Doe", *terms)
        return sold["license"], sold["key"]

    def start(self) -> None:
        """Serves, its metrics and its administration too."""
        self.serve("--metrics-listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0")
        self.port = int(self.address.rsplit(":", 1)[1])
        ports = {event: int(address.rsplit(":", 1)[1]) for event, address in self.listeners.items()}
        self.metrics, self.admin = ports["metrics-listening"], ports["admin-listening"]

    def sql(self, statement: str) -> list:
        if self.database:
            psql = ["psql", self.database, "-At", "-F", "\x1f", "-P", r"null=\N", "-c", statement]
            rows = subprocess.run(psql, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
            return [[None if value == r"\N" else value for value in row.split("\x1f")] for row in rows]
        with sqlite3.connect(self.folder / "authority.db") as database:
            return list(database.execute(statement))

    def script(self, statements: list) -> None:
        """Runs statements that change something."""
        if self.database:
            psql = ["psql", self.database, "-qb", "-v", "ON_ERROR_STOP=1"]
            subprocess.run(psql, check=True, input=";\n".join(statements), text=True)
            return
        database = sqlite3.connect(self.folder / "authority.db")
        database.executescript("PRAGMA cache_size = -600000; PRAGMA synchronous = OFF; PRAGMA journal_mode = WAL")
        with database:
            for statement in statements:
                database.execute(statement)
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        database.close()


def post(port: int, path: str, body: dict, peer: int = 0, form: bool = False) -> tuple:
    """An answer, and how long it took on a connection that was open."""
    source = (f"127.0.{peer // 250 + 1}.{peer % 250 + 1}", 0)
    connection = http.client.HTTPConnection("127.0.0.1", port, source_address=source)
    connection.connect()
    text, kind = json.dumps(body), "application/json"
    if form:
        kind = "multipart/form-data; boundary=part"
        head = "--part\r\nContent-Disposition: form-data; name="
        parts = (f'{head}"{name}"\r\n\r\n{value}\r\n' for name, value in body.items())
        text = "".join(parts) + "--part--\r\n"
    start = time.perf_counter()
    connection.request("POST", path, text, {"Content-Type": kind})
    answer = connection.getresponse()
    content = answer.read()
    took = time.perf_counter() - start
    connection.close()
    assert answer.status == 200, (path, answer.status, content)
    return content, took


def calls(authority: Authority, license_id: str, license_key: str, number: int, note) -> None:
    """One call of each kind on that license."""
    device = Device()
    answer = post(authority.port, "/v1/activations", device.activation(license_key), number)
    granted = forms.read(json.loads(note("activation", answer))["license"].encode())[0]
    device.token = messages.CODECS[granted.kind].decode(granted.body).sync_token
    note("check-in", post(authority.port, "/v1/checkins", device.check_in(), number))
    note("portal", post(authority.port, "/seats", {"license_key": license_key}, number, form=True))
    if number % 2:
        note("proof", post(authority.port, "/v1/deactivations", device.proof(license_id), number))
    else:
        typed = {"phone_code": code.deactivation_code(device.release)}
        note("code", post(authority.port, "/v1/deactivations", typed, number))
    connection = http.client.HTTPConnection("127.0.0.1", authority.metrics)
    connection.connect()
    start = time.perf_counter()
    connection.request("GET", "/metrics")
    assert b"nodelock_seats" in connection.getresponse().read()
    note("metrics", (b"", time.perf_counter() - start))
    connection.close()


def lists_over_http(authority: Authority, number: int, note) -> None:
    """A page of each list of the administration, with a filter where it takes one."""
    for what, path in ledger_rows.LISTS.items():
        some = number % 100 + 1
        query = path.format(license=authority.few[0], some=some, some_id=f"{some:016x}")
        connection = http.client.HTTPConnection("127.0.0.1", authority.admin)
        connection.connect()
        start = time.perf_counter()
        target = urllib.parse.quote(f"/v1/admin/{query}", safe="/?=:~@")
        connection.request("GET", target, headers={"Authorization": f"Bearer {authority.token}"})
        answer = connection.getresponse()
        content = answer.read()
        note(what, (content, time.perf_counter() - start))
        connection.close()
        assert answer.status == 200, (query, answer.status, content)
        [rows] = [member for member in json.loads(content).values() if isinstance(member, list)]
        assert rows, (query, content)


def compare(ledgers: dict, asked) -> None:
    """Prints the medians of calls in milliseconds. The ledgers take turns, so that all have the same company."""
    times: dict = {}
    for number in range(CALLS):
        for seats, authority in ledgers.items():

            def note(what: str, answered: tuple, seats: int = seats) -> bytes:
                content, took = answered
                times.setdefault(what, {}).setdefault(seats, []).append(took * 1000)
                return content

            asked(authority, number, note)
    for what, by_seats in times.items():
        medians = [statistics.median(took) for took in by_seats.values()]
        columns = "  ".join(f"{seats:>9,}: {median:7.2f}" for seats, median in zip(by_seats, medians))
        print(f"  {what:<28}  {columns}  ratio {medians[-1] / medians[0]:.2f}", flush=True)


def ledger(seats: int, folder: pathlib.Path) -> Authority:
    """A ledger of that many seats, of which a tenth is one license's. The others have ten each."""
    authority = Authority(folder)
    big = authority.license()
    few = authority.license()
    authority.run("customer", "new", "--name", "Jane Doe", "--email", "jane@example.com")
    authority.run("license", "new", "--licensee", "Jane Doe", "--seats", "1", "--order", "order")
    scopes = ("--scope=licenses:read", "--scope=reports:read")
    authority.token = authority.run("token", "new", "--name", "bench", *scopes)["token"]
    authority.start()
    device, refused = Device(), Device()
    post(authority.port, "/v1/activations", device.activation(few[1]))
    connection = http.client.HTTPConnection("127.0.0.1", authority.port)
    body = json.dumps(refused.activation("nobody's"))
    connection.request("POST", "/v1/activations", body, {"Content-Type": "application/json"})
    assert connection.getresponse().status >= 400
    # It notes what was refused, and ends.
    authority.stop()
    ledger_rows.fill(authority, seats, (big[0], few[0]))
    authority.few, authority.big = few, big
    return authority


def peak(process: subprocess.Popen) -> float:
    """The most memory that a program had so far, in MB; 0 when it has ended."""
    try:
        status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1024


def lists(authority: Authority, seats: int) -> None:
    for arguments in (["list"], ["list", "--json"], ["license", "list"], ["audit", "list"]):
        start, lines, memory = time.perf_counter(), 0, 0.0
        with subprocess.Popen(authority.command(*arguments), stdout=subprocess.PIPE) as process:
            for chunk in iter(lambda: process.stdout.read(1 << 16), b""):
                lines += chunk.count(b"\n")
                memory = max(memory, peak(process))
        assert process.returncode == 0
        took = time.perf_counter() - start
        print(f"{' '.join(arguments)} of {seats:,} seats: {lines:,} lines, {took:.1f} s, {memory:.0f} MB", flush=True)


def main() -> None:
    sizes = [int(size) for size in sys.argv[1:]] or [10_000, 1_000_000]
    print("PostgreSQL" if SERVER else "SQLite")
    with tempfile.TemporaryDirectory(prefix="nodelock-ledger-", dir=ROOT / "target") as folder:
        made = {}
        for seats in sizes:
            start = time.perf_counter()
            made[seats] = ledger(seats, pathlib.Path(folder) / f"ledger{seats}")
            print(f"{seats:,} seats were entered in {time.perf_counter() - start:.0f} s", flush=True)
        for authority in made.values():
            authority.start()
        for which, words in (("few", "few"), ("big", "a tenth of all")):
            print(f"median of {CALLS} calls in ms, on a license of {words} seats")
            compare(made, lambda authority, number, note, which=which: calls(
                authority, *getattr(authority, which), number, note
            ))
        print(f"median of {CALLS} pages in ms, of the administration's lists")
        compare(made, lists_over_http)
        for authority in made.values():
            authority.stop()
        for seats, authority in made.items():
            lists(authority, seats)


if __name__ == "__main__":
    main()

"""The rows of the ledgers that `ledger.py` measures: those that the authority made of one, with other names.

Which columns a table has is asked of the database, so that a new one needs nothing here unless it is to differ.
"""

from __future__ import annotations

import hashlib
import secrets
import sqlite3
import subprocess

from nodelock_format import forms, keys, release

# Lists of the administration, with filters that find rows in a ledger of any size.
LISTS = {
    "licenses": "licenses",
    "licenses by licensee": 'licenses?filter=licensee:"Customer {some}"',
    "licenses by end, and state": "licenses?filter=expires<2100-01-01 state:active",
    "licenses by customer": "licenses?filter=customer:{some_id}",
    "seats": "seats",
    "seats by label": 'seats?filter=label~"computer {some}"',
    "seats by last contact, state": "seats?filter=last_contact<2100-01-01 state:active",
    "seats by license": "seats?filter=license:{license}",
    "customers by name": 'customers?filter=name:"Customer {some}"',
    "customers by email": "customers?filter=email:customer{some}@example.com",
    "orders by state": "orders?filter=state:sold",
    "orders by customer": "orders?filter=customer:{some_id}",
    "events": "events",
    "events by license": "events?license={some_id}",
    "audit": "audit",
    "audit, the latest": "audit?latest=100",
    "refusals": "refusals",
    "refusals by license": "refusals?license={some_id}",
}
# How many seats a license has, and how many a device.
SEATS_OF_LICENSE = 10
SEATS_OF_DEVICE = 10


class Filler:
    """What differs between the engines."""

    def __init__(self, authority) -> None:
        self.authority = authority
        self.is_postgres = bool(authority.database)

    def columns(self, table: str) -> list:
        if self.is_postgres:
            of = f"information_schema.columns WHERE table_name = '{table}'"
            named = f"column_name FROM {of} ORDER BY ordinal_position"
        else:
            named = f"name FROM pragma_table_info('{table}') ORDER BY cid"
        return [name for (name,) in self.authority.sql(f"SELECT {named}")]

    def hexadecimal(self, number: str, digits: int = 16) -> str:
        if self.is_postgres:
            return f"lpad(to_hex({number}), {digits}, '0')"
        return f"printf('%0{digits}x', {number})"

    def blob(self, text: str) -> str:
        return f"convert_to({text}, 'UTF8')" if self.is_postgres else f"CAST({text} AS BLOB)"

    def multiplied(self, table: str, count: int, changed: dict, of: str = "1 = 1") -> str:
        """The statement that enters so many rows like the one `t` that is `of`; `i` counts them from 1."""
        columns = self.columns(table)
        assert not changed.keys() - set(columns), (table, changed.keys() - set(columns))
        values = ", ".join(changed.get(column, f"t.{column}") for column in columns)
        return (
            f"INSERT INTO {table} ({', '.join(columns)}) "
            f"WITH RECURSIVE numbers(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < {count}) "
            f"SELECT {values} FROM numbers, (SELECT * FROM {table} WHERE {of} LIMIT 1) AS t"
        )

    def enter(self, table: str, rows) -> None:
        """Enters rows whose columns are in the order of the table."""
        if self.is_postgres:
            copy = ["psql", self.authority.database, "-qb", "-v", "ON_ERROR_STOP=1", "-c", f"COPY {table} FROM STDIN"]
            with subprocess.Popen(copy, stdin=subprocess.PIPE, text=True) as psql:
                psql.stdin.writelines("\t".join(map(copied, row)) + "\n" for row in rows)
                psql.stdin.close()
            assert psql.returncode == 0
            return
        places = ", ".join("?" for _ in self.columns(table))
        database = sqlite3.connect(self.authority.folder / "authority.db")
        database.executescript("PRAGMA cache_size = -600000; PRAGMA synchronous = OFF")
        with database:
            database.executemany(f"INSERT INTO {table} VALUES ({places})", rows)
        database.close()


def copied(value: object) -> str:
    """A value as COPY reads it."""
    if value is None:
        return r"\N"
    text = rf"\x{value.hex()}" if isinstance(value, bytes) else str(value)
    return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")


def seat_rows(template: dict, count: int, big: str):
    """Seats like one that was granted; every tenth is of one license, the others have licenses with a few."""
    handle, license_id = release.handle_text(int(template["handle"])), template["license_id"]
    own = template["device_key"]
    own = forms.base64url(own if isinstance(own, bytes) else bytes.fromhex(own.removeprefix(r"\x")))
    assert own in template["record"]
    licenses = max(1, count // SEATS_OF_LICENSE)
    used = {int(template["handle"])}
    device, text = b"", ""
    for number in range(count):
        # A key takes longer than a row.
        if number % SEATS_OF_DEVICE == 0:
            device = keys.public_key_of(secrets.token_bytes(32))
            text = forms.base64url(device)
        drawn = secrets.randbits(30)
        while drawn in used:
            drawn = secrets.randbits(30)
        used.add(drawn)
        of = big if number % 10 == 0 else f"{number % licenses + 1:016x}"
        earlier = number // 100 - count // 100
        record = template["record"].replace(handle, release.handle_text(drawn)).replace(license_id, of)
        changed = {
            "handle": drawn,
            "device_key": device,
            "license_id": of,
            "granted": int(template["granted"]) + earlier,
            "contact": int(template["contact"]) + earlier,
            "label": f"computer {number + 1}",
            "installed": hashlib.sha256(str(number).encode()).digest(),
            "record": record.replace(own, text),
        }
        yield [changed.get(column, value) for column, value in template.items()]


def fill(authority, seats: int, sold: tuple) -> None:
    """Enters so many seats, customers, orders, events, refusals and lines of the audit."""
    big, few = sold
    filler = Filler(authority)
    some_id = filler.hexadecimal("i")
    licenses = max(1, seats // SEATS_OF_LICENSE)
    of_license = filler.hexadecimal(f"i % {licenses} + 1")
    line = f"'0000000000000000' || {some_id} || {some_id}"
    hashed = filler.blob(f"{some_id} || {some_id}")
    [row] = authority.sql(f"SELECT * FROM seat WHERE license_id = '{few}'")
    template = dict(zip(filler.columns("seat"), row))
    customers = {"id": some_id, "name": "'Customer ' || i", "created": "i"}
    customers["email"] = "'customer' || i || '@example.com'"
    made = {
        "id": some_id,
        "key_hash": hashed,
        "licensee": "'Customer ' || i",
        "customer_id": some_id,
        "created": "t.created - i",
        "expires": "t.created + i",
        "terms": f"replace(t.terms, '{few}', {some_id})",
        "taken": "0",
        "activated": "0",
    }
    keys_of = {"hash": hashed, "license_id": some_id}
    orders = {"order_id": "'order ' || i", "customer_id": some_id, "sold": "i"}
    authority.script(
        [
            filler.multiplied("customer", seats, customers),
            filler.multiplied("license", licenses, made, f"id = '{few}'"),
            filler.multiplied("license_key", licenses, keys_of, f"license_id = '{few}'"),
            filler.multiplied("sale", seats, orders),
            filler.multiplied("audit", seats, {"id": line, "at": "i"}),
            filler.multiplied("event", seats, {"id": line, "at": "i", "license_id": of_license, "sequence": "i"}),
            filler.multiplied(
                "refusal", seats, {"day": "100000 + i", "first_at": "i", "last_at": "i", "license_id": of_license}
            ),
        ]
    )
    filler.enter("seat", seat_rows(template, seats, big))
    of_seat = f"license_id = '{few}' AND handle = {template['handle']}"
    authority.script(
        [
            "INSERT INTO tag (license_id, tag, handle, device_key) "
            f"SELECT seat.license_id, own.tag - own.tag % 16777216 + (seat.handle * 7919) % 16777216, "
            f"seat.handle, seat.device_key FROM seat, (SELECT tag FROM tag WHERE {of_seat} LIMIT 1) AS own "
            f"WHERE seat.handle <> {template['handle']}",
            "UPDATE license SET taken = (SELECT COUNT(*) FROM seat WHERE license_id = license.id AND taken = 1), "
            "activated = (SELECT COUNT(*) FROM seat WHERE license_id = license.id)",
            f"UPDATE tally SET number = number + {seats} WHERE what = 'active'",
            "ANALYZE",
        ]
    )

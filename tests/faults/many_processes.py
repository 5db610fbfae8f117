#!/usr/bin/env python3
"""Many processes of the real client share a few stores and one license, and are killed at random.

docs/THREATS.md, Test 5.

    cargo build --locked && python3 tests/faults/many_processes.py --seconds 600

Sixteen at a time, each runs one command after another on a store of its choosing: activate, status, check in,
deactivate online and offline, cancel, show codes. One in three is killed at a random moment. Meanwhile

- no command may call a store damaged or a message malformed: nothing is ever read torn;
- no license may be usable whose seat the authority's database showed as free before (I1);
- never may more seats be taken than the license has.

Afterwards each store is brought into order with the client's commands alone: the seats that are taken must be those of
the usable stores, and all of them must come free (I2).

All files are in memory (/dev/shm) where there is such a place: a kill needs no disk. Exits with 1 on any breach.
"""

import argparse
import collections
import http.client
import http.server
import json
import os
import pathlib
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))

from running import Authority  # noqa: E402

PRODUCT = "Many Processes"
SEATS = 3
# One of a kind in three is killed, at a moment within the time that it mostly takes.
KILLED_IN = 3
LONGEST_LIFE = 0.08
COMMANDS = {
    "status": (("status",), 6),
    "activate": (("activate", "KEY"), 5),
    "check in": (("check-in",), 2),
    "deactivate": (("deactivate",), 3),
    "deactivate offline": (("deactivate", "--offline"), 1),
    "cancel": (("cancel",), 1),
    "code": (("code",), 1),
}
# What a command may be refused for, where others are at work on the same store and the same license.
REFUSALS = {
    "already-active", "busy", "request-cancelled", "given-up", "no-free-seat", "not-active", "not-pending",
    "nothing-outstanding", "outdated",
    "server-busy", "timed-out", "too-many-outstanding", "unknown-seat", "unreachable", "wrong-request",
}
SYMBOLS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


class Breach(Exception):
    """Something that must never be."""


def must(kept, what):
    if not kept:
        raise Breach(what)


def name(handle):
    """A seat's name as people read it."""
    return "".join(SYMBOLS[handle >> shift & 31] for shift in range(25, -1, -5))


class Network(http.server.BaseHTTPRequestHandler):
    """What a store's machine is connected through, as a proxy. In ten minutes all stores together try more than the
    authority takes from one address in an hour, so each has an address of its own."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name: value for name, value in self.headers.items() if name.lower() not in ("host", "connection")}
        vendor = http.client.HTTPConnection(self.server.vendor, timeout=120)
        try:
            vendor.request("POST", self.path, body, headers | {"X-Forwarded-For": self.server.address_of_store})
            answer = vendor.getresponse()
            content = answer.read()
        finally:
            vendor.close()
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("connection", "content-length", "transfer-encoding"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def handle(self):
        try:
            super().handle()
        except OSError:
            pass  # The process was killed.

    def log_message(self, *_):
        pass


class World:
    def __init__(self, folder, tools, stores):
        self.folder = folder
        self.tools = tools
        self.stores = [folder / f"store-{number}" for number in range(stores)]
        self.authority = Authority(tools / "authority", folder / "authority", PRODUCT)
        self.key = self.authority.sell(SEATS)
        self.authority.serve("--trusted-proxy", "127.0.0.1")
        self.networks = {}
        for number, store in enumerate(self.stores):
            network = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Network)
            network.vendor, network.address_of_store = self.authority.address, f"10.0.0.{number + 1}"
            threading.Thread(target=network.serve_forever, daemon=True).start()
            self.networks[store] = f"http://127.0.0.1:{network.server_port}"
        self.over = time.monotonic()
        self.tally = collections.Counter()
        self.refusals = collections.Counter()
        self.breaches = []

    def start(self, store, arguments):
        environment = {
            "HOME": str(self.folder),
            "PATH": os.environ["PATH"],
            "XDG_STATE_HOME": f"{store}-tombstones",
            "NO_PROXY": "*",
        }
        command = [self.tools / "nodelock", "--store", store, "--product", PRODUCT]
        command += ["--root", self.authority.root, "--json"]
        command += ["--authority", self.networks[store], *(self.key if word == "KEY" else word for word in arguments)]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, env=environment, cwd=self.folder, stdout=pipe, stderr=pipe, text=True)

    def seats(self):
        """The seats by their state, from the database itself."""
        with sqlite3.connect(f"file:{self.folder}/authority/authority.db?mode=ro", uri=True) as database:
            rows = database.execute("SELECT handle, state FROM seat").fetchall()
        database.close()
        seats = collections.defaultdict(set)
        for handle, state in rows:
            seats[state].add(name(handle))
        must(len(seats["active"]) <= SEATS, f"{len(seats['active'])} seats are taken of {SEATS}")
        return seats

    def judge(self, what, child, free):
        """What a command that was not killed may say."""
        out, error = child.communicate(timeout=120)
        must(child.returncode in (0, 1, 3), f"{what}: exit code {child.returncode}: {error.strip()}")
        if child.returncode == 1:
            kind = json.loads(error)["error"]
            must(kind in REFUSALS, f"{what}: {error.strip()}")
            self.refusals[kind] += 1
            return None
        answer = json.loads(out)
        must(answer.get("verdict") != "damaged", f"{what}: {out}")
        if answer.get("usable"):
            seat = answer["license"]["seat"]
            must(seat not in free, f"I1: {what}: seat {seat} was free, and its license is usable")
        return answer

    def work(self, seed):
        dice = random.Random(seed)
        commands = list(COMMANDS)
        weights = [weight for _, weight in COMMANDS.values()]
        while time.monotonic() < self.over and not self.breaches:
            what = dice.choices(commands, weights)[0]
            try:
                seats = self.seats()
                free = set().union(*(seats[state] for state in ("returned", "cancelled", "held", "revoked")))
                child = self.start(dice.choice(self.stores), COMMANDS[what][0])
                if dice.randrange(KILLED_IN) == 0:
                    time.sleep(dice.uniform(0, LONGEST_LIFE))
                    child.send_signal(signal.SIGKILL)
                    child.communicate()
                    self.tally["killed" if child.returncode == -signal.SIGKILL else "ended before the kill"] += 1
                else:
                    self.tally["done" if self.judge(what, child, free) is not None else "refused"] += 1
                self.tally[what] += 1
            except Breach as breach:
                self.breaches.append(str(breach))
            except Exception as failure:  # A worker that ends in silence would make the test an easy one.
                self.breaches.append(f"{what}: {failure!r}")

    def ask(self, store, *arguments):
        child = self.start(store, arguments)
        answer = self.judge(arguments[0], child, set())
        return answer

    def settle(self):
        """What customers do to bring every store into order."""
        usable = set()
        for store in self.stores:
            if self.ask(store, "status")["pending"] is not None:
                self.ask(store, "activate", "KEY")
            if self.ask(store, "status")["pending"] is not None:
                # No seat is free, so it waits.
                self.ask(store, "cancel")
            self.ask(store, "check-in")
            status = self.ask(store, "status")
            must(status["pending"] is None, f"{store.name} waits for an answer")
            must(status["outstanding"] == 0, f"{store.name} waits for a receipt")
            if status["usable"]:
                usable.add(status["license"]["seat"])
        taken = self.seats()["active"]
        must(taken == usable, f"seats {sorted(taken)} are taken, and {sorted(usable)} are used")
        # No seat was lost: all of them can be had, and given back.
        for store in self.stores:
            self.ask(store, "activate", "KEY")
        usable = sum(self.ask(store, "status")["usable"] for store in self.stores)
        must(usable == len(self.seats()["active"]) == SEATS, f"only {usable} of {SEATS} seats can be had")
        for store in self.stores:
            self.ask(store, "deactivate")
        must(not self.seats()["active"], "I2: a seat cannot be freed")
        self.tally["seats there ever were"] = sum(len(seats) for seats in self.seats().values())


def main():
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--bin", type=pathlib.Path, default=target / "debug")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--processes", type=int, default=16)
    parser.add_argument("--stores", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    for tool in ("nodelock", "authority"):
        if not (options.bin / tool).exists():
            sys.exit(f"{options.bin / tool} is missing: cargo build --locked")

    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="nodelock-processes-", dir=memory) as folder:
        world = World(pathlib.Path(folder), options.bin.resolve(), options.stores)
        try:
            world.over = time.monotonic() + options.seconds
            seeds = range(options.seed, options.seed + options.processes)
            workers = [threading.Thread(target=world.work, args=(seed,)) for seed in seeds]
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()
            try:
                world.settle()
            except Breach as breach:
                world.breaches.append(str(breach))
        finally:
            world.authority.kill()

    for breach in world.breaches[:10]:
        print(f"BREACH {breach}")
    for what, count in world.tally.items():
        print(f"{count:>9} {what}")
    print("refused:", ", ".join(f"{count} {kind}" for kind, count in world.refusals.most_common()))
    print(
        f"{options.processes} processes on {options.stores} stores for {options.seconds:.0f} s: "
        f"{len(world.breaches)} breaches"
    )
    return 1 if world.breaches or not world.tally["killed"] or not world.tally["done"] else 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Kills and errors at every file system call of the real command-line client (docs/THREATS.md, Test 1 and Test 3).

    cargo build --locked && python3 tests/faults/strace_sweep.py

Every command that changes a store is run under strace once to see what it asks of the system, and then once for each
of those calls, counted from the first that touches the store: killed on entering that call, or refused there with one
of five errors. Afterwards the machine "starts again": what the command had put out by then goes to the authority, the
store must be whole, and with the commands of the two examples alone the seat must come free and go to another machine.

The judge is the reference authority itself (`examples/authority`), on a copy of its database for each point, so that
what is swept is what is shipped. After an error the seat is freed for two of the five kinds of error; for the others
it is enough that the store is as before the command or as after it.

All files are in memory (/dev/shm) where there is such a place: a kill needs no disk, and a sync costs nothing there.
Power cuts are power_cut.py's subject.

Skips, with exit code 0 and a line that says so, where strace cannot trace; NODELOCK_REQUIRE_FAULT_TOOLS=1 makes that
a failure. Exits with 1 on any breach.
"""

import argparse
import collections
import concurrent.futures
import itertools
import json
import os
import pathlib
import pwd
import re
import shutil
import subprocess
import sys
import tempfile
import time
import typing

PRODUCT = "Fault Sweep"
# Where tombstones are left as well, whatever the environment says: the home of the password database. All copies of a
# machine share it, so they run one after the other.
KNOWN_TOMBSTONES = pathlib.Path(pwd.getpwuid(os.getuid()).pw_dir, ".local/state/nodelock", "+fault%20+sweep")
# At least this many kills (docs/THREATS.md, Test 1).
FLOOR = 500

# Each errno with the name of the error that the client must give.
ERRORS = {
    "ENOSPC": "no-space",
    "EIO": "io",
    "EROFS": "read-only",
    "EDQUOT": "no-space",
    "EACCES": "access-denied",
}
# After these the seat is freed and taken by another machine; after the others only the store is looked at.
RECOVERED = ("ENOSPC", "EIO")
# Calls that fail from some moment on for good, as on a disk that is full or broken.
LASTING = ("openat", "write", "fsync", "rename", "mkdir")
# What the authority says to a request whose seat has ended.
OVER = ("given-up", "request-cancelled", "revoked")
# What the client says when the trouble is with a file of the caller's.
CALLERS_FILES = ("input", "output")

CODE = re.compile(r"\b[0-9A-Z]{5}(?:-[0-9A-Z]{5}){4}\b")
CALL = re.compile(r"^\d+\s+(\w+)\((.*)$")
OPENED_DIRECTORY = re.compile(r"O_DIRECTORY.*\) = (\d+)$")
# Not calls of the file system, though strace counts them to the same classes.
NOT_FILES = ("execve", "mmap", "munmap", "poll", "dup", "pipe2")

KILLED = -9


class Breach(Exception):
    """Something that must never be."""


def must(kept, what):
    if not kept:
        raise Breach(what)


class Tools:
    def __init__(self, folder):
        self.nodelock = folder / "nodelock"
        self.authority = folder / "authority"
        for tool in (self.nodelock, self.authority):
            if not tool.exists():
                sys.exit(f"{tool} is missing: cargo build --locked")


class Place:
    """A machine and its authority, in one folder."""

    tools = None
    root_key = None

    def __init__(self, folder, tombstones=None):
        self.folder = folder
        self.tombstones = tombstones or folder / "tombstones"

    def copy(self, to):
        shutil.copytree(self.folder, to)
        # What an earlier copy of this machine gave up is not in this one's past.
        shutil.rmtree(KNOWN_TOMBSTONES, ignore_errors=True)
        return Place(to)

    def run(self, command, strace=()):
        environment = {
            "HOME": str(self.folder),
            "PATH": os.environ["PATH"],
            "XDG_STATE_HOME": str(self.tombstones),
            # The client leaves tombstones below this too.
            "XDG_DATA_HOME": str(self.tombstones / "data"),
        }
        return subprocess.run(
            [*strace, *command], cwd=self.folder, env=environment, capture_output=True, text=True, check=False
        )

    def client(self, *arguments, strace=()):
        command = [self.tools.nodelock, "--store", self.folder / "store", "--product", PRODUCT]
        return self.run([*command, "--root", self.root_key, "--json", *arguments], strace)

    def ask(self, *arguments):
        """A command of the client that must do its work."""
        result = self.client(*arguments)
        must(result.returncode in (0, 3), f"{arguments[0]}: {result.stderr.strip()}")
        return json.loads(result.stdout)

    def vendor(self, *arguments):
        result = self.run([self.tools.authority, "--dir", "authority", "--json", *arguments])
        return result.returncode, json.loads(result.stdout or "{}")

    def ask_vendor(self, *arguments):
        code, answer = self.vendor(*arguments)
        must(code == 0, f"authority {arguments[0]}: {answer.get('message')}")
        return answer

    def taken(self):
        return sum(entry["seats"]["taken"] for entry in self.ask_vendor("license", "list")["licenses"])

    def status(self):
        status = self.ask("status")
        must(status["verdict"] != "damaged", "corrupt store")
        return status

    def summary(self):
        """What tells one state of the record from another."""
        status = self.status()
        return status["verdict"], status["pending"] is not None, status["outstanding"], status["renewal_due"]


class Call(typing.NamedTuple):
    """A call of the system that a command makes."""

    name: str
    # Which of its calls of that name.
    number: int
    # Whether it writes to the standard error.
    complains: bool
    # Whether it closes a directory. std takes it for granted that this succeeds, and panics otherwise.
    closes_directory: bool


class Situation:
    """A command, and the place that it is run in."""

    def __init__(self, name, before, command):
        self.name = name
        self.before = before
        self.command = command
        self.calls = []
        self.states = ()

    def look(self, scratch):
        """Runs the command once to see which calls it makes and what becomes of the store."""
        place = self.before.copy(scratch)
        trace = place.folder / "trace"
        result = place.client(*self.command, strace=strace("-e", "trace=%file,%desc", "-o", str(trace)))
        must(result.returncode in (0, 3), f"{self.name}: {result.stderr}")
        counts = collections.Counter()
        touched = False
        directories = set()
        for line in trace.read_text(errors="replace").splitlines():
            call = CALL.match(line)
            if call is None:
                continue
            name, arguments = call.groups()
            counts[name] += 1
            opened = OPENED_DIRECTORY.search(arguments)
            if opened is not None:
                directories.add(opened.group(1))
            closes_directory = name == "close" and arguments.split(")")[0] in directories
            if closes_directory:
                directories.remove(arguments.split(")")[0])
            touched = touched or str(place.folder / "store") in arguments
            if touched and name not in NOT_FILES:
                self.calls.append(Call(name, counts[name], arguments.startswith("2, "), closes_directory))
        self.states = (self.before.summary(), place.summary())


def strace(*arguments):
    return ["strace", "-f", "-qq", *arguments, "--"]


def prepare(folder, tools):
    """Every situation: first start, outstanding seats, renewal, both kinds of cancellation, both kinds of receipt."""
    Place.tools = tools
    fresh = Place(folder / "fresh")
    fresh.folder.mkdir()
    Place.root_key = fresh.ask_vendor("init", "--product", PRODUCT)["root"]
    terms = ["--seats", "1", "--deactivations", "none"]
    key = fresh.ask_vendor("license", "new", "--licensee", "Jane Doe", *terms)["key"]

    other = fresh.copy(folder / "other")
    other.ask("request", key, "--out", "other.txt")
    shutil.copy(other.folder / "other.txt", fresh.folder)

    def after(place, name, *steps):
        place = place.copy(folder / name)
        for step in steps:
            step(place)
        return place

    def client(*arguments):
        return lambda place: place.ask(*arguments)

    def vendor(*arguments):
        return lambda place: place.ask_vendor(*arguments)

    asked = after(fresh, "asked", client("request", key, "--out", "request.txt"))
    granted = after(asked, "granted", vendor("activate", "request.txt", "--out", "license.txt"))
    active = after(granted, "active", client("install", "license.txt"))
    seat = active.ask_vendor("list")["seats"][0]["handle"]
    renewed = after(active, "renewed", vendor("renew", seat, "--out", "renewal.txt"))
    released = after(active, "released", vendor("release", seat, "--reason", "lost", "--yes", "--out", "revocation.txt"))
    given_up = after(active, "given-up", client("deactivate", "--offline"))
    freed = after(
        given_up,
        "freed",
        client("code", "--format", "file", "--out", "proof"),
        vendor("redeem", "proof", "--out", "receipt.txt"),
    )
    asked_anew = after(given_up, "asked-anew", client("request", key, "--out", "request.txt"))
    answered = after(asked_anew, "answered", vendor("activate", "request.txt", "--out", "license.txt"))

    for place in (fresh, given_up):
        (place.folder / "request.txt").unlink(missing_ok=True)
    request = ("request", key, "--out", "request.txt")
    return [
        Situation("request on first start", fresh, request),
        Situation("request with a seat outstanding", given_up, request),
        Situation("install", granted, ("install", "license.txt")),
        Situation("install with a receipt", answered, ("install", "license.txt")),
        Situation("install a renewal", renewed, ("install", "renewal.txt")),
        Situation("deactivate", active, ("deactivate", "--offline")),
        Situation("cancel before the vendor knows", asked, ("cancel",)),
        Situation("cancel what was granted", granted, ("cancel",)),
        Situation("receipt", freed, ("receipt", "receipt.txt")),
        Situation("revocation", released, ("receipt", "revocation.txt")),
    ]


def hand_over(place, result):
    """Gives the authority whatever came out of a command, whole or not. Returns whether that freed the seat."""
    request = place.folder / "request.txt"
    if request.exists() and request.stat().st_size > 0:
        code, answer = place.vendor("activate", "request.txt", "--out", "answer.txt")
        whole = "-----END" in request.read_text().rstrip().splitlines()[-1]
        # A request whose seat has ended since is refused as such, a torn one as malformed.
        must(code == 0 or not whole or answer["error"] in OVER, f"request: {answer}")
    proof = re.search(r'"base64url": "([^"]+)"', result.stdout)
    if proof is None:
        return False
    return place.ask_vendor("redeem", proof.group(1))["outcome"] in ("freed", "already-freed")


def free_the_seat(place, status):
    """What a customer does who wants the seat back and does not know what happened, with the client's commands."""
    if status["pending"] is not None:
        status = place.ask("cancel")
    elif status["license"] is not None:
        place.ask("deactivate", "--offline")
        status = {"outstanding": status["outstanding"] + 1}
    if status["outstanding"] == 0:
        return
    for waiting in place.ask("code")["outstanding"]:
        place.ask("code", "--seat", waiting["seat"], "--format", "file", "--out", "proof")
        place.ask_vendor("redeem", "proof", "--out", "receipt.txt")
        place.ask("receipt", "receipt.txt")


def judge(situation, place, result):
    """The store is whole, the seat not lost, and there is no second one."""
    freed = hand_over(place, result)
    status = place.status()
    must(not (freed and status["usable"]), "I1: the seat is free and the license usable")
    free_the_seat(place, status)
    # Another machine gets the seat, so it was free; there is only one.
    place.ask_vendor("activate", "other.txt", "--out", "other-license.txt")
    must(place.taken() == 1, f"{place.taken()} seats are taken")
    status = place.status()
    must(not status["usable"], "double seat")
    must(status["outstanding"] == 0 and status["pending"] is None, "something is left on the machine")


class Point(typing.NamedTuple):
    """Something that goes wrong at a call."""

    call: Call
    # The errno, or nothing for a kill.
    error: str | None = None
    # Whether it goes on with all later calls of that name.
    lasting: bool = False

    def __str__(self):
        return f"{self.call.name} {self.call.number}{'+' * self.lasting} {self.error or 'killed'}"

    def injection(self):
        what = f"error={self.error}" if self.error else "signal=KILL"
        return f"inject={self.call.name}:{what}:when={self.call.number}{'+' * self.lasting}"


def points(situation, kills, errors):
    for call in situation.calls:
        if kills:
            yield Point(call)
        if not errors or call.closes_directory:
            continue
        yield from (Point(call, error) for error in ERRORS)
        if call.name in LASTING:
            yield from (Point(call, error, True) for error in RECOVERED)


def run_point(situation, place, point):
    """Returns what came of it: a kill, an error, or that the call was not reached."""
    result = place.client(*situation.command, strace=strace("-o", "/dev/null", "-e", point.injection()))
    if point.error is None and result.returncode != KILLED:
        return "missed"
    if point.error is not None:
        judge_error(situation, place, point, result)
    if point.error is None or point.error in RECOVERED:
        judge(situation, place, result)
    return "kill" if point.error is None else "error"


def judge_error(situation, place, point, result):
    """The client says what is wrong and shows no code; the store is as before the command or as after it."""
    states = situation.states
    if result.returncode in (0, 3):
        # Something that the command can do without, or did a second time: then it is done.
        states = states[1:]
    else:
        shown = result.stdout + result.stderr
        must(not CODE.search(shown) and "base64url" not in shown, "a code is shown on an error")
        must(result.returncode == 1, f"exit code {result.returncode}: {shown}")
        if not point.call.complains and not (point.lasting and point.call.name == "write"):
            kind = json.loads(result.stderr)["error"]
            must(kind == ERRORS[point.error] or kind in CALLERS_FILES, f"it is called {kind}")
    found = place.summary()
    must(found in states, f"{found} is neither the old state nor the new one")


def unavailable():
    """Why nothing can be traced here, if so."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    probe = ["strace", "-f", "-o", "/dev/null", "-e", "inject=fsync:signal=KILL:when=1", "--", "true"]
    result = subprocess.run(probe, capture_output=True, text=True, check=False)
    return f"strace cannot trace: {result.stderr.strip()}" if result.returncode != 0 else None


def main():
    project = pathlib.Path(__file__).resolve().parents[2]
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", project / "target"))
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--bin", type=pathlib.Path, default=target / "debug")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--only", help="situations whose name holds this")
    parser.add_argument("--no-kills", action="store_true")
    parser.add_argument("--no-errors", action="store_true")
    options = parser.parse_args()

    reason = unavailable()
    if reason is not None:
        print(f"SKIPPED strace_sweep.py: {reason}")
        return 1 if os.environ.get("NODELOCK_REQUIRE_FAULT_TOOLS") == "1" else 0

    start = time.monotonic()
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="nodelock-faults-", dir=memory) as scratch:
        return sweep(pathlib.Path(scratch), options, start)


def sweep(scratch, options, start):
    (scratch / "situations").mkdir()
    situations = prepare(scratch / "situations", Tools(options.bin.resolve()))
    situations = [s for s in situations if not options.only or options.only in s.name]
    numbers = itertools.count()
    breaches = []
    tally = collections.Counter()

    def run(situation, point):
        folder = scratch / str(next(numbers))
        try:
            return run_point(situation, situation.before.copy(folder), point)
        except Breach as breach:
            breaches.append(f"{situation.name}, {point}: {' '.join(str(breach).split())}")
            return "breach"
        finally:
            shutil.rmtree(folder)

    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for number, situation in enumerate(situations):
            situation.look(scratch / f"look-{number}")
            todo = list(points(situation, not options.no_kills, not options.no_errors))
            counts = collections.Counter(pool.map(lambda point, s=situation: run(s, point), todo))
            tally.update(counts)
            print(f"{situation.name}: {counts['kill']} kills, {counts['error']} errors", flush=True)

    for breach in breaches[:20]:
        print(f"BREACH {breach}")
    seconds = time.monotonic() - start
    print(
        f"strace sweep: {tally['kill']} kills, {tally['error']} errors, {tally['missed']} not reached, "
        f"{len(breaches)} breaches, {seconds:.0f} s"
    )
    complete = not (options.only or options.no_kills)
    if complete and tally["kill"] < FLOOR:
        print(f"fewer than {FLOOR} kills")
        return 1
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Power cuts on real file systems (docs/THREATS.md, Test 2).

    cargo build --locked && sudo python3 tests/faults/power_cut.py

On an ext4 and an XFS in a file, the real command-line client does each thing that changes a store; then the file
system is shut down without writing its log (the GOINGDOWN ioctl), which is as good as pulling the plug, and mounted
again:

- after the client has announced something, it must be there, the same code and the same request;
- cut off anywhere in between, the store must be as before or as after, and never corrupt;
- when it is killed anywhere in between and asked again, what it shows must be there after the cut as well;
- the control, in which the sync of the directory is left out (strace answers it), must lose announcements.

The tombstones are on another file system: writing them would make everything durable that was written before.

Skips, with exit code 0 and a line that says so, where this user may not mount; NODELOCK_REQUIRE_FAULT_TOOLS=1 makes
that a failure. Exits with 1 on any breach.
"""

import argparse
import collections
import fcntl
import json
import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import time

import strace_sweep
from strace_sweep import Breach, Place, must, strace

GOINGDOWN = 0x8004587D
WITHOUT_LOG = 2
# At least this many cuts on each file system.
FLOOR = 30

# Seconds between the announcement and the cut.
DELAYS = (0, 0, 0.01, 0.1)
# The calls that change what is on a disk, or make it last.
CALLS = ("mkdir", "openat", "write", "fsync", "rename")
FSYNC = re.compile(r"^\d+\s+fsync\(\d+<(.*)>\)")

FILE_SYSTEMS = {
    "ext4": (64, ["mkfs.ext4", "-q", "-F"]),
    # mkfs.xfs makes none that is smaller.
    "xfs": (320, ["mkfs.xfs", "-q", "-f"]),
}


class Skip(Exception):
    """Why it cannot be tested here."""


def run(*command):
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise Skip(f"{command[0]}: {result.stderr.strip() or result.returncode}")


class Disk:
    """A file system in a file, mounted while it is used in a `with`."""

    def __init__(self, kind, scratch):
        self.kind = kind
        self.image = scratch / f"{kind}.image"
        self.mount_point = scratch / kind
        self.mount_point.mkdir()

    def __enter__(self):
        megabytes, make = FILE_SYSTEMS[self.kind]
        if shutil.which(make[0]) is None:
            raise Skip(f"{make[0]} is not installed")
        with open(self.image, "wb") as image:
            image.truncate(megabytes << 20)
        run(*make, str(self.image))
        self.mount()
        return self

    def __exit__(self, *_):
        subprocess.run(["umount", "-l", str(self.mount_point)], capture_output=True, check=False)

    def mount(self):
        run("mount", "-o", "loop", "-t", self.kind, str(self.image), str(self.mount_point))

    def cut(self):
        """Pulls the plug and plugs it in again."""
        root = os.open(self.mount_point, os.O_RDONLY)
        try:
            fcntl.ioctl(root, GOINGDOWN, struct.pack("I", WITHOUT_LOG))
        finally:
            os.close(root)
        run("umount", str(self.mount_point))
        self.mount()

    def place(self, before, tombstones):
        """A durable copy of a machine."""
        folder = self.mount_point / "machine"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(strace_sweep.KNOWN_TOMBSTONES, ignore_errors=True)
        shutil.rmtree(tombstones, ignore_errors=True)
        shutil.copytree(before.folder, folder, ignore=shutil.ignore_patterns("authority", "tombstones"))
        if before.tombstones.exists():
            shutil.copytree(before.tombstones, tombstones)
        run("sync", "-f", str(folder))
        return Place(folder, tombstones)


def shown(place):
    """All codes and the request that the client shows when it is asked again."""
    status = place.status()
    shown = set()
    if status["outstanding"] > 0:
        shown.update(entry["code"] for entry in place.ask("code")["outstanding"])
    if status["pending"] is not None:
        shown.add(place.ask("request")["content"])
    return shown


def announced(place, result):
    """The codes and the request that a command has put out. The client is not asked: it might make them durable."""
    must(result.returncode in (0, 3), result.stderr)
    answer = json.loads(result.stdout)
    put_out = {answer["code"]} if "code" in answer else set()
    if answer.get("format") == "text":
        put_out.add((place.folder / answer["out"]).read_text())
    return put_out


class Sweep:
    def __init__(self, disk, tombstones):
        self.disk = disk
        self.tombstones = tombstones
        self.cuts = collections.Counter()
        self.breaches = []

    def point(self, what, situation, act):
        """Lets `act` do something to a fresh machine and say what was put out, and in which states the store may be
        after that; cuts, and looks."""
        place = self.disk.place(situation.before, self.tombstones)
        put_out, states = act(place)
        self.disk.cut()
        self.cuts[what] += 1
        try:
            found = place.summary()
            must(found in states, f"{found} is not in {states}")
            must(put_out <= shown(place), "what was put out is lost")
        except Breach as breach:
            self.breaches.append(f"{self.disk.kind}, {situation.name}, {what}: {' '.join(str(breach).split())}")

    def announced(self, situation, delay):
        def act(place):
            put_out = announced(place, place.client(*situation.command))
            time.sleep(delay)
            return put_out, situation.states[1:]

        self.point("announced", situation, act)

    def control(self, situation):
        """Does not sync the directory, if the command does that last."""

        def act(place):
            trace = self.tombstones.parent / "trace"
            probe = self.disk.place(situation.before, self.tombstones)
            probe.client(*situation.command, strace=strace("-y", "-e", "trace=fsync", "-o", str(trace)))
            synced = [FSYNC.match(line).group(1) for line in trace.read_text().splitlines() if FSYNC.match(line)]
            store = str(place.folder / "store")
            last = max(number for number, path in enumerate(synced, 1) if path == store)
            place = self.disk.place(situation.before, self.tombstones)
            inject = f"inject=fsync:retval=0:when={last}"
            result = place.client(*situation.command, strace=strace("-e", inject, "-o", "/dev/null"))
            return announced(place, result), situation.states[1:]

        self.point("control", situation, act)

    def killed(self, situation, call, again):
        def act(place):
            inject = f"inject={call.name}:signal=KILL:when={call.number}"
            place.client(*situation.command, strace=strace("-e", inject, "-o", "/dev/null"))
            return shown(place) if again else set(), situation.states

        self.point(f"killed at {call.name} {call.number}{', shown again' * again}", situation, act)


def sweep(disk, situations, tombstones):
    """All points on one file system. Returns the number of cuts, the breaches and the control's losses."""
    plain, control = Sweep(disk, tombstones), Sweep(disk, tombstones)
    for situation in situations:
        for delay in DELAYS:
            plain.announced(situation, delay)
        control.control(situation)
    for situation in situations:
        if situation.name in ("request on first start", "deactivate", "cancel what was granted"):
            for call in situation.calls:
                if call.name in CALLS:
                    plain.killed(situation, call, again=False)
                    plain.killed(situation, call, again=True)
    return plain.cuts, plain.breaches, sum(control.cuts.values()), control.breaches


def main():
    project = pathlib.Path(__file__).resolve().parents[2]
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", project / "target"))
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--bin", type=pathlib.Path, default=target / "debug")
    options = parser.parse_args()
    required = os.environ.get("NODELOCK_REQUIRE_FAULT_TOOLS") == "1"
    reason = "only root may mount" if os.geteuid() != 0 else strace_sweep.unavailable()
    if reason is not None:
        print(f"SKIPPED power_cut.py: {reason}")
        return int(required)

    failed = False
    with tempfile.TemporaryDirectory(prefix="nodelock-power-") as scratch:
        scratch = pathlib.Path(scratch)
        (scratch / "situations").mkdir()
        situations = strace_sweep.prepare(scratch / "situations", strace_sweep.Tools(options.bin.resolve()))
        for number, situation in enumerate(situations):
            situation.look(scratch / f"look-{number}")
        for kind in FILE_SYSTEMS:
            start = time.monotonic()
            try:
                with Disk(kind, scratch) as disk:
                    cuts, breaches, controls, losses = sweep(disk, situations, scratch / "tombstones")
            except Skip as skip:
                print(f"SKIPPED power_cut.py on {kind}: {skip}")
                failed |= required
                continue
            for breach in breaches[:20]:
                print(f"BREACH {breach}")
            total = sum(cuts.values())
            seconds = time.monotonic() - start
            print(
                f"power cuts on {kind}: {total} ({cuts['announced']} after an announcement), "
                f"{len(breaches)} breaches; "
                f"control without the directory's sync: {len(losses)} of {controls} lost; {seconds:.0f} s"
            )
            failed |= bool(breaches) or not losses or total < FLOOR
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Runs a command beside a throw-away PostgreSQL server.

    python3 tests/postgres/with_server.py cargo test --locked --test faults --test commands -- kills:: vendor::

The server has a cluster of its own in a temporary folder, listens on a free port of the loopback interface, and writes
to the disk as it would in earnest (fsync on). It is gone when the command ends, whose exit code is returned. The
command finds

    NODELOCK_ONLINE_POSTGRES   the server's URL, without a database
    NODELOCK_POSTGRES_CRASH    a shell command that kills the server with all its processes, and starts it again

PostgreSQL refuses root, so under root it runs as the user `postgres`, or else `nobody`.

Skips, with exit code 0 and a line that says so, where there is no PostgreSQL; NODELOCK_REQUIRE_POSTGRES=1 makes that
a failure.
"""

import contextlib
import os
import pathlib
import pwd
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

# A server that was killed leaves shared memory, which its processes may still hold for a moment.
PATIENCE = 60


def binaries():
    """The folder of PostgreSQL's programs: Debian keeps them out of the PATH."""
    versions = pathlib.Path("/usr/lib/postgresql").glob("*/bin/initdb")
    newest = sorted(versions, key=lambda path: int(path.parts[-3]), reverse=True)
    found = [*newest, *filter(None, [shutil.which("initdb")])]
    return pathlib.Path(found[0]).resolve().parent if found else None


def user():
    """Whom the server runs as; None for whoever runs this."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    sys.exit("PostgreSQL refuses root, and there is no other user")


def run(cluster, program, *arguments, check=True):
    account = user()
    return subprocess.run(
        [binaries() / program, *arguments],
        check=check,
        cwd=cluster,
        user=account.pw_uid if account else None,
        group=account.pw_gid if account else None,
        extra_groups=[] if account else None,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    ).returncode


def start(cluster):
    end = time.monotonic() + PATIENCE
    while run(cluster, "pg_ctl", "-D", cluster / "data", "-l", cluster / "log", "-w", "start", check=False) != 0:
        if time.monotonic() > end:
            sys.exit(f"PostgreSQL does not start:\n{(cluster / 'log').read_text()}")
        time.sleep(0.1)


def children(of):
    for status in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(status.read_text().rsplit(")", 1)[1].split()[1]) == of:
                yield int(status.parent.name)


def crash(cluster):
    """Every process of it ends at once, with no chance to tidy up."""
    server = int((cluster / "data" / "postmaster.pid").read_text().split()[0])
    for process in (server, *children(server)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    # A new one does not start while there is a process of the number that the old one noted, though it be a zombie.
    while pathlib.Path(f"/proc/{server}").exists():
        time.sleep(0.01)
    start(cluster)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def serve(cluster, command):
    account = user()
    if account:
        os.chown(cluster, account.pw_uid, account.pw_gid)
    port = free_port()
    data = cluster / "data"
    run(cluster, "initdb", "-D", data, "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale=C")
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": port,
        "unix_socket_directories": cluster,
        "fsync": "on",
        "synchronous_commit": "on",
        "max_connections": 500,
    }
    with (data / "postgresql.conf").open("a") as file:
        file.writelines(f"{name} = '{value}'\n" for name, value in settings.items())
    start(cluster)
    environment = {
        **os.environ,
        "PATH": f"{binaries()}{os.pathsep}{os.environ['PATH']}",
        "NODELOCK_ONLINE_POSTGRES": f"postgres://postgres@127.0.0.1:{port}",
        "NODELOCK_POSTGRES_CRASH": shlex.join([sys.executable, os.path.abspath(__file__), "--crash", str(cluster)]),
    }
    try:
        return subprocess.run(command, env=environment, check=False).returncode
    finally:
        run(cluster, "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop", check=False)


def main():
    match sys.argv[1:]:
        case ["--crash", cluster]:
            crash(pathlib.Path(cluster))
            return 0
        case []:
            sys.exit(__doc__)
        case command:
            if binaries() is None:
                print("SKIPPED with_server.py: PostgreSQL is not installed", flush=True)
                return 1 if os.environ.get("NODELOCK_REQUIRE_POSTGRES") == "1" else 0
            # Whoever ends this early ends the server too.
            signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
            with tempfile.TemporaryDirectory(prefix="nodelock-postgres-") as cluster:
                return serve(pathlib.Path(cluster), command)


if __name__ == "__main__":
    sys.exit(main())

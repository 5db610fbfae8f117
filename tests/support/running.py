"""A running authority, for the scripts that test one: the real program, with a ledger in a folder of its own."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any, Dict, List, Optional

# Longer than anything here takes: whatever takes so long hangs.
PATIENCE = 120


class Authority:
    """The program, set up for one product. It serves only once it is told to."""

    def __init__(self, program: Path, folder: Path, product: str, database: Optional[str] = None) -> None:
        self.program, self.folder, self.database = Path(program).resolve(), Path(folder), database
        self.server: Optional[subprocess.Popen] = None
        self.address = ""
        self.listeners: Dict[str, str] = {}
        self.root = str(self.run("init", "--product", product)["root"])

    def __enter__(self) -> Authority:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def command(self, *arguments: object) -> List[str]:
        """A command on this ledger, to be started."""
        where = ["--dir", self.folder, *(["--db", self.database] if self.database else [])]
        return [str(part) for part in (self.program, *arguments, *where)]

    def run(self, *arguments: object, text: str = "") -> Any:
        """What the vendor does beside the server, with `text` on its standard input: its answer."""
        command = [*self.command(*arguments), "--json"]
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=False, timeout=PATIENCE)
        assert done.returncode == 0, f"authority {arguments}: {done.returncode} {done.stdout} {done.stderr}"
        return json.loads(done.stdout)

    def sell(self, seats: int, *terms: object) -> str:
        """The key of a license whose seats may change hands as often as its customer likes, unless told."""
        if "--deactivations" not in terms:
            terms = (*terms, "--deactivations", "none")
        return str(self.run("license", "new", "--licensee", "Jane Doe", "--seats", seats, *terms)["key"])

    def serve(self, *options: object) -> Authority:
        """Starts the server and waits until it listens: at `address`, and by their events at `listeners`."""
        serve = self.command("serve", "--listen", "127.0.0.1:0", *options)
        with self.log.open("a", encoding="utf-8") as log:
            before = log.tell()
            # pylint: disable-next=consider-using-with
            self.server = subprocess.Popen(serve, stdout=subprocess.PIPE, stderr=log, text=True)
        assert self.server.stdout is not None
        self.address = self.server.stdout.readline().strip()
        assert self.address, f"the server did not start: {self.words(before)}"
        # Once it says where it listens, its other listeners are in its log.
        events = self.events(before)
        self.listeners = {of["event"]: of["address"] for of in events if of["event"].endswith("-listening")}
        return self

    def stop(self) -> None:
        """Ends the server in good order, if it runs."""
        if self.server is not None:
            self.server.terminate()
            code = self._ended()
            assert code == 0, f"the server ended with {code}: {self.words()}"

    def kill(self) -> None:
        """Ends the server on the spot, if it runs."""
        if self.server is not None:
            self.server.kill()
            self._ended()

    def _ended(self) -> int:
        server, self.server = self.server, None
        code = server.wait(PATIENCE)
        server.stdout.close()
        return code

    @property
    def log(self) -> Path:
        """What all its servers wrote."""
        return self.folder / "log"

    def words(self, begin: int = 0) -> str:
        """The log from there on."""
        with self.log.open(encoding="utf-8") as log:
            log.seek(begin)
            return log.read()

    def events(self, begin: int = 0) -> List[Dict[str, Any]]:
        """The lines of the log from there on."""
        return [json.loads(line) for line in self.words(begin).splitlines()]

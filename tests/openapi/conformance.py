"""Holds the authority's server against its OpenAPI description, with schemathesis.

    python3 tests/openapi/conformance.py [--examples N] [--seed N] [--program PROGRAM]

The server answers thousands of requests, in form and out of it: none may come to a 5xx, and none to a status, media
type, header or body that `examples/authority/openapi.json` does not describe. So that they get past the first check of
a message, the description is given genuine messages as examples, made in Python from docs/FORMAT.md (tests/interop): of
seats that are active, given up, cancelled, refused, of another product and never seen.

Then the same of the administration and `openapi-admin.json`, with the token of an owner who has signed in, and with
what the ledger has by then in the paths.

Needs schemathesis and cryptography, and the example `authority` built.
"""

from __future__ import annotations

import argparse
import base64
import hmac
import json
import secrets
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any, Dict, Iterator, List

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "interop"), str(HERE.parent / "support")]

from nodelock_format import code, envelope, fingerprint, forms, messages, release  # noqa: E402
from nodelock_format.envelope import Envelope, Kind  # noqa: E402
from peer import CANCELLED, MOVED, Store  # noqa: E402
from running import Authority  # noqa: E402

PRODUCT = "Example"
NO_TAGS = fingerprint.Fingerprint([], virtual_machine=False, container=False)
CHECKS = ",".join(
    [
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_headers_conformance",
        "response_schema_conformance",
        "unsupported_method",
        "allow_header_conformance",
    ]
)
# Requests that name an unknown license key or a wrong code, one after the other, are soon turned away without a look at
# them. These few are within every limit.
EXAMPLES: Dict[str, List[Dict[str, str]]] = {
    "activate": [],
    "preflight": [],
    "deactivate": [],
    "check_in": [],
}


def answer(authority: Authority, folder: Path, request: str) -> bytes:
    """Grants a request."""
    path = folder / "request"
    path.write_text(request)
    return authority.run("activate", path)["reply"].encode()


class Device:
    """A device in Python."""

    def __init__(self, folder: Path, key: str, product: str = PRODUCT) -> None:
        folder.mkdir()
        self.folder, self.product, self.store = folder, product, Store.create(folder)
        self.store.begin(product, key, int(time.time()), NO_TAGS)
        self.handle = self.store.record.current[1].activation.handle

    def request(self) -> str:
        """Its activation file."""
        given = [forms.Given(Envelope.parse(g.proof), None) for g in self.store.record.given_up]
        return forms.base64url(forms.activation_file(self.store.request(), given))

    def activated(self, authority: Authority) -> Device:
        """With its license installed."""
        reply = answer(authority, self.folder, self.request())
        roots = envelope.Roots([forms.from_base64url(authority.root)])
        self.license = self.store.install(reply, roots, int(time.time()))
        return self

    def give_up(self, reason: int = MOVED) -> Dict[str, str]:
        """Its proof and its code."""
        activation = self.store.record.current[1].activation
        given = self.store.give_up(self.product, int(time.time()), reason)
        secret = release.Release(activation.handle, activation.secret)
        return {
            "proof": forms.base64url(forms.deactivation_file(given)),
            "phone_code": code.deactivation_code(secret),
        }

    def sealed(self, kind: Kind, message: Any) -> str:
        """A message under its key."""
        return forms.base64url(envelope.seal(kind, messages.encode(message), self.store.seed).to_bytes())

    def preflight(self) -> str:
        """Asks whether it may give its seat up."""
        nonce, now = secrets.token_bytes(16), int(time.time())
        return self.sealed(Kind.PREFLIGHT_REQUEST, messages.PreflightRequest(self.handle, nonce, now, []))

    def check_in(self) -> str:
        """Asks for a renewal."""
        message = messages.CheckInRequest(
            handle=self.handle,
            nonce=secrets.token_bytes(16),
            sync_token=self.license.sync_token,
            revision=self.license.revision,
            time=int(time.time()),
            fingerprint=NO_TAGS,
            library="0.1.0",
            application="",
            extensions=[],
        )
        return self.sealed(Kind.CHECK_IN_REQUEST, message)


def fill(authority: Authority, folder: Path) -> None:
    """Makes genuine messages of every fate."""
    key, one = authority.sell(20), authority.sell(1, "--deactivations", "0")
    numbers = iter(range(1000))

    def device(key: str = key, product: str = PRODUCT) -> Device:
        return Device(folder / f"device {next(numbers)}", key, product)

    def held() -> Device:
        return device(one).activated(authority)

    active, over, holder = device().activated(authority), device().activated(authority), held()
    over_given = over.give_up()
    proof = folder / "proof"
    proof.write_text(over_given["proof"])
    authority.run("redeem", proof)
    suspended = authority.run("license", "new", "--licensee", "Late Payer", "--seats", "1")
    authority.run("license", "suspend", suspended["license"])
    cancelled, refused = device(), device(one)
    cancelled_given = cancelled.give_up(CANCELLED)
    nobodys = code.license_key(secrets.randbits(90))

    EXAMPLES["activate"] += [
        {"request": request}
        for request in [
            device().request(),
            refused.request(),
            device(nobodys).request(),
            device(suspended["key"]).request(),
            device(product="Another").request(),
            over_given["proof"],
        ]
    ]
    EXAMPLES["preflight"] += [{"request": d.preflight()} for d in [active, over, holder, device()]]
    EXAMPLES["check_in"] += [{"request": d.check_in()} for d in [active, over]]
    gone = device().activated(authority).give_up()
    by_phone = device().activated(authority).give_up()
    EXAMPLES["deactivate"] += [
        {"proof": gone["proof"]},
        {"phone_code": by_phone["phone_code"].lower()},
        {"proof": over_given["proof"]},
        {"proof": cancelled_given["proof"]},
        {"proof": holder.give_up()["proof"]},
        {"phone_code": code.deactivation_code(release.Release(active.handle, 1))},
        {"phone_code": code.deactivation_code(release.Release(secrets.randbits(30), 1))},
        {"phone_code": key},
        {"phone_code": "17KX2-M928T"},
    ]


PASSWORD = "correct horse battery"
# schemathesis calls them with names that it finds in other answers, the owner's too, who is let in no more then.
ENDS_SESSIONS = ["sign_out", "disable_account", "change_role", "change_password", "new_second_factor"]


def fill_for_owner(authority: Authority) -> Dict[str, str]:
    """What stands in the paths of the administration, and the secret of an owner's second factor."""
    factor = authority.run("account", "new", "owner", "--role", "owner", text=PASSWORD)
    authority.run("account", "new", "jane", "--role", "support", text=PASSWORD)
    customer = authority.run("customer", "new", "--name", "Jane Doe")["id"]
    sold = authority.run("license", "new", "--customer", customer, "--order", "17", "--expires", "2090-01-01")
    token = authority.run("token", "new", "--name", "shop", "--scope", "licenses:read")["id"]
    return {
        "secret": factor["secret"],
        "id": sold["license"],
        "hint": sold["key"].rsplit("-", 1)[-1],
        "handle": authority.run("list")["seats"][0]["handle"],
        "customer": customer,
        "order": "17",
        "product": "example",
        "name": "jane",
        "counter": "activations",
        "token": token,
    }


def second_factor(secret: str) -> str:
    """The code of now (RFC 6238)."""
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    digest = hmac.digest(key, (int(time.time()) // 30).to_bytes(8, "big"), "sha1")
    at = digest[-1] & 15
    return f"{(int.from_bytes(digest[at:at + 4], 'big') & 0x7FFF_FFFF) % 1_000_000:06}"


def sign_in(url: str, secret: str) -> str:
    """The token of the owner's session."""
    body = json.dumps({"account": "owner", "password": PASSWORD, "code": second_factor(secret)}).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{url}/v1/admin/sessions", body, headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return str(json.load(answer)["token"])


def described_for_owner(folder: Path, genuine: Dict[str, str]) -> Path:
    """The description of the administration, with things that there are in its paths."""
    description = json.loads((HERE.parent.parent / "examples/authority/openapi-admin.json").read_text())
    for path, item in description["paths"].items():
        kind = path.split("/")[3]
        for operation in (of for of in item.values() if "operationId" in of):
            for parameter in operation.get("parameters", []):
                if parameter["in"] != "path":
                    continue
                name = {"customers": "customer", "tokens": "token"}.get(kind, parameter["name"])
                parameter["examples"] = {"genuine": {"value": genuine[name]}}
    path = folder / "openapi-admin.json"
    path.write_text(json.dumps(description))
    return path


def schemathesis(description: Path, url: str, arguments: argparse.Namespace, *more: str) -> bool:
    """Whether something was found."""
    command = [sys.executable, "-m", "schemathesis.cli", "run", str(description), "--url", url, "--checks", CHECKS]
    command += ["--seed", str(arguments.seed), "--continue-on-failure", "--request-timeout", "30", *more]
    return subprocess.run(command, cwd=description.parent, check=False).returncode != 0


def operations(description: Dict[str, Any]) -> Iterator[Dict[str, Any]]:
    """Every operation of a description."""
    for path in description["paths"].values():
        yield from (operation for operation in path.values() if "operationId" in operation)


def described(folder: Path) -> Path:
    """The description, with the genuine messages as its examples."""
    description = json.loads((HERE.parent.parent / "examples/authority/openapi.json").read_text())
    for operation in operations(description):
        for number, example in enumerate(EXAMPLES.pop(operation["operationId"], [])):
            content = operation["requestBody"]["content"]["application/json"]
            content.setdefault("examples", {})[f"genuine {number}"] = {"value": example}
    if EXAMPLES:
        raise SystemExit(f"the description has no operation {', '.join(EXAMPLES)}")
    path = folder / "openapi.json"
    path.write_text(json.dumps(description))
    return path


def main() -> int:
    """Runs it all; 0 when nothing was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--examples", type=int, default=100, help="how many requests for each operation and phase")
    parser.add_argument("--admin-examples", type=int, default=8, help="the same of the administration")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--program", type=Path, default=Path("target/debug/authority"))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        authority = Authority(arguments.program, folder / "authority", PRODUCT)
        fill(authority, folder)
        genuine = fill_for_owner(authority)
        with authority.serve("--admin-listen", "127.0.0.1:0"):
            examples = ["--max-examples", str(arguments.examples)]
            found = schemathesis(described(folder), f"http://{authority.address}", arguments, *examples)
            administration = f"http://{authority.listeners['admin-listening']}"
            token = sign_in(administration, genuine["secret"])
            more = ["--header", f"Authorization: Bearer {token}"]
            for operation in ENDS_SESSIONS:
                more += ["--exclude-operation-id", operation]
            more += ["--max-examples", str(arguments.admin_examples), "--phases", "examples,fuzzing"]
            found |= schemathesis(described_for_owner(folder, genuine), administration, arguments, *more)
        events = authority.events()
    seen = sorted({(event["route"], event["status"]) for event in events if event["event"] == "request"})
    print(f"{len(events)} requests; statuses seen:")
    for route in sorted({route for route, _ in seen}):
        print(f"  {route}: {', '.join(str(status) for at, status in seen if at == route)}")
    failed = [event for event in events if event.get("status", 0) >= 500 or event["event"] == "failed"]
    for event in failed:
        print(f"the server failed: {event}")
    return 1 if found or failed else 0


if __name__ == "__main__":
    sys.exit(main())

"""Holds the authority's server against its OpenAPI description, with schemathesis.

    python3 tests/openapi/conformance.py [--examples N] [--seed N] [--program PROGRAM]

The server answers thousands of requests, in form and out of it: none may come to a 5xx, and none to a status, media
type, header or body that `examples/authority/openapi.json` does not describe. So that they get past the first check of
a message, the description is given genuine messages as examples, made in Python from docs/FORMAT.md (tests/interop): of
seats that are active, given up, cancelled, refused, of another product and never seen.

Then the same of the administration and `openapi-admin.json`, with the token of an owner who has signed in, and with one
genuine call of each operation as its example. Each must have come to a 2xx by the end.

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
import urllib.error
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
# A trial is for hardware that can be known again. This one has a hardware UUID.
SOME_HARDWARE = fingerprint.Fingerprint([(3, b"abc")], virtual_machine=False, container=False)
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

    def __init__(self, folder: Path, key: str, product: str = PRODUCT, tags: fingerprint.Fingerprint = NO_TAGS) -> None:
        folder.mkdir()
        self.folder, self.product, self.store = folder, product, Store.create(folder)
        self.store.begin(product, key, int(time.time()), tags)
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
# Nobody listens there.
WEBHOOK = "http://localhost:9/"
# schemathesis calls them with names that it finds in other answers, the owner's too, who is let in no more then.
ENDS_SESSIONS = ["sign_out", "disable_account", "change_role", "change_password", "new_second_factor"]


def fill_for_owner(authority: Authority) -> str:
    """The secret of an owner's second factor."""
    factor = authority.run("account", "new", "owner", "--role", "owner", text=PASSWORD)
    authority.run("mail", "policy", "--from", "Example <sales@example.com>")
    authority.run("account", "new", "jane", "--role", "support", text=PASSWORD)
    return str(factor["secret"])


def second_factor(secret: str) -> str:
    """The code of now (RFC 6238)."""
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    digest = hmac.digest(key, (int(time.time()) // 30).to_bytes(8, "big"), "sha1")
    at = digest[-1] & 15
    return f"{(int.from_bytes(digest[at:at + 4], 'big') & 0x7FFF_FFFF) % 1_000_000:06}"


class Owner:
    """An owner who has signed in over HTTP."""

    def __init__(self, url: str, secret: str) -> None:
        self.url, self.headers, self.calls = url, {"Content-Type": "application/json"}, 0
        body = {"account": "owner", "password": PASSWORD, "code": second_factor(secret)}
        self.headers["Authorization"] = f"Bearer {self.call('/v1/admin/sessions', body)['token']}"

    def call(self, path: str, body: Dict[str, Any]) -> Dict[str, Any]:
        """Posts something: the answer."""
        self.calls += 1
        headers = {**self.headers, "Idempotency-Key": f"call-{self.calls}"}
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return dict(json.load(answer))

    def etag(self, path: str) -> str:
        """The version of what is there."""
        request = urllib.request.Request(self.url + path, headers=self.headers)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return str(answer.headers["ETag"])


def genuine_calls(authority: Authority, folder: Path, owner: Owner) -> Dict[str, Dict[str, Any]]:
    """For each operation that something must be there for: its path, its version and its body, by their names.

    Each that ends something has its own, since schemathesis calls them in any order.
    """
    numbers = iter(range(1000))

    def sold(*terms: str) -> Dict[str, str]:
        terms = ("--licensee", "Jane Doe", "--expires", "2090-01-01", *terms)
        return dict(authority.run("license", "new", *terms))

    def license_id(*terms: str) -> Dict[str, str]:
        return {"id": sold(*terms)["license"]}

    def key(*terms: str) -> Dict[str, str]:
        of = sold(*terms)
        return {"id": of["license"], "hint": of["key"].rsplit("-", 1)[-1]}

    def customer(*details: str) -> Dict[str, str]:
        return {"id": authority.run("customer", "new", "--name", "Jane Doe", *details)["id"]}

    def order() -> Dict[str, str]:
        number = f"order-{next(numbers)}"
        sold("--order", number)
        return {"order": number}

    def in_use() -> Dict[str, str]:
        of = sold()
        Device(folder / f"owner's device {next(numbers)}", of["key"]).activated(authority)
        return {"id": of["license"]}

    def device(*terms: str, tags: fingerprint.Fingerprint = NO_TAGS) -> Device:
        return Device(folder / f"owner's device {next(numbers)}", sold(*terms)["key"], PRODUCT, tags)

    def seat(*terms: str, tags: fingerprint.Fingerprint = NO_TAGS) -> Dict[str, str]:
        return {"handle": release.handle_text(device(*terms, tags=tags).activated(authority).handle)}

    def released() -> Dict[str, str]:
        of = seat()
        owner.call(f"/v1/admin/seats/{of['handle']}/release", {"reason": "lost"})
        return of

    def held() -> Dict[str, str]:
        of = device("--deactivations", "0").activated(authority)
        owner.call("/v1/admin/redeem", {"input": of.give_up()["proof"]})
        return {"handle": release.handle_text(of.handle)}

    def waiting() -> Dict[str, str]:
        of = device("--approval", "required")
        try:
            owner.call("/v1/admin/activations", {"request": of.request()})
        except urllib.error.HTTPError as refused:
            assert refused.code == 409, refused.read()
        return {"handle": release.handle_text(of.handle)}

    def token() -> Dict[str, str]:
        return {"id": authority.run("token", "new", "--name", "shop", "--scope", "licenses:read")["id"]}

    def deployment_key() -> Dict[str, str]:
        new = ["--name", "CI", "--license", sold()["license"], "--limit", "9"]
        return {"id": authority.run("deployment-key", "new", *new)["id"]}

    def webhook() -> Dict[str, str]:
        return {"id": owner.call("/v1/admin/webhooks", {"url": WEBHOOK})["id"]}

    def of_version(path: str, of: Dict[str, str], body: Dict[str, Any]) -> Dict[str, Any]:
        return {**of, "If-Match": owner.etag(path + "".join(f"/{part}" for part in of.values())), "body": body}

    week, reason, terms = {"days": 7}, {"reason": "Gone for good."}, {"terms": {"seats": 5}}
    product, jane, since = {"product": "example"}, {"name": "jane"}, {"since": "2020-01-01T00:00:00Z"}
    return {
        "enable_account": jane,
        "change_quota": {**jane, "body": {"act": "extend", "most": 5}},
        "activate": {"body": {"request": device().request()}},
        "check_in": {"body": {"request": device().activated(authority).check_in()}},
        "redeem": {"body": {"input": device().activated(authority).give_up()["proof"]}},
        "customer": customer(),
        "edit_customer": of_version("/v1/admin/customers", customer(), {"name": "Jane Roe"}),
        "erase_customer": customer(),
        "new_deployment_key": {"body": {"name": "CI", "license": sold()["license"], "limit": 9}},
        "revoke_deployment_key": deployment_key(),
        "license": license_id(),
        "reset_counter": {**license_id("--activations", "3"), "counter": "activations", "body": reason},
        "deactivate": {**in_use(), "body": reason},
        "edit": of_version("/v1/admin/licenses", license_id(), terms),
        "extend": of_version("/v1/admin/licenses", license_id(), week),
        "keys": license_id(),
        "add_key": {**license_id(), "body": {}},
        "revoke_key": key(),
        "show_key": key(),
        "send_key": key("--customer", customer("--email", "jane@example.com")["id"]),
        "rekey": {**license_id(), "body": {}},
        "resume": {**license_id(), "body": {}},
        "suspend": {**license_id(), "body": {}},
        "void": {**license_id(), "body": reason},
        "edit_mail_policy": {"body": {"language": "de"}},
        "replay_mails": {"body": since},
        "order": order(),
        "extend_order": {**order(), "body": week},
        "void_order": {**order(), "body": reason},
        "edit_policies": of_version("/v1/admin/policies", {}, terms),
        "product": product,
        "edit_product": of_version("/v1/admin/products", product, terms),
        "request": waiting(),
        "approve_request": {**waiting(), "body": {}},
        "refuse_request": {**waiting(), "body": reason},
        "edit_retention": {"body": {"audit_days": 30}},
        "seat": seat(),
        "extend_trial": {**seat("--trial-days", "14", tags=SOME_HARDWARE), "body": week},
        "release": {**seat(), "body": reason},
        "renew": {**seat(), "body": {}},
        "return_held": {**held(), "body": {}},
        "unrelease": {**released(), "body": {}},
        "sell": {"body": {"licensee": "Jane Doe"}},
        "new_account": {"body": {"name": "joe", "role": "auditor", "password": PASSWORD}},
        "new_customer": {"body": {"name": "Jane Doe"}},
        "new_token": {"body": {"name": "shop", "scopes": ["licenses:read"]}},
        "revoke_token": token(),
        "new_webhook": {"body": {"url": WEBHOOK}},
        "remove_webhook": webhook(),
        "deliveries": webhook(),
        "replay": {**webhook(), "body": since},
        "new_webhook_secret": webhook(),
        "test_webhook": webhook(),
    }


def unsuccessful(events: List[Dict[str, Any]]) -> List[str]:
    """The operations of the administration that schemathesis calls and that never came to anything.

    A code to sign in with is good once, so the owner's own sign-in is the genuine one.
    """
    done = {(of["method"], of["route"]) for of in events if of["event"] == "request" and of["status"] // 100 == 2}
    description = json.loads((HERE.parent.parent / "examples/authority/openapi-admin.json").read_text())
    return [
        operation["operationId"]
        for path, item in description["paths"].items()
        for method, operation in item.items()
        if "operationId" in operation
        and operation["operationId"] not in [*ENDS_SESSIONS, "sign_in"]
        and (method.upper(), path) not in done
    ]


def described_for_owner(folder: Path, genuine: Dict[str, Dict[str, Any]]) -> Path:
    """The description of the administration, with things that there are as its examples."""
    description = json.loads((HERE.parent.parent / "examples/authority/openapi-admin.json").read_text())
    for operation in operations(description):
        given = genuine.pop(operation["operationId"], {})
        given["Idempotency-Key"] = f"genuine-{operation['operationId']}"
        for parameter in operation.get("parameters", []):
            if parameter["name"] in given:
                parameter["examples"] = {"genuine": {"value": given[parameter["name"]]}}
        if "body" in given:
            content = operation["requestBody"]["content"]["application/json"]
            content["examples"] = {"genuine": {"value": given["body"]}}
    if genuine:
        raise SystemExit(f"the description has no operation {', '.join(genuine)}")
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
        secret = fill_for_owner(authority)
        told = ["--webhook-allow", "localhost", "--mail-command", "/bin/true"]
        with authority.serve("--admin-listen", "127.0.0.1:0", *told):
            examples = ["--max-examples", str(arguments.examples)]
            found = schemathesis(described(folder), f"http://{authority.address}", arguments, *examples)
            administration = f"http://{authority.listeners['admin-listening']}"
            owner = Owner(administration, secret)
            genuine = genuine_calls(authority, folder, owner)
            before = authority.log.stat().st_size
            more = ["--header", f"Authorization: {owner.headers['Authorization']}"]
            for operation in ENDS_SESSIONS:
                more += ["--exclude-operation-id", operation]
            more += ["--max-examples", str(arguments.admin_examples), "--phases", "examples,fuzzing"]
            found |= schemathesis(described_for_owner(folder, genuine), administration, arguments, *more)
        events, of_owner = authority.events(), authority.events(before)
    seen = sorted({(event["route"], event["status"]) for event in events if event["event"] == "request"})
    print(f"{len(events)} requests; statuses seen:")
    for route in sorted({route for route, _ in seen}):
        print(f"  {route}: {', '.join(str(status) for at, status in seen if at == route)}")
    failed = [event for event in events if event.get("status", 0) >= 500 or event["event"] == "failed"]
    for event in failed:
        print(f"the server failed: {event}")
    without = unsuccessful(of_owner)
    if without:
        print(f"never came to anything: {', '.join(without)}")
    return 1 if found or failed or without else 0


if __name__ == "__main__":
    sys.exit(main())

"""A shop's webhook: what a payment service delivers becomes one call of the authority's administration.

    python3 webhook.py --authority URL --plans FILE --outbox FOLDER [--listen ADDRESS:PORT]

Environment: NODELOCK_TOKEN, a token with the scopes licenses:read and licenses:write; STRIPE_SECRET and PADDLE_SECRET,
the secrets of the services' endpoints /stripe and /paddle. A service without a secret is refused.

A delivery is believed if its signature is right and its time is near. It may come twice, late, and before one that
happened first: the authority sells each order once, never shortens a license, and whatever cannot be done yet is
answered with 503, so that the service delivers it again. What is of no order here a day later is not ours. License
keys are written into the outbox, for your mail.

It needs Python alone, and stands behind a reverse proxy with TLS.
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import json
import os
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

Event = Dict[str, Any]
# How far the time of a delivery may be from now, in seconds.
TOLERANCE = 300
# How long an event may come before the sale that it is about, in seconds.
EARLY = 24 * 60 * 60
# Longer than any delivery.
LONGEST = 1024 * 1024


class Forged(Exception):
    """The signature is not the service's, or too old."""


class NotYet(Exception):
    """It cannot be done now, and may be later."""


def parts(header: str, between: str) -> List[Tuple[str, str]]:
    """The names and values of a signature's header, in which a name may come more than once."""
    pairs = (part.strip().partition("=") for part in header.split(between))
    return [(name, value) for name, _, value in pairs]


def verify(
    secret: str, header: str, between: str, names: Tuple[str, str], joint: bytes, body: bytes, now: float
) -> None:
    """Checks a signature: an HMAC-SHA256, in hex, over the time, what joins it to the body, and the body."""
    pairs = parts(header, between)
    times = [value for name, value in pairs if name == names[0]]
    if len(times) != 1 or not re.fullmatch("[0-9]{1,12}", times[0]) or abs(now - int(times[0])) > TOLERANCE:
        raise Forged("the time is missing or too far from now")
    right = hmac.new(secret.encode(), times[0].encode() + joint + body, hashlib.sha256).hexdigest()
    # While a secret is replaced there are several.
    given = [value for name, value in pairs if name == names[1]]
    if not any([hmac.compare_digest(right.encode(), value.encode()) for value in given]):
        raise Forged("the signature is wrong")


def verify_stripe(secret: str, header: str, body: bytes, now: float) -> None:
    """`Stripe-Signature: t=TIME,v1=HEX` over `TIME.BODY`."""
    verify(secret, header, ",", ("t", "v1"), b".", body, now)


def verify_paddle(secret: str, header: str, body: bytes, now: float) -> None:
    """`Paddle-Signature: ts=TIME;h1=HEX` over `TIME:BODY`."""
    verify(secret, header, ";", ("ts", "h1"), b":", body, now)


class Authority:
    """The calls that a shop makes."""

    def __init__(self, url: str, token: str) -> None:
        self.url, self.token = url.rstrip("/"), token

    def call(self, key: str, path: str, body: Any) -> Tuple[int, Any]:
        """One call, which names itself by the delivery: made again, it is answered as before."""
        headers = {
            "Authorization": f"Bearer {self.token}",
            "Content-Type": "application/json",
            "Idempotency-Key": key,
        }
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(), headers, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as refused:
            if refused.code >= 500 or refused.code == 429:
                raise NotYet(f"the authority says {refused.code}") from refused
            return refused.code, json.load(refused)
        except OSError as error:
            raise NotYet(f"the authority cannot be reached: {error}") from error


class Shop:
    """What becomes of deliveries."""

    def __init__(self, authority: Authority, plans: Dict[str, Any], outbox: Path) -> None:
        self.authority, self.plans, self.outbox = authority, plans, outbox

    def sell(self, key: str, order: str, plan: Optional[str], licensee: str, email: str) -> str:
        """Sells what a plan says, once for each order."""
        if plan not in self.plans:
            return "not ours: no such plan"
        body = {**self.plans[plan], "licensee": licensee, "order": order}
        status, answer = self.authority.call(key, "/v1/admin/licenses", body)
        if status != 200:
            raise NotYet(f"{order} is not sold: {status} {answer}")
        keys = [license["key"] for license in answer["licenses"]]
        if not answer["sold"]:
            return "sold before"
        # A delivery that is repeated has the same keys, so a crash before this line loses none.
        letter = {"to": email, "order": order, "licensee": licensee, "keys": keys}
        self.put(hashlib.sha256(order.encode()).hexdigest(), letter)
        return "sold"

    def put(self, name: str, letter: Any) -> None:
        """Leaves a letter in the outbox, whole or not at all."""
        waiting = self.outbox / f".{name}.{os.getpid()}.{time.monotonic_ns()}"
        with open(waiting, "x", encoding="utf-8", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            json.dump(letter, file)
            file.flush()
            os.fsync(file.fileno())
        waiting.replace(self.outbox / f"{name}.json")

    def extend(self, key: str, order: str, until: str, at: Optional[float]) -> str:
        """Has the licenses of an order last until then at least."""
        return self.change(key, order, "extend", {"until": until}, at)

    def refund(self, key: str, order: str, at: Optional[float]) -> str:
        """Ends the licenses of an order."""
        return self.change(key, order, "void", {"reason": "refunded"}, at)

    def change(self, key: str, order: str, act: str, body: Any, at: Optional[float]) -> str:
        """`at` is when it happened, as far as the service says."""
        path = f"/v1/admin/orders/{urllib.parse.quote(order, safe='')}/{act}"
        status, answer = self.authority.call(key, path, body)
        if status == 404:
            # What it is about may be on its way still, or be another shop's of the same account.
            if at is not None and time.time() - at > EARLY:
                return "not ours: no such order"
            raise NotYet(f"{order} is not sold yet")
        if status == 409 and answer["type"].endswith(":void"):
            return "void before"
        if status != 200:
            raise NotYet(f"{order}: {status} {answer}")
        return act

    def stripe(self, event: Event) -> str:
        """What an event of Stripe comes to."""
        key, of, at = f"stripe-{event['id']}", event["data"]["object"], event.get("created")
        # Some payments take days: then the first says that it is not paid, and the second that it is.
        sales = ("checkout.session.completed", "checkout.session.async_payment_succeeded")
        if event["type"] in sales and of["payment_status"] == "paid":
            who = of["customer_details"]
            plan = (of.get("metadata") or {}).get("plan")
            return self.sell(key, stripe_order(of), plan, who.get("name") or who["email"], who["email"])
        if event["type"] == "invoice.paid" and (order := stripe_order(of)):
            return self.extend(key, order, rfc3339(max(line["period"]["end"] for line in of["lines"]["data"])), at)
        if event["type"] == "charge.refunded" and of["refunded"] and of.get("payment_intent"):
            return self.refund(key, of["payment_intent"], at)
        return "nothing to do"

    def paddle(self, event: Event) -> str:
        """What an event of Paddle comes to."""
        key, of, at = f"paddle-{event['event_id']}", event["data"], event.get("occurred_at")
        at = None if at is None else unix(at)
        order = of.get("subscription_id") or of.get("transaction_id") or of.get("id")
        if event["event_type"] == "transaction.completed":
            if of.get("origin") == "subscription_recurring":
                return self.extend(key, order, of["billing_period"]["ends_at"], at)
            said = of.get("custom_data") or {}
            plan = said.get("plan")
            result = self.sell(key, order, plan, said.get("licensee", ""), said.get("email", ""))
            has_end = "expires_days" in self.plans.get(plan, {}).get("terms", {})
            if of.get("subscription_id") and of.get("billing_period") and has_end:
                # It may be a year, and the plan's end is that of one that nobody pays for.
                self.extend(f"{key}-period", order, of["billing_period"]["ends_at"], at)
            return result
        if event["event_type"].startswith("adjustment.") and (of["action"], of["status"]) == ("refund", "approved"):
            return self.refund(key, order, at)
        return "nothing to do"


def stripe_order(of: Any) -> str:
    """What a session, its invoices and its refunds have in common: the subscription, or else the payment."""
    newer = ((of.get("parent") or {}).get("subscription_details") or {}).get("subscription")
    return str(of.get("subscription") or newer or of.get("payment_intent") or "")


def rfc3339(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def unix(text: str) -> float:
    """Seconds of a time such as `2026-09-21T14:13:20.123456Z`. Older Pythons read neither `Z` nor every fraction."""
    return datetime.strptime(text[:19], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=timezone.utc).timestamp()


class Webhook(BaseHTTPRequestHandler):
    """The addresses of the services."""

    shop: Shop
    services = {
        "/stripe": ("STRIPE_SECRET", "Stripe-Signature", verify_stripe, Shop.stripe),
        "/paddle": ("PADDLE_SECRET", "Paddle-Signature", verify_paddle, Shop.paddle),
    }
    timeout = 30

    def do_POST(self) -> None:  # noqa: N802
        """A delivery: 200 once nothing is left to do, 503 for what shall come again."""
        secret_name, header, check, act = self.services.get(self.path, ("", "", None, None))
        secret = os.environ.get(secret_name) if secret_name else None
        length = self.headers.get("Content-Length", "")
        if not secret or check is None or act is None:
            return self.answer(404, "no such service")
        if not re.fullmatch("[0-9]{1,9}", length) or int(length) > LONGEST:
            return self.answer(413, "the body is too long")
        body = self.rfile.read(int(length))
        try:
            check(secret, self.headers.get(header, ""), body, time.time())
            self.answer(200, act(self.shop, json.loads(body)))
        except Forged as why:
            self.answer(400, str(why))
        except NotYet as why:
            self.answer(503, str(why))
        except (KeyError, TypeError, ValueError) as why:
            # Signed by the service, and still not what this program knows: somebody has to look.
            self.answer(500, f"the event is not understood: {why!r}")

    def answer(self, status: int, text: str) -> None:
        content = json.dumps({"result": text}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def main() -> None:
    """Serves until it is stopped; prints the address that it listens on."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--authority", required=True, help="the address of the authority's administration")
    parser.add_argument("--plans", type=Path, required=True, help="what is sold, by the names of plans")
    parser.add_argument("--outbox", type=Path, required=True, help="a folder for what is to be mailed")
    parser.add_argument("--listen", default="127.0.0.1:8430")
    arguments = parser.parse_args()
    authority = Authority(arguments.authority, os.environ["NODELOCK_TOKEN"])
    Webhook.shop = Shop(authority, json.loads(arguments.plans.read_text()), arguments.outbox)
    host, port = arguments.listen.rsplit(":", 1)
    with ThreadingHTTPServer((host, int(port)), Webhook) as server:
        print(f"{host}:{server.server_address[1]}", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()

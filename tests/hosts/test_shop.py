"""A shop's webhook over the real authority, as a command for examples/authority/tests/hosts.

    python3 tests/hosts/test_shop.py PROGRAM

The deliveries are made here, after the payment services' public descriptions: none came from them.
"""

import hashlib
import hmac
import json
import os
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
SHOP = ROOT / "examples/shop"
sys.path[:0] = [str(SHOP), str(ROOT / "tests" / "support")]

import webhook  # noqa: E402
from running import Authority  # noqa: E402

STRIPE, PADDLE = "whsec_made", "pdl_ntfset_made"
PROGRAM = Path()


def signed_by(secret, text):
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def stripe(body, at=None, secret=STRIPE):
    at = int(time.time() if at is None else at)
    return {"Stripe-Signature": f"t={at},v1={signed_by(secret, f'{at}.{body}')},v0=00"}


def paddle(body, at=None, secret=PADDLE):
    at = int(time.time() if at is None else at)
    return {"Paddle-Signature": f"ts={at};h1={signed_by(secret, f'{at}:{body}')}"}


def session(number, plan="pro"):
    """A checkout of a subscription."""
    of = {
        "object": "checkout.session",
        "payment_status": "paid",
        "subscription": f"sub_{number}",
        "payment_intent": None,
        "metadata": {"plan": plan},
        "customer_details": {"name": "Jane Doe", "email": "jane@example.com"},
    }
    return {"id": f"evt_sale_{number}", "type": "checkout.session.completed", "data": {"object": of}}


def invoice(number, end, event="1"):
    of = {
        "object": "invoice",
        "parent": {"subscription_details": {"subscription": f"sub_{number}"}},
        "lines": {"data": [{"period": {"end": end}}]},
    }
    return {"id": f"evt_invoice_{number}_{event}", "type": "invoice.paid", "data": {"object": of}}


def transaction(number, **more):
    of = {
        "id": f"txn_{number}",
        "subscription_id": None,
        "origin": "web",
        "custom_data": {"plan": "team", "licensee": "John Roe", "email": "john@example.com"},
        **more,
    }
    return {"event_id": f"ntf_{number}", "event_type": "transaction.completed", "data": of}


def refund(number):
    of = {"id": "adj_1", "action": "refund", "status": "approved", "transaction_id": f"txn_{number}"}
    return {"event_id": f"ntf_refund_{number}", "event_type": "adjustment.updated", "data": of}


class Signatures(unittest.TestCase):
    def test_a_signature_is_of_its_body_its_time_and_its_secret(self):
        body, now = b'{"a": 1}', 1_790_000_000
        text = body.decode()
        for make, check, joint in [(stripe, webhook.verify_stripe, "."), (paddle, webhook.verify_paddle, ":")]:
            (header,) = make(text, now).values()
            secret = {stripe: STRIPE, paddle: PADDLE}[make]
            check(secret, header, body, now + 299)
            forged = [
                (header, body + b" ", now),
                (header, body, now + 301),
                (header, body, now - 301),
                (next(iter(make(text, now, "another").values())), body, now),
                (header.replace("v1=", "v0=").replace("h1=", "h0="), body, now),
                (header.split(",")[0].split(";")[0], body, now),
                (header.replace(str(now), "soon"), body, now),
                (header.replace(str(now), str(now + 1)), body, now),
                ("", body, now),
            ]
            for wrong in forged:
                with self.assertRaises(webhook.Forged, msg=str(wrong)):
                    check(secret, *wrong)
            # While a secret is replaced, each signs.
            between = "," if make is stripe else ";"
            name = "v1" if make is stripe else "h1"
            check(secret, f"{header}{between}{name}={signed_by('another', f'{now}{joint}{text}')}", body, now)


class Deliveries(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.folder = Path(cls.temporary.name)
        cls.outbox = cls.folder / "outbox"
        cls.outbox.mkdir()
        cls.authority = Authority(PROGRAM, cls.folder / "authority", "Example")
        scopes = ["--scope", "licenses:read", "--scope", "licenses:write"]
        cls.token = cls.authority.run("token", "new", "--name", "shop", *scopes)["token"]
        cls.authority.serve("--admin-listen", "127.0.0.1:0")
        command = [sys.executable, "-B", "-Werror", SHOP / "webhook.py", "--listen", "127.0.0.1:0"]
        command += ["--authority", f"http://{cls.authority.listeners['admin-listening']}"]
        command += ["--plans", SHOP / "plans.json", "--outbox", cls.outbox]
        environment = {**os.environ, "NODELOCK_TOKEN": cls.token, "STRIPE_SECRET": STRIPE, "PADDLE_SECRET": PADDLE}
        cls.shop = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
        )
        cls.url = f"http://{cls.shop.stdout.readline().strip()}"

    @classmethod
    def tearDownClass(cls):
        cls.shop.terminate()
        cls.shop.wait()
        cls.shop.stdout.close()
        cls.authority.stop()
        cls.temporary.cleanup()

    def post(self, path, body, headers):
        request = urllib.request.Request(self.url + path, body.encode(), headers, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, json.load(answer)["result"]
        except urllib.error.HTTPError as refused:
            return refused.code, json.load(refused)["result"]

    def deliver(self, event, make=stripe):
        """As the service does: each attempt is signed anew."""
        body = json.dumps(event)
        return self.post(f"/{make.__name__}", body, make(body))

    def licenses(self, order):
        return self.authority.run("license", "list", "--filter", f"order:{order}")["licenses"]

    def letter(self, order):
        name = hashlib.sha256(order.encode()).hexdigest()
        return json.loads((self.outbox / f"{name}.json").read_text())

    def test_a_delivery_that_is_repeated_or_late_sells_once_and_has_the_same_keys(self):
        event = session("a")
        self.assertEqual(self.deliver(event), (200, "sold"))
        letter = self.letter("sub_a")
        self.assertEqual((letter["to"], len(letter["keys"])), ("jane@example.com", 1))
        # The answer was lost: the service delivers it again, and the letter is whole again.
        (self.outbox / f"{hashlib.sha256(b'sub_a').hexdigest()}.json").unlink()
        self.assertEqual(self.deliver(event), (200, "sold"))
        self.assertEqual(self.letter("sub_a"), letter)
        # The same sale under another id.
        self.assertEqual(self.deliver({**event, "id": "evt_other"}), (200, "sold before"))
        (license,) = self.licenses("sub_a")
        self.assertEqual((license["licensee"], license["edition"], license["seats"]["total"]), ("Jane Doe", "Pro", 2))

    def test_what_comes_before_its_sale_comes_again_and_nothing_is_shortened(self):
        year = 365 * 24 * 60 * 60
        first, second = int(time.time()) + year, int(time.time()) + 2 * year
        self.assertEqual(self.deliver(invoice("b", first))[0], 503)
        self.assertEqual(self.deliver(session("b")), (200, "sold"))
        self.assertEqual(self.deliver(invoice("b", second, "2")), (200, "extend"))
        expires = self.licenses("sub_b")[0]["expires"]
        self.assertEqual(expires, webhook.rfc3339(second))
        # The one of the year before, late; and both again.
        for event in [invoice("b", first), invoice("b", second, "2"), invoice("b", first)]:
            self.assertEqual(self.deliver(event), (200, "extend"))
        self.assertEqual(self.licenses("sub_b")[0]["expires"], expires)

    def test_what_is_of_another_shop_is_taken_once_its_sale_would_have_come(self):
        charge = {"refunded": True, "payment_intent": "pi_other"}
        event = {"id": "evt_g", "type": "charge.refunded", "data": {"object": charge}}
        self.assertEqual(self.deliver({**event, "created": int(time.time())})[0], 503)
        self.assertEqual(self.deliver({**event, "created": 1_600_000_000}), (200, "not ours: no such order"))
        old = {**refund("g"), "occurred_at": "2020-01-01T00:00:00.123456Z"}
        self.assertEqual(self.deliver(old, paddle), (200, "not ours: no such order"))

    def test_a_payment_that_takes_days_sells_when_it_is_there(self):
        event = session("h")
        event["data"]["object"]["payment_status"] = "unpaid"
        self.assertEqual(self.deliver(event), (200, "nothing to do"))
        event = {**session("h"), "id": "evt_paid_h", "type": "checkout.session.async_payment_succeeded"}
        self.assertEqual(self.deliver(event), (200, "sold"))

    def test_the_first_period_of_a_subscription_is_honored(self):
        said = {"plan": "pro", "licensee": "John Roe", "email": "john@example.com"}
        period = {"ends_at": "2099-01-01T00:00:00Z"}
        event = transaction("i", subscription_id="sub_i", custom_data=said, billing_period=period)
        for _ in range(2):
            self.assertEqual(self.deliver(event, paddle), (200, "sold"))
        self.assertEqual(self.licenses("sub_i")[0]["expires"], period["ends_at"])
        endless = transaction("j", subscription_id="sub_j", billing_period=period)
        self.assertEqual(self.deliver(endless, paddle), (200, "sold"))

    def test_a_forged_delivery_sells_nothing(self):
        body = json.dumps(session("c"))
        old = time.time() - 3600
        for headers in [{}, stripe(body, secret="guessed"), stripe(body, at=old), stripe(body + " "), paddle(body)]:
            self.assertEqual(self.post("/stripe", body, headers)[0], 400, headers)
        self.assertEqual(self.post("/elsewhere", body, stripe(body))[0], 404)
        self.assertFalse((self.outbox / f"{hashlib.sha256(b'sub_c').hexdigest()}.json").exists())
        show = self.authority.command("order", "show", "sub_c")
        refused = subprocess.run(show, capture_output=True, check=False)
        self.assertEqual(refused.returncode, 1)

    def test_a_refund_ends_all_licenses_of_its_order_whatever_comes_after_it(self):
        self.assertEqual(self.deliver(refund("d"), paddle)[0], 503)
        self.assertEqual(self.deliver(transaction("d"), paddle), (200, "sold"))
        self.assertEqual(len(self.letter("txn_d")["keys"]), 5)
        for _ in range(2):
            self.assertEqual(self.deliver(refund("d"), paddle), (200, "void"))
        self.assertEqual(self.deliver(transaction("d"), paddle), (200, "sold"))
        renewed = transaction("d", origin="subscription_recurring", billing_period={"ends_at": "2099-01-01T00:00:00Z"})
        self.assertEqual(self.deliver({**renewed, "event_id": "ntf_late"}, paddle), (200, "void before"))
        licenses = self.licenses("txn_d")
        self.assertEqual((len(licenses), all(license["voided"] for license in licenses)), (5, True))

    def test_what_is_nothing_of_ours_is_taken_and_what_is_not_understood_is_not(self):
        self.assertEqual(self.deliver(session("e", plan="unknown"))[0], 200)
        self.assertEqual(self.deliver({"id": "evt_e", "type": "ping", "data": {"object": {}}}), (200, "nothing to do"))
        self.assertEqual(self.deliver({"id": "evt_f", "type": "invoice.paid"})[0], 500)


if __name__ == "__main__":
    PROGRAM = Path(sys.argv.pop(1)).resolve()
    unittest.main()

"""Checks this implementation against the vectors, and so the vectors against docs/FORMAT.md."""

from __future__ import annotations

import hashlib
import json
import unittest
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Dict, Iterator, Tuple

import plain
from nodelock_format import base32, code, device, envelope, errors, fingerprint, forms, keys, messages, release
from nodelock_format.encoding import BOOL, BYTES, UINT32, list_of, tuple_of
from nodelock_format.envelope import Envelope, Kind, Roots

VECTORS = Path(__file__).resolve().parent.parent / "vectors"

KINDS = {
    "license": Kind.LICENSE,
    "renewal": Kind.LICENSE,
    "request": Kind.ACTIVATION_REQUEST,
    "replacing": Kind.ACTIVATION_REQUEST,
    "describing": Kind.ACTIVATION_REQUEST,
    "proof": Kind.DEACTIVATION_PROOF,
    "cancelled_proof": Kind.DEACTIVATION_PROOF,
    "receipt_for_proof": Kind.DEACTIVATION_RECEIPT,
    "receipt_for_code": Kind.DEACTIVATION_RECEIPT,
    "revocation": Kind.REVOCATION,
    "certificate": Kind.ISSUER_CERTIFICATE,
    "check_in": Kind.CHECK_IN_REQUEST,
    "describing_check_in": Kind.CHECK_IN_REQUEST,
    "preflight": Kind.PREFLIGHT_REQUEST,
    "recovery": Kind.RECOVERY_REQUEST,
}
AUTHORITATIVE: Dict[Kind, Any] = {
    Kind.LICENSE: messages.License,
    Kind.DEACTIVATION_RECEIPT: messages.DeactivationReceipt,
    Kind.REVOCATION: messages.Revocation,
}
UNCHECKED_EXTENSIONS = list_of(tuple_of(UINT32, BOOL, BYTES), 32)
CODE_KINDS = {"deactivation": code.DEACTIVATION, "license key": code.LICENSE_KEY}


def vectors(name: str) -> Any:
    """One of the files in tests/vectors."""
    return json.loads((VECTORS / f"{name}.json").read_text(encoding="utf-8"))


class Messages(unittest.TestCase):
    """messages.json"""

    vectors: Dict[str, Any]
    roots: Roots
    device: bytes

    @classmethod
    def setUpClass(cls) -> None:
        cls.vectors = vectors("messages")
        cls.roots = Roots([forms.from_base64url(cls.vectors["keys"]["root"]["public"])])
        cls.device = forms.from_base64url(cls.vectors["keys"]["device"]["public"])

    def messages(self) -> Iterator[Tuple[str, Dict[str, Any], Envelope]]:
        """Every message with its vector."""
        for name in KINDS:
            vector = self.vectors[name]
            yield name, vector, Envelope.parse(bytes.fromhex(vector["envelope"]))

    def verified(self, message: Envelope) -> Any:
        """A message, verified as its kind is."""
        if message.kind is Kind.ISSUER_CERTIFICATE:
            return self.roots.certificate(message)
        if message.kind is Kind.ACTIVATION_REQUEST:
            return messages.verified_request(message)
        if message.kind is Kind.DEACTIVATION_PROOF:
            return messages.verified_proof(message, self.device)
        if not message.kind.names_signer:
            message.verify(self.device)
            return messages.CODECS[message.kind].decode(message.body)
        return messages.verified(AUTHORITATIVE[message.kind], message, self.roots)

    def seed(self, kind: Kind) -> bytes:
        """The seed that signs messages of a kind."""
        signer = "issuer" if kind.names_signer else "device"
        return bytes.fromhex(self.vectors["keys"]["root" if kind is Kind.ISSUER_CERTIFICATE else signer]["seed"])

    def test_every_message_is_covered(self) -> None:
        others = {"keys", "release", "activation_file", "answer"}
        self.assertEqual(set(self.vectors), set(KINDS) | others)

    def test_keys(self) -> None:
        for name, key in self.vectors["keys"].items():
            with self.subTest(key=name):
                public = keys.public_key_of(bytes.fromhex(key["seed"]))
                self.assertEqual(forms.base64url(public), key["public"])
                self.assertEqual(keys.key_id(public).hex(), key["id"])

    def test_fields(self) -> None:
        for name, vector, message in self.messages():
            with self.subTest(name):
                self.assertEqual(message.kind, KINDS[name])
                self.assertEqual(message.kind.media_type, vector["media_type"])
                self.assertEqual(message.digest.hex(), vector["digest"])
                self.assertEqual(plain.fields(self.verified(message)), vector["fields"])

    def test_made_again(self) -> None:
        for name, _, message in self.messages():
            with self.subTest(name):
                body = messages.encode(self.verified(message))
                self.assertEqual(body, message.body)
                made = envelope.seal(message.kind, body, self.seed(message.kind), message.certificate)
                self.assertEqual(made.to_bytes(), message.to_bytes())

    def test_a_seat_to_replace_must_be_a_handle(self) -> None:
        request = self.verified(Envelope.parse(bytes.fromhex(self.vectors["replacing"]["envelope"])))
        self.assertEqual(release.handle_text(request.replaces), self.vectors["request"]["fields"]["handle"])
        handle = release.HANDLE.write(request.replaces)
        for number, data in ((3, handle), (2, handle), (1, handle[:3]), (1, handle + b"\0"), (1, b"\xff" * 4), (1, b"")):
            with self.subTest(number=number, data=data):
                changed = replace(request, extensions=[(number, True, data)])
                body = b"".join(
                    field.metadata["codec"].write(getattr(changed, field.name))
                    for field in fields(changed)
                    if field.name != "extensions"
                ) + bytes([1, number, 1, len(data)]) + data
                with self.assertRaises(errors.CriticalExtension):
                    messages.CODECS[Kind.ACTIVATION_REQUEST].decode(body)

    def test_what_is_no_description_is_passed_over_unless_it_is_critical(self) -> None:
        for name in ("describing", "describing_check_in"):
            codec = messages.CODECS[KINDS[name]]
            message = self.verified(Envelope.parse(bytes.fromhex(self.vectors[name]["envelope"])))
            ((_, _, right),) = message.extensions
            others = messages.encode(replace(message, extensions=[]))[:-1]
            for data in (right, right[:-1], right + b"\0", b"\1\1a\1\n"):
                with self.subTest(name, data=data):
                    description = message.description if data == right else []
                    body = others + UNCHECKED_EXTENSIONS.write([(2, False, data)])
                    self.assertEqual(codec.decode(body).description, description)
                    body = others + UNCHECKED_EXTENSIONS.write([(2, True, data)])
                    if description:
                        self.assertEqual(codec.decode(body).description, description)
                    else:
                        with self.assertRaises(errors.CriticalExtension):
                            codec.decode(body)

    def test_forms(self) -> None:
        writers = {
            "text": lambda data: forms.armored(Envelope.parse(data)),
            "base64url": forms.base64url,
            "base32": base32.encode,
        }
        for name, vector, message in self.messages():
            for form in writers.keys() & vector.keys():
                with self.subTest(name, form=form):
                    self.assertEqual(writers[form](message.to_bytes()), vector[form])
                    self.assertEqual(forms.read_one(vector[form].encode("utf-8")), message)

    def test_links(self) -> None:
        for name, vector, message in self.messages():
            for form in ("base64url", "base32"):
                with self.subTest(name, form=form):
                    link = f"https://example.com/a#b#{vector.get(form, vector['base64url'])}\n"
                    self.assertEqual(forms.read_one(link.encode("utf-8")), message)

    def test_text_is_read_leniently(self) -> None:
        text = self.vectors["license"]["text"]
        expected = forms.read_one(text.encode("utf-8"))
        without_headers = "\n".join(line for line in text.splitlines() if ":" not in line)
        changed = (
            text.replace("\n", "\r\n"),
            f"Dear customer,\n\n{text}\nYours,\nExample Ltd\n",
            text.replace("\n", "  \n  "),
            text.replace("=", ""),
            without_headers,
        )
        for variant in changed:
            self.assertEqual(forms.read_one(variant.encode("utf-8")), expected)

    def test_commitment_and_code(self) -> None:
        vector = self.vectors["release"]
        given = code.release_in(self.vectors["proof"]["code"])
        self.assertEqual(release.handle_text(given.handle), vector["handle"])
        self.assertEqual(release.SECRET.write(given.secret).hex(), vector["secret"])
        self.assertEqual(code.deactivation_code(given), self.vectors["proof"]["code"])
        self.assertEqual(given.commitment(self.device).hex(), vector["commitment"])

    def test_cancelled_code(self) -> None:
        file = forms.read_deactivation_file(bytes.fromhex(self.vectors["cancelled_proof"]["file"]))
        given = code.release_in(self.vectors["cancelled_proof"]["code"])
        assert file.request is not None
        request = messages.verified_request(file.request)
        self.assertEqual(given.handle, request.handle)
        self.assertEqual(given.commitment(request.device_key), request.release_commitment)

    def test_bindings(self) -> None:
        given = code.release_in(self.vectors["proof"]["code"])
        bindings = {
            "receipt_for_proof": (messages.TO_PROOF, bytes.fromhex(self.vectors["proof"]["digest"])),
            "receipt_for_code": (messages.TO_CODE, given.binding()),
        }
        for name, binding in bindings.items():
            receipt = self.verified(Envelope.parse(bytes.fromhex(self.vectors[name]["envelope"])))
            self.assertEqual(receipt.binding, binding)

    def test_references(self) -> None:
        request = self.vectors["request"]
        license_fields, proof = self.vectors["license"]["fields"], self.vectors["proof"]["fields"]
        self.assertEqual(license_fields["request_digest"], request["digest"])
        self.assertEqual(license_fields["answers"], request["digest"])
        self.assertEqual(self.vectors["renewal"]["fields"]["answers"], self.vectors["check_in"]["digest"])
        self.assertEqual(proof["request"], request["digest"][:16])
        self.assertEqual(proof["product_tag"], messages.product_tag("Example Editor").hex())

    def test_deactivation_files(self) -> None:
        for name, cancelled in (("proof", False), ("cancelled_proof", True)):
            data = bytes.fromhex(self.vectors[name]["file"])
            given = forms.read_deactivation_file(data)
            self.assertEqual(given.request is not None, cancelled)
            self.assertEqual(plain.fields(given.verify(self.device)), self.vectors[name]["fields"])
            self.assertEqual(forms.deactivation_file(given), data)

    def test_activation_file(self) -> None:
        data = bytes.fromhex(self.vectors["activation_file"]["bytes"])
        request, given = forms.read_activation_file(data)
        self.assertEqual(request.device_key, self.device)
        for one in given:
            one.verify(self.device)
        self.assertEqual(forms.activation_file(forms.read(data)[0], given), data)
        self.assert_text("activation_file")

    def test_answer(self) -> None:
        data = bytes.fromhex(self.vectors["answer"]["bytes"])
        answered, receipts = forms.read_answer(data, self.roots)
        self.assertEqual(answered.device_key, self.device)
        self.assertEqual([receipt.device_key for receipt in receipts], [self.device])
        self.assertEqual(envelope.to_file(envelope.from_file(data)), data)
        self.assert_text("answer")

    def assert_text(self, name: str) -> None:
        """The text of a bundle is written and read."""
        vector = self.vectors[name]
        data = bytes.fromhex(vector["bytes"])
        self.assertEqual(forms.armored_file(data), vector["text"])
        for text in (vector["text"], forms.base64url(data), base32.encode(data).lower()):
            self.assertEqual(forms.read(text.encode("utf-8")), forms.read(data))


class Refused(unittest.TestCase):
    """refused.json"""

    def setUp(self) -> None:
        self.vectors = vectors("refused")
        self.roots = Roots([forms.from_base64url(self.vectors["root"])])

    def test_accepted(self) -> None:
        for vector in self.vectors["accepted"]:
            with self.subTest(vector["what"]):
                forms.read_license(bytes.fromhex(vector["license"]), self.roots)

    def test_refused(self) -> None:
        for vector in self.vectors["refused"]:
            with self.subTest(vector["what"]):
                with self.assertRaises(errors.FormatError) as refusal:
                    forms.read_license(bytes.fromhex(vector["license"]), self.roots)
                self.assertEqual(type(refusal.exception).__name__, vector["error"])


class Codes(unittest.TestCase):
    """codes.json"""

    def setUp(self) -> None:
        self.vectors = vectors("codes")

    def test_written(self) -> None:
        for vector in self.vectors["codes"]:
            with self.subTest(vector["text"]):
                if vector["kind"] == "deactivation":
                    given = release.Release(vector["handle"], int(vector["secret"], 16))
                    self.assertEqual(release.handle_text(given.handle), vector["handle_text"])
                    self.assertEqual(code.deactivation_code(given), vector["text"])
                    self.assertEqual(code.release_in(vector["text"]), given)
                else:
                    number = int(vector["key"], 16)
                    self.assertEqual(code.license_key(number), vector["text"])
                    self.assertEqual(code.number_in(vector["text"]), number)

    def test_read(self) -> None:
        for vector in self.vectors["readings"]:
            kind = CODE_KINDS[vector["read_as"]]
            with self.subTest(vector["why"], typed=vector["typed"]):
                if "error" in vector:
                    with self.assertRaises(errors.FormatError) as refusal:
                        code.read(kind, vector["typed"])
                    self.assertEqual(type(refusal.exception).__name__, vector["error"])
                else:
                    readings = [code.Reading(**reading) for reading in vector["readings"]]
                    self.assertEqual(code.read(kind, vector["typed"]), readings)

    def test_as_people_type(self) -> None:
        clean = [code.Reading("17KX2-M928T-5CY4T-QKFFW-EZFWM", 0)]
        for typed in (
            "17kx2 m928t 5cy4t qkffw ezfwm",
            "I7KX2–M928T—5CY4T‐QKFFW EZFWM",
            "„l7KX2.M928T.5CY4T.QKFFW.EZFWM“\r\n",
            "１７ＫＸ２－Ｍ９２８Ｔ－５ＣＹ４Ｔ－ＱＫＦＦＷ－ＥＺＦＷＭ",
            "\ufeff(17KX2)[M928T]<5CY4T>\u200bQKFFW/EZFWM",
        ):
            self.assertEqual(code.read(code.DEACTIVATION, typed), clean)

    def test_three_wrong_symbols_anywhere(self) -> None:
        clean = "17KX2M928T5CY4TQKFFWEZFWM"
        for start in range(22):
            damaged = list(clean)
            for place in (start, (start + 7) % 25, (start + 16) % 25):
                damaged[place] = "A" if damaged[place] != "A" else "B"
            readings = code.read(code.DEACTIVATION, "".join(damaged))
            self.assertEqual(readings, [code.Reading("17KX2-M928T-5CY4T-QKFFW-EZFWM", 3)])


class Base32(unittest.TestCase):
    """Base32 of bytes (section 7)."""

    def test_round_trip(self) -> None:
        for size in range(12):
            data = hashlib.sha256(bytes([size])).digest()[:size]
            self.assertEqual(base32.decode(base32.encode(data).lower()), data)

    def test_filling(self) -> None:
        for text in ("0", "000", "000000", "01", "Z", "00U0"):
            with self.assertRaises(errors.Malformed):
                base32.decode(text)


class Fingerprints(unittest.TestCase):
    """fingerprint.json"""

    def setUp(self) -> None:
        self.vectors = vectors("fingerprint")

    def test_tags(self) -> None:
        key = fingerprint.tagger_key(self.vectors["salt"], self.vectors["product"])
        for vector in self.vectors["values"]:
            with self.subTest(vector["name"]):
                component = vector["component"]
                self.assertEqual(fingerprint.COMPONENTS[component], vector["name"])
                self.assertEqual(fingerprint.normalized(component, vector["raw"]), vector["normalized"])
                tag = fingerprint.tag(key, component, vector["normalized"])
                self.assertEqual(tag.hex(), vector["tag"])

    def test_default_policy(self) -> None:
        policy = fingerprint.DEFAULT_POLICY
        given = {"accept": policy.accept, "grace": policy.grace, "grace_days": policy.grace_days}
        self.assertEqual(given, self.vectors["default_policy"])

    def test_policy(self) -> None:
        disk, model, cpu = (5, b"aaa"), (7, b"bbb"), (8, b"ccc")
        other_disk, other_model = (5, b"zzz"), (7, b"zzz")
        common_only = fingerprint.Policy([(5, 0, 0), (5, 99, 0)], accept=16, grace=8, grace_days=14)
        default = fingerprint.DEFAULT_POLICY
        for policy, baseline, now, expected in (
            (default, [disk, model], [disk, model], "accept"),
            (default, [disk, model], [disk, (6, b"new")], "grace"),
            (default, [disk, model], [disk, other_model], "reject"),
            (default, [disk, model, cpu], [other_disk, model, cpu], "reject"),
            (default, [model, cpu], [model, cpu], "accept"),
            (default, [model, cpu], [other_model, cpu], "reject"),
            (default, [], [disk], "accept"),
            (common_only, [disk, model], [other_disk, model], "accept"),
        ):
            with self.subTest(baseline=baseline, now=now):
                prints = [fingerprint.Fingerprint(tags, False, False) for tags in (baseline, now)]
                self.assertEqual(policy.judge(*prints), expected)


class Device(unittest.TestCase):
    """Files and time on the device (section 9); tests/formats/interop.rs exchanges the files with the crate."""

    def state(self) -> bytes:
        """A file that uses every field."""
        activation = device.Activation(1, 2, bytes(32))
        licensed = device.Licensed(activation, b"license", bytes(8), 300, 70000)
        given_up = device.GivenUp(activation, bytes(8), b"proof", b"request", 5, 4)
        ended = device.Ended(1, (2, "lost"), 6)
        asked, noted = device.Question(bytes(32), 13, 14), device.Note(bytes(16), 15)
        marks = device.Marks(7, 8, 9, 10, 11, 12, asked, noted)
        unanswered = device.Unanswered(3, 16, "unreachable")
        now = (device.LICENSED, licensed)
        record = device.Record("Example", now, [given_up], ended, marks, 10, b"receipt", unanswered)
        return device.write_state(3, record)

    def test_state(self) -> None:
        data = self.state()
        self.assertEqual(device.write_state(*device.read_state(data)), data)

    def test_damage(self) -> None:
        data = self.state()
        flipped = (data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :] for at in range(5, len(data)))
        for damaged in (b"", data[:-1], data + b"\0", *flipped):
            with self.assertRaises(errors.DamagedFile):
                device.read_state(damaged)
        with self.assertRaises(errors.UnsupportedVersion):
            device.read_state(data[:4] + b"\x02" + data[5:])

    def test_device_key(self) -> None:
        seed = bytes(range(32))
        data = device.write_device_key(seed)
        self.assertEqual(len(data), 104)
        self.assertEqual(device.read_device_key(data), (seed, keys.public_key_of(seed)))

    def marks(self, asked: int, signed: int, installed: int) -> device.Marks:
        """After an answer signed at `signed`, with what the local clock showed before and after."""
        question = device.Question(bytes(32), asked, 0)
        return replace(device.NO_MARKS, asked=question).answered(signed, installed)

    def test_licensing_time(self) -> None:
        day = 86400
        ahead = self.marks(asked=1100 * day, signed=1000 * day, installed=1101 * day)
        self.assertEqual(ahead.licensing_time(1101 * day), 1101 * day)
        self.assertEqual(ahead.licensing_time(1002 * day), 1002 * day)
        self.assertFalse(ahead.clock_set_back(1000 * day))
        behind = self.marks(asked=100 * day, signed=1000 * day, installed=101 * day)
        for now, expected in ((101, 1001), (110, 1010), (1005, 1005)):
            self.assertEqual(behind.licensing_time(now * day), expected * day)

    def test_clock_set_back(self) -> None:
        marks = self.marks(asked=1_000_000, signed=1_000_000, installed=1_000_000)
        self.assertFalse(marks.clock_set_back(1_000_000 - 26 * 3600))
        self.assertTrue(marks.clock_set_back(1_000_000 - 26 * 3600 - 1))


if __name__ == "__main__":
    unittest.main()

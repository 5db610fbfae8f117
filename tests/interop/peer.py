"""A device and a verifier written in Python, as a command for tests/formats/interop.rs.

    peer.py request STORE PRODUCT LICENSE_KEY TIME COMPONENT=VALUE ...
        makes a device in the directory STORE: one request made and cancelled, then another one
    peer.py install STORE ANSWER ROOT TIME
        installs the license, and the receipts that came with it, from the file ANSWER
    peer.py deactivate STORE TIME
        gives the seat up
    peer.py verify license FILE ROOT
    peer.py verify proof FILE DEVICE_KEY
    peer.py verify code TYPED DEVICE_KEY COMMITMENT
    peer.py forms KIND FILE
        reads one message of that kind (its number) from each of the inputs that FILE lists as JSON, in hexadecimal
    peer.py codes KIND FILE
        reads a code of that kind from each of the texts that FILE lists as JSON
    peer.py store STORE TOMBSTONES PRODUCT ROOT
        reads what a device wrote

Keys are base64url, times are seconds since 1970, files hold messages in any form. Prints what it made or found as
JSON, with bytes in hexadecimal; what is refused is {"error": NAME}, with exit status 1.
"""

from __future__ import annotations

import json
import secrets
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional

import plain
from nodelock_format import code, device, envelope, errors, fingerprint, forms, keys, messages
from nodelock_format.device import Activation, Ended, GivenUp, Licensed, Question, Record, Requested
from nodelock_format.envelope import Envelope, Kind, Roots
from nodelock_format.release import HANDLE_SYMBOLS, SECRET_SYMBOLS, Release, handle_text

Json = Dict[str, Any]

MOVED, CANCELLED = 1, 4
CANCELLED_BEFORE_LICENSE = bytes(8)


def _release(activation: Activation) -> Release:
    return Release(activation.handle, activation.secret)


@dataclass
class Store:
    """The files of a device in a directory (section 9)."""

    directory: Path
    seed: bytes
    generation: int
    record: Record

    @classmethod
    def open(cls, directory: Path) -> Store:
        """Reads the files."""
        seed, _ = device.read_device_key((directory / "device.key").read_bytes())
        return cls(directory, seed, *device.read_state((directory / "state").read_bytes()))

    @classmethod
    def create(cls, directory: Path) -> Store:
        """An empty store with a new key."""
        seed = secrets.token_bytes(32)
        (directory / "device.key").write_bytes(device.write_device_key(seed))
        return cls(directory, seed, 0, Record("", (device.EMPTY, None), [], None, device.NO_MARKS, None, None, None))

    @property
    def device_key(self) -> bytes:
        """The public key."""
        return keys.public_key_of(self.seed)

    def commit(self, record: Record) -> None:
        """Writes the next generation."""
        self.record, self.generation = record, self.generation + 1
        (self.directory / "state").write_bytes(device.write_state(self.generation, record))

    def begin(self, product: str, license_key: str, now: int, tags: fingerprint.Fingerprint) -> None:
        """Asks for a seat."""
        release = Release(secrets.randbits(5 * HANDLE_SYMBOLS), secrets.randbits(5 * SECRET_SYMBOLS))
        request = messages.ActivationRequest(
            device_key=self.device_key,
            product=product,
            license_key=license_key,
            handle=release.handle,
            release_commitment=release.commitment(self.device_key),
            created=now,
            fingerprint=tags,
            library="0.1.0",
            application="",
            metadata=[("host", "python")],
            extensions=[],
        )
        sealed = envelope.seal(Kind.ACTIVATION_REQUEST, messages.encode(request), self.seed)
        activation = Activation(release.handle, release.secret, sealed.digest)
        pending = (device.REQUESTED, Requested(activation, sealed.to_bytes(), None, None))
        asked = Question(sealed.digest, now, self.record.marks.floor)
        marks = replace(self.record.marks, asked=asked)
        self.commit(replace(self.record, product=product, current=pending, ended=None, marks=marks))

    def request(self) -> Envelope:
        """The request that waits for its license."""
        return Envelope.parse(self.record.current[1].request)

    def install(self, answer: bytes, roots: Roots, now: int) -> messages.License:
        """Takes the license for the pending request."""
        granted, receipts = forms.read_answer(answer, roots)
        activation = self.record.current[1].activation
        digest = activation.request_digest
        if granted.device_key != self.device_key or {granted.request_digest, granted.answers} != {digest}:
            raise errors.WrongRequest("the license answers another request")
        answered = {receipt.binding for receipt in receipts}
        left = [given for given in self.record.given_up if _binding(given) not in answered]
        licensed = Licensed(
            activation,
            forms.read(answer)[0].to_bytes(),
            granted.license_id,
            granted.deactivations_left,
            granted.revision,
        )
        marks = self.record.marks.answered(granted.issued, now)
        words = [word.to_bytes() for word in forms.read(answer)[1:]]
        word = words[-1] if words else self.record.last_word
        self.commit(Record(self.record.product, (device.LICENSED, licensed), left, None, marks, None, word, None))
        return granted

    def give_up(self, product: str, now: int, reason: int) -> forms.Given:
        """Gives up the seat, or the request for one."""
        current = self.record.current[1]
        cancelled = current.request if reason == CANCELLED else None
        activation: Activation = current.activation
        license_id = CANCELLED_BEFORE_LICENSE if cancelled else current.license_id
        proof = messages.DeactivationProof(
            product_tag=messages.product_tag(product),
            license_id=license_id,
            handle=activation.handle,
            generation=self.generation + 1,
            time=now,
            reason=reason,
            flags=0,
            request=activation.request_digest[:8],
            extensions=[],
        )
        sealed = envelope.seal(Kind.DEACTIVATION_PROOF, messages.encode(proof), self.seed)
        given = GivenUp(activation, license_id, sealed.to_bytes(), cancelled, now, reason)
        ended = Ended(activation.handle, (1 if cancelled else 0, None), now)
        outstanding = [*self.record.given_up, given]
        self.commit(
            replace(self.record, current=(device.EMPTY, None), given_up=outstanding, ended=ended),
        )
        return _given(given)


def _given(stored: GivenUp) -> forms.Given:
    request = None if stored.request is None else Envelope.parse(stored.request)
    return forms.Given(Envelope.parse(stored.proof), request)


def _binding(stored: GivenUp) -> Any:
    return messages.TO_PROOF, Envelope.parse(stored.proof).digest


def _deactivation(given: forms.Given, activation: Activation) -> Json:
    data = forms.deactivation_file(given)
    return {
        "handle": handle_text(activation.handle),
        "file": data.hex(),
        "text": forms.armored_file(data),
        "code": code.deactivation_code(_release(activation)),
    }


def _roots(key: str) -> Roots:
    return Roots([forms.from_base64url(key)])


def _fingerprint(product: str, values: List[str]) -> fingerprint.Fingerprint:
    key = fingerprint.tagger_key(product, product)
    tags = set()
    for component, _, value in (entry.partition("=") for entry in values):
        number = int(component)
        tags.add((number, fingerprint.tag(key, number, fingerprint.normalized(number, value))))
    return fingerprint.Fingerprint(sorted(tags), virtual_machine=False, container=False)


def make_request(directory: str, product: str, license_key: str, time: str, *values: str) -> Json:
    """`request`"""
    store, tags, now = Store.create(Path(directory)), _fingerprint(product, list(values)), int(time)
    store.begin(product, license_key, now, tags)
    first = store.record.current[1].activation
    cancelled = store.give_up(product, now, CANCELLED)
    store.begin(product, license_key, now, tags)
    request = store.request()
    data = forms.activation_file(request, [cancelled])
    return {
        "device_key": forms.base64url(store.device_key),
        "handle": handle_text(store.record.current[1].activation.handle),
        "request": request.to_bytes().hex(),
        "file": data.hex(),
        "text": forms.armored_file(data),
        "cancelled": _deactivation(cancelled, first),
    }


def install(directory: str, answer: str, root: str, time: str) -> Json:
    """`install`"""
    store = Store.open(Path(directory))
    return plain.fields(store.install(Path(answer).read_bytes(), _roots(root), int(time)))


def deactivate(directory: str, time: str) -> Json:
    """`deactivate`"""
    store = Store.open(Path(directory))
    licensed: Licensed = store.record.current[1]
    product = messages.CODECS[Kind.LICENSE].decode(Envelope.parse(licensed.license).body).product
    given = store.give_up(product, int(time), MOVED)
    return _deactivation(given, licensed.activation)


def verify_license(file: str, root: str) -> Json:
    """`verify license`"""
    return plain.fields(forms.read_license(Path(file).read_bytes(), _roots(root)))


def verify_proof(file: str, device_key: str) -> Json:
    """`verify proof`"""
    given = forms.read_deactivation_file(Path(file).read_bytes())
    return plain.fields(given.verify(forms.from_base64url(device_key)))


def verify_code(typed: str, device_key: str, commitment: str) -> Json:
    """`verify code`"""
    for reading in code.read(code.DEACTIVATION, typed):
        release = code.release_in(reading.text)
        if release.commitment(forms.from_base64url(device_key)).hex() == commitment:
            return {"handle": handle_text(release.handle), **vars(reading)}
    raise errors.UnreadableCode("no reading fits the commitment")


def _each(file: str, read: Callable[[str], Any]) -> Json:
    """What is read from each of the texts in a file, or the name of the error."""

    def outcome(text: str) -> Any:
        try:
            return read(text)
        except errors.FormatError as error:
            return type(error).__name__

    return {"outcomes": [outcome(text) for text in json.loads(Path(file).read_text("utf-8"))]}


def read_forms(number: str, file: str) -> Json:
    """`forms`"""
    kind = Kind(int(number))
    return _each(file, lambda data: forms.read_one(bytes.fromhex(data), kind).expect(kind).to_bytes().hex())


def read_codes(kind: str, file: str) -> Json:
    """`codes`"""
    return _each(file, lambda typed: [reading.text for reading in code.read(int(kind), typed)])


def read_store(directory: str, tombstones: str, product: str, root: str) -> Json:
    """`store`"""
    store = Store.open(Path(directory))
    record = store.record
    return {
        "device_key": forms.base64url(store.device_key),
        "generation": store.generation,
        "current": _current(store, _roots(root)),
        "given_up": [_given_up(store, given, Path(tombstones), product) for given in record.given_up],
        "ended": None if record.ended is None else record.ended.how[0],
        "marks": plain.fields(record.marks),
        "changed_since": record.changed_since,
    }


def _current(store: Store, roots: Roots) -> Optional[Json]:
    number, current = store.record.current
    if number == device.EMPTY:
        return None
    if number == device.REQUESTED:
        return {"request": plain.fields(messages.verified_request(store.request()))}
    granted = forms.read_license(current.license, roots)
    commitment = _release(current.activation).commitment(store.device_key)
    return {
        "license": plain.fields(granted),
        "agrees": commitment == granted.release_commitment
        and current.activation.request_digest == granted.request_digest
        and (current.license_id, current.deactivations_left, current.revision)
        == (granted.license_id, granted.deactivations_left, granted.revision),
    }


def _given_up(store: Store, stored: GivenUp, tombstones: Path, product: str) -> Json:
    given = _given(stored)
    name, content = device.tombstone(store.device_key, stored.activation.handle, product)
    file = tombstones / name
    return {
        **_deactivation(given, stored.activation),
        "proof": plain.fields(given.verify(store.device_key)),
        "tombstone": file.is_file() and file.read_bytes() == content,
    }


COMMANDS: Dict[str, Callable[..., Json]] = {
    "request": make_request,
    "install": install,
    "deactivate": deactivate,
    "verify license": verify_license,
    "verify proof": verify_proof,
    "verify code": verify_code,
    "forms": read_forms,
    "codes": read_codes,
    "store": read_store,
}


def main(arguments: List[str]) -> int:
    """Runs one command."""
    words = 2 if arguments[:1] == ["verify"] else 1
    try:
        print(json.dumps(COMMANDS[" ".join(arguments[:words])](*arguments[words:])))
    except errors.FormatError as error:
        print(json.dumps({"error": type(error).__name__}))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Armored text, one line, links, and what files hold (docs/FORMAT.md, section 5)."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Iterator, List, Optional, Tuple

from . import base32, messages
from .envelope import INPUT_BYTES, MAGIC, Envelope, Kind, Roots, from_file, to_file
from .errors import FormatError, HeaderMismatch, Malformed, TooLarge, WrongRequest, WrongType

_BEGIN = "-----BEGIN NODELOCK {}-----"
_END = "-----END NODELOCK {}-----"
_BEGIN_LINE = re.compile(r"-----BEGIN NODELOCK ([A-Z ]+)-----")
_LABELS = frozenset(kind.label for kind in Kind)
_LINE = 64
_TO_STANDARD = str.maketrans("-_+/", "+/\0\0")


def armored(envelope: Envelope) -> str:
    """One message as a block of text."""
    headers = "".join(f"{name}: {value}\n" for name, value in messages.headers_of(envelope).items())
    encoded = base64.b64encode(envelope.to_bytes()).decode("ascii")
    lines = "".join(f"{encoded[at : at + _LINE]}\n" for at in range(0, len(encoded), _LINE))
    label = envelope.kind.label
    return f"{_BEGIN.format(label)}\n{headers}\n{lines}{_END.format(label)}\n"


def armored_file(data: bytes) -> str:
    """A message or a bundle as text."""
    return "\n".join(armored(Envelope.parse(envelope)) for envelope in from_file(data))


def base64url(data: bytes) -> str:
    """One line, without padding."""
    return base64.urlsafe_b64encode(data).decode("ascii").rstrip("=")


def from_base64url(text: str) -> bytes:
    """The bytes that one line stands for."""
    return _from_base64(text.translate(_TO_STANDARD))


def _from_base64(text: str) -> bytes:
    bare = text.rstrip("=")
    try:
        data = base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise Malformed("not base64") from error
    if base64.b64encode(data).decode("ascii").rstrip("=") != bare:
        raise Malformed("the filling of base64 is not zero")
    return data


def _checked(label: str, lines: List[str]) -> bytes:
    """The envelope in a block, if label and headers are what its body gives."""
    if label not in _LABELS:
        raise WrongType(f"a block of {label}")
    data = _from_base64("".join(line for line in lines if ":" not in line))
    envelope = Envelope.parse(data)
    if envelope.kind.label != label:
        raise HeaderMismatch(f"{envelope.kind.label} is labelled {label}")
    allowed = messages.headers_of(envelope)
    for header in (line for line in lines if ":" in line):
        name, _, value = header.partition(":")
        if allowed.get(name.strip()) != value.strip():
            raise HeaderMismatch(header)
    return data


def _blocks(text: str) -> List[bytes]:
    """The envelopes in the armored blocks of a text."""
    blocks: List[bytes] = []
    lines = (line.strip() for line in text.split("\n"))
    for line in lines:
        begin = _BEGIN_LINE.fullmatch(line)
        if begin:
            blocks.append(_checked(begin[1], _until(lines, _END.format(begin[1]))))
    return blocks


def _until(lines: Iterator[str], end: str) -> List[str]:
    content: List[str] = []
    for line in lines:
        if line == end:
            return content
        content.append(line)
    raise Malformed("the block has no end")


def _one_line(text: str) -> bytes:
    bare = "".join(text.rpartition("#")[2].split())
    for decode in (from_base64url, base32.decode):
        try:
            data = decode(bare)
        except FormatError:
            continue
        if data.startswith(MAGIC):
            return data
    raise Malformed("not a message in any form")


def read(data: bytes) -> List[Envelope]:
    """The messages in any form, not verified."""
    if len(data) > INPUT_BYTES:
        raise TooLarge("too long")
    return [Envelope.parse(envelope) for envelope in _envelopes(data)]


def _envelopes(data: bytes) -> List[bytes]:
    if data.startswith(MAGIC):
        return from_file(data)
    text = _utf8(data)
    blocks = _blocks(text)
    return blocks if blocks else from_file(_one_line(text))


def _utf8(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Malformed("not a message in any form") from error


def read_one(data: bytes) -> Envelope:
    """A message that stands alone."""
    envelopes = read(data)
    if len(envelopes) != 1:
        raise WrongType("a bundle")
    return envelopes[0]


def read_license(data: bytes, roots: Roots) -> messages.License:
    """A verified license in any form."""
    return messages.verified(messages.License, read_one(data), roots)


@dataclass(frozen=True)
class Given:
    """A seat given up: the proof, and the request if that was cancelled."""

    proof: Envelope
    request: Optional[Envelope]

    def __post_init__(self) -> None:
        if self.request is not None and messages.request_of(self.proof) != self.request.digest[:8]:
            raise WrongRequest("the proof gives up another request")

    def verify(self, device_key: bytes) -> messages.DeactivationProof:
        """The proof, if the device signed it."""
        return messages.verified_proof(self.proof, device_key)


def _given_up(envelopes: List[Envelope]) -> List[Given]:
    given: List[Given] = []
    for envelope in envelopes:
        if envelope.kind is Kind.ACTIVATION_REQUEST and given and given[-1].request is None:
            given[-1] = Given(given[-1].proof, envelope)
        else:
            given.append(Given(envelope.expect(Kind.DEACTIVATION_PROOF), None))
    return given


def read_activation_file(data: bytes) -> Tuple[messages.ActivationRequest, List[Given]]:
    """The request and the seats given up before. The last word of the authority may stand between them."""
    request, *others = read(data)
    if others and others[0].kind in (Kind.DEACTIVATION_RECEIPT, Kind.REVOCATION):
        others = others[1:]
    return messages.verified_request(request), _given_up(others)


def read_deactivation_file(data: bytes) -> Given:
    """A seat given up."""
    given = _given_up(read(data))
    if len(given) != 1:
        raise WrongType("not one deactivation")
    return given[0]


def read_answer(data: bytes, roots: Roots) -> Tuple[messages.License, List[messages.DeactivationReceipt]]:
    """The license and the receipts."""
    envelopes = read(data)
    receipts = [messages.verified(messages.DeactivationReceipt, e, roots) for e in envelopes[1:]]
    return messages.verified(messages.License, envelopes[0], roots), receipts


def activation_file(request: Envelope, given: List[Given]) -> bytes:
    """The request with the seats given up before."""
    return to_file([request.to_bytes(), *(part for g in given for part in _parts(g))])


def deactivation_file(given: Given) -> bytes:
    """What gives a seat up."""
    return to_file(_parts(given))


def _parts(given: Given) -> List[bytes]:
    return [envelope.to_bytes() for envelope in (given.proof, given.request) if envelope is not None]

"""Armored text, one line, links, and what files hold (docs/FORMAT.md, section 5)."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import List, Optional, Sequence, Tuple

from . import base32, messages, texts
from .envelope import INPUT_BYTES, MAGIC, Envelope, Kind, Roots, from_file, to_file
from .errors import FormatError, Malformed, TooLarge, WrongRequest, WrongType

_BEGIN = "-----BEGIN NODELOCK {}-----"
_END = "-----END NODELOCK {}-----"
_LINE = 64
_MOST_CHECKED = 32
_TO_STANDARD = str.maketrans("-_+/", "+/\0\0")


def armored(envelope: Envelope) -> str:
    """One message as a block of text."""
    headers = "".join(f"{name}: {value}\n" for name, value in messages.headers_of(envelope).items())
    encoded = base64.b64encode(envelope.to_bytes()).decode("ascii")
    parts = [encoded[at : at + _LINE] for at in range(0, len(encoded), _LINE)]
    if len(parts) <= _MOST_CHECKED:
        headers += f"Check: {''.join(map(_check, parts))}\n"
    lines = "".join(f"{part}\n" for part in parts)
    label = envelope.kind.label
    return f"{_BEGIN.format(label)}\n{headers}\n{lines}{_END.format(label)}\n"


def _check(line: str) -> str:
    """CRC-10/ATM of a line, as two symbols."""
    crc = 0
    for byte in line.rstrip("=").encode("ascii"):
        crc ^= byte << 2
        for _ in range(8):
            crc = (crc << 1) ^ (0x633 if crc & 0x200 else 0)
    return base32.ALPHABET[crc >> 5] + base32.ALPHABET[crc & 31]


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


def _kind(block: texts.Block, data: Optional[bytes]) -> Optional[Kind]:
    """What a block holds, as far as that can be told."""
    try:
        return Envelope.parse(data).kind if data else None
    except FormatError:
        return next((kind for kind in Kind if block.head.startswith(kind.label.replace(" ", ""))), None)


def _wanted(blocks: List[texts.Block], kinds: Sequence[Kind]) -> List[bytes]:
    """The messages of those kinds that are quoted least."""
    read = [(block, _decoded(block.base64)) for block in blocks]
    chosen = [(block.depth, data) for block, data in read if not kinds or _kind(block, data) in kinds]
    if not chosen:
        raise WrongType("a message of another kind") if any(data for _, data in read) else Malformed("a damaged block")
    depth = min(depth for depth, _ in chosen)
    least = [data for at, data in chosen if at <= depth]
    if None in least:
        raise Malformed("a damaged block")
    return list(dict.fromkeys(data for data in least if data is not None))


def _decoded(symbols: Optional[str]) -> Optional[bytes]:
    try:
        return _from_base64(symbols) if symbols else None
    except Malformed:
        return None


def _whole(data: bytes) -> bool:
    try:
        for envelope in from_file(data):
            messages.headers_of(Envelope.parse(envelope))
    except FormatError:
        return False
    return True


def _one_line(text: str) -> bytes:
    found: List[bytes] = []
    for token in texts.tokens(text):
        for decode in (lambda bare: _from_base64(bare.replace("-", "+").replace("_", "/")), base32.decode):
            try:
                data = decode(token)
            except FormatError:
                continue
            if data.startswith(MAGIC):
                found.append(data)
    if not found:
        raise Malformed("not a message in any form")
    return next(filter(_whole, found), found[0])


def read(data: bytes, *kinds: Kind) -> List[Envelope]:
    """The messages in any form, not verified; of a text, those of the kinds that are wanted."""
    if len(data) > INPUT_BYTES:
        raise TooLarge("too long")
    return [Envelope.parse(envelope) for envelope in _envelopes(data, kinds)]


def _envelopes(data: bytes, kinds: Sequence[Kind]) -> List[bytes]:
    if data.startswith(MAGIC) and data[2:3] < b"\t":
        return from_file(data)
    text = texts.plain(data)
    blocks = list(texts.blocks(text))
    if blocks:
        return _wanted(blocks, kinds)
    try:
        return from_file(_one_line(text))
    except Malformed:
        return from_file(data)


def read_one(data: bytes, *kinds: Kind) -> Envelope:
    """A message that stands alone."""
    envelopes = read(data, *kinds)
    if len(envelopes) != 1:
        raise WrongType("a bundle")
    return envelopes[0]


def read_license(data: bytes, roots: Roots) -> messages.License:
    """A verified license in any form."""
    return messages.verified(messages.License, read_one(data, Kind.LICENSE), roots)


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

"""Envelopes, trust and bundles (docs/FORMAT.md, sections 2, 3 and 5)."""

from __future__ import annotations

import enum
import hashlib
from dataclasses import dataclass
from typing import Dict, Iterable, List, Optional, Tuple

from . import keys
from .encoding import BOOL, BYTES, EXTENSIONS, NAME, TIME, UINT32, UINT64, Codec, Reader, coded, list_of, record
from .errors import (
    CertificateExpired,
    LeaseTooLong,
    Malformed,
    TooLarge,
    UnsupportedVersion,
    UntrustedSigner,
    WrongType,
)

MAGIC = b"NL"
VERSION = 1
BUNDLE_KIND = 16
HEADER_BYTES = 4
INPUT_BYTES = 524288


class Kind(enum.IntEnum):
    """The kinds of messages."""

    LICENSE = 1
    ACTIVATION_REQUEST = 2
    DEACTIVATION_PROOF = 3
    DEACTIVATION_RECEIPT = 4
    REVOCATION = 5
    ISSUER_CERTIFICATE = 6
    CHECK_IN_REQUEST = 7
    PREFLIGHT_REQUEST = 8
    RECOVERY_REQUEST = 9

    @property
    def media_type(self) -> str:
        """The type that is signed along with the body."""
        return f"application/vnd.nodelock.{self.name.lower().replace('_', '-')}.v1"

    @property
    def label(self) -> str:
        """What the armored text calls it."""
        return self.name.replace("_", " ")

    @property
    def names_signer(self) -> bool:
        """Whether the envelope says who signed it."""
        return self in (
            Kind.LICENSE,
            Kind.DEACTIVATION_RECEIPT,
            Kind.REVOCATION,
            Kind.ISSUER_CERTIFICATE,
        )


_LARGEST_BODY = {
    Kind.LICENSE: 131072,
    Kind.ACTIVATION_REQUEST: 4096,
    Kind.DEACTIVATION_PROOF: 256,
    Kind.DEACTIVATION_RECEIPT: 1024,
    Kind.REVOCATION: 4096,
    Kind.ISSUER_CERTIFICATE: 1024,
    Kind.CHECK_IN_REQUEST: 2048,
    Kind.PREFLIGHT_REQUEST: 256,
    Kind.RECOVERY_REQUEST: 1024,
}


@dataclass(frozen=True)
class Envelope:
    """A message with its signature, not verified."""

    kind: Kind
    signer_id: bytes
    certificate: bytes
    body: bytes
    signature: bytes

    @classmethod
    def parse(cls, data: bytes) -> Envelope:
        """Takes an envelope apart."""
        kind = _known_kind(start_of(data))
        signer_id, certificate, start = b"", b"", HEADER_BYTES
        if kind.names_signer:
            reader = Reader(data[HEADER_BYTES:])
            signer_id = reader.take(keys.KEY_ID_BYTES)
            certificate = reader.take(int.from_bytes(reader.take(2), "little"))
            start += keys.KEY_ID_BYTES + 2 + len(certificate)
        body_size = len(data) - start - keys.SIGNATURE_BYTES
        if body_size < 0:
            raise Malformed("the message is too short")
        if body_size > _LARGEST_BODY[kind]:
            raise TooLarge("the message is too long")
        return cls(kind, signer_id, certificate, data[start : start + body_size], data[start + body_size :])

    def to_bytes(self) -> bytes:
        """The envelope as it is sent."""
        signer = b""
        if self.kind.names_signer:
            signer = self.signer_id + len(self.certificate).to_bytes(2, "little") + self.certificate
        return MAGIC + bytes([VERSION, self.kind]) + signer + self.body + self.signature

    @property
    def digest(self) -> bytes:
        """The SHA-256 of the body."""
        return hashlib.sha256(self.body).digest()

    def verify(self, key: bytes) -> None:
        """Raises an error unless `key` signed it."""
        keys.verify(key, self.kind.media_type, self.body, self.signature)

    def expect(self, kind: Kind) -> Envelope:
        """Refuses messages of other kinds."""
        if self.kind is not kind:
            raise WrongType(f"{self.kind.label.lower()} instead of {kind.label.lower()}")
        return self


def start_of(data: bytes) -> int:
    """The kind in the first four bytes of an envelope or a bundle."""
    if len(data) < HEADER_BYTES or data[:2] != MAGIC or data[2] == 0:
        raise Malformed("not a nodelock message")
    if data[2] > VERSION:
        raise UnsupportedVersion(f"version {data[2]}")
    return data[3]


def _known_kind(number: int) -> Kind:
    try:
        return Kind(number)
    except ValueError as error:
        raise WrongType(f"kind {number}") from error


def seal(kind: Kind, body: bytes, seed: bytes, certificate: bytes = b"") -> Envelope:
    """Signs a body."""
    signer_id = keys.key_id(keys.public_key_of(seed)) if kind.names_signer else b""
    return Envelope(kind, signer_id, certificate, body, keys.sign(seed, kind.media_type, body))


_BUNDLED = list_of(BYTES, 160)


def to_file(envelopes: List[bytes]) -> bytes:
    """One message as it is, several as a bundle."""
    if len(envelopes) == 1:
        return envelopes[0]
    return MAGIC + bytes([VERSION, BUNDLE_KIND]) + _BUNDLED.write(envelopes)


def from_file(data: bytes) -> List[bytes]:
    """The envelopes in a bundle, or the single one."""
    if start_of(data) != BUNDLE_KIND:
        return [data]
    envelopes = _BUNDLED.decode(data[HEADER_BYTES:])
    if not envelopes:
        raise Malformed("an empty bundle")
    return envelopes


@dataclass(frozen=True)
class Certificate:
    """An issuer certificate (section 4)."""

    issuer: bytes = coded(keys.PUBLIC_KEY)
    name: str = coded(NAME)
    serial: int = coded(UINT64)
    not_before: int = coded(TIME)
    not_after: int = coded(TIME)
    longest_lease_days: int = coded(UINT32)
    endless: bool = coded(BOOL)
    extensions: List[Tuple[int, bool, bytes]] = coded(EXTENSIONS)

    def covers(self, moment: int) -> None:
        """Raises an error unless the certificate was valid at that time."""
        if not self.not_before <= moment <= self.not_after:
            raise CertificateExpired("outside of the certificate's time")

    def allows(self, issued: int, ends: Optional[int]) -> None:
        """Raises an error unless the issuer may sign a license that ends then."""
        latest = issued + self.longest_lease_days * 86_400
        if not self.endless and (ends is None or ends > latest):
            raise LeaseTooLong("it ends later than the certificate allows")


def _refuse_empty_time(certificate: Certificate) -> None:
    if certificate.not_before > certificate.not_after:
        raise Malformed("the certificate ends before it begins")


CERTIFICATE: Codec[Certificate] = record(Certificate).checked(_refuse_empty_time)


class Roots:
    """The root keys that an application embeds."""

    def __init__(self, public_keys: Iterable[bytes]) -> None:
        self._keys: Dict[bytes, bytes] = {}
        for key in public_keys:
            keys.refuse_small_order(key)
            self._keys[keys.key_id(key)] = key

    def verify(self, envelope: Envelope) -> Optional[Certificate]:
        """Verifies a message of an authority; the certificate is there unless a root signed."""
        if not envelope.certificate:
            envelope.verify(self._root(envelope.signer_id))
            return None
        certificate = self.certificate(Envelope.parse(envelope.certificate))
        if keys.key_id(certificate.issuer) != envelope.signer_id:
            raise UntrustedSigner("the certificate is another key's")
        envelope.verify(certificate.issuer)
        return certificate

    def certificate(self, envelope: Envelope) -> Certificate:
        """Verifies an issuer certificate, which only a root signs."""
        envelope.expect(Kind.ISSUER_CERTIFICATE)
        if envelope.certificate:
            raise UntrustedSigner("no root signed the certificate")
        envelope.verify(self._root(envelope.signer_id))
        return CERTIFICATE.decode(envelope.body)

    def _root(self, identity: bytes) -> bytes:
        if identity not in self._keys:
            raise UntrustedSigner(f"no root has the id {identity.hex()}")
        return self._keys[identity]

"""The bodies of messages (docs/FORMAT.md, section 4)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Dict, List, Optional, Tuple, Type, TypeVar

from . import release
from .encoding import (
    EXTENSIONS,
    LINE,
    NAME,
    NAME_NOT_EMPTY,
    NOTHING,
    TIME,
    U8,
    UINT32,
    UINT64,
    Codec,
    coded,
    enum,
    extension_of,
    extensions,
    fixed,
    list_of,
    option_of,
    record,
    tuple_of,
)
from .envelope import CERTIFICATE, Certificate, Envelope, Kind, Roots
from .errors import Malformed
from .fingerprint import FINGERPRINT, POLICY, Fingerprint, Policy
from .keys import PUBLIC_KEY, key_id

Extensions = List[Tuple[int, bool, bytes]]
Headers = Dict[str, str]

_METADATA = list_of(tuple_of(NAME, LINE), 64)
_LICENSE_ID = fixed(8)
_PAGE = fixed(8)


@dataclass(frozen=True)
class Feature:
    """What a license unlocks."""

    name: str = coded(NAME)
    limit: Optional[int] = coded(option_of(UINT64))
    expires: Optional[int] = coded(option_of(TIME))


def _refuse_disorder(features: List[Feature]) -> None:
    names = [feature.name.encode("utf-8") for feature in features]
    if any(first >= second for first, second in zip(names, names[1:])):
        raise Malformed("features are not in ascending order")


@dataclass(frozen=True)
class License:
    """Kind 1."""

    license_id: bytes = coded(_LICENSE_ID)
    product: str = coded(NAME_NOT_EMPTY)
    handle: int = coded(release.HANDLE)
    device_key: bytes = coded(PUBLIC_KEY)
    release_commitment: bytes = coded(fixed(32))
    licensee: str = coded(LINE)
    edition: str = coded(NAME)
    features: List[Feature] = coded(list_of(record(Feature), 1024).checked(_refuse_disorder))
    metadata: List[Tuple[str, str]] = coded(_METADATA)
    issued: int = coded(TIME)
    starts: int = coded(TIME)
    expires: Optional[int] = coded(option_of(TIME))
    lease_until: Optional[int] = coded(option_of(TIME))
    renew_after: Optional[int] = coded(option_of(TIME))
    updates_until: Optional[int] = coded(option_of(TIME))
    baseline: Fingerprint = coded(FINGERPRINT)
    policy: Policy = coded(POLICY)
    deactivations_left: Optional[int] = coded(option_of(UINT32))
    request_digest: bytes = coded(fixed(32))
    answers: Optional[bytes] = coded(option_of(fixed(32)))
    revision: int = coded(UINT32)
    sync_token: bytes = coded(fixed(16))
    page: bytes = coded(_PAGE)
    extensions: Extensions = coded(EXTENSIONS)

    @property
    def signed_at(self) -> int:
        """When it says that it was signed."""
        return self.issued

    @property
    def end_of_use(self) -> Optional[int]:
        """When it ends: its lease or itself, whichever is first."""
        ends = [end for end in (self.lease_until, self.expires) if end is not None]
        return min(ends, default=None)

    def headers(self) -> Headers:
        """Those of its text form."""
        headers = {
            "Product": self.product,
            "License": self.license_id.hex(),
            "Seat": release.handle_text(self.handle),
            "Licensee": self.licensee,
            "Edition": self.edition,
            "Issued": written(self.issued),
        }
        if not self.edition:
            del headers["Edition"]
        for header, moment in (("Expires", self.expires), ("Lease-Until", self.lease_until)):
            if moment is not None:
                headers[header] = written(moment)
        return headers


REPLACES, DESCRIPTION = 1, 2
_REQUEST_EXTENSIONS = {REPLACES: release.HANDLE, DESCRIPTION: _METADATA}
_CHECK_IN_EXTENSIONS = {DESCRIPTION: _METADATA}


def _description(given: Extensions) -> List[Tuple[str, str]]:
    return extension_of(given, DESCRIPTION, _METADATA) or []


@dataclass(frozen=True)
class ActivationRequest:
    """Kind 2."""

    device_key: bytes = coded(PUBLIC_KEY)
    product: str = coded(NAME_NOT_EMPTY)
    license_key: str = coded(NAME)
    handle: int = coded(release.HANDLE)
    release_commitment: bytes = coded(fixed(32))
    created: int = coded(TIME)
    fingerprint: Fingerprint = coded(FINGERPRINT)
    library: str = coded(NAME)
    application: str = coded(NAME)
    metadata: List[Tuple[str, str]] = coded(_METADATA)
    extensions: Extensions = coded(extensions(_REQUEST_EXTENSIONS))

    @property
    def replaces(self) -> Optional[int]:
        """The handle of the seat that is to be replaced, if none is free."""
        return extension_of(self.extensions, REPLACES, release.HANDLE)

    @property
    def description(self) -> List[Tuple[str, str]]:
        """What the device says of its machine for people."""
        return _description(self.extensions)

    def headers(self) -> Headers:
        """Those of its text form."""
        return {
            "Product": self.product,
            "Seat": release.handle_text(self.handle),
            "Created": written(self.created),
        }


@dataclass(frozen=True)
class DeactivationProof:
    """Kind 3."""

    product_tag: bytes = coded(fixed(4))
    license_id: bytes = coded(_LICENSE_ID)
    handle: int = coded(release.HANDLE)
    generation: int = coded(UINT64)
    time: int = coded(UINT32)
    reason: int = coded(U8)
    flags: int = coded(U8)
    request: bytes = coded(fixed(8))
    extensions: Extensions = coded(EXTENSIONS)

    def headers(self) -> Headers:
        """Those of its text form."""
        return {
            "License": self.license_id.hex(),
            "Seat": release.handle_text(self.handle),
            "Deactivated": written(self.time),
        }


RETURNED, HELD = 0, 1
TO_PROOF, TO_CODE = 0, 1


@dataclass(frozen=True)
class DeactivationReceipt:
    """Kind 4."""

    handle: int = coded(release.HANDLE)
    device_key: bytes = coded(PUBLIC_KEY)
    outcome: Tuple[int, None] = coded(enum(NOTHING, NOTHING))
    deactivations_left: Optional[int] = coded(option_of(UINT32))
    time: int = coded(TIME)
    binding: Tuple[int, bytes] = coded(enum(fixed(32), fixed(32)))
    page: bytes = coded(_PAGE)
    extensions: Extensions = coded(EXTENSIONS)

    @property
    def signed_at(self) -> int:
        """When it says that it was signed."""
        return self.time

    def headers(self) -> Headers:
        """Those of its text form."""
        return {
            "Seat": release.handle_text(self.handle),
            "Outcome": ("returned", "held")[self.outcome[0]],
            "Time": written(self.time),
        }


@dataclass(frozen=True)
class Revocation:
    """Kind 5."""

    handle: int = coded(release.HANDLE)
    device_key: bytes = coded(PUBLIC_KEY)
    reason: str = coded(LINE)
    time: int = coded(TIME)
    page: bytes = coded(_PAGE)
    extensions: Extensions = coded(EXTENSIONS)

    @property
    def signed_at(self) -> int:
        """When it says that it was signed."""
        return self.time

    def headers(self) -> Headers:
        """Those of its text form."""
        return {"Seat": release.handle_text(self.handle), "Time": written(self.time)}


@dataclass(frozen=True)
class CheckInRequest:
    """Kind 7."""

    handle: int = coded(release.HANDLE)
    nonce: bytes = coded(fixed(16))
    sync_token: bytes = coded(fixed(16))
    revision: int = coded(UINT32)
    time: int = coded(TIME)
    fingerprint: Fingerprint = coded(FINGERPRINT)
    library: str = coded(NAME)
    application: str = coded(NAME)
    extensions: Extensions = coded(extensions(_CHECK_IN_EXTENSIONS))

    @property
    def description(self) -> List[Tuple[str, str]]:
        """What the device says of its machine for people."""
        return _description(self.extensions)

    def headers(self) -> Headers:
        """Those of its text form."""
        return {"Seat": release.handle_text(self.handle), "Time": written(self.time)}


@dataclass(frozen=True)
class PreflightRequest:
    """Kind 8."""

    handle: int = coded(release.HANDLE)
    nonce: bytes = coded(fixed(16))
    time: int = coded(TIME)
    extensions: Extensions = coded(EXTENSIONS)

    def headers(self) -> Headers:
        """Those of its text form."""
        return {"Seat": release.handle_text(self.handle), "Time": written(self.time)}


@dataclass(frozen=True)
class RecoveryRequest:
    """Kind 9."""

    device_key: bytes = coded(PUBLIC_KEY)
    product: str = coded(NAME_NOT_EMPTY)
    request: bytes = coded(fixed(32))
    time: int = coded(TIME)
    extensions: Extensions = coded(EXTENSIONS)

    def headers(self) -> Headers:
        """Those of its text form."""
        return {"Product": self.product, "Time": written(self.time)}


def certificate_headers(certificate: Certificate) -> Headers:
    """Those of a certificate's text form."""
    return {
        "Issuer": certificate.name,
        "Key-Id": key_id(certificate.issuer).hex(),
        "Not-After": written(certificate.not_after),
    }


CODECS: Dict[Kind, Codec[Any]] = {
    Kind.LICENSE: record(License),
    Kind.ACTIVATION_REQUEST: record(ActivationRequest),
    Kind.DEACTIVATION_PROOF: record(DeactivationProof),
    Kind.DEACTIVATION_RECEIPT: record(DeactivationReceipt),
    Kind.REVOCATION: record(Revocation),
    Kind.ISSUER_CERTIFICATE: CERTIFICATE,
    Kind.CHECK_IN_REQUEST: record(CheckInRequest),
    Kind.PREFLIGHT_REQUEST: record(PreflightRequest),
    Kind.RECOVERY_REQUEST: record(RecoveryRequest),
}
_KINDS: Dict[type, Kind] = {
    License: Kind.LICENSE,
    ActivationRequest: Kind.ACTIVATION_REQUEST,
    DeactivationProof: Kind.DEACTIVATION_PROOF,
    DeactivationReceipt: Kind.DEACTIVATION_RECEIPT,
    Revocation: Kind.REVOCATION,
    Certificate: Kind.ISSUER_CERTIFICATE,
    CheckInRequest: Kind.CHECK_IN_REQUEST,
    PreflightRequest: Kind.PREFLIGHT_REQUEST,
    RecoveryRequest: Kind.RECOVERY_REQUEST,
}

Authoritative = TypeVar("Authoritative", License, DeactivationReceipt, Revocation)


def written(moment: int) -> str:
    """A time as headers have it."""
    return datetime.fromtimestamp(moment, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def product_tag(product: str) -> bytes:
    """How a proof names the product."""
    return hashlib.sha256(product.encode("utf-8")).digest()[:4]


def encode(message: Any) -> bytes:
    """The body of a message."""
    return CODECS[_KINDS[type(message)]].write(message)


def headers_of(envelope: Envelope) -> Headers:
    """What the headers of the text form have to say."""
    message = CODECS[envelope.kind].decode(envelope.body)
    return certificate_headers(message) if isinstance(message, Certificate) else message.headers()


def verified(cls: Type[Authoritative], envelope: Envelope, roots: Roots) -> Authoritative:
    """A message of an authority (section 3)."""
    certificate = roots.verify(envelope.expect(_KINDS[cls]))
    message: Authoritative = CODECS[envelope.kind].decode(envelope.body)
    if certificate is not None:
        certificate.covers(message.signed_at)
        if isinstance(message, License):
            certificate.allows(message.issued, message.end_of_use)
    return message


def verified_request(envelope: Envelope) -> ActivationRequest:
    """An activation request, signed with the key in its first field."""
    envelope.expect(Kind.ACTIVATION_REQUEST)
    envelope.verify(PUBLIC_KEY.decode(envelope.body[:32]))
    request: ActivationRequest = CODECS[envelope.kind].decode(envelope.body)
    return request


def request_of(proof: Envelope) -> bytes:
    """The beginning of the digest of the request that a proof, not verified, gives up."""
    content: DeactivationProof = CODECS[proof.expect(Kind.DEACTIVATION_PROOF).kind].decode(proof.body)
    return content.request


def verified_proof(envelope: Envelope, device_key: bytes) -> DeactivationProof:
    """A deactivation proof, signed with a key known from the request."""
    envelope.expect(Kind.DEACTIVATION_PROOF).verify(device_key)
    proof: DeactivationProof = CODECS[envelope.kind].decode(envelope.body)
    return proof

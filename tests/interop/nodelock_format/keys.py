"""Keys and signatures (docs/FORMAT.md, sections 2 and 3)."""

from __future__ import annotations

import hashlib

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from .encoding import Codec, fixed
from .errors import BadSignature, WeakKey

KEY_ID_BYTES = 8
SIGNATURE_BYTES = 64

_SMALL_ORDER = frozenset(
    bytes.fromhex(encoding)
    for encoding in (
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    )
)


def refuse_small_order(key: bytes) -> None:
    """Refuses the 14 encodings of points of small order."""
    if key[:31] + bytes([key[31] & 0x7F]) in _SMALL_ORDER:
        raise WeakKey("a public key of small order")


PUBLIC_KEY: Codec[bytes] = fixed(32).checked(refuse_small_order)


def public_key_of(seed: bytes) -> bytes:
    """The public key that belongs to a seed."""
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def key_id(key: bytes) -> bytes:
    """The id of a public key."""
    return hashlib.sha256(key).digest()[:KEY_ID_BYTES]


def _pre_authentication(media_type: str, body: bytes) -> bytes:
    kind = media_type.encode("ascii")
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(body), body)


def sign(seed: bytes, media_type: str, body: bytes) -> bytes:
    """The signature over a body."""
    return Ed25519PrivateKey.from_private_bytes(seed).sign(_pre_authentication(media_type, body))


def verify(key: bytes, media_type: str, body: bytes, signature: bytes) -> None:
    """Raises an error unless `signature` is `key`'s over the body."""
    refuse_small_order(key)
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, _pre_authentication(media_type, body))
    except InvalidSignature as error:
        raise BadSignature("the signature does not fit") from error

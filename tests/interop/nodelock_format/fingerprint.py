"""Fingerprints and the policy that judges them (docs/FORMAT.md, section 8)."""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass
from typing import Dict, List, Optional, Set, Tuple

from .encoding import BOOL, I8, INT16, U8, Codec, coded, fixed, list_of, record, tuple_of

COMPONENTS = {
    1: "os_id",
    2: "root_fs",
    3: "hw_uuid",
    4: "board_serial",
    5: "disk_serial",
    6: "mac",
    7: "model",
    8: "cpu",
    9: "host_id",
}
_ROOT_FS = 2
_HW_UUID = 3
# How many hex digits each has, and what may stand between them.
_IDENTIFIERS = {1: (32, "-{}"), _ROOT_FS: (32, "-{}"), _HW_UUID: (32, "-{}"), 6: (12, ":-.")}
_DEFAULT_WEIGHTS = {
    1: (8, -3),
    2: (6, -2),
    3: (16, -8),
    4: (12, -6),
    5: (14, -5),
    6: (14, -6),
    7: (6, -8),
    8: (4, -5),
    9: (16, -16),
}
_HARDWARE_UNIQUE = frozenset((3, 4, 5, 6, 9))
_MOST = 32


@dataclass(frozen=True)
class Fingerprint:
    """What a device looks like."""

    tags: List[Tuple[int, bytes]] = coded(list_of(tuple_of(U8, fixed(3)), _MOST))
    virtual_machine: bool = coded(BOOL)
    container: bool = coded(BOOL)

    def by_component(self) -> Dict[int, Set[bytes]]:
        """The tags of each known component."""
        known: Dict[int, Set[bytes]] = {}
        for component, tag in self.tags:
            if component in COMPONENTS:
                known.setdefault(component, set()).add(tag)
        return known


@dataclass(frozen=True)
class Policy:
    """How fingerprints are compared."""

    weights: List[Tuple[int, int, int]] = coded(list_of(tuple_of(U8, I8, I8), _MOST))
    accept: int = coded(INT16)
    grace: int = coded(INT16)
    grace_days: int = coded(U8)

    def judge(self, baseline: Fingerprint, now: Fingerprint) -> str:
        """`accept`, `grace` or `reject`."""
        weights = self._weights()
        unique = {component for component in _HARDWARE_UNIQUE if weights[component][0] > 0}
        then, today = baseline.by_component(), now.by_component()
        agreed = {component for component in then if not then[component].isdisjoint(today.get(component, ()))}
        half = {c for c in agreed if 2 * len(then[c] & today[c]) >= len(then[c])}
        score = sum(weights[c][0 if c in agreed else 1] for c in then if c in today)
        if unique.isdisjoint(then):
            return "accept" if 2 * score >= sum(weights[c][0] for c in then) else "reject"
        if unique.isdisjoint(half):
            return "reject"
        return "accept" if score >= self.accept else "grace" if score >= self.grace else "reject"

    def _weights(self) -> Dict[int, Tuple[int, int]]:
        """`agree` and `differ` of each component; of several entries for one the first counts."""
        own = {component: (agree, differ) for component, agree, differ in reversed(self.weights)}
        return {**_DEFAULT_WEIGHTS, **own}


DEFAULT_POLICY = Policy([], accept=16, grace=8, grace_days=14)

FINGERPRINT: Codec[Fingerprint] = record(Fingerprint)
POLICY: Codec[Policy] = record(Policy)


def normalized(component: int, value: str) -> Optional[str]:
    """A value as it is tagged; none if it is not of its component's form."""
    plain = b" ".join(re.split(rb"[\x00-\x20\x7f]+", value.encode().lower())).strip(b" ").decode()
    if component not in _IDENTIFIERS:
        return plain
    count, left_out = _IDENTIFIERS[component]
    bare = "".join(character for character in plain if character not in left_out)
    if len(bare) == count and _are_digits(bare):
        return _lesser_twin(bare) if component == _HW_UUID else bare
    if component != _ROOT_FS:
        return None
    bare = plain.replace("-", "")
    return bare if _are_digits(bare) else plain


def _are_digits(text: str) -> bool:
    return set(text) <= set("0123456789abcdef")


def _lesser_twin(uuid: str) -> str:
    """Of a hardware UUID and its twin with the first three fields byte-swapped, the lesser."""
    raw = bytes.fromhex(uuid)
    twin = raw[3::-1] + raw[5:3:-1] + raw[7:5:-1] + raw[8:]
    return min(uuid, twin.hex())


def tagger_key(salt: str, product: str) -> bytes:
    """K: HKDF-SHA256, whose single block of output is all of it."""
    extracted = hmac.digest(salt.encode("utf-8"), b"nodelock fingerprint v1", "sha256")
    return hmac.digest(extracted, product.encode("utf-8") + b"\x01", "sha256")


def tag(key: bytes, component: int, value: str) -> bytes:
    """The tag of a normalized value."""
    raw = value.encode("utf-8")
    return hmac.digest(key, bytes([component]) + len(raw).to_bytes(2, "big") + raw, "sha256")[:3]

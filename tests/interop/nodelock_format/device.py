"""The files on the device and its time (docs/FORMAT.md, section 9)."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import Any, List, Optional, Tuple

from . import release
from .encoding import (
    BYTES,
    NOTHING,
    TEXT,
    TIME,
    U8,
    UINT32,
    UINT64,
    Codec,
    coded,
    enum,
    fixed,
    list_of,
    option_of,
    record,
)
from .errors import DamagedFile, UnsupportedVersion
from .keys import public_key_of

STATE_BYTES = 1 << 20
_STATE_START = b"NLST\x01\0\0\0"
# Stored where the directory could not be synced.
_UNSYNCED_STATE_START = b"NLST\x01\x01\0\0"
_KEY_START = b"NLDK\x01\0\0\0"
_TOMBSTONE_START = b"NLTB\x01\0\0\0"
_CHECKSUM_BYTES = 32
_CLOCK_TOLERANCE = 26 * 3600

EMPTY, REQUESTED, LICENSED = 0, 1, 2


@dataclass(frozen=True)
class Activation:
    """A seat asked for, with what gives it up."""

    handle: int = coded(release.HANDLE)
    secret: int = coded(release.SECRET)
    request_digest: bytes = coded(fixed(32))


@dataclass(frozen=True)
class Licensed:
    """The license is installed."""

    activation: Activation = coded(record(Activation))
    license: bytes = coded(BYTES)
    license_id: bytes = coded(fixed(8))
    deactivations_left: Optional[int] = coded(option_of(UINT32))
    revision: int = coded(UINT32)


@dataclass(frozen=True)
class Requested:
    """The license has not come yet. Another one may be set aside until it does."""

    activation: Activation = coded(record(Activation))
    request: bytes = coded(BYTES)
    recovery: Optional[bytes] = coded(option_of(BYTES))
    aside: Optional[Licensed] = coded(option_of(record(Licensed)))


@dataclass(frozen=True)
class GivenUp:
    """A seat given up that has no receipt yet."""

    activation: Activation = coded(record(Activation))
    license_id: bytes = coded(fixed(8))
    proof: bytes = coded(BYTES)
    request: Optional[bytes] = coded(option_of(BYTES))
    time: int = coded(TIME)
    reason: int = coded(U8)


@dataclass(frozen=True)
class Ended:
    """How the last activation ended."""

    handle: int = coded(release.HANDLE)
    how: Tuple[int, Optional[str]] = coded(enum(NOTHING, NOTHING, TEXT))
    time: int = coded(TIME)


@dataclass(frozen=True)
class Question:
    """The latest question to the authority that has no answer yet."""

    digest: bytes = coded(fixed(32))
    local: int = coded(TIME)
    floor: int = coded(TIME)


@dataclass(frozen=True)
class Note:
    """What the clock that runs on showed when the floor was set."""

    boot: bytes = coded(fixed(16))
    running: int = coded(UINT64)


@dataclass(frozen=True)
class Marks:
    """What is known of time."""

    floor: int = coded(TIME)
    highest: int = coded(TIME)
    allowance: int = coded(UINT64)
    behind: int = coded(UINT64)
    behind_at_least: int = coded(UINT64)
    ahead: int = coded(UINT64)
    asked: Optional[Question] = coded(option_of(record(Question)))
    noted: Optional[Note] = coded(option_of(record(Note)))

    def licensing_time(self, now: int) -> int:
        """The time that licenses are judged by when the local clock shows `now`, without the clock that runs on."""
        still_behind = self.behind > 0 and now < self.highest + self.behind_at_least - _CLOCK_TOLERANCE
        return max(now + self.behind if still_behind else now, self.floor)

    def clock_set_back(self, now: int) -> bool:
        """Whether the local clock counts as set back."""
        return self.highest - now > _CLOCK_TOLERANCE + self.allowance

    def answered(self, signed: int, now: int) -> Marks:
        """What an answer to the first request makes of this."""
        asked = self.asked
        if asked is None:
            raise ValueError("nothing was asked")
        surely_behind = now < signed - _CLOCK_TOLERANCE
        return Marks(
            floor=signed,
            highest=now,
            allowance=max(0, now - signed),
            behind=max(signed - asked.local, signed - now) if surely_behind else 0,
            behind_at_least=signed - now if surely_behind else 0,
            ahead=max(0, asked.local - signed),
            asked=None,
            noted=None,
        )


NO_MARKS = Marks(0, 0, 0, 0, 0, 0, None, None)


@dataclass(frozen=True)
class Unanswered:
    """What starts of the application asked for in vain."""

    times: int = coded(UINT32)
    last: int = coded(TIME)
    why: str = coded(TEXT)


@dataclass(frozen=True)
class Record:
    """What the device knows."""

    product: str = coded(TEXT)
    current: Tuple[int, Any] = coded(enum(NOTHING, record(Requested), record(Licensed)))
    given_up: List[GivenUp] = coded(list_of(record(GivenUp), 64))
    ended: Optional[Ended] = coded(option_of(record(Ended)))
    marks: Marks = coded(record(Marks))
    changed_since: Optional[int] = coded(option_of(TIME))
    last_word: Optional[bytes] = coded(option_of(BYTES))
    unanswered: Optional[Unanswered] = coded(option_of(record(Unanswered)))


_RECORD: Codec[Record] = record(Record)


def _checked(data: bytes, start: bytes) -> bytes:
    """What stands between the start of a file and its checksum."""
    if data[:4] == start[:4] and data[4:5] > start[4:5]:
        raise UnsupportedVersion("written by a newer version")
    content, checksum = data[:-_CHECKSUM_BYTES], data[-_CHECKSUM_BYTES:]
    if not content.startswith(start) or hashlib.sha256(content).digest() != checksum:
        raise DamagedFile("start or checksum do not fit")
    return content[len(start) :]


def _with_checksum(content: bytes) -> bytes:
    return content + hashlib.sha256(content).digest()


def read_state(data: bytes) -> Tuple[int, Record]:
    """The generation and the record in `state`."""
    if len(data) > STATE_BYTES:
        raise DamagedFile("too long")
    unsynced = data.startswith(_UNSYNCED_STATE_START)
    content = _checked(data, _UNSYNCED_STATE_START if unsynced else _STATE_START)
    if int.from_bytes(content[8:12], "little") != len(content) - 12:
        raise DamagedFile("the length does not fit")
    return int.from_bytes(content[:8], "little"), _RECORD.decode(content[12:])


def write_state(generation: int, content: Record) -> bytes:
    """`state`."""
    body = _RECORD.write(content)
    numbers = generation.to_bytes(8, "little") + len(body).to_bytes(4, "little")
    return _with_checksum(_STATE_START + numbers + body)


def read_device_key(data: bytes) -> Tuple[bytes, bytes]:
    """Seed and public key in `device.key`."""
    content = _checked(data, _KEY_START)
    seed, public = content[:32], content[32:]
    if len(content) != 64 or public_key_of(seed) != public:
        raise DamagedFile("the keys do not fit")
    return seed, public


def write_device_key(seed: bytes) -> bytes:
    """`device.key`."""
    return _with_checksum(_KEY_START + seed + public_key_of(seed))


def tombstone(device_key: bytes, handle: int, product: str) -> Tuple[str, bytes]:
    """Name and content of the file that says that a seat was given up."""
    seat = release.HANDLE.write(handle) + product.encode("utf-8")
    name = hmac.digest(device_key, b"nodelock tombstone name v1\0" + seat, "sha256")[:16]
    content = hmac.digest(device_key, b"nodelock tombstone v1\0" + seat, "sha256")
    return name.hex(), _TOMBSTONE_START + content

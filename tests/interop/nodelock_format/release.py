"""Handle, release secret and commitment (docs/FORMAT.md, sections 6 and 7)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import List

from .base32 import ALPHABET
from .encoding import Codec, Reader, fixed
from .errors import Malformed

HANDLE_SYMBOLS = 6
SECRET_SYMBOLS = 12
_ITERATIONS = 100000


def symbols_of(number: int, count: int) -> List[int]:
    """A number in symbols of five bits, most significant first."""
    return [number >> 5 * place & 31 for place in reversed(range(count))]


def number_of(symbols: List[int]) -> int:
    """The number that symbols of five bits stand for."""
    number = 0
    for symbol in symbols:
        number = number << 5 | symbol
    return number


def _number(size: int, byteorder: str, symbols: int) -> Codec[int]:
    raw = fixed(size)

    def check(value: int) -> None:
        if not 0 <= value < 1 << 5 * symbols:
            raise Malformed(f"more than {5 * symbols} bits")

    def read(reader: Reader) -> int:
        return int.from_bytes(raw.read(reader), byteorder)  # type: ignore[arg-type]

    return Codec(read, lambda value: value.to_bytes(size, byteorder)).checked(check)  # type: ignore[arg-type]


HANDLE: Codec[int] = _number(4, "little", HANDLE_SYMBOLS)
SECRET: Codec[int] = _number(8, "big", SECRET_SYMBOLS)


def handle_text(value: int) -> str:
    """The six symbols of a handle."""
    return "".join(ALPHABET[symbol] for symbol in symbols_of(value, HANDLE_SYMBOLS))


@dataclass(frozen=True)
class Release:
    """What gives a seat up."""

    handle: int
    secret: int

    def commitment(self, device_key: bytes) -> bytes:
        """What the activation request shows of the secret."""
        salt = HANDLE.write(self.handle) + device_key
        return hashlib.pbkdf2_hmac("sha256", SECRET.write(self.secret), salt, _ITERATIONS, 32)

    def binding(self) -> bytes:
        """What a receipt says of the code it answers (section 4)."""
        parts = b"nodelock deactivation code v1\0", HANDLE.write(self.handle), SECRET.write(self.secret)
        return hashlib.sha256(b"".join(parts)).digest()

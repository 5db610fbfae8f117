"""Crockford's base32 and the characters that people type (docs/FORMAT.md, section 7)."""

from __future__ import annotations

import unicodedata
from typing import List, Optional

from .errors import Malformed

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

_VALUES = {symbol: value for value, symbol in enumerate(ALPHABET)}
_VALUES.update({"I": 1, "L": 1, "O": 0})
_PASSED_OVER = frozenset("\"'`.,:;/|·")
_PASSED_OVER_CATEGORIES = frozenset(("Zs", "Zl", "Zp", "Cc", "Cf", "Pd", "Pi", "Pf", "Ps", "Pe"))


def typed_symbols(typed: str) -> List[Optional[int]]:
    """The symbols in what somebody typed; None is one that cannot be read."""
    plain = [_half_width(character) for character in typed]
    return [_VALUES.get(c.upper() if c.isascii() else c) for c in plain if not _is_passed_over(c)]


def _half_width(character: str) -> str:
    return chr(ord(character) - 0xFEE0) if "\uff01" <= character <= "\uff5e" else character


def _is_passed_over(character: str) -> bool:
    return character in _PASSED_OVER or unicodedata.category(character) in _PASSED_OVER_CATEGORIES


def encode(data: bytes) -> str:
    """Bytes as base32, filled up with zero bits."""
    padded = data + bytes(-len(data) % 5)
    groups = (int.from_bytes(padded[at : at + 5], "big") for at in range(0, len(padded), 5))
    symbols = (ALPHABET[group >> 5 * place & 31] for group in groups for place in reversed(range(8)))
    return "".join(symbols)[: -(-8 * len(data) // 5)]


def decode(text: str) -> bytes:
    """The bytes that base32 stands for."""
    symbols = typed_symbols(text)
    filling = 5 * len(symbols) % 8
    if None in symbols or filling >= 5:
        raise Malformed("not base32")
    padded = [symbol or 0 for symbol in symbols] + [0] * (-len(symbols) % 8)
    data = b"".join(_group(padded[at : at + 8]) for at in range(0, len(padded), 8))
    size = 5 * len(symbols) // 8
    if any(data[size:]):
        raise Malformed("the filling of base32 is not zero")
    return data[:size]


def _group(symbols: List[int]) -> bytes:
    number = 0
    for symbol in symbols:
        number = number << 5 | symbol
    return number.to_bytes(5, "big")

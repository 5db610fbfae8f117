"""Crockford's base32 and the characters that people type (docs/FORMAT.md, section 7)."""

from __future__ import annotations

import unicodedata
from typing import List, Optional

from .errors import Malformed

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

_VALUES = {symbol: value for value, symbol in enumerate(ALPHABET)}
_VALUES.update({"I": 1, "L": 1, "O": 0})
_PASSED_OVER_RANGES = """
    0000-0020 0022 0027-0029 002C-002F 003A-003C 003E 005B 005D 0060 007C 007F-00A0 00AB 00AD 00B4 00B7 00BB
    058A 05BE 061C 1680 1806 180E 2000-2015 2018-201F 2022 2026-202F 2032-2037 2039-203A 2043 2053 205F-2069
    207B 208B 2212 2E3A-2E3B 3000 3008-3011 301C-301F 3030 30A0 30FC FE00-FE0F FE31-FE32 FE58 FE63 FEFF
"""
_PASSED_OVER = frozenset(
    chr(number)
    for first, _, last in (entry.partition("-") for entry in _PASSED_OVER_RANGES.split())
    for number in range(int(first, 16), int(last or first, 16) + 1)
)


_LETTERS = "АаВЕеКкМмНОоРрСсТтУуХхЅѕІіЈјԚԛԜԝҮүһԁΑαΒΕΖΗΙιΚκΜΝνΟοΡρΤτΥΧχ"
_LATIN = "AABEEKKMMHOOPPCCTTYYXXSSIIJJQQWWYYHDAABEZHIIKKMNVOOPPTTYXX"
_LOOK_ALIKES = dict(zip(_LETTERS, _LATIN))
_ENDS_A_WORD = frozenset("*_+=#~{}&%$@!\\^")


def typed_symbols(typed: str) -> List[Optional[int]]:
    """The symbols in what somebody typed; None is one that cannot be read."""
    return [_value(c) for c in map(_half_width, typed) if c not in _PASSED_OVER]


def typed_words(typed: str) -> List[List[Optional[int]]]:
    """The symbols in what somebody typed, in runs that nothing interrupts."""
    words: List[List[Optional[int]]] = [[]]
    for character in typed:
        if _half_width(character) in _PASSED_OVER or character in _ENDS_A_WORD:
            words.append([])
        else:
            words[-1].append(_value(_half_width(character)))
    return [word for word in words if word]


def _value(character: str) -> Optional[int]:
    if character.isascii():
        return _VALUES.get(character.upper())
    digit = unicodedata.decimal(character, None)
    return digit if digit is not None else _VALUES.get(_LOOK_ALIKES.get(character, ""))


def _half_width(character: str) -> str:
    return chr(ord(character) - 0xFEE0) if "\uff01" <= character <= "\uff5e" else character


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

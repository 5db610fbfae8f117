"""Deactivation codes and license keys (docs/FORMAT.md, section 7)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import permutations
from typing import Dict, Iterable, Iterator, List, Optional, Sequence, Tuple

from . import reed_solomon
from .base32 import ALPHABET, typed_symbols, typed_words
from .errors import FormatError, SeveralMessages, TooLarge, UnreadableCode, UnsupportedVersion, WrongType
from .release import HANDLE_SYMBOLS, SECRET_SYMBOLS, Release, number_of, symbols_of

DEACTIVATION = 1
LICENSE_KEY = 2
_LARGEST_INPUT = 256
_PARITY_TO_NAME_KIND = 4
_PARITY_NEAR = 2
_PAYLOAD_SYMBOLS = HANDLE_SYMBOLS + SECRET_SYMBOLS
_GROUP = 5

Word = Sequence[Optional[int]]


@dataclass(frozen=True)
class Reading:
    """A code that somebody may have meant, and how many corrections it took."""

    text: str
    corrections: int


def _in_groups(symbols: Sequence[int]) -> str:
    text = "".join(ALPHABET[symbol] for symbol in symbols)
    return "-".join(text[at : at + _GROUP] for at in range(0, len(text), _GROUP))


def deactivation_code(release: Release) -> str:
    """The code for a seat given up."""
    handle = symbols_of(release.handle, HANDLE_SYMBOLS)
    return _in_groups(reed_solomon.encode([DEACTIVATION, *handle, *symbols_of(release.secret, SECRET_SYMBOLS)]))


def license_key(number: int) -> str:
    """The license key for a random number of 90 bits."""
    return _in_groups(reed_solomon.encode([LICENSE_KEY, *symbols_of(number, _PAYLOAD_SYMBOLS)]))


def _payload(text: str) -> List[int]:
    symbols = [ALPHABET.index(symbol) for symbol in text.replace("-", "")]
    return symbols[1 : 1 + _PAYLOAD_SYMBOLS]


def release_in(text: str) -> Release:
    """The handle and the secret in a clean deactivation code."""
    payload = _payload(text)
    return Release(number_of(payload[:HANDLE_SYMBOLS]), number_of(payload[HANDLE_SYMBOLS:]))


def number_in(text: str) -> int:
    """The number in a clean license key."""
    return number_of(_payload(text))


@dataclass(frozen=True)
class _Found:
    symbols: Tuple[int, ...]
    corrections: int
    parity_spent: int
    place: int = 0


def _mended(word: Word) -> Iterator[_Found]:
    """25 symbols."""
    decoded = reed_solomon.decode(word)
    if decoded:
        symbols, wrong, erased = decoded
        yield _Found(tuple(symbols), wrong + erased, 2 * wrong + erased)


def _mended_once(word: Word, of_our_making: int) -> Iterator[_Found]:
    """25 symbols, made of 24 or 26 at the cost of one correction; at most one more is mended."""
    unreadable = sum(symbol is None for symbol in word) - of_our_making
    decoded = reed_solomon.decode(word, most_wrong=1 - unreadable) if unreadable <= 1 else None
    if decoded:
        symbols, wrong, erased = decoded
        yield _Found(tuple(symbols), 1 + wrong + unreadable, 2 * wrong + erased)


def _candidates(symbols: Word) -> Iterator[_Found]:
    if len(symbols) == reed_solomon.LENGTH:
        yield from _mended(symbols)
    elif len(symbols) == reed_solomon.LENGTH - 1:
        for place in range(reed_solomon.LENGTH):
            yield from _mended_once([*symbols[:place], None, *symbols[place:]], of_our_making=1)
    elif len(symbols) == reed_solomon.LENGTH + 1:
        for place in range(len(symbols)):
            yield from _mended_once([*symbols[:place], *symbols[place + 1 :]], of_our_making=0)


def _placed(place: int, found: Iterable[_Found]) -> Iterator[_Found]:
    return (replace(f, place=place) for f in found)


def _in_words(words: List[List[Optional[int]]]) -> Iterator[_Found]:
    """25 symbols from the beginning of a run to the end of one."""
    for first in range(len(words)):
        symbols: List[Optional[int]] = []
        for word in words[first:]:
            symbols += word
            if len(symbols) == reed_solomon.LENGTH:
                yield from _placed(first, _mended(symbols))


def _in_another_order(words: List[List[Optional[int]]]) -> Iterator[_Found]:
    """Five groups of five."""
    for first in range(len(words) - _GROUP + 1):
        groups = words[first : first + _GROUP]
        if any(len(group) != _GROUP for group in groups):
            continue
        for order in list(permutations(range(_GROUP)))[1:]:
            moved = sum(place != group for place, group in enumerate(order))
            for found in _mended([symbol for group in order for symbol in groups[group]]):
                yield replace(found, corrections=found.corrections + moved, place=first)


def _why_not(kind: int, found: List[_Found]) -> FormatError:
    named = [f for f in found if f.parity_spent <= _PARITY_TO_NAME_KIND]
    if not named:
        return UnreadableCode("beyond repair")
    first = min(named, key=lambda f: f.corrections).symbols[0]
    if first in (DEACTIVATION, LICENSE_KEY):
        return WrongType(f"a code of kind {first} instead of {kind}")
    return UnsupportedVersion(f"a code of kind {first}")


def read(kind: int, typed: str) -> List[Reading]:
    """All codes of that kind that somebody may have meant, fewest corrections first."""
    if len(typed.encode("utf-8")) > _LARGEST_INPUT:
        raise TooLarge("too long")
    found = list(_candidates(typed_symbols(typed)))
    for more in (_in_words, _in_another_order):
        if not any(f.symbols[0] == kind and f.parity_spent <= _PARITY_NEAR for f in found):
            found += [f for f in more(typed_words(typed)) if f.parity_spent <= _PARITY_NEAR]
    fewest: Dict[Tuple[int, ...], int] = {}
    for candidate in found:
        if candidate.symbols[0] == kind:
            known = fewest.get(candidate.symbols, candidate.corrections)
            fewest[candidate.symbols] = min(known, candidate.corrections)
    if not fewest:
        raise _why_not(kind, found)
    if len(fewest) > 1 and len({f.place for f in found if f.symbols[0] == kind}) > 1:
        raise SeveralMessages("several codes in several places")
    ordered = sorted(fewest.items(), key=lambda item: (item[1], item[0]))
    return [Reading(_in_groups(symbols), corrections) for symbols, corrections in ordered]

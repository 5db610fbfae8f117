"""The Reed-Solomon code over GF(32) in typed codes (docs/FORMAT.md, section 7)."""

from __future__ import annotations

from functools import reduce
from operator import xor
from typing import List, Optional, Sequence, Set, Tuple

LENGTH = 25
PARITY = 6
_GENERATOR = (26, 20, 24, 14, 6, 31)


def _powers_of_alpha() -> List[int]:
    powers = [1]
    while len(powers) < 31:
        doubled = powers[-1] << 1
        powers.append(doubled ^ 37 if doubled >= 32 else doubled)
    return powers


_POWERS = _powers_of_alpha()
_LOGARITHMS = {power: exponent for exponent, power in enumerate(_POWERS)}


def _alpha(exponent: int) -> int:
    return _POWERS[exponent % 31]


def _times(a: int, b: int) -> int:
    return _alpha(_LOGARITHMS[a] + _LOGARITHMS[b]) if a and b else 0


def _divided(a: int, b: int) -> int:
    return _alpha(_LOGARITHMS[a] - _LOGARITHMS[b]) if a else 0


def _dot(a: Sequence[int], b: Sequence[int]) -> int:
    return reduce(xor, (_times(x, y) for x, y in zip(a, b)), 0)


def encode(data: Sequence[int]) -> List[int]:
    """The data and its parity: the remainder of the division by g(x)."""
    remainder = [0] * PARITY
    for symbol in data:
        factor = symbol ^ remainder[0]
        shifted = remainder[1:] + [0]
        remainder = [r ^ _times(factor, g) for r, g in zip(shifted, _GENERATOR)]
    return [*data, *remainder]


def _exponent(place: int) -> int:
    """The power of x whose coefficient stands at a place; α to it locates the place."""
    return LENGTH - 1 - place


def _syndromes(word: Sequence[int]) -> List[int]:
    """c(1), c(α) … c(α⁵)."""
    return [_dot(word, [_alpha(j * _exponent(place)) for place in range(LENGTH)]) for j in range(PARITY)]


def _solve(rows: Sequence[Sequence[int]], right: Sequence[int]) -> Optional[List[int]]:
    """The only solution of a system of linear equations, square or with more rows; None if there is none."""
    system = [[*row, value] for row, value in zip(rows, right)]
    size = len(system[0]) - 1
    for column in range(size):
        pivot = next((i for i in range(column, len(system)) if system[i][column]), None)
        if pivot is None:
            return None
        system[column], system[pivot] = system[pivot], system[column]
        unit = [_divided(value, system[column][column]) for value in system[column]]
        system = [
            unit if i == column else [value ^ _times(row[column], u) for value, u in zip(row, unit)]
            for i, row in enumerate(system)
        ]
    return None if any(row[size] for row in system[size:]) else [row[size] for row in system[:size]]


def _without_erasures(syndromes: Sequence[int], erased: Set[int]) -> List[int]:
    """Forney's syndromes, which know of the wrong symbols only."""
    for place in erased:
        x = _alpha(_exponent(place))
        syndromes = [later ^ _times(x, earlier) for earlier, later in zip(syndromes, syndromes[1:])]
    return list(syndromes)


def _locate(syndromes: Sequence[int], count: int) -> Optional[Set[int]]:
    """The places of exactly `count` wrong symbols (Peterson's algorithm)."""
    if count == 0:
        return set()
    known = range(count, 2 * count)
    rows = [[syndromes[k - i] for i in range(1, count + 1)] for k in known]
    coefficients = _solve(rows, [syndromes[k] for k in known])
    if coefficients is None:
        return None
    places = {place for place in range(LENGTH) if _is_root([1, *coefficients], _exponent(place))}
    return places if len(places) == count else None


def _is_root(polynomial: Sequence[int], exponent: int) -> bool:
    """Whether the polynomial, lowest power first, is 0 at the inverse of α to `exponent`."""
    return _dot(polynomial, [_alpha(-power * exponent) for power in range(len(polynomial))]) == 0


def _mended_at(word: Sequence[int], places: Sequence[int]) -> Optional[List[int]]:
    """The code word that differs from `word` at those places only."""
    if not places:
        return None if any(_syndromes(word)) else list(word)
    rows = [[_alpha(j * _exponent(place)) for place in places] for j in range(PARITY)]
    errors = _solve(rows, _syndromes(word))
    if errors is None:
        return None
    mended = list(word)
    for place, error in zip(places, errors):
        mended[place] ^= error
    return mended


def decode(word: Sequence[Optional[int]], most_wrong: int = PARITY) -> Optional[Tuple[List[int], int, int]]:
    """The code word, how many symbols were wrong and how many erased (None); at most `most_wrong` are mended."""
    erased = {place for place, symbol in enumerate(word) if symbol is None}
    filled = [symbol or 0 for symbol in word]
    if len(erased) > PARITY:
        return None
    syndromes = _without_erasures(_syndromes(filled), erased)
    for wrong in range(min(most_wrong, (PARITY - len(erased)) // 2) + 1):
        located = _locate(syndromes, wrong)
        mended = None if located is None else _mended_at(filled, sorted(erased | located))
        if mended is not None:
            return mended, wrong, len(erased)
    return None

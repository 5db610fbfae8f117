"""The basic encoding of bodies (docs/FORMAT.md, section 1)."""

from __future__ import annotations

import dataclasses
import unicodedata
from dataclasses import dataclass
from typing import Any, Callable, Dict, Generic, List, Optional, Sequence, Tuple, Type, TypeVar

from .errors import CriticalExtension, Malformed

T = TypeVar("T")

LATEST_TIME = 253402300799
NAME_BYTES = 64
LINE_BYTES = 1024


class Reader:
    """The bytes of a body and how far they have been read."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    def take(self, count: int) -> bytes:
        """The next `count` bytes."""
        end = self._position + count
        if end > len(self._data):
            raise Malformed("the body ends too early")
        taken = self._data[self._position : end]
        self._position = end
        return taken

    def finish(self) -> None:
        """Refuses bytes that are left over."""
        if self._position != len(self._data):
            raise Malformed("bytes are left over")


@dataclass(frozen=True)
class Codec(Generic[T]):
    """How values of one type are read and written."""

    read: Callable[[Reader], T]
    write: Callable[[T], bytes]

    def decode(self, data: bytes) -> T:
        """The value that `data`, all of it, stands for."""
        reader = Reader(data)
        value = self.read(reader)
        reader.finish()
        return value

    def checked(self, check: Callable[[T], None]) -> Codec[T]:
        """The same, with `check` raising an error for values that are refused in either direction."""

        def read(reader: Reader) -> T:
            value = self.read(reader)
            check(value)
            return value

        def write(value: T) -> bytes:
            check(value)
            return self.write(value)

        return Codec(read, write)


def fixed(size: int) -> Codec[bytes]:
    """`[n]`"""

    def check(value: bytes) -> None:
        if len(value) != size:
            raise Malformed(f"{len(value)} bytes instead of {size}")

    return Codec(lambda reader: reader.take(size), lambda value: value).checked(check)


def _number(size: int, signed: bool) -> Codec[int]:
    def write(value: int) -> bytes:
        return value.to_bytes(size, "little", signed=signed)

    return Codec(lambda reader: int.from_bytes(reader.take(size), "little", signed=signed), write)


def _read_bool(reader: Reader) -> bool:
    byte = reader.take(1)[0]
    if byte > 1:
        raise Malformed(f"{byte} is no bool")
    return byte == 1


U8 = _number(1, signed=False)
I8 = _number(1, signed=True)
BOOL: Codec[bool] = Codec(_read_bool, lambda value: bytes([value]))

_FIRST_MARKER = 0xFB
_MARKED_SIZES = (2, 4, 8)


def _read_uint(reader: Reader) -> int:
    first = reader.take(1)[0]
    if first < _FIRST_MARKER:
        return first
    if first - _FIRST_MARKER >= len(_MARKED_SIZES):
        raise Malformed(f"{first:02x} is no marker of a number")
    return int.from_bytes(reader.take(_MARKED_SIZES[first - _FIRST_MARKER]), "little")


def _write_uint(value: int) -> bytes:
    if value < _FIRST_MARKER:
        return bytes([value])
    marker, size = next((m, s) for m, s in enumerate(_MARKED_SIZES, _FIRST_MARKER) if value < 1 << 8 * s)
    return bytes([marker]) + value.to_bytes(size, "little")


def at_most(largest: int) -> Codec[int]:
    """A `uint` that is not above `largest`."""

    def check(value: int) -> None:
        if not 0 <= value <= largest:
            raise Malformed(f"{value} does not fit")

    return Codec(_read_uint, _write_uint).checked(check)


UINT16 = at_most(2**16 - 1)
UINT32 = at_most(2**32 - 1)
UINT64 = at_most(2**64 - 1)
TIME = at_most(LATEST_TIME)


def _read_int16(reader: Reader) -> int:
    zigzag = UINT16.read(reader)
    return zigzag // 2 if zigzag % 2 == 0 else -(zigzag + 1) // 2


INT16: Codec[int] = Codec(_read_int16, lambda value: UINT16.write(2 * value if value >= 0 else -2 * value - 1))


def _read_bytes(reader: Reader) -> bytes:
    return reader.take(_read_uint(reader))


def _read_text(reader: Reader) -> str:
    try:
        return _read_bytes(reader).decode("utf-8")
    except UnicodeDecodeError as error:
        raise Malformed("text is not UTF-8") from error


BYTES: Codec[bytes] = Codec(_read_bytes, lambda value: _write_uint(len(value)) + value)
TEXT: Codec[str] = Codec(_read_text, lambda value: BYTES.write(value.encode("utf-8")))


def _chosen_text(largest: int, smallest: int = 0) -> Codec[str]:
    def check(value: str) -> None:
        if not smallest <= len(value.encode("utf-8")) <= largest:
            raise Malformed("text is too long or too short")
        if value != value.strip() or any(unicodedata.category(c) == "Cc" for c in value):
            raise Malformed("text holds control characters or outer white space")

    return TEXT.checked(check)


NAME = _chosen_text(NAME_BYTES)
NAME_NOT_EMPTY = _chosen_text(NAME_BYTES, smallest=1)
LINE = _chosen_text(LINE_BYTES)


def list_of(item: Codec[T], largest: int) -> Codec[List[T]]:
    """`list of T (max N)`"""
    count = at_most(largest)

    def read(reader: Reader) -> List[T]:
        return [item.read(reader) for _ in range(count.read(reader))]

    return Codec(read, lambda values: count.write(len(values)) + b"".join(map(item.write, values)))


def option_of(item: Codec[T]) -> Codec[Optional[T]]:
    """`option of T`"""

    def read(reader: Reader) -> Optional[T]:
        return item.read(reader) if BOOL.read(reader) else None

    return Codec(read, lambda value: b"\x00" if value is None else b"\x01" + item.write(value))


def tuple_of(*items: Codec[Any]) -> Codec[Tuple[Any, ...]]:
    """Fields one after another."""

    def read(reader: Reader) -> Tuple[Any, ...]:
        return tuple(item.read(reader) for item in items)

    return Codec(read, lambda values: b"".join(item.write(value) for item, value in zip(items, values)))


def enum(*cases: Codec[Any]) -> Codec[Tuple[int, Any]]:
    """An `enum`, as the number of the case and its content."""
    number = at_most(len(cases) - 1)

    def read(reader: Reader) -> Tuple[int, Any]:
        case = number.read(reader)
        return case, cases[case].read(reader)

    return Codec(read, lambda value: number.write(value[0]) + cases[value[0]].write(value[1]))


NOTHING: Codec[None] = Codec(lambda reader: None, lambda value: b"")


def coded(codec: Codec[Any]) -> Any:
    """A field of a dataclass that is encoded by `codec`."""
    return dataclasses.field(metadata={"codec": codec})


def record(cls: Type[T]) -> Codec[T]:
    """A dataclass whose fields are all `coded`, in their order."""
    fields: Sequence[Tuple[str, Codec[Any]]] = [
        (field.name, field.metadata["codec"]) for field in dataclasses.fields(cls)  # type: ignore[arg-type]
    ]

    def read(reader: Reader) -> T:
        return cls(**{key: codec.read(reader) for key, codec in fields})

    return Codec(read, lambda value: b"".join(codec.write(getattr(value, key)) for key, codec in fields))


def extension_of(values: Sequence[Tuple[int, bool, bytes]], number: int, content: Codec[T]) -> Optional[T]:
    """What the first extension of that number holds; none if there is none, or it holds something else."""
    for given, _, data in values:
        if given == number:
            try:
                return content.decode(data)
            except Malformed:
                return None
    return None


def extensions(known: Dict[int, Codec[Any]]) -> Codec[List[Tuple[int, bool, bytes]]]:
    """The extensions of a body that knows some of them, each with what it holds."""

    def refuse_critical(values: List[Tuple[Any, ...]]) -> None:
        understood = {number for number, content in known.items() if extension_of(values, number, content) is not None}
        if any(critical and number not in understood for number, critical, _ in values):
            raise CriticalExtension("an unknown extension is critical")

    return list_of(tuple_of(UINT32, BOOL, BYTES), 32).checked(refuse_critical)


EXTENSIONS = extensions({})

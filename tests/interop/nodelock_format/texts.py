"""What becomes of a text on its way, and how its messages are found all the same (docs/FORMAT.md, section 5)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Dict, Iterator, List, Optional, Tuple

_SOFT_BREAK_COLUMN = 70
_LINES = dict.fromkeys(map(ord, "\r\u000b\u000c\u0085\u2028\u2029"), "\n")
_UNSEEN = dict.fromkeys(
    [0xAD, 0x61C, 0x180E, *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x206A)]
    + [*range(0xFE00, 0xFE10), 0xFEFF]
)
_WIDE = {wide: wide - 0xFEE0 for wide in range(0xFF01, 0xFF5F)}
_SHOWN = {**_LINES, **_UNSEEN, **_WIDE}
_ENTITIES = {
    "amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'", "nbsp": "\u00a0", "plus": "+", "sol": "/",
    "equals": "=", "ndash": "-", "mdash": "-", "shy": "\u00ad", "zwnj": "\u200c", "zwj": "\u200d", "colon": ":",
}  # fmt: skip
_TAG = re.compile(r"<([A-Za-z/!][^<>]*)>")
_LINE_TAG = re.compile(r"/*(br|p|div|tr|li|pre|blockquote)(?![A-Za-z0-9])")
_ENTITY = re.compile(r"&(?:amp;(?=[#A-Za-z][^;]{0,8};))*(#[0-9]{1,8}|#[xX][0-9A-Fa-f]{1,7}|[a-z]{2,8});")
_ESCAPE = re.compile(rb"(?<!=)[=%][0-9A-Fa-f]{2}")
_ESCAPE_OR_BREAK = re.compile(rb"(?<!=)[=%]([0-9A-Fa-f]{2})|=[ \t\r\f]{0,3}\n")
_MARKS = re.compile("(BEGIN|END)NODELOCK", re.IGNORECASE)
_QUOTES = ">|\u2502"
_START = "Tkw"
_FEWEST = 96
_MOST_STARTS = 8
_MOST_TRIED = 5 * 512 * 1024


def _windows_1252(byte: int) -> str:
    return bytes([byte]).decode("cp1252", "ignore") or chr(byte)


def _characters(data: bytes) -> str:
    """UTF-8, and Windows-1252 for each byte that is none of it."""
    text = data.decode("utf-8", "surrogateescape")
    return "".join(_windows_1252(ord(c) - 0xDC00) if "\udc80" <= c <= "\udcff" else c for c in text)


def _decoded(data: bytes) -> str:
    even, odd = data[0::2].count(0), data[1::2].count(0)
    if data[:2] == b"\xff\xfe":
        big = False
    elif data[:2] == b"\xfe\xff":
        big = True
    elif len(data) >= 4 and even + odd >= len(data) // 4:
        big = even > odd
    else:
        return _characters(data)
    return data[: len(data) // 2 * 2].decode("utf-16-be" if big else "utf-16-le", "replace")


def _unquoted(text: str) -> str:
    data = text.encode("utf-8", "replace")
    is_broken = any(
        len(line.rstrip(b"\r")) >= _SOFT_BREAK_COLUMN and line.rstrip().endswith(b"=")
        for line in data.split(b"\n")
    )
    if not is_broken and not _ESCAPE.search(data):
        return text
    return _characters(_ESCAPE_OR_BREAK.sub(lambda m: bytes.fromhex(m[1].decode()) if m[1] else b"", data))


def _without_tag(tag: re.Match[str]) -> str:
    if "#Tkw" in tag[1] or "#9S60" in tag[1]:
        return tag[0]
    return "\n" if _LINE_TAG.match(tag[1]) else ""


def _meant(entity: re.Match[str]) -> str:
    name = entity[1]
    if not name.startswith("#"):
        return _ENTITIES.get(name, entity[0])
    number = int(name[2:], 16) if name[1] in "xX" else int(name[1:])
    return chr(number) if number < 0x110000 and not 0xD800 <= number < 0xE000 else entity[0]


def plain(data: bytes) -> str:
    """The text of an input, without what was put into it on its way."""
    text = _TAG.sub(_without_tag, _unquoted(_decoded(data)))
    text = re.sub(r"\\[nrt]", "\n", _ENTITY.sub(_meant, text))
    return text.replace("\r\n", "\n").translate(_SHOWN)


@dataclass(frozen=True)
class Block:
    """What stands between BEGIN and END: its base64, or why there is none. `head` has letters and digits of the
    headers."""

    head: str
    depth: int
    base64: Optional[str]


def _compact(text: str) -> Tuple[str, List[int]]:
    """Letters, digits and signs that say something, and how deep each is quoted."""
    kept: List[str] = []
    depths: List[int] = []
    depth = 0
    for character in text:
        if character in _QUOTES:
            depth += 1
        elif character == "\n":
            depth = 0
        elif character in "+/=:?" or character == "\ufffd" or character.isalnum():
            kept.append("?" if character == "\ufffd" else character)
            depths.append(depth)
            depth = 0 if character.isalnum() else depth
    return "".join(kept), depths


def _is_prose(tail: str) -> bool:
    return len(tail) < _FEWEST or 3 * sum(c.isascii() and (c.isupper() or c.isdigit()) for c in tail) < len(tail)


def blocks(text: str) -> Iterator[Block]:
    """Every block with a message, whole or damaged."""
    compact, depths = _compact(text)
    marks = list(_MARKS.finditer(compact))
    for place, mark in enumerate(marks):
        if mark[1].upper() == "END":
            continue
        following = marks[place + 1] if place + 1 < len(marks) else None
        content = compact[mark.end() : following.start() if following else len(compact)]
        tail = re.search(r"[A-Za-z0-9+/=]*\Z", content)
        assert tail is not None
        start = content.find(_START, tail.start())
        if start < 0 and _START not in content and _is_prose(tail[0]):
            continue
        is_whole = start >= 0 and following is not None and following[1].upper() == "END"
        head = content[:start] if start >= 0 else content
        yield Block(head, depths[mark.start()], content[start:].rstrip("=") if is_whole else None)


def _symbols(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9+/_-]", "", text)


def _places(text: str) -> Iterator[Tuple[int, str]]:
    behind = text.rpartition("#")[2]
    yield len(_symbols(text[: len(text) - len(behind)])), _symbols(behind)
    starts = sorted(m.start() for m in re.finditer(f"{_START}|9S60", text))
    for start in starts[:_MOST_STARTS]:
        run = re.match(r"[A-Za-z0-9+/_\-\s=>|*\u2502]*", text[start:])
        assert run is not None
        for end in (" ", "\n", "\n\n", "\0"):
            yield len(_symbols(text[:start])), _symbols(run[0].partition(end)[0])


def tokens(text: str) -> Iterator[str]:
    """What may be a message in one line: all behind the last #, and what begins as one does."""
    tried: Dict[Tuple[int, int], int] = {}
    for place, token in _places(text):
        span = (place, len(token))
        if span in tried:
            continue
        tried[span] = len(token)
        if sum(tried.values()) > _MOST_TRIED:
            return
        yield token

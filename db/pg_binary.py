"""PostgreSQL's binary formats: of values that it sends, and of sets of rows, sent as one array per column.

A write with these arrays costs the server a fifth less than a write with rows in JSON (bench/ingest.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache, partial
from struct import Struct
from typing import Any

from psycopg.adapt import Dumper
from psycopg.pq import Format

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)  # PostgreSQL's
_MICROSECOND = timedelta(microseconds=1)


class Packed(bytes):
    """A parameter in binary format."""


class PackedDumper(Dumper):
    """A dumper that sends the parameter unchanged. The statement states its type."""

    format = Format.BINARY

    def dump(self, obj: Packed) -> bytes:
        return obj


# --- read


def _integer(value: bytes) -> int:
    return int.from_bytes(value, signed=True)


READERS: dict[str, Callable[[bytes], Any]] = {
    **dict.fromkeys(("bigint", "integer", "smallint"), _integer),
    "boolean": lambda value: value == b"\1",
    "uuid": bytes.hex,
    "text": bytes.decode,
    "jsonb": lambda value: value[1:].decode(),  # after the version of the format
    "timestamptz": lambda value: _EPOCH + timedelta(microseconds=_integer(value)),
}


# --- write

_ARRAY = Struct("!iiiii").pack  # dimensions, flags, type, size, lower bound
_size = Struct("!i").pack
_NULL = _size(-1)


def _text(value: str) -> bytes:
    text = value.encode()
    return _size(len(text)) + text


def _json(value: str) -> bytes:
    text = value.encode()
    return _size(len(text) + 1) + b"\1" + text


def moment(value: datetime) -> Packed:
    return Packed(Struct("!q").pack((value - _EPOCH) // _MICROSECOND))


@lru_cache
def _moment(value: datetime) -> bytes:
    return _size(8) + moment(value)


# By type: its object identifier, and the function that packs a value as an item of an array.
_ITEMS: dict[str, tuple[int, Callable[[Any], bytes]]] = {
    "boolean": (16, {True: b"\0\0\0\1\1", False: b"\0\0\0\1\0"}.__getitem__),
    "bigint": (20, partial(Struct("!iq").pack, 8)),
    "smallint": (21, partial(Struct("!ih").pack, 2)),
    "integer": (23, partial(Struct("!ii").pack, 4)),
    "text": (25, _text),
    "timestamptz": (1184, _moment),
    "uuid": (2950, lambda value: b"\0\0\0\x10" + bytes.fromhex(value)),
    "jsonb": (3802, _json),
}


def arrays(types: Sequence[str], columns: Sequence[Sequence[Any]]) -> list[Packed]:
    """Return one array per column. There is at least one row.

    Values of type jsonb are JSON texts, values of type uuid are hexadecimal texts.
    """
    return [_array(*_ITEMS[kind], column) for kind, column in zip(types, columns, strict=True)]


def _array(number: int, item: Callable[[Any], bytes], values: Sequence[Any]) -> Packed:
    items = [_NULL if value is None else item(value) for value in values]
    return Packed(_ARRAY(1, 1, number, len(values), 1) + b"".join(items))

"""Lines of the log back into records, whoever wrote them: a newer release, an older one, or an agent that was killed.

What this release does not know is left out where a record can do without it; a line that is no record is nobody's
fault but must not be silently lost, so readers count it.
"""

from collections.abc import Iterable, Iterator
from typing import Any, get_args

import msgspec
from msgspec import Struct

from portway.accesslog.record import Record

_DECODER = msgspec.json.Decoder(Record)
_BEGINNING = b'{"ts_start":'
"""How the writer begins a line: where a new one was written right behind half an old one, it starts here."""
_LATEST = 253_402_300_799.0
"""The end of the year 9999: a later time is no time."""


class Entry(Struct, frozen=True, gc=False):
    """A record, and its line as it was written: what a newer release added stays in it."""

    record: Record
    line: bytes

    @property
    def moment(self) -> float:
        """When there was something to write: the connection's end, or its refusal. Readers put entries in its order."""
        return moment(self.record)


def moment(record: Record) -> float:
    """The end of the connection (or the last attempt of a refused one), in seconds since the epoch."""
    return record.ts_end or record.ts_start


class Reading:
    """Entries of lines, and how many lines were none."""

    def __init__(self) -> None:
        self.unreadable = 0

    def entries(self, lines: Iterable[bytes]) -> Iterator[Entry]:
        """In the order of the lines. Never raises for what a line says; blank ones do not count."""
        for line in lines:
            if not (text := line.strip()):
                continue
            entry, whole = read(text)
            self.unreadable += not whole
            if entry is not None:
                yield entry


def read(line: bytes) -> tuple[Entry | None, bool]:
    """(the entry or None, whether all of the line was one)."""
    record = record_of(line)
    if record is not None:
        return Entry(record, line), True
    start = line.rfind(_BEGINNING)
    rest = line[start:] if start > 0 else b""
    record = record_of(rest) if rest else None
    return (Entry(record, rest) if record is not None else None), False


def record_of(line: bytes) -> Record | None:
    """None when it is no record: half a line, a needed field that is missing or no such thing."""
    record: Record | None
    try:
        record = _DECODER.decode(line)
    except msgspec.ValidationError:
        record = _without_the_unknown(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return record if record is not None and _sane(record) else None


def _without_the_unknown(line: bytes) -> Record | None:
    try:
        document = msgspec.json.decode(line)
        return msgspec.convert(_known(document, Record), Record) if isinstance(document, dict) else None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _known(document: dict[str, Any], kind: type[Struct]) -> dict[str, Any]:
    """The fields that `kind` can read, besides those that it cannot do without."""
    kept = {}
    for field in msgspec.structs.fields(kind):
        if field.encode_name not in document:
            continue
        value = document[field.encode_name]
        inner = next((one for one in (field.type, *get_args(field.type)) if _is_struct(one)), None)
        if inner is not None and isinstance(value, dict):
            value = _known(value, inner)
        if field.required or _converts(value, field.type):
            kept[field.encode_name] = value
    return kept


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Struct)


def _converts(value: Any, kind: Any) -> bool:
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError:
        return False
    return True


def _sane(record: Record) -> bool:
    """Numbers that can be shown and added up."""
    times = (record.ts_start, record.ts_end)
    counts = (record.duration_ms, record.bytes_in, record.bytes_out, record.packets_in, record.packets_out)
    return all(0 <= time <= _LATEST for time in times) and min(counts) >= 0 and record.attempts > 0

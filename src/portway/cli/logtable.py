"""Records as lines of a table that grows: the widths are those of what there was at first."""

from collections.abc import Iterator, Sequence

import click
from msgspec import Struct

from portway.accesslog import Record
from portway.accesslog.lines import moment
from portway.accesslog.names import door_name, party_name, socket_name
from portway.cli import table, units

_HEAD = ("TIME", "CLIENT", "VIA", "SERVICE", "BACKEND", "IN/OUT", "TOOK")
_REFUSALS_HEAD = (*_HEAD[:4], "VERDICT")
_LEAST = (11, 10, 9, 7)
"""CLIENT, VIA, SERVICE and BACKEND."""
_INDENT = " " * 10
_GAP = "  "
_COLOURS = {"DENIED": "red", "REFUSED": "yellow", "DROPPED": "yellow"}


class Look(Struct, frozen=True):
    """How to draw."""

    width: int
    coloured: bool
    now: float
    """Seconds since the epoch: which day is today."""
    namespaces: bool
    """Whether a Service's name needs its namespace."""


class LogTable:
    """Turns records into lines."""

    def __init__(self, look: Look, first: Sequence[Record]) -> None:
        """`first`: those that are there already, by which the columns' widths are chosen."""
        self._look = look
        self._head = _HEAD if any(record.verdict == "FORWARDED" for record in first) else _REFUSALS_HEAD
        rows = [_HEAD, *(self._cells(record) for record in first)]
        widths = [max(len(row[column]) for row in rows if column < len(row)) for column in range(len(_HEAD))]
        self._widths = _fitted(widths, look.width)

    @property
    def head(self) -> str:
        """The line above."""
        return self._padded(self._head).rstrip()

    def lines(self, record: Record) -> Iterator[str]:
        """A line, or two when what became of a refused connection, or what a request was, does not fit behind it."""
        front, (word, rest) = self._padded(self._cells(record)), _ending(record)
        if not (word or rest):
            yield front.rstrip()
            return
        shown = click.style(word, fg=_COLOURS.get(word)) if self._look.coloured and word else word
        if len(front) + len(_GAP) + len(f"{word} {rest}".strip()) <= self._look.width:
            yield f"{front}{_GAP}{shown} {rest}" if word else f"{front}{_GAP}{rest}"
        else:
            yield front.rstrip()
            yield f"{_INDENT}{f'{shown} {rest}'.strip()}"

    def _cells(self, record: Record) -> tuple[str, ...]:
        front = (
            units.clock(moment(record), self._look.now),
            party_name(record.client),
            door_name(record) if record.entry not in ("clusterIP", "podIP") else record.entry,
            self._service(record),
        )
        if record.verdict != "FORWARDED":
            return front
        through = f"{units.size(record.bytes_in)}/{units.size(record.bytes_out)}"
        return *front, _backend(record), through, _took(record)

    def _service(self, record: Record) -> str:
        if (service := record.service) is None:
            return "-"
        port = service.port_name or str(service.port)
        return f"{service.namespace}/{service.name}:{port}" if self._look.namespaces else f"{service.name}:{port}"

    def _padded(self, cells: Sequence[str]) -> str:
        """Only a terminal has an end; elsewhere nothing is shortened."""
        limited = self._look.width < 1 << 20
        shown = zip(cells, self._widths, strict=False)
        return _GAP.join((units.shortened(cell, width) if limited else cell).ljust(width) for cell, width in shown)


def _fitted(widths: list[int], room: int) -> list[int]:
    time, *names, through, took = widths
    room -= time + through + took + len(_GAP) * (len(widths) - 1)
    return [time, *table.fitted(names, room, _LEAST), through, took]


def _backend(record: Record) -> str:
    if (backend := record.backend) is None:
        return "-"
    return socket_name(backend.pod, backend.port) if backend.pod else socket_name(backend.ip, backend.port)


def _took(record: Record) -> str:
    """With the way it ended, unless that was the ordinary one."""
    took = units.seconds(record.duration_ms / 1000)
    return took if record.tcp_end in ("", "fin") else f"{took} {record.tcp_end}"


def _ending(record: Record) -> tuple[str, str]:
    """(verdict, `REASON by NetworkPolicy NAMESPACE/NAME, 3 times`) of what was not let in; of a request what it was."""
    request = _request(record)
    if record.verdict == "FORWARDED":
        return "", request
    text = record.reason
    if (policy := record.policy) is not None and policy.name:
        text += f" by {policy.kind or 'policy'} {f'{policy.namespace}/' if policy.namespace else ''}{policy.name}"
    if record.attempts > 1:
        text += f", {record.attempts} times"
    return record.verdict, f"{text}  {request}".rstrip()


def _request(record: Record) -> str:
    """`GET /cart 200`; `-` for a client that did not wait for its answer."""
    if (http := record.http) is None:
        return ""
    return f"{http.method} {http.path} {http.status or '-'}"

"""What Service ports have to do right now, as a table: one line each, and below it why connections were refused."""

from collections.abc import Iterator, Mapping, Sequence

import click

from portway.accesslog.top import Rates
from portway.cli import table, units

_HEAD = ("SERVICE", "CONN/S", "IN/S", "OUT/S", "ACTIVE", "REFUSED/S", "NEW", "BACKENDS")
_SHARES = 4
"""Backends whose shares are shown in a line."""


def lines(rows: Sequence[Rates], room: int, height: int, coloured: bool) -> Iterator[str]:
    """At most `height` lines of at most `room` columns."""
    shown = list(rows)
    while shown and len(shown) + sum(bool(row.refusals) for row in shown) + 1 + (len(shown) < len(rows)) > height:
        shown.pop()
    head, *told = table.narrow(_HEAD, [_cells(row) for row in shown], room, ("SERVICE", "BACKENDS"))
    yield click.style(head, bold=True) if coloured else head
    for line, row in zip(told, shown, strict=True):
        yield line
        if row.refusals:
            yield _refusals(row.refusals, room, coloured)
    if len(shown) < len(rows):
        yield units.shortened(f"… and {len(rows) - len(shown)} more: -n NAMESPACE or svc/NAME picks", room)


def details(row: Rates, room: int) -> Iterator[str]:
    """Each backend of one port."""
    width = min(max(map(len, row.shares), default=0), max(room - 12, 9))
    for name, share in row.shares.items():
        yield f"  {units.shortened(name, width):{width}}  {share:6.1%}"


def _cells(row: Rates) -> tuple[str, ...]:
    return (
        row.name if row.service else "(no Service)",
        units.count(row.connections),
        units.size(row.bytes_in),
        units.size(row.bytes_out),
        units.count(row.active),
        units.count(row.refused),
        units.count(row.new_clients),
        _backends(row),
    )


def _backends(row: Rates) -> str:
    """`3: 34/33/33%`: how many are ready, and their shares."""
    if not row.service:
        return ""
    parts = [f"{share * 100:.0f}" for share in row.shares.values()]
    more = "…" if len(parts) > _SHARES else ""
    return f"{row.ready}: {'/'.join(parts[:_SHARES])}{more}%" if parts else str(row.ready)


def _refusals(refusals: Mapping[str, float], room: int, coloured: bool) -> str:
    text = ", ".join(f"{units.count(rate)}/s {reason}" for reason, rate in refusals.items())
    text = units.shortened(f"  refused: {text}", room)
    return click.style(text, fg="yellow") if coloured else text

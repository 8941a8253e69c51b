"""Tables as kubectl prints them: upper-case heads, columns three spaces apart, nothing else."""

from collections.abc import Collection, Sequence

from portway.cli import units

_LEAST = 9
"""A name that is no longer than this stays whole."""


def lines(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a table; the last column is not padded."""
    table = [list(head), *(list(row) for row in rows)]
    widths = [max(len(row[i]) for row in table) for i in range(len(head))]
    return ["   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]


def fitted(widths: Sequence[int], room: int, least: Sequence[int]) -> list[int]:
    """The widths of columns that may share `room` characters: the widest give first, none below its `least`."""
    fits = list(widths)
    while sum(fits) > room and (giving := [i for i, width in enumerate(fits) if width > least[i]]):
        fits[max(giving, key=fits.__getitem__)] -= 1
    return fits


def narrow(head: Sequence[str], rows: Sequence[Sequence[str]], room: int, names: Collection[str]) -> list[str]:
    """The lines of a table in `room` characters: two spaces apart, long cells of `names` without their middle."""
    table = [list(head), *(list(row) for row in rows)]
    widths = [max(len(row[i]) for row in table) for i in range(len(head))]
    least = [min(width, _LEAST) if name in names else width for name, width in zip(head, widths, strict=True)]
    fits = fitted(widths, room - 2 * (len(head) - 1), least)
    return [
        "  ".join(units.shortened(cell, width).ljust(width) for cell, width in zip(row, fits, strict=True)).rstrip()
        for row in table
    ]

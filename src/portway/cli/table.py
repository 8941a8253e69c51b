"""Tables as kubectl prints them: upper-case heads, columns three spaces apart, nothing else."""

from collections.abc import Sequence


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

"""Drawings on a terminal: in its columns, and coloured unless nobody wants that. Where stdout is none, as they are."""

import re
import textwrap
from collections.abc import Iterable, Iterator

import click

from portway.cli import stream

_ROW = re.compile(r"  (?P<name>[a-z]+) +(?=\S)")
_HANGING = " " * 11
"""Under the text of a row, behind its name."""
_CODE = re.compile(r"(?<=  ends     )[A-Z_]+")
_LEAST = 40


def shown(lines: Iterable[str]) -> str:
    """Ways (`[a] → [b]`), rows (`  ends     …`) and whatever else, one below the other."""
    room = max(_LEAST, stream.width())
    fitted = [each for line in lines for each in fit(line, room)]
    return "\n".join(map(paint, fitted) if stream.coloured() else fitted)


def fit(line: str, room: int) -> list[str]:
    """One line in so many columns: a way goes on at an arrow, a row under its text."""
    if len(line) <= room:
        return [line]
    if line.startswith("["):
        return list(_broken(line, room))
    if _ROW.match(line):
        return textwrap.wrap(
            line,
            room,
            subsequent_indent=_HANGING,
            drop_whitespace=True,
            break_long_words=False,
            break_on_hyphens=False,
        )
    return [line]


def _broken(way: str, room: int) -> Iterator[str]:
    first, *hops = way.split(" → ")
    line = first
    for hop in hops:
        if len(f"{line} → {hop}") > room:
            yield line
            line = f"  → {hop}"
        else:
            line = f"{line} → {hop}"
    yield line


def paint(line: str) -> str:
    """What breaks is red, what arrives green, names of rows step back."""
    broken = line.endswith(" ✗")
    if broken:
        line = f"{line[:-1]}{click.style('✗', fg='red', bold=True)}"
    if code := _CODE.search(line):
        colour = "green" if code[0] in _GOOD else "red"
        line = f"{line[: code.start()]}{click.style(code[0], fg=colour, bold=True)}{line[code.end() :]}"
    line = line.replace("DISAGREES", click.style("DISAGREES", fg="red", bold=True))
    if row := _ROW.match(line):
        line = f"  {click.style(row['name'], dim=True)}{line[row.end('name') :]}"
    return line


_GOOD = frozenset({"FORWARDED", "FORWARDED_TERMINATING", "POD_DIRECT", "ROUTED", "REDIRECTED"})

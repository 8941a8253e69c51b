"""One process tells another how far it is, a line at a time through a pipe: a word, or why it failed."""

import contextlib
import os

from portway.fleet.errors import FleetError

_LINE_BREAK = "\x1e"
"""A line break inside a message travels as this."""


def send(pipe: int, line: str) -> None:
    """Tell; nobody listening any more is fine."""
    with contextlib.suppress(BrokenPipeError):
        os.write(pipe, line.replace("\n", _LINE_BREAK).encode() + b"\n")


def expect(pipe: int, word: str) -> None:
    """Wait for the next line; FleetError with its text unless it is `word`."""
    line = b""
    while not line.endswith(b"\n") and (piece := os.read(pipe, 1)):
        line += piece
    text = line.decode(errors="replace").strip()
    if text != word:
        raise FleetError(text.replace(_LINE_BREAK, "\n") or "the fleet ended before it was up")

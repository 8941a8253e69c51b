"""What a tool rendered, and where its lines come from: helm says above each document which template made it."""

import re
from bisect import bisect_right
from pathlib import Path

_SOURCE = re.compile(r"^# Source: (\S+)\s*$")
_END = re.compile(r"^---(?:\s|$)")


class Rendering:
    """The lines of an output, by the files that people edit."""

    def __init__(self, text: str, maker: str, folder: Path | None = None) -> None:
        """`maker`: the file that stands for lines of which nobody says more; empty: they are their own place, `stdin`.

        `folder`: a chart's, of which helm names files by the chart's name.
        """
        self._lines = text.splitlines()
        self._maker = maker
        self._folder = folder
        self._templates: dict[Path, tuple[str, ...]] = {}
        self._marks: list[tuple[int, str]] = []
        """Lines, from 1, from which on another file is the source; empty where none is named."""
        for number, line in enumerate(self._lines, 1):
            if found := _SOURCE.match(line):
                self._marks.append((number, found[1]))
            elif _END.match(line):
                self._marks.append((number, ""))

    def origin(self, number: int) -> tuple[str, int]:
        """The file that a line, from 1, comes from, and the line in it; 0 where that cannot be told."""
        at = bisect_right(self._marks, (number, "\uffff")) - 1
        source = self._marks[at][1] if at >= 0 else ""
        if not source:
            return (self._maker, 0) if self._maker else ("stdin", number)
        file = self._folder / source.partition("/")[2] if self._folder else Path(source)
        return str(file), self._line_in(file, number)

    def _line_in(self, template: Path, number: int) -> int:
        """The one line of a template that is as it was rendered."""
        wanted = self._lines[number - 1].strip() if number <= len(self._lines) else ""
        if template not in self._templates:
            self._templates[template] = _lines(template)
        found = [place for place, line in enumerate(self._templates[template], 1) if line == wanted]
        return found[0] if len(found) == 1 else 0


def _lines(template: Path) -> tuple[str, ...]:
    try:
        return tuple(line.strip() for line in template.read_text().splitlines())
    except (OSError, UnicodeDecodeError):
        return ()

"""Findings for people at a terminal: the worst first, each with both ends, what to expect and the fix; 80 columns."""

import textwrap
from collections.abc import Iterator

import click

from portway.analysis.finding import Finding
from portway.analysis.lint import Report

_COLOURS = {"error": "red", "warning": "yellow", "info": "blue"}
_INDENT = "  "
_WIDTH = 80


def render(report: Report) -> str:
    """All findings and a last line with the counts. Colours are taken out by click where there is no terminal."""
    blocks = ["\n".join(_finding(finding)) for finding in report.findings]
    return "\n\n".join([*blocks, _summary(report)])


def _finding(finding: Finding) -> Iterator[str]:
    colour = _COLOURS[finding.severity]
    head = f"{finding.severity} {finding.code}"
    lines = _wrapped(finding.message, len(head) + 1)
    yield f"{click.style(head, fg=colour, bold=True)} {lines[0]}"
    yield from (f"{_INDENT}{line}" for line in lines[1:])
    yield from _row("at", finding.where.text)
    for other in finding.others:
        yield from _row("and", other.text)
    for name in ("seen", "expected", "effect"):
        yield from _row(name, getattr(finding, name))
    if finding.fix:
        yield from _row("fix", finding.fix.text)
    yield from _row("assuming", ", ".join(finding.assumptions))


def _row(name: str, text: str) -> Iterator[str]:
    if not text:
        return
    first, *more = textwrap.wrap(text, _WIDTH - 12, break_long_words=False, break_on_hyphens=False) or [""]
    yield f"{_INDENT}{click.style(f'{name:<9}', dim=True)} {first}"
    yield from (f"{_INDENT}{'':<9} {line}" for line in more)


def _wrapped(text: str, taken: int) -> list[str]:
    """Lines, the first of which leaves room for what stands before it."""
    lines = textwrap.wrap(text, _WIDTH - 2, initial_indent=" " * taken, break_long_words=False, break_on_hyphens=False)
    return [line.lstrip() for line in lines] or [""]


def _summary(report: Report) -> str:
    counts = [_plural(report.count(name), name) for name in ("error", "warning") if report.count(name)]
    counts += [f"{report.count('info')} info"] if report.count("info") else []
    hidden = f", {len(report.suppressed)} suppressed" if report.suppressed else ""
    looked = f"{_plural(report.objects, 'object')}, {_plural(len(report.checks), 'check')}"
    return f"{', '.join(counts) or 'nothing found'}{hidden} ({looked})"


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"

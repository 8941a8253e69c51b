"""Findings as workflow commands of GitHub Actions: annotations at the lines of a pull request."""

from portway.analysis.finding import Finding
from portway.analysis.lint import Report

_LEVELS = {"error": "error", "warning": "warning", "info": "notice"}


def render(report: Report) -> str:
    """A line each."""
    problems = [f"::error title=not read::{_data(problem)}" for problem in report.problems]
    return "\n".join([*problems, *(_line(finding) for finding in report.findings)])


def _line(finding: Finding) -> str:
    where = finding.where
    line = f"line={where.line},col={where.column}," if where.line else ""
    place = f"file={_property(where.file)},{line}" if where.file else ""
    fix = f"\nfix: {finding.fix.text}" if finding.fix else ""
    text = _data(f"{finding.message}{fix}")
    return f"::{_LEVELS[finding.severity]} {place}title={_property(finding.code)}::{text}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")

"""Findings as Markdown, for a comment on a pull request."""

from portway.analysis.finding import Finding
from portway.analysis.lint import Report

_MARKS = {"error": "❌", "warning": "⚠️", "info": "ℹ️"}


def render(report: Report) -> str:
    """A heading with the counts, a table, and details below it."""
    counts = ", ".join(f"{n} {name}" for name in ("error", "warning", "info") if (n := report.count(name)))
    hidden = f"; {len(report.suppressed)} suppressed" if report.suppressed else ""
    lines = [f"### portway lint: {counts or 'nothing found'} in {report.objects} objects{hidden}", ""]
    lines += [f"- **not read**: {_escaped(problem)}" for problem in report.problems] + [""] * bool(report.problems)
    if report.findings:
        lines += ["| | check | where | what |", "|---|---|---|---|", *(_row(finding) for finding in report.findings)]
    return "\n".join(lines).rstrip()


def _row(finding: Finding) -> str:
    fix = f"<br>fix: `{_escaped(finding.fix.text)}`" if finding.fix else ""
    effect = f"<br>{_escaped(finding.effect)}" if finding.effect else ""
    place = f"`{_escaped(finding.where.text)}`"
    return f"| {_MARKS[finding.severity]} | {finding.code} | {place} | {_escaped(finding.message)}{effect}{fix} |"


def _escaped(text: str) -> str:
    for char in "\\|<>*_[]`":
        text = text.replace(char, f"&#{ord(char)};")
    return text.replace("\n", " ")

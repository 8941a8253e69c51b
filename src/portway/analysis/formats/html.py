"""Findings as one HTML page that needs nothing else."""

from html import escape

from portway.analysis.finding import Finding
from portway.analysis.lint import Report

_STYLE = """
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
article { border-left: 4px solid var(--c); padding: .3rem 1rem; margin: 1rem 0; }
article { background: color-mix(in srgb, var(--c) 6%, Canvas); }
.error { --c: #c62828; } .warning { --c: #e08600; } .info { --c: #1976d2; }
h2 { font-size: 1rem; margin: 0; }
code { font: .85rem ui-monospace, monospace; overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0 1rem; margin: .3rem 0; }
dt { opacity: .7; } dd { margin: 0; }
"""


def render(report: Report) -> str:
    """The page."""
    counts = " · ".join(f"{report.count(name)} {name}" for name in ("error", "warning", "info"))
    hidden = f" · {len(report.suppressed)} suppressed" if report.suppressed else ""
    problems = "".join(f'<article class="error"><h2>not read</h2>{escape(p)}</article>' for p in report.problems)
    body = problems + "\n".join(_article(finding) for finding in report.findings)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>portway lint: {counts}</title><style>{_STYLE}</style>"
        f"<h1>portway lint</h1><p>{counts}{hidden} · {report.objects} objects · {len(report.checks)} checks</p>\n"
        f"{body or '<p>Nothing found.</p>'}</html>"
    )


def _article(finding: Finding) -> str:
    rows = [
        ("where", finding.where.text),
        *(("and", other.text) for other in finding.others),
        ("seen", finding.seen),
        ("expected", finding.expected),
        ("effect", finding.effect),
        ("fix", finding.fix.text if finding.fix else ""),
        ("assuming", ", ".join(finding.assumptions)),
    ]
    listed = "".join(f"<dt>{name}</dt><dd><code>{escape(text)}</code></dd>" for name, text in rows if text)
    head = f"<h2>{escape(f'{finding.code} · {finding.where.object}')}</h2>{escape(finding.message)}"
    return f'<article class="{finding.severity}">{head}<dl>{listed}</dl></article>'

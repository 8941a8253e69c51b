"""Findings as one HTML page that needs nothing else."""

from html import escape

from portway.analysis.finding import Finding
from portway.analysis.lint import Report

_STYLE = """
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
article { border-left: 4px solid var(--c); padding: .3rem 1rem; margin: 1rem 0; }
article { background: color-mix(in srgb, var(--c) 6%, Canvas); }
.error { --c: #c62828; --t: light-dark(#b71c1c, #ff8a80); }
.warning { --c: #e08600; --t: light-dark(#8a5000, #ffb74d); }
.info { --c: #1976d2; --t: light-dark(#0d47a1, #90caf9); }
h1 { font-size: 1.6rem; } h2 { font-size: 1rem; margin: 0; }
h2 b { color: var(--t); }
code { font: .85rem ui-monospace, monospace; overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: 5.5rem 1fr; gap: 0 1rem; margin: .3rem 0; }
dt { opacity: .7; } dd { margin: 0; overflow-wrap: anywhere; }
"""


def render(report: Report) -> str:
    """The page."""
    counts = " · ".join(_counted(report.count(name), name) for name in ("error", "warning", "info"))
    hidden = f" · {len(report.suppressed)} suppressed" if report.suppressed else ""
    problems = "".join(f'<article class="error"><h2>not read</h2>{escape(p)}</article>' for p in report.problems)
    body = problems + "\n".join(_article(finding) for finding in report.findings)
    looked = f"{_counted(report.objects, 'object')} · {_counted(len(report.checks), 'check')}"
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>portway lint: {counts}</title><style>{_STYLE}</style>"
        f"<h1>portway lint</h1><p>{counts}{hidden} · {looked}</p>\n"
        f"{body or '<p>Nothing found.</p>'}</html>"
    )


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 or noun == "info" else f"{count} {noun}s"


def _article(finding: Finding) -> str:
    fix = finding.fix.text if finding.fix else ""
    values = [("where", finding.where.text), *(("and", other.text) for other in finding.others), ("seen", finding.seen)]
    words = [("expected", finding.expected), ("effect", finding.effect), ("fix", fix)]
    rows = [(name, f"<code>{escape(text)}</code>") for name, text in values if text]
    rows += [(name, escape(text)) for name, text in words if text]
    if finding.assumptions:
        rows.append(("assuming", f"<code>{escape(', '.join(finding.assumptions))}</code>"))
    listed = "".join(f"<dt>{name}</dt><dd>{said}</dd>" for name, said in rows)
    head = f"<h2><b>{finding.severity}</b> {escape(f'{finding.code} · {finding.where.object}')}</h2>"
    return f'<article class="{finding.severity}">{head}{escape(finding.message)}<dl>{listed}</dl></article>'

"""Findings as JSON or YAML; `version` tells the shape, docs/lint.schema.json describes it."""

import json
from typing import Any

import msgspec
import yaml

from portway.analysis.finding import Finding
from portway.analysis.lint import Report
from portway.analysis.suppression import fingerprint

VERSION = 1


def render(report: Report) -> str:
    """One JSON object."""
    return json.dumps(document(report), indent=2, ensure_ascii=False)


def render_yaml(report: Report) -> str:
    """The same as YAML."""
    return yaml.safe_dump(document(report), sort_keys=False, allow_unicode=True, width=1000).rstrip()


def document(report: Report) -> dict[str, Any]:
    """What JSON and YAML show."""
    return {
        "version": VERSION,
        "summary": {
            **{severity: report.count(severity) for severity in ("error", "warning", "info")},
            "suppressed": len(report.suppressed),
            "objects": report.objects,
            "checks": len(report.checks),
        },
        "findings": [_finding(finding) for finding in report.findings],
        "suppressed": [
            {**_finding(one.finding), "suppressedBy": {"kind": one.by.origin, "reason": one.by.reason}}
            for one in report.suppressed
        ],
        "problems": list(report.problems),
    }


def _finding(finding: Finding) -> dict[str, Any]:
    whole: dict[str, Any] = {"fingerprint": fingerprint(finding), **msgspec.to_builtins(finding)}
    return {key: value for key, value in whole.items() if value not in ("", None, [], ())}

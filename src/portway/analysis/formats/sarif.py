"""Findings as SARIF 2.1.0, with positions, fixes and suppressions.

Source: OASIS, Static Analysis Results Interchange Format 2.1.0.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from portway import __version__
from portway.analysis.check import Check
from portway.analysis.finding import Edit, Finding, Where
from portway.analysis.lint import Report
from portway.analysis.mend import CannotMend, Span, spans
from portway.analysis.suppression import Suppressed, fingerprint

_LEVELS = {"error": "error", "warning": "warning", "info": "note"}
_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_COMMENT_KINDS = {"comment": "inSource", "annotation": "inSource"}


def render(report: Report) -> str:
    """One SARIF log."""
    return json.dumps(document(report), indent=2, ensure_ascii=False)


def document(report: Report) -> dict[str, Any]:
    """The log as an object."""
    codes = dict.fromkeys([check.code for check in report.checks])
    codes |= dict.fromkeys(f.code for f in report.findings)
    indexes = {code: index for index, code in enumerate(codes)}
    known = {check.code: check for check in report.checks}
    results = [_result(finding, indexes, report.texts) for finding in report.findings]
    results += [_hidden(one, indexes, report.texts) for one in report.suppressed]
    driver = {
        "name": "portway",
        "semanticVersion": __version__,
        "rules": [_rule(code, known.get(code)) for code in codes],
    }
    invocation: dict[str, Any] = {"executionSuccessful": not report.problems}
    if report.problems:
        notes = [{"level": "error", "message": {"text": problem}} for problem in report.problems]
        invocation["toolExecutionNotifications"] = notes
    run = {
        "tool": {"driver": driver},
        "invocations": [invocation],
        "columnKind": "unicodeCodePoints",
        "results": results,
    }
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(code: str, check: Check | None) -> dict[str, Any]:
    if check is None:
        return {"id": code}
    return {
        "id": code,
        "shortDescription": {"text": check.title},
        "fullDescription": {"text": check.rule or check.title},
        "defaultConfiguration": {"level": _LEVELS[check.severity]},
        "properties": {"hop": check.hop, "controls": list(check.controls)},
    }


def _result(finding: Finding, indexes: dict[str, int], texts: Mapping[str, str]) -> dict[str, Any]:
    text = ". ".join(part for part in (finding.message, finding.effect) if part)
    result: dict[str, Any] = {
        "ruleId": finding.code,
        "ruleIndex": indexes.get(finding.code, -1),
        "level": _LEVELS[finding.severity],
        "message": {"text": text},
        "locations": [_location(finding.where)],
        "partialFingerprints": {"portway/v1": fingerprint(finding)},
        "properties": {"confidence": finding.confidence, "hop": finding.hop, "assumptions": list(finding.assumptions)},
    }
    if finding.others:
        result["relatedLocations"] = [{"id": n, **_location(other)} for n, other in enumerate(finding.others)]
    if finding.fix and (changes := _changes(finding.fix.edits, texts)):
        result["fixes"] = [{"description": {"text": finding.fix.text}, "artifactChanges": changes}]
    return result


def _hidden(one: Suppressed, indexes: dict[str, int], texts: Mapping[str, str]) -> dict[str, Any]:
    kind = _COMMENT_KINDS.get(one.by.origin, "external")
    return {**_result(one.finding, indexes, texts), "suppressions": [{"kind": kind, "justification": one.by.reason}]}


def _location(where: Where) -> dict[str, Any]:
    logical = {"fullyQualifiedName": f"{where.object} {where.path}".rstrip(), "kind": "object"}
    if not where.file:
        return {"logicalLocations": [logical]}
    region = {"startLine": max(where.line, 1), "startColumn": max(where.column, 1)}
    physical = {"artifactLocation": {"uri": _uri(where.file)}, "region": region}
    return {"physicalLocation": physical, "logicalLocations": [logical]}


def _uri(file: str) -> str:
    path = PurePath(file)
    return path.as_uri() if path.is_absolute() else quote(path.as_posix())


def _changes(edits: Iterable[Edit], texts: Mapping[str, str]) -> list[dict[str, Any]]:
    """What to put in place of what; nothing where a text cannot be mended so."""
    by_file: dict[str, list[Edit]] = {}
    for edit in edits:
        by_file.setdefault(edit.where.file, []).append(edit)
    try:
        found = {file: spans(texts[file], mine) for file, mine in by_file.items() if file in texts}
    except CannotMend:
        return []
    return [
        {
            "artifactLocation": {"uri": _uri(file)},
            "replacements": [_replacement(texts[file], span) for span in changed],
        }
        for file, changed in found.items()
    ]


def _replacement(text: str, span: Span) -> dict[str, Any]:
    (first, column), (last, end) = _line_and_column(text, span.begin), _line_and_column(text, span.end)
    region = {"startLine": first, "startColumn": column, "endLine": last, "endColumn": end}
    return {"deletedRegion": region, "insertedContent": {"text": span.text}}


def _line_and_column(text: str, at: int) -> tuple[int, int]:
    return text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)

"""What somebody decided to live with: by comment, annotation, configuration or baseline, with a reason, perhaps an end.

A comment stands on the field's line or on lines of comments just above it, an annotation on the object:

    targetPort: 9080  # portway:ignore PW-W05 until=2027-01-01 the sidecar opens it
    metadata: {annotations: {portway.dev/ignore: "PW-W05 until=2027-01-01 the sidecar opens it; PW-N03 a firewall"}}

`PW-*` and `PW-W*` stand for all that begin so; a control of others (`C-0044`, `KSV-0024`, `AVD-KSV-0024`) stands for
the checks that speak to it. One without a reason suppresses nothing and is a finding (PW-S01); so is
one that has ended (PW-S02).
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase

from msgspec import Struct
from msgspec.structs import replace

from portway.analysis.bundle import Bundle, Item
from portway.analysis.finding import Finding, Where

ANNOTATION = "portway.dev/ignore"
_COMMENT = re.compile(r"#\s*portway:ignore\s+(?P<rest>.+)$")
_CODE = r"(?:PW-[\w*]+|C-\d{4}|(?:AVD-)?K[SC]V-?\d{3,4}|CIS-[\d.]+)"
_RULE = re.compile(rf"^(?P<codes>{_CODE}(?:\s*,\s*{_CODE})*)(?:\s+until=(?P<until>[^\s:]+))?[\s:]*(?P<reason>.*)$")
_DATE = re.compile(r"^\d{4}-\d{2}-\d{2}$")


class Suppression(Struct, frozen=True, kw_only=True):
    """One decision."""

    codes: tuple[str, ...]
    """With `*` as in file names."""
    reason: str = ""
    until: str = ""
    """The last ISO date on which it holds; empty: for ever."""
    origin: str = "config"
    """"comment", "annotation", "config" or "baseline"."""
    where: Where = Where("")
    """Where it is written."""
    object: str = "*"
    """Which objects: `Service shop/*`."""
    path: str = "*"
    file: str = "*"
    line: int = 0
    """Of comments: the line of the field that it speaks of."""
    fingerprint: str = ""
    """Of baselines: exactly this finding."""

    def takes(self, finding: Finding) -> bool:
        """Whether it speaks of that finding, its end and reason aside."""
        if self.fingerprint and self.fingerprint != fingerprint(finding):
            return False
        if self.line and (finding.where.file, finding.where.line) != (self.file, self.line):
            return False
        return (
            any(fnmatchcase(finding.code, code) for code in self.codes)
            and fnmatchcase(finding.where.object, self.object)
            and fnmatchcase(finding.where.path, self.path)
            and (self.line > 0 or fnmatchcase(finding.where.file, self.file))
        )


class Suppressed(Struct, frozen=True):
    """A finding that is not shown, and why."""

    finding: Finding
    by: Suppression


def fingerprint(finding: Finding) -> str:
    """What stays the same when lines move: the code, the object, the path without indexes, and the value seen."""
    path = re.sub(r"\[\d+\]", "[]", finding.where.path)
    text = "\0".join((finding.code, finding.where.object, path, finding.seen))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def suppress(
    findings: Iterable[Finding], rules: Iterable[Suppression], today: str
) -> tuple[list[Finding], tuple[Suppressed, ...]]:
    """What is shown (complaints about bad suppressions included), and what is not."""
    good, complaints = _sorted_out(rules, today)
    shown: list[Finding] = complaints
    hidden = []
    for finding in findings:
        by = next((rule for rule in good if rule.takes(finding)), None)
        if by is None:
            shown.append(finding)
        else:
            hidden.append(Suppressed(finding, by))
    return shown, tuple(hidden)


def _sorted_out(rules: Iterable[Suppression], today: str) -> tuple[list[Suppression], list[Finding]]:
    good, complaints = [], []
    for rule in rules:
        if said := _complaint(rule, today):
            complaints.append(said)
        else:
            good.append(rule)
    return good, complaints


def _complaint(rule: Suppression, today: str) -> Finding | None:
    codes = ", ".join(rule.codes)
    if not rule.reason:
        text = f"this {rule.origin} ignores {codes} without a reason, and so ignores nothing"
        return Finding("PW-S01", "warning", text, rule.where, expected=f"{codes} REASON")
    if rule.until and not _DATE.match(rule.until):
        text = f"this {rule.origin} ignores {codes} until {rule.until!r}, which is no date, and so ignores nothing"
        return Finding("PW-S01", "warning", text, rule.where, seen=rule.until, expected="until=YYYY-MM-DD")
    if rule.until and today and rule.until < today:
        text = f"this {rule.origin} ignored {codes} until {rule.until}: {rule.reason}"
        return Finding("PW-S02", "warning", text, rule.where, seen=rule.until)
    return None


def parse(text: str, origin: str, where: Where) -> Suppression | None:
    """`PW-W05, PW-N03 until=2027-01-01 REASON`; None when it names no check."""
    match = _RULE.match(text.strip())
    if match is None:
        return None
    codes = tuple(re.split(r"\s*,\s*", match["codes"]))
    return Suppression(
        codes=codes, until=match["until"] or "", reason=match["reason"].strip(), origin=origin, where=where
    )


def written_in(bundle: Bundle) -> Iterator[Suppression]:
    """Those in the objects' annotations and in the comments of their files."""
    texts: dict[str, Item] = {}
    for item in bundle.items:
        yield from _annotated(item)
        if item.file:
            texts.setdefault(item.file, item)
    for item in texts.values():
        yield from _comments(item)


def _annotated(item: Item) -> Iterator[Suppression]:
    for text in item.annotations.get(ANNOTATION, "").split(";"):
        where = item.where(("metadata", "annotations", ANNOTATION))
        if rule := parse(text, "annotation", where):
            yield replace(rule, object=item.named)


def _comments(item: Item) -> Iterator[Suppression]:
    """Those of its whole text. What helm rendered speaks of the template's line, or of the whole template."""
    if "portway:ignore" not in item.text:
        return
    lines = item.text.splitlines()
    origin = item.origin or (lambda number: (item.file, number))
    for index, line in enumerate(lines):
        if match := _COMMENT.search(line):
            where = Where("", "", *origin(index + 1), match.start() + 1)
            if rule := parse(match["rest"], "comment", where):
                file, number = origin(_spoken_of(lines, index) + 1)
                yield replace(rule, file=file, line=number)


def _spoken_of(lines: list[str], index: int) -> int:
    """The line that a comment speaks of: its own, or where it stands alone the next one with something in it."""
    while index + 1 < len(lines) and lines[index].lstrip()[:1] in ("", "#"):
        index += 1
    return index


def baseline(findings: Iterable[Finding], reason: str, until: str = "") -> list[Mapping[str, str]]:
    """The entries of a baseline file that would take out these findings."""
    entries = {
        fingerprint(f): {
            "fingerprint": fingerprint(f),
            "code": f.code,
            "object": f.where.object,
            "message": f.message,
            "reason": reason,
            **({"until": until} if until else {}),
        }
        for f in findings
    }
    return list(entries.values())

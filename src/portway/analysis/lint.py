"""Runs checks over a bundle, and takes out what somebody decided to live with."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from portway.analysis.bundle import Bundle
from portway.analysis.check import Check, Settings, spelled
from portway.analysis.finding import SEVERITIES, Finding, Severity
from portway.analysis.suppression import Suppressed, Suppression, suppress, written_in

_VALIDATION = "PW-A01"


class Report(Struct, frozen=True, kw_only=True):
    """What a run has to say; every output format shows one."""

    findings: tuple[Finding, ...] = ()
    """The worst first; then by place."""
    suppressed: tuple[Suppressed, ...] = ()
    problems: tuple[str, ...] = ()
    """What could not be read, or a check that failed: the report may be short of findings."""
    checks: tuple[Check, ...] = ()
    """Those that ran."""
    objects: int = 0
    """How many were looked at."""
    texts: Mapping[str, str] = {}
    """The files that they are written in, by name: where fixes go. What a tool rendered is not among them."""

    def count(self, severity: Severity) -> int:
        """How many findings of this severity."""
        return sum(finding.severity == severity for finding in self.findings)

    def reaches(self, severity: Severity) -> bool:
        """Whether a finding is at least as bad."""
        bad = SEVERITIES[: SEVERITIES.index(severity) + 1]
        return any(finding.severity in bad for finding in self.findings)


def lint(
    bundle: Bundle,
    checks: Sequence[Check],
    settings: Settings,
    *,
    suppressions: Iterable[Suppression] = (),
    today: str = "",
    problems: Sequence[str] = (),
) -> Report:
    """Everything the checks find, less what comments, annotations and `suppressions` take out.

    `today`: an ISO date, against which suppressions end; empty: none ends.
    """
    found: list[Finding] = []
    failed: list[str] = []
    for check in checks:
        try:
            found += check.run(bundle, settings)
        except Exception as error:
            # One check that stumbles, perhaps somebody else's, must not cost the others' findings.
            failed.append(f"check {check.code} failed: {type(error).__name__}: {error}")
    rules = [_in_our_codes(rule, checks) for rule in (*written_in(bundle), *suppressions)]
    shown, hidden = suppress(dict.fromkeys(_without_echoes(found)), rules, today)
    return Report(
        findings=tuple(sorted(shown, key=_rank)),
        suppressed=hidden,
        problems=(*problems, *failed),
        checks=tuple(checks),
        objects=len(bundle.items),
        texts={item.file: item.text for item in bundle.items if item.file and item.origin is None},
    )


def _in_our_codes(rule: Suppression, checks: Sequence[Check]) -> Suppression:
    """With the checks' own codes beside those of controls that they speak to."""
    controls = {spelled(code) for code in rule.codes}
    named = [check.code for check in checks if not controls.isdisjoint(check.controls)]
    return replace(rule, codes=(*rule.codes, *named)) if named else rule


def _without_echoes(found: Sequence[Finding]) -> Iterator[Finding]:
    """What Kubernetes' validation says of a field is left out where a check says it of that field, with a fix."""
    told = {(one.where.object, one.where.path) for one in found if one.code != _VALIDATION and one.severity == "error"}
    return (one for one in found if one.code != _VALIDATION or (one.where.object, one.where.path) not in told)


def _rank(finding: Finding) -> tuple[int, str, int, str, str]:
    where = finding.where
    return SEVERITIES.index(finding.severity), where.file, where.line, where.object, finding.code

"""Findings as JUnit XML: a test suite a check, a failure a finding, so that any CI shows them."""

from xml.sax.saxutils import escape, quoteattr

from portway.analysis.check import Check
from portway.analysis.finding import Finding
from portway.analysis.lint import Report


def render(report: Report) -> str:
    """One XML document."""
    suites = [_suite(check, [f for f in report.findings if f.code == check.code]) for check in report.checks]
    others = [f for f in report.findings if f.code not in {check.code for check in report.checks}]
    suites += [_case_suite("suppressions", others)] if others else []
    suites += [_problems(report.problems)] if report.problems else []
    total = len(report.findings)
    head = f'<testsuites name="portway lint" failures="{total}" errors="{len(report.problems)}">'
    return "\n".join(['<?xml version="1.0" encoding="UTF-8"?>', head, *suites, "</testsuites>"])


def _suite(check: Check, findings: list[Finding]) -> str:
    name = f"{check.code} {check.title}"
    if not findings:
        return (
            f'  <testsuite name={_attribute(name)} tests="1" failures="0"><testcase name="nothing found"/></testsuite>'
        )
    return _case_suite(name, findings)


def _case_suite(name: str, findings: list[Finding]) -> str:
    cases = "\n".join(_case(finding) for finding in findings)
    count = len(findings)
    return f'  <testsuite name={_attribute(name)} tests="{count}" failures="{count}">\n{cases}\n  </testsuite>'


def _case(finding: Finding) -> str:
    detail = [finding.where.text, *(other.text for other in finding.others)]
    detail += [f"effect: {finding.effect}"] if finding.effect else []
    detail += [f"fix: {finding.fix.text}"] if finding.fix else []
    line = f' line="{finding.where.line}"' if finding.where.line else ""
    place = f" file={_attribute(finding.where.file)}{line}" if finding.where.file else ""
    return (
        f"    <testcase name={_attribute(finding.where.object)} classname={_attribute(finding.code)}{place}>"
        f"<failure type={_attribute(finding.severity)} message={_attribute(finding.message)}>"
        f"{_text(chr(10).join(detail))}</failure></testcase>"
    )


def _problems(problems: tuple[str, ...]) -> str:
    cases = "".join(f'<testcase name="input"><error message={_attribute(problem)}/></testcase>' for problem in problems)
    return f'  <testsuite name="not read" tests="{len(problems)}" errors="{len(problems)}">{cases}</testsuite>'


def _attribute(text: str) -> str:
    return quoteattr(_allowed(text))


def _text(text: str) -> str:
    return escape(_allowed(text))


def _allowed(text: str) -> str:
    """XML 1.0 has no control characters."""
    return "".join(char if char in "\t\n\r" or char >= " " else "\ufffd" for char in text)

"""Holds a check to its own examples; for those that other packages add, too."""

from portway.analysis.bundle import Bundle, Item
from portway.analysis.check import Check, Settings
from portway.analysis.finding import Finding
from portway.analysis.lint import lint
from portway.kubeapi import yaml


def bundle_of(text: str, *, complete: bool = False, file: str = "example.yaml") -> Bundle:
    """The objects of a YAML text."""
    documents = yaml.flatten(yaml.load_all(text, file))
    return Bundle([Item(one.value, file, one.position, text) for one in documents], complete=complete)


def findings(check: Check, text: str, settings: Settings | None = None, *, complete: bool = False) -> list[Finding]:
    """What one check finds in a YAML text."""
    report = lint(bundle_of(text, complete=complete), [check], settings or Settings())
    assert not report.problems, report.problems
    return list(report.findings)


def hold_to_examples(check: Check) -> None:
    """Its failing example gives findings of its code alone, with a place in the text; its passing one gives none."""
    found = findings(check, check.fails)
    assert found, f"{check.code} finds nothing in its failing example"
    assert {finding.code for finding in found} == {check.code}
    for finding in found:
        assert finding.where.file and finding.where.line > 0, f"{check.code}: {finding.where} is no place in the text"
        assert finding.message and not finding.message.endswith("."), finding.message
    assert not findings(check, check.passes), f"{check.code} finds something in its passing example"

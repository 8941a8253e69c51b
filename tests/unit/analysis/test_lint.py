"""Running checks, living with findings, and mending."""

import json
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml
from msgspec.structs import replace

from portway.analysis import lintconfig
from portway.analysis.bundle import Bundle
from portway.analysis.check import Settings
from portway.analysis.checks import built_in
from portway.analysis.checks.w01_named_target_port import CHECK
from portway.analysis.finding import Edit, Finding
from portway.analysis.formats import FORMATS, sarif
from portway.analysis.lint import Report, lint
from portway.analysis.lintconfig import BadConfig
from portway.analysis.mend import CannotMend, mended
from portway.analysis.suppression import Suppression, baseline, fingerprint
from portway.testing.checks import bundle_of


def _report(text: str, *rules: Suppression, today: str = "2026-11-28") -> Report:
    return lint(bundle_of(text), [CHECK], Settings(), suppressions=rules, today=today)


def _commented(comment: str) -> str:
    return CHECK.fails.replace("targetPort: http}", f"targetPort: http}}  # {comment}")


@pytest.mark.parametrize(
    ("comment", "codes"),
    [
        ("portway:ignore PW-W01 the sidecar defines it", []),
        ("portway:ignore PW-W0*, PW-N03 until=2026-11-28: the sidecar defines it", []),
        ("portway:ignore PW-N03 something else", ["PW-W01"]),
        ("portway:ignore PW-W01", ["PW-S01", "PW-W01"]),
        ("portway:ignore PW-W01 until=soon because", ["PW-S01", "PW-W01"]),
        ("portway:ignore PW-W01 until=2026-11-27 it was so", ["PW-S02", "PW-W01"]),
    ],
)
def test_comments(comment: str, codes: list[str]) -> None:
    assert sorted(finding.code for finding in _report(_commented(comment)).findings) == codes


def test_a_comment_above_speaks_of_the_line_below_it() -> None:
    line = "  - {port: 80, targetPort: http}"
    assert not _report(CHECK.fails.replace(line, f"  # portway:ignore PW-W01 known\n  # more\n{line}")).findings
    assert _report(
        CHECK.fails.replace("spec:\n  selector: {app", "# portway:ignore PW-W01 no\nspec:\n  selector: {app")
    )


def test_an_annotation_speaks_of_its_object() -> None:
    noted = CHECK.fails.replace("{name: shop}", '{name: shop, annotations: {portway.dev/ignore: "PW-W01 known"}}', 1)
    report = _report(noted)
    assert not report.findings and report.suppressed[0].by.reason == "known"


def test_a_baseline_outlives_moved_lines() -> None:
    entries = baseline(_report(CHECK.fails).findings, "old")
    rules = lintconfig.ignored(entries, "baseline.json", "ignore", "baseline")
    assert not _report(f"# moved\n\n{CHECK.fails}", *rules).findings
    assert _report(CHECK.fails.replace("name: shop", "name: other"), *rules).findings


def test_a_check_that_fails_costs_no_others_findings() -> None:
    def stumble(bundle: Bundle, settings: Settings) -> list[Finding]:
        raise KeyError("spec")

    broken = replace(CHECK, code="PW-X01", run=stumble)
    report = lint(bundle_of(CHECK.fails), [broken, CHECK], Settings())
    assert [f.code for f in report.findings] == ["PW-W01"]
    assert report.problems == ("check PW-X01 failed: KeyError: 'spec'",)


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_shows_findings_suppressions_and_problems(format: str) -> None:
    hostile = CHECK.fails.replace("name: shop}", "name: 'a<b>&|`\\u0001'}", 1)
    report = lint(bundle_of(hostile), built_in(), Settings(), problems=["x.yaml:1:1: bad <&>|"])
    text = FORMATS[format](report)
    assert "PW-W01" in text and "bad" in text
    if format == "junit":
        assert ElementTree.fromstring(text).get("failures") == str(len(report.findings))
    if format in ("json", "sarif"):
        json.loads(text)
    if format == "yaml":
        assert yaml.safe_load(text)["version"] == 1
    if format == "html":
        assert "a<b>" not in text


def test_sarif_has_places_fingerprints_and_suppressions() -> None:
    report = _report(_commented("portway:ignore PW-W01 known"))
    (result,) = sarif.document(report)["runs"][0]["results"]
    assert result["suppressions"] == [{"kind": "inSource", "justification": "known"}]
    assert result["partialFingerprints"] == {"portway/v1": fingerprint(report.suppressed[0].finding)}
    place = result["locations"][0]["physicalLocation"]
    assert place == {"artifactLocation": {"uri": "example.yaml"}, "region": {"startLine": 7, "startColumn": 16}}


TEXT = """\
# who we are
apiVersion: v1
kind: Service
metadata: {name: web}   # flow
spec:
  ports:
  - port: 80   # the port
    targetPort: 8080
    name: "http"

  # in front
  type: NodePort
"""


def _edit(path: str, op: str, value: Any = None, text: str = TEXT) -> Edit:
    return Edit(bundle_of(text).items[0].where(path), op, value)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("edit", "before", "after"),
    [
        (_edit("spec.ports[0].port", "replace", 443), "port: 80   # the", "port: 443   # the"),
        (_edit("spec.ports[0].name", "replace", "on"), 'name: "http"', 'name: "on"'),
        (_edit("spec.type", "replace", "ClusterIP"), "type: NodePort", "type: ClusterIP"),
        (_edit("spec.ports[0].targetPort", "remove"), "    targetPort: 8080\n", ""),
        (_edit("spec.ports[0].protocol", "add", "UDP"), '"http"\n', '"http"\n    protocol: UDP\n'),
        (_edit("metadata.namespace", "add", "shop"), "{name: web}", "{name: web, namespace: shop}"),
        (_edit("spec.x", "add", True), "type: NodePort\n", "type: NodePort\n  x: true\n"),
    ],
)
def test_an_edit_changes_its_field_and_nothing_else(edit: Edit, before: str, after: str) -> None:
    assert mended(TEXT, [edit]) == TEXT.replace(before, after)


def test_what_cannot_be_mended_is_told() -> None:
    text = "apiVersion: v1\nkind: Service\nmetadata: {name: b}\n"
    with pytest.raises(CannotMend, match="an alias or a merge"):
        mended(f"# moved\n{text}", [_edit("metadata.name", "replace", "c", text)])
    with pytest.raises(CannotMend, match="same line"):
        mended(TEXT, [_edit("metadata.name", "remove")])


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ([], "f: the file must be an object"),
        ({"lint": {"disabled": []}}, "f: lint.disabled: there is no such setting"),
        ({"lint": {"severity": {"PW-W01": "bad"}}}, "f: lint.severity.PW-W01: 'bad' is no severity"),
        ({"lint": {"nodePortRange": "30000"}}, "f: lint.nodePortRange: '30000' is not a range of ports"),
        ({"lint": {"nodes": 0}}, "f: lint.nodes: 0 is not a number of nodes"),
        ({"lint": {"disable": "PW-W01"}}, "f: lint.disable: this must be a list of codes"),
        ({"lint": {"ignore": [{"reason": "x"}]}}, r"f: lint.ignore\[0\].code is missing"),
        ({"lint": {"ignore": [{"code": "PW-W01", "obj": "x"}]}}, r"f: lint.ignore\[0\].obj: there is no such field"),
    ],
)
def test_a_bad_configuration_names_its_field(document: Any, said: str) -> None:
    with pytest.raises(BadConfig, match=said):
        lintconfig.read(document, "f")

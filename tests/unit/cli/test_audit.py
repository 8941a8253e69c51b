"""`portway audit`, `diff` and `assert`: what they print, and exit codes."""

import json
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml
from click.testing import CliRunner, Result

from portway.analysis import examples
from portway.cli.audit import command as audit
from portway.cli.diff import command as diff
from portway.cli.expectations import command as hold
from portway.cli.moments import doors
from portway.testing import doors as doors_of_7

NODE_PORT = examples.service("{name: http, port: 80, targetPort: 8080, nodePort: 30080}", more="type: NodePort")
INNER = examples.service("{name: http, port: 80, targetPort: 8080}")
WEB = examples.workload()
EXPECTED = """\
- name: outside gets in
  targetPort: 30080
  src: {host: {name: outside}}
  dst: {nodePort: {node: node-1}}
- name: the pod reaches its Service
  targetPort: 80
  src: {k8sResource: {kind: deployment, name: shop}}
  dst: {service: {name: shop, namespace: default}}
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "old.yaml").write_text(examples.together(INNER, WEB))
    (tmp_path / "new.yaml").write_text(examples.together(NODE_PORT, WEB))
    (tmp_path / "tests.yaml").write_text(EXPECTED)
    return tmp_path


def _run(command, *args: str) -> Result:  # type: ignore[no-untyped-def]
    return CliRunner().invoke(command, list(args))


@pytest.mark.parametrize("output", ["table", "markdown", "html"])
def test_an_audit_names_what_is_open(here: Path, output: str) -> None:
    run = _run(audit, "-f", "new.yaml", "-o", output, "--since", "old.yaml")
    assert run.exit_code == 0
    for said in ("default/shop:http", "any node:30080", "unrestricted", "exposure-gained"):
        assert said in run.stdout


def test_an_audit_is_json_too(here: Path) -> None:
    document = json.loads(_run(audit, "-f", "new.yaml", "-o", "json").stdout)
    (one,) = document["exposures"]
    assert one["outside"] and one["ways"][0]["outside"] == "open" and document["changes"] == []


def test_a_diff_is_a_gate(here: Path) -> None:
    assert _run(diff, "old.yaml", "new.yaml").exit_code == 0
    run = _run(diff, "old.yaml", "new.yaml", "--fail-on", "exposure")
    assert run.exit_code == 1 and "e.g. outside 172.18.0.1" in run.stdout
    assert _run(diff, "new.yaml", "old.yaml", "--fail-on", "exposure").exit_code == 0
    assert _run(diff, "new.yaml", "old.yaml", "--fail-on", "breakage").exit_code == 1
    assert json.loads(_run(diff, "old.yaml", "new.yaml", "-o", "json").stdout)["changes"]
    assert "| exposure-gained |" in _run(diff, "old.yaml", "new.yaml", "-o", "markdown").stdout
    assert _run(diff, "old.yaml", "nowhere.yaml").exit_code == 2


def test_a_git_revision_is_a_moment(here: Path) -> None:
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.com"]
    (here / "shop.yaml").write_text((here / "old.yaml").read_text())
    for words in (["init", "-q"], ["add", "shop.yaml"], ["commit", "-qm", "old"]):
        subprocess.run([*git, *words], check=True, capture_output=True)
    run = _run(diff, "git:HEAD:shop.yaml", "new.yaml", "--fail-on", "exposure")
    assert run.exit_code == 1
    assert "not a valid" in _run(diff, "git:nowhere", "new.yaml").stderr.lower()


def test_a_broken_input_has_an_exit_code_of_its_own(here: Path) -> None:
    (here / "bad.yaml").write_text(f"{INNER}---\na: [\n")
    assert _run(audit, "-f", "bad.yaml").exit_code == 3
    assert _run(diff, "bad.yaml", "new.yaml", "--fail-on", "exposure").exit_code == 3


def test_expectations_as_tap_and_junit(here: Path) -> None:
    run = _run(hold, "-t", "tests.yaml", "-f", "new.yaml")
    assert run.exit_code == 0
    assert run.stdout.splitlines() == [
        "TAP version 14",
        "1..2",
        "ok 1 - outside gets in",
        "ok 2 - the pod reaches its Service",
    ]
    failing = _run(hold, "-t", "tests.yaml", "-f", "old.yaml", "-o", "junit")
    assert failing.exit_code == 1
    suite = ElementTree.fromstring(failing.stdout)[0]
    assert suite.get("failures") == "1"
    (failure,) = suite.findall("*/failure")
    assert failure.get("message") == (
        "wanted reachable, but outside → node-1:30080: NODEPORT_UNSET at node node-1: no Service has this nodePort: "
        "the node itself refuses the connection"
    )
    told = _run(hold, "-t", "tests.yaml", "-f", "old.yaml").stdout.partition("---\n")[2].partition("\n  ...")[0]
    assert yaml.safe_load(told) == {"reason": failure.get("message")}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: a\n", "tests.yaml: this must be a list of expectations"),
        ("- name: a\n", "tests.yaml[0].src is missing"),
        ("- {name: a, src: {}, dst: {}, targetPort: 1}\n", "tests.yaml[0].src: exactly one of host, k8sResource"),
        ("- {name: a, srcs: {}}\n", "tests.yaml[0].srcs: there is no such field"),
        (EXPECTED.replace("targetPort: 80\n", "targetPort: 80\n  protocol: icmp\n"), "tests.yaml[1].protocol: 'icmp'"),
    ],
)
def test_a_bad_expectation_names_its_field(here: Path, text: str, said: str) -> None:
    (here / "tests.yaml").write_text(text)
    run = _run(hold, "-t", "tests.yaml", "-f", "new.yaml")
    assert run.exit_code == 2 and said in run.stderr


def test_ways_through_doors_are_urls_that_get_there() -> None:
    """With the port where it is not the scheme's own; a backend of weight 0 is behind none."""
    table = doors_of_7.table(
        doors_of_7.listener(doors_of_7.host("a.example", doors_of_7.route("/x", "web", "idle=0")), port=8080),
        doors_of_7.listener(doors_of_7.host("", doors_of_7.route("/", "web"))),
    )
    assert [(door.service, door.address) for door in doors(table)] == [
        (("shop", "web"), "http://a.example:8080/x"),
        (("shop", "web"), "http://*/"),
    ]

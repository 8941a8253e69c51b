"""docs/checks is what the checks say; every code that a trace can end with is explained."""

import json
import re
import runpy
from pathlib import Path

import pytest
from click.testing import CliRunner

from portway.accesslog.attribute import PORT_NOT_LISTENING
from portway.analysis import webtrace
from portway.analysis.balancing import CAUTIONS
from portway.analysis.checks import built_in
from portway.analysis.codes import CODES
from portway.analysis.drift import KINDS
from portway.analysis.imagined import ASSUMPTIONS
from portway.analysis.trace import MEANING
from portway.cli.explain import command
from portway.model import NODEPORT_UNSET, Reason
from portway.policy import Reason as PolicyReason

ROOT = Path(__file__).resolve().parents[2]


def test_pages_are_up_to_date() -> None:
    wanted: dict[str, str] = runpy.run_path(str(ROOT / "scripts" / "check-pages"))["pages"]()
    there = {path.name: path.read_text() for path in (ROOT / "docs" / "checks").iterdir()}
    assert there == wanted, "run: make docs"


def _written() -> set[str]:
    """Every word of the source that is spelled like a code of ours."""
    texts = [path.read_text() for path in (ROOT / "src" / "portway").rglob("*.py")]
    families = "ASSUME|LB|SVC"
    return {
        *(code for text in texts for code in re.findall(r'"(PW-[A-Z]\d\d)"', text)),
        *(code for text in texts for code in re.findall(rf'"((?:{families})_[A-Z_]+)"', text)),
    }


REGISTERS = {
    "trace": MEANING,
    "cautions": CAUTIONS,
    "requests": webtrace.MEANING,
    "assumptions": ASSUMPTIONS,
    "forwarding": [reason.value for reason in Reason],
    "policies": [reason.value for reason in PolicyReason],
    "logs": [PORT_NOT_LISTENING, NODEPORT_UNSET, "BAD_REQUEST", "BACKEND_TLS_FAILED", "BACKEND_UNREACHABLE"],
    "audit": ["unrestricted", "no-pods", "single-pod", "single-node"],
    "diff": KINDS,
    "checks": [check.code for check in built_in()],
    "controls": {control for check in built_in() for control in check.controls},
    "the source": _written(),
}


@pytest.mark.parametrize("register", REGISTERS)
def test_every_code_is_explained(register: str) -> None:
    assert REGISTERS[register]
    unknown = [code for code in REGISTERS[register] if CliRunner().invoke(command, [code]).exit_code]
    assert not unknown


def test_every_reason_says_what_to_do() -> None:
    reasons = {code: entry for code, entry in CODES.items() if entry.kind == "reason"}
    assert not [code for code, entry in reasons.items() if not any(text for _, text in entry.sections)]


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [("PW-W001", "PW-W01"), ("NO_ENDPOINT", "NO_ENDPOINTS"), ("unrestrict", "unrestricted"), ("C-004", "C-0044")],
)
def test_a_code_nearly_right_is_asked_back(wrong: str, meant: str) -> None:
    run = CliRunner().invoke(command, [wrong])
    assert run.exit_code == 2 and f"there is no code {wrong}; did you mean " in run.stderr
    assert meant in run.stderr.partition("did you mean")[2]


@pytest.mark.parametrize("code", ["PW-W01", "pw-p01", "NO_ENDPOINTS", "ASSUME_NODES"])
def test_a_code_is_explained_as_text_and_json(code: str) -> None:
    text = CliRunner().invoke(command, [code])
    assert text.exit_code == 0 and text.stdout.startswith(code.upper())
    assert max(len(line) for line in text.stdout.splitlines()) <= 100
    assert json.loads(CliRunner().invoke(command, [code, "-o", "json"]).stdout)["code"] == code.upper()


def test_all_are_listed_and_an_unknown_one_is_refused() -> None:
    assert "PW-W01" in CliRunner().invoke(command, []).stdout
    run = CliRunner().invoke(command, ["whatever"])
    assert run.exit_code == 2 and "there is no code whatever; portway explain lists them" in run.stderr


def test_the_guide_of_load_balancers_names_codes_and_tests_that_exist() -> None:
    table = (ROOT / "docs" / "guides" / "loadbalancer.md").read_text().partition("The fourteen ways")[2]
    rows = [line for line in table.splitlines() if re.match(r"\| \d+\. ", line)]
    assert [int(row[2:].partition(".")[0]) for row in rows] == list(range(1, 15))
    assert set(re.findall(r"\bLB_[A-Z_]+|PW-B\d\d", table)) <= {*CODES, *REGISTERS["checks"]}
    files = list((ROOT / "tests").rglob("test_*.py"))
    there = {f"def {path.stem}" for path in files} | {line for path in files for line in path.read_text().splitlines()}
    for row in rows:
        named = re.findall(r"test_\w+", row)
        assert named, row
        assert [name for name in named if any(line.startswith(f"def {name}") for line in there)] == named

"""docs/checks is what the checks say; every code that a trace can end with is explained."""

import json
import runpy
from pathlib import Path

import pytest
from click.testing import CliRunner

from portway.analysis import webtrace
from portway.analysis.codes import CODES
from portway.analysis.trace import MEANING
from portway.cli.explain import command
from portway.model import Reason

ROOT = Path(__file__).resolve().parents[2]


def test_pages_are_up_to_date() -> None:
    wanted: dict[str, str] = runpy.run_path(str(ROOT / "scripts" / "check-pages"))["pages"]()
    there = {path.name: path.read_text() for path in (ROOT / "docs" / "checks").iterdir()}
    assert there == wanted, "run: make docs"


def test_every_reason_is_explained() -> None:
    assert set(MEANING) | set(webtrace.MEANING) <= set(CODES)
    assert {reason.value for reason in Reason} - {"NOT_A_FRONTEND"} <= set(CODES)
    assert not [
        code for code, entry in CODES.items() if entry.kind == "reason" and not any(t for _, t in entry.sections)
    ]


@pytest.mark.parametrize("code", ["PW-W01", "pw-p01", "NO_ENDPOINTS", "ASSUME_NODES"])
def test_a_code_is_explained_as_text_and_json(code: str) -> None:
    text = CliRunner().invoke(command, [code])
    assert text.exit_code == 0 and text.stdout.startswith(code.upper())
    assert max(len(line) for line in text.stdout.splitlines()) <= 100
    assert json.loads(CliRunner().invoke(command, [code, "-o", "json"]).stdout)["code"] == code.upper()


def test_all_are_listed_and_an_unknown_one_is_refused() -> None:
    assert "PW-W01" in CliRunner().invoke(command, []).stdout
    run = CliRunner().invoke(command, ["PW-Z99"])
    assert run.exit_code == 2 and "there is no code PW-Z99" in run.stderr

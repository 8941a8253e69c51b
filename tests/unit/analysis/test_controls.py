"""Controls of Kubescape, Trivy, CIS and NSA as names of our checks, in every spelling that people have."""

import pytest
from click.testing import CliRunner

from portway.analysis.check import Settings, spelled
from portway.analysis.checks import built_in
from portway.analysis.checks.u05_host_ports import CHECK
from portway.analysis.lint import lint
from portway.analysis.lintconfig import Config, chosen
from portway.cli.explain import command
from portway.testing.checks import bundle_of

SPELLINGS = ("KSV-0024", "KSV024", "ksv024", "AVD-KSV-0024", "C-0044")


@pytest.mark.parametrize("code", SPELLINGS)
def test_a_control_is_known_by_all_its_names(code: str) -> None:
    run = CliRunner().invoke(command, [code])
    assert run.exit_code == 0 and "PW-U05" in run.stdout and "PW-N06" in run.stdout
    assert CHECK in chosen(built_in(), Config(), only=[code])
    assert CHECK not in chosen(built_in(), Config(disable=(code,)), style=True)


@pytest.mark.parametrize("code", [code for code in SPELLINGS if code.isupper()])
def test_a_comment_may_name_a_control(code: str) -> None:
    text = CHECK.fails.replace("hostPort: 80}]", f"hostPort: 80}}]  # portway:ignore {code} the node's own agent")
    report = lint(bundle_of(text), [CHECK], Settings())
    assert not report.findings and report.suppressed[0].by.reason == "the node's own agent"


def test_controls_are_written_in_one_spelling() -> None:
    assert not [c for check in built_in() for c in check.controls if c != spelled(c)]

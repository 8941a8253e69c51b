"""`portway lint`: exit codes, output, baselines, fixes."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from portway.analysis.checks.w01_named_target_port import CHECK
from portway.cli.lint import command


def _run(*args: str | Path) -> Result:
    return CliRunner().invoke(command, [str(arg) for arg in args])


@pytest.fixture
def bad(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.yaml").write_text(CHECK.fails)
    return tmp_path


def test_exit_codes(bad: Path) -> None:
    assert _run("-f", "bad.yaml", "--check", "PW-W01").exit_code == 1
    assert _run("-f", "bad.yaml", "--fail-on", "none").exit_code == 0
    assert _run("-f", "nowhere.yaml").exit_code == 2
    assert _run("-f", "bad.yaml", "--check", "PW-Q99").exit_code == 2
    (bad / "worse.yaml").write_text("a: [\n")
    run = _run("-f", ".", "-o", "json")
    assert run.exit_code == 3
    assert "worse.yaml:2:1" in run.stderr and json.loads(run.stdout)["findings"]


def test_files_need_no_option(bad: Path) -> None:
    told = _run("-f", "bad.yaml", "-o", "json")
    assert '"code"' in told.stdout
    assert _run("bad.yaml", "-o", "json").stdout == told.stdout


def test_what_a_person_reads_fits_eighty_columns(bad: Path) -> None:
    run = _run("-f", "bad.yaml", "--check", "PW-W01")
    assert run.stdout.startswith("error PW-W01 Service default/shop: no selected pod")
    assert "bad.yaml:7:16" in run.stdout and "1 error (2 objects, 1 check)" in run.stdout
    assert max(len(line) for line in run.stdout.splitlines()) <= 80


def test_a_baseline_is_written_with_a_reason_and_read_again(bad: Path) -> None:
    assert _run("-f", "bad.yaml", "--write-baseline", "base.json").exit_code == 2
    assert _run("-f", "bad.yaml", "--write-baseline", "base.json", "--reason", "as it is").exit_code == 0
    again = _run("-f", "bad.yaml", "--baseline", "base.json", "-o", "json")
    assert again.exit_code == 0 and not json.loads(again.stdout)["findings"]
    (bad / "bad.json").write_text('{"ignore": [{"object": "x"}]}')
    wrong = _run("-f", "bad.yaml", "--baseline", "bad.json")
    assert wrong.exit_code == 2 and "ignore[0].code is missing" in wrong.stderr


def test_the_configuration_here_is_read(bad: Path) -> None:
    (bad / ".portway.yaml").write_text("lint: {severity: {PW-W01: info}}\n")
    assert _run("-f", "bad.yaml", "--check", "PW-W01").exit_code == 0
    (bad / ".portway.yaml").write_text("lint: {disable: 7}\n")
    assert _run("-f", "bad.yaml").exit_code == 2


def test_what_cannot_be_mended_keeps_nothing_else_back(bad: Path) -> None:
    ports = '  - {name: a, port: 1, targetPort: &p "8080"}\n  - {name: b, port: 2, targetPort: "8081"}  # b\n'
    text = f"apiVersion: v1\nkind: Service\nmetadata: {{name: web}}\nspec:\n  ports:\n{ports}"
    (bad / "bad.yaml").write_bytes(text.replace("\n", "\r\n").encode())
    run = _run("-f", "bad.yaml", "--fix")
    assert run.exit_code == 0 and "bad.yaml:6:24: PW-W07 is not mended: the field has an anchor" in run.stderr
    wanted = text.replace('"8081"', "8081").replace("\n", "\r\n")
    assert (bad / "bad.yaml").read_bytes().decode() == wanted


RENDERED = f"""\
---
# Source: shop/templates/all.yaml
{CHECK.fails.replace("---", "---" + chr(10) + "# Source: shop/templates/pods.yaml")}"""


def _piped(text: str, *args: str) -> Result:
    return CliRunner().invoke(command, ["-f", "-", "--check", "PW-W01", *args], input=text)


def test_what_helm_rendered_is_found_in_its_template(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By every format, without a line where the template has none that is the same; and nothing there is mended."""
    monkeypatch.chdir(tmp_path)
    run = _piped(RENDERED)
    assert run.exit_code == 1 and "at        shop/templates/all.yaml Service default/shop" in run.stdout
    assert "file=shop/templates/all.yaml,title=" in _piped(RENDERED, "-o", "github").stdout
    assert ' file="shop/templates/all.yaml">' in _piped(RENDERED, "-o", "junit").stdout
    (result,) = json.loads(_piped(RENDERED, "-o", "sarif").stdout)["runs"][0]["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "shop/templates/all.yaml"


def test_a_comment_in_a_template_is_a_suppression(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """helm keeps comments: in the line of the template, or, where that is not found, for all of the template."""
    monkeypatch.chdir(tmp_path)
    commented = "\n".join(
        f"{line}  # portway:ignore PW-W01 the operator adds it" if "targetPort" in line else line
        for line in RENDERED.splitlines()
    )
    assert _piped(commented).exit_code == 0
    (tmp_path / "shop" / "templates").mkdir(parents=True)
    (tmp_path / "shop" / "templates" / "all.yaml").write_text("{{- if true }}\n" + commented)
    assert _piped(commented).exit_code == 0
    found = _piped(commented, "-o", "json")
    (hidden,) = json.loads(found.stdout)["suppressed"]
    assert hidden["where"]["line"] == RENDERED[: RENDERED.index("targetPort")].count("\n") + 2
    assert _piped(RENDERED).exit_code == 1


def test_what_a_tool_rendered_is_not_mended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = "---\n# Source: shop/templates/web.yaml\napiVersion: v1\nkind: Service\nmetadata: {name: web}\n"
    text += 'spec: {ports: [{port: 80, targetPort: "8080"}]}\n'
    run = CliRunner().invoke(command, ["-f", "-", "--fix"], input=text)
    assert "is not mended: a tool rendered it" in run.stderr and not list(tmp_path.iterdir())


def test_a_byte_order_mark_outlives_a_fix(bad: Path) -> None:
    ports = '[{port: 80, targetPort: "8080"}]'
    text = f"apiVersion: v1\nkind: Service\nmetadata: {{name: web}}\nspec: {{ports: {ports}}}\n"
    (bad / "bad.yaml").write_text(text, encoding="utf-8-sig")
    _run("-f", "bad.yaml", "--fix", "--check", "PW-W07")
    assert (bad / "bad.yaml").read_bytes() == b"\xef\xbb\xbf" + text.replace('"8080"', "8080").encode()

"""The pre-commit hook, the GitHub Action and the JSON Schema name commands, options and fields that there are."""

import json
import re
import runpy
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from click.testing import CliRunner

from portway.analysis.check import Settings
from portway.analysis.checks import built_in
from portway.analysis.checks.w01_named_target_port import CHECK
from portway.analysis.formats import FORMATS
from portway.analysis.formats.json import document
from portway.analysis.lint import lint
from portway.cli.lint import command
from portway.testing.checks import bundle_of

ROOT = Path(__file__).resolve().parents[2]
OPTIONS = {option for parameter in command.params for option in parameter.opts}


def test_the_pre_commit_hook_runs_lint(tmp_path: Path) -> None:
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    assert shlex.split(hook["entry"]) == ["portway", "lint"] and hook["language"] == "python"
    (tmp_path / "bad.yaml").write_text(CHECK.fails)
    args = [str(tmp_path) if arg == "." else arg for arg in hook["args"]]
    assert CliRunner().invoke(command, args).exit_code == 1
    assert re.search(hook["files"], "deploy/web.yaml") and not re.search(hook["files"], "web.py")


def test_the_action_names_options_and_choices_that_there_are() -> None:
    action = yaml.safe_load((ROOT / "action.yml").read_text())
    steps = action["runs"]["steps"]
    assert action["runs"]["using"] == "composite" and all(step["shell"] == "bash" for step in steps)
    line = next(line for line in steps[-1]["run"].splitlines() if line.startswith("portway lint"))
    assert set(re.findall(r"(?<= )--?[a-z-]+", line)) <= OPTIONS
    assert action["inputs"]["output"]["default"] in FORMATS
    told = set(re.findall(r"inputs\.([a-z-]+)", json.dumps(steps)))
    assert told == set(action["inputs"])


def test_the_schema_is_up_to_date_and_has_every_field() -> None:
    wanted = runpy.run_path(str(ROOT / "scripts" / "lint-schema"))["schema"]()
    schema = json.loads((ROOT / "docs" / "lint.schema.json").read_text())
    assert schema == json.loads(json.dumps(wanted)), "run: make docs"
    noted = CHECK.fails.replace("targetPort: http}", "targetPort: http}  # portway:ignore PW-W01 known")
    texts = [CHECK.fails, noted, *(check.fails for check in built_in())]
    for text in texts:
        whole = json.loads(json.dumps(document(lint(bundle_of(text), built_in(), Settings()))))
        _holds(schema, schema["$defs"], whole, "")


def _holds(schema: Mapping[str, Any], known: Mapping[str, Any], value: Any, path: str) -> None:
    """The part of JSON Schema that the file uses."""
    for part in schema.get("allOf", ()):
        _holds(part, known, value, path)
    if "$ref" in schema:
        _holds(known[schema["$ref"].rpartition("/")[2]], known, value, path)
    if "enum" in schema:
        assert value in schema["enum"], path
    if isinstance(value, dict) and "properties" in schema:
        assert set(schema.get("required", ())) <= set(value), path
        assert "allOf" in schema or "suppressedBy" in value or set(value) <= set(schema["properties"]), path
        for key, part in schema["properties"].items():
            if key in value:
                _holds(part, known, value[key], f"{path}.{key}")
    for index, one in enumerate(value if isinstance(value, list) else ()):
        _holds(schema.get("items", {}), known, one, f"{path}[{index}]")

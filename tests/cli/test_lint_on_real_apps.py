"""docs/lint-on-real-apps.md holds: the published manifests of two applications, linted."""

import json
import re
from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner

from portway.cli.lint import command
from tests import shared

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "lint-on-real-apps.md").read_text()
FILES = [shared.ROOT / "manifests" / name for name in ("online-boutique.yaml", "sock-shop.yaml")]
pytestmark = pytest.mark.skipif(not all(f.exists() for f in FILES), reason="../shared/manifests is not here")


def _found(*more: str) -> Counter[str]:
    run = CliRunner().invoke(command, [*(arg for file in FILES for arg in ("-f", str(file))), *more, "-o", "json"])
    document = json.loads(run.stdout)
    assert document["problems"] == []
    return Counter(finding["code"] for finding in document["findings"])


def test_nothing_is_wrong_with_them() -> None:
    assert _found() == {}


def test_every_matter_of_taste_is_argued() -> None:
    assert _found("--style") == {
        m[1]: int(m[2]) for m in re.finditer(r"^\| (PW-\w+) \(\w+\) \| (\d+) \|", PAGE, re.MULTILINE)
    }

"""Generated pages say what the code says."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("script", "page"), [("cli-reference", "docs/cli.md"), ("log-schema", "docs/access-log.schema.json")]
)
def test_the_page_is_what_make_docs_writes(script: str, page: str) -> None:
    written = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / script)], capture_output=True, text=True, check=True
    ).stdout
    assert (ROOT / page).read_text() == written, f"{page} is old: run `make docs`"

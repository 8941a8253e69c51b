"""docs/cli.md says what the commands say."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_is_what_make_docs_writes() -> None:
    written = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "cli-reference")], capture_output=True, text=True, check=True
    ).stdout
    assert (ROOT / "docs" / "cli.md").read_text() == written, "docs/cli.md is old: run `make docs`"

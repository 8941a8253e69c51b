"""Where the tables of Kubernetes' own tests lie, when they are beside the project."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(os.environ.get("PORTWAY_SHARED", Path(__file__).resolve().parents[2] / "shared"))


def cases(table: str) -> list[dict[str, Any]]:
    """The lines of one table; skips the calling module, saying why, when the tables are not here."""
    path = ROOT / "cases" / f"{table}.jsonl"
    if not path.exists():
        pytest.skip(f"{path} is not here; set PORTWAY_SHARED to replay Kubernetes' tables", allow_module_level=True)
    return [json.loads(line) for line in path.read_text().splitlines() if line]


def manifest(name: str) -> Path:
    """A real application's manifest; skips like `cases`."""
    path = ROOT / "manifests" / name
    if not path.exists():
        pytest.skip(f"{path} is not here; set PORTWAY_SHARED to try real manifests", allow_module_level=True)
    return path

"""docs/lint-coverage.md: every row of both lists is there, and every code that it names exists."""

import re
from pathlib import Path

from portway.analysis.checks import built_in
from portway.analysis.codes import CODES

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "lint-coverage.md").read_text()
WANTED = [
    f"{letter}{n:02}" for letter, last in zip("WNPRHD", (21, 15, 9, 6, 3, 6), strict=True) for n in range(1, last + 1)
]


def _rows() -> dict[str, str]:
    return {m[1]: m[2] for m in re.finditer(r"^\| (\d+|[WNPRHD]\d\d) \| (.+) \|$", PAGE, re.MULTILINE)}


def test_every_row_is_answered_or_declined() -> None:
    rows = _rows()
    assert list(rows) == [*(str(n) for n in range(1, 49)), *WANTED] and len(WANTED) == 60
    assert not [
        key
        for key, text in rows.items()
        if "PW-" not in text and "`portway" not in text and "deliberately not" not in text
    ]


def test_every_code_exists_and_every_check_is_named() -> None:
    codes = {check.code for check in built_in()}
    assert set(re.findall(r"PW-[A-Z]\d\d", PAGE)) == codes | {"PW-S01", "PW-S02"}
    assert set(re.findall(r"\b[A-Z]+(?:_[A-Z]+)+\b", PAGE)) <= set(CODES)
    style = {check.code for check in built_in() if check.style}
    assert set(re.findall(r"(PW-[A-Z]\d\d) \*\(style\)\*", PAGE)) <= style

"""The house rules that a machine can check; each failure says what to do."""

import ast
import statistics
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2] / "src" / "portway"
LONGEST_FUNCTION, MEDIAN_FUNCTION, LONGEST_FILE = 60, 8, 600
VAGUE = {"utils", "util", "helpers", "helper", "manager", "common", "misc"}


def _files() -> Iterator[Path]:
    yield from SOURCE.rglob("*.py")


def _functions() -> Iterator[tuple[str, int]]:
    for path in _files():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{path.relative_to(SOURCE)}:{node.name}", _lines(node)


def _lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function without its docstring."""
    has_docstring = ast.get_docstring(function) is not None
    docstring = function.body[0] if has_docstring else None
    spent = (docstring.end_lineno or 0) - docstring.lineno + 1 if docstring else 0
    return (function.end_lineno or 0) - function.lineno + 1 - spent


def test_no_function_is_long() -> None:
    long = {name: lines for name, lines in _functions() if lines > LONGEST_FUNCTION}
    assert not long, f"split these so that each has one thought: {long}"


def test_functions_are_small() -> None:
    assert statistics.median(lines for _, lines in _functions()) <= MEDIAN_FUNCTION


def test_no_file_is_long() -> None:
    long = {str(path): n for path in _files() if (n := len(path.read_text().splitlines())) > LONGEST_FILE}
    assert not long, f"give parts of these a file of their own: {long}"


def test_names_say_what_is_inside() -> None:
    vague = [str(path) for path in SOURCE.rglob("*") if path.stem in VAGUE]
    assert not vague, f"name these after what they hold: {vague}"


def test_every_public_thing_says_what_it_is() -> None:
    silent = [
        f"{path.relative_to(SOURCE)}:{node.name}"
        for path in _files()
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and not node.name.startswith("_")
        and ast.get_docstring(node) is None
    ]
    assert not silent, f"these need a docstring: {silent}"

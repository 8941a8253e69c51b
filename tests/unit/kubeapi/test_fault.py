"""How bad values are printed: Go's %q for strings, JSON for the rest."""

from typing import Any

import pytest

from portway.kubeapi import fault

SHOWN: list[tuple[Any, str]] = [
    ("web", '"web"'),
    ('a"b\\c', '"a\\"b\\\\c"'),
    ("tab\tnew\nbell\x07nul\x00", '"tab\\tnew\\nbell\\anul\\x00"'),
    ("grüße ☃", '"grüße ☃"'),
    ("\u200b\U000e0001", '"\\u200b\\U000e0001"'),
    ("<&>", '"<&>"'),
    (["<a>", 1], '["\\u003ca\\u003e",1]'),
    (None, "null"),
    (True, "true"),
    (-1, "-1"),
    ({"Name": "", "Port": 80}, '{"Name":"","Port":80}'),
]


@pytest.mark.parametrize(("value", "text"), SHOWN)
def test_shown(value: Any, text: str) -> None:
    assert fault.shown(value) == text


def test_each_reason_reads_as_kubernetes_writes_it() -> None:
    errors = [
        fault.required("a"),
        fault.required("a", "why"),
        fault.forbidden("a", "why"),
        fault.invalid("a", 7, "why"),
        fault.duplicate("a", "x"),
        fault.not_supported("a", "<x>", ("B", "C")),
        fault.too_long("a", 9),
        fault.too_many("a", 3, 1),
    ]
    assert [str(error) for error in errors] == [
        "a: Required value",
        "a: Required value: why",
        "a: Forbidden: why",
        "a: Invalid value: 7: why",
        'a: Duplicate value: "x"',
        'a: Unsupported value: "\\u003cx\\u003e": supported values: "B", "C"',
        "a: Too long: may not be more than 9 bytes",
        "a: Too many: 3: must have at most 1 item",
    ]

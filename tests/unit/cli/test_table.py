"""Tables look like kubectl's."""

from portway.cli.table import lines


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    assert lines(("NAME", "AGE"), [("web", "5s"), ("database", "2m")]) == [
        "NAME       AGE",
        "web        5s",
        "database   2m",
    ]

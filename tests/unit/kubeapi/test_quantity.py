"""Quantities: Kubernetes' own examples and the laws of their notation."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portway.kubeapi import quantity

CANONICAL = {
    "0": "0",
    "0n": "0",
    "0Ki": "0",
    "1": "1",
    "100m": "100m",
    "0.1": "100m",
    "1000m": "1",
    "1500m": "1500m",
    "1.5": "1500m",
    "0.0000001": "100n",
    "1000": "1k",
    "1024": "1024",
    "1024Ki": "1Mi",
    "1536Mi": "1536Mi",
    "1.5Gi": "1536Mi",
    "0.5Ki": "512",
    "0.5": "500m",
    "2e3": "2e3",
    "2E3": "2e3",
    "1e-1": "100e-3",
    "1.25e6": "1250e3",
    "1000k": "1M",
    "-5m": "-5m",
    "+5": "5",
    ".5Gi": "512Mi",
    "5.": "5",
    "1E": "1E",
    "9223372036854775808": "9223372036854775807",
    "1Ki": "1Ki",
    "1023Ki": "1023Ki",
    "0.1n": "1n",
    "12Ei": "9223372036854775807",
}


@pytest.mark.parametrize(("text", "wanted"), CANONICAL.items())
def test_canonical(text: str, wanted: str) -> None:
    assert quantity.canonical(text) == wanted


@pytest.mark.parametrize(("number", "wanted"), [(1, "1"), (0.5, "500m"), (0.1, "100m"), (1.5, "1500m"), (2000, "2k")])
def test_bare_numbers(number: float, wanted: str) -> None:
    assert quantity.canonical(number) == wanted


@pytest.mark.parametrize("text", ["", "x", "1x", "1.2.3", "Ki", "1 Ki", "1KI", "--1", "1e", "e3", "1Kim"])
def test_refused(text: str) -> None:
    with pytest.raises(ValueError, match="quantities must match"):
        quantity.parse(text)


def test_compare_by_amount() -> None:
    assert quantity.parse("1Gi") > quantity.parse("1G")
    assert quantity.parse("1000m") == quantity.parse("1")
    assert hash(quantity.parse("1024Ki")) == hash(quantity.parse("1Mi"))
    assert quantity.parse("1.1").value == 2
    assert quantity.parse("1.0001").milli_value == 1001
    assert str(quantity.parse("500m") + quantity.parse("1500m")) == "2"


AMOUNTS = st.tuples(
    st.integers(-(10**6), 10**6),
    st.sampled_from(["", "n", "u", "m", "k", "M", "G", "Ki", "Mi", "Gi", "e3", "e-3"]),
).map(lambda pair: f"{pair[0]}{pair[1]}")


@given(AMOUNTS)
def test_canonical_text_is_the_same_amount_and_stays(text: str) -> None:
    parsed = quantity.parse(text)
    assert quantity.parse(str(parsed)) == parsed
    assert quantity.canonical(str(parsed)) == str(parsed)

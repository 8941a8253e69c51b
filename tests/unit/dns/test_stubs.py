"""kube-dns's ConfigMap, as Kubernetes documents it."""

import pytest

from portway.dns.name import from_text
from portway.dns.stubs import Stubs, stubs

CONFIG = {
    "data": {
        "stubDomains": '{"acme.local": ["10.96.7.7"], "eu.acme.local.": ["10.244.1.9:5353", "[fd00::1]:5300"]}',
        "upstreamNameservers": '["10.244.1.8", "fd00::2"]',
    }
}


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("www.acme.local", [("10.96.7.7", 53)]),
        ("acme.local", [("10.96.7.7", 53)]),
        ("www.eu.acme.local", [("10.244.1.9", 5353), ("fd00::1", 5300)]),
        ("notacme.local", [("10.244.1.8", 53), ("fd00::2", 53)]),
        ("local", [("10.244.1.8", 53), ("fd00::2", 53)]),
        (".", [("10.244.1.8", 53), ("fd00::2", 53)]),
    ],
)
def test_the_longest_domain_says_who_is_asked(name: str, wanted: list[tuple[str, int]]) -> None:
    found, problems = stubs(CONFIG)
    assert (list(found.servers(from_text(name))), problems) == (wanted, [])


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ({"stubDomains": "[]"}, "stubDomains: Expected `object`, got `array`; it must be JSON like"),
        ({"stubDomains": "{"}, "stubDomains: Input data was truncated; it must be JSON like"),
        ({"stubDomains": '{"a..b": ["10.0.0.1"]}'}, "stubDomains[a..b]: 'a..b' is no domain name"),
        ({"stubDomains": '{"a": ["ns.example"]}'}, "stubDomains[a]: 'ns.example' is no address; write ADDRESS or"),
        ({"stubDomains": '{"a": ["10.0.0.1:x"]}'}, "stubDomains[a]: '10.0.0.1:x' is no address"),
        (
            {"upstreamNameservers": '"8.8.8.8"'},
            "upstreamNameservers: Expected `array`, got `str`; it must be JSON like",
        ),
        ({"upstreamNameservers": '["10.0.0.1:0"]'}, "upstreamNameservers: '10.0.0.1:0' is no address"),
    ],
)
def test_what_is_wrong_is_said_and_the_rest_counts(data: dict[str, str], problem: str) -> None:
    found, problems = stubs({"data": {"stubDomains": '{"b": ["10.0.0.2"]}'} | data})
    assert [text for text in problems if text.startswith(problem)], problems
    if "upstreamNameservers" in data:
        assert found.domains == {(b"b",): (("10.0.0.2", 53),)}


@pytest.mark.parametrize("document", [{}, {"data": None}, {"data": []}])
def test_a_map_that_says_nothing(document: dict[str, object]) -> None:
    assert stubs(document) == (Stubs(), [])

"""What people write for destinations and places."""

import pytest

from portway.analysis.target import Place, Target, parse_place, parse_target


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("node-1:32100", Target("node-1:32100", "32100", "TCP", host="node-1")),
        ("node-1:32100/udp", Target("node-1:32100/udp", "32100", "UDP", host="node-1")),
        ("10.96.0.7:80", Target("10.96.0.7:80", "80", "TCP", host="10.96.0.7")),
        ("[fd00:96::7]:53/UDP", Target("[fd00:96::7]:53/UDP", "53", "UDP", host="fd00:96::7")),
        ("svc/shop/web:80", Target("svc/shop/web:80", "80", None, service=("shop", "web"))),
        ("svc/shop/web:http", Target("svc/shop/web:http", "http", None, service=("shop", "web"))),
        ("svc/shop/dns:53/udp", Target("svc/shop/dns:53/udp", "53", "UDP", service=("shop", "dns"))),
    ],
)
def test_target(text: str, target: Target) -> None:
    assert parse_target(text) == target


@pytest.mark.parametrize(
    "text", ["", "node-1", "node-1:", "node-1:http", "node-1:0", "node-1:65536", "svc/web:80", "a:1/icmp", "::1:80"]
)
def test_not_a_target(text: str) -> None:
    with pytest.raises(ValueError, match="is not a target; write node-1:32100"):
        parse_target(text)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("outside", Place("outside")),
        ("node/node-2", Place("node", "node-2")),
        ("pod/shop/web-1", Place("pod", "web-1", "shop")),
    ],
)
def test_place(text: str, place: Place) -> None:
    assert parse_place(text) == place
    assert str(place) == text


@pytest.mark.parametrize("text", ["", "inside", "node/", "node/a/b", "pod/web-1", "pod//web-1"])
def test_not_a_place(text: str) -> None:
    with pytest.raises(ValueError, match="is not a place; write outside"):
        parse_place(text)

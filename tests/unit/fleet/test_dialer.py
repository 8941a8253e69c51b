"""The dialer in a namespace of its own: outside has a way to every address that somebody asks for."""

from collections.abc import Iterator

import pytest

from portway.fleet import dialer
from portway.testing.netns import Namespace, Unavailable, World


@pytest.fixture
def outside() -> Iterator[Namespace]:
    try:
        with World() as world:
            made, wire = world.namespace("outside"), world.namespace("wire")
            world.connect(made, "eth0", wire, "eth1")
            made.command("ip", "link", "set", "eth0", "up")
            yield made
    except Unavailable as reason:
        pytest.skip(f"no network namespaces here: {reason}")


def test_routes_by_the_hundred(outside: Namespace) -> None:
    four = [f"198.51.100.{n}" for n in range(250)] + [f"203.0.113.{n}" for n in range(250)]
    six = [f"2001:db8::{n:x}" for n in range(1, 100)]
    assert outside.run(dialer.lead_to, " ".join([*four, *six])) == dialer.DONE
    shown = outside.command("ip", "route") + outside.command("ip", "-6", "route")
    assert {line.split()[0] for line in shown.splitlines()} >= {*four, *six}

"""Which hostPorts a pod asks for, and that nft takes what is written for them."""

from collections.abc import Iterator
from typing import Any

import pytest

from portway.fleet.kubelet.hostports import HostPort, HostPorts, ruleset, wanted
from portway.testing.netns import Namespace, Unavailable, World


def test_what_a_pod_asks_for() -> None:
    ports: list[dict[str, Any]] = [
        {"containerPort": 80, "hostPort": 8080},
        {"containerPort": 53, "hostPort": 53, "protocol": "UDP", "hostIP": "172.18.0.11"},
        {"containerPort": 443, "hostPort": 8443, "hostIP": "0.0.0.0"},
        {"containerPort": 9},
    ]
    pod = {"spec": {"containers": [{"ports": ports}, {}]}}
    assert wanted(pod) == (
        HostPort("", "TCP", 8080, 80),
        HostPort("", "TCP", 8443, 443),
        HostPort("172.18.0.11", "UDP", 53, 53),
    )


@pytest.fixture
def node() -> Iterator[Namespace]:
    try:
        with World() as world:
            yield world.namespace("node")
    except Unavailable as reason:
        pytest.skip(f"no network namespaces here: {reason}")


def _lives(addresses: tuple[str, ...]) -> None:
    served = HostPorts()
    ports = (HostPort("", "TCP", 80, 8080), HostPort("172.18.0.11", "UDP", 53, 53), HostPort("::1", "TCP", 81, 1))
    served.put("one", ports, addresses)
    served.put("none", (), addresses)
    served.put("two", ports[:1], ("10.244.1.3",))
    served.remove("one")


def test_the_table_holds_what_is_asked_for_and_goes_with_the_last(node: Namespace) -> None:
    node.run(_lives, ("10.244.1.2", "fd00:244:0:1::2"))
    assert "dnat ip to 10.244.1.3:8080" in node.command("nft", "list", "ruleset")
    node.command("nft", "-f", "-", text=ruleset({}))
    assert node.command("nft", "list", "tables") == ""


def test_an_address_takes_ports_of_its_family_only() -> None:
    text = ruleset({"one": ((HostPort("172.18.0.11", "TCP", 80, 8080),), ("10.244.1.2", "fd00::2"))})
    assert "ip daddr 172.18.0.11 tcp dport 80 dnat ip to 10.244.1.2:8080" in text
    assert "dnat ip6" not in text

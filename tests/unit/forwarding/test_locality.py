"""Local detectors and nodePort addresses; Kubernetes' GetNodeIPs table."""

from typing import Any, Literal

import pytest

from portway.forwarding import node_port_addresses, with_node_port_addresses, with_pod_cidrs
from portway.forwarding.locality import accepts_node_ports, detects, from_local_pod
from portway.model import LocalDetector, Node, Packet, ProxyConfig
from tests.shared import cases

NODE_IPS = [
    pytest.param(case, id=f"{case['family']}:{case['name']}")
    for case in cases("proxy_util")
    if case["test"] == "TestGetNodeIPs"
]


@pytest.mark.parametrize("case", NODE_IPS)
def test_get_node_ips(case: dict[str, Any]) -> None:
    local = [address.partition("/")[0] for interface in case["interfaces"] for address in interface["addrs"]]
    match_all, found = node_port_addresses(local, case["cidrs"] or (), case["family"])
    assert (match_all, sorted(found)) == (case["expect"]["matchAll"], sorted(case["expect"]["nodeIPs"]))


LOCAL = ProxyConfig("node-1", ("127.0.0.1", "172.18.0.11", "192.168.0.1", "::1", "fd00:18::11"))


@pytest.mark.parametrize(
    ("cidrs", "match_all", "addresses"),
    [
        ("primary", False, ("172.18.0.11", "fd00:18::11")),
        ((), True, ()),
        (("0.0.0.0/0", "::/0"), True, ()),
        (("192.168.0.0/16", "fd00:18::/64"), False, ("192.168.0.1", "fd00:18::11")),
        (("192.168.0.0/16",), False, ("192.168.0.1", "fd00:18::11")),
        (("127.0.0.0/8", "::1/128"), False, ()),
    ],
)
def test_node_port_addresses_of_both_families(
    cidrs: tuple[str, ...] | str, match_all: bool, addresses: tuple[str, ...]
) -> None:
    config = with_node_port_addresses(LOCAL, cidrs)
    assert (config.node_port_match_all, config.node_port_addresses) == (match_all, addresses)


@pytest.mark.parametrize(
    ("address", "accepted"),
    [("172.18.0.11", True), ("192.168.0.1", True), ("fd00:18::11", True), ("127.0.0.1", False), ("172.18.0.12", False)],
)
def test_matching_all_means_local_but_not_loopback(address: str, accepted: bool) -> None:
    assert accepts_node_ports(with_node_port_addresses(LOCAL, ()), address) is accepted


Mode = Literal["ClusterCIDR", "NodeCIDR", "InterfaceNamePrefix", "BridgeInterface"]


@pytest.mark.parametrize(
    ("mode", "cidrs", "interface", "source", "came_by", "local"),
    [
        ("ClusterCIDR", ("10.244.0.0/16",), "", "10.244.3.4", "", True),
        ("ClusterCIDR", ("10.244.0.0/16",), "", "10.245.3.4", "", False),
        ("NodeCIDR", ("10.244.0.0/16", "fd00::/64"), "", "fd00::4", "", True),
        ("InterfaceNamePrefix", (), "veth", "192.0.2.1", "veth12", True),
        ("InterfaceNamePrefix", (), "veth", "10.244.3.4", "eth0", False),
        ("BridgeInterface", (), "cbr0", "192.0.2.1", "cbr0", True),
        ("BridgeInterface", (), "cbr0", "192.0.2.1", "cbr01", False),
        ("BridgeInterface", (), "", "192.0.2.1", "", False),
    ],
)
def test_detectors(mode: Mode, cidrs: tuple[str, ...], interface: str, source: str, came_by: str, local: bool) -> None:
    detector = LocalDetector(mode, cidrs, interface)
    assert from_local_pod(detector, Packet(source, "10.96.0.1", "TCP", 80, came_by)) is local


def test_a_detector_by_cidr_speaks_for_its_families_only() -> None:
    detector = LocalDetector("ClusterCIDR", ("10.244.0.0/16",))
    assert detects(detector, "IPv4")
    assert not detects(detector, "IPv6")
    assert not detects(None, "IPv4")
    assert detects(LocalDetector("BridgeInterface", (), "cbr0"), "IPv6")


def test_node_cidr_is_this_node_s_pod_cidrs() -> None:
    node = Node("node-1", pod_cidrs=("10.244.1.0/24",))
    config = ProxyConfig("node-1", local_detector=LocalDetector("NodeCIDR"))
    assert with_pod_cidrs(config, node).local_detector == LocalDetector("NodeCIDR", ("10.244.1.0/24",))
    other = ProxyConfig("node-1", local_detector=LocalDetector("ClusterCIDR", ("10.0.0.0/8",)))
    assert with_pod_cidrs(other, node) == other

"""What a fleet may be made of, and the addresses that follow."""

import msgspec
import pytest

from portway.fleet import FleetConfig, FleetError, validate
from portway.fleet.config import MAX_NODES, node_plans


def test_the_plan_is_the_one_the_architecture_promises() -> None:
    first, *_, last = node_plans(FleetConfig(nodes=20), "127.7.8")
    assert (first.name, first.addresses, first.pod_cidrs, first.loopback, first.zone) == (
        "node-1",
        ("172.18.0.11", "fd00:18::11"),
        ("10.244.1.0/24", "fd00:244:0:1::/64"),
        "127.7.8.1",
        "zone-1",
    )
    assert (last.name, last.addresses, last.pod_cidrs, last.zone) == (
        "node-20",
        ("172.18.0.30", "fd00:18::30"),
        ("10.244.20.0/24", "fd00:244:0:14::/64"),
        "zone-2",
    )


@pytest.mark.parametrize("nodes", [1, 3, MAX_NODES])
def test_defaults_are_valid_for_any_number_of_nodes(nodes: int) -> None:
    validate(FleetConfig(nodes=nodes))
    plans = node_plans(FleetConfig(nodes=nodes), "127.1.1")
    assert len({address for plan in plans for address in (*plan.addresses, *plan.pod_cidrs)}) == 4 * nodes


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": "Upper"}, 'fleet name "Upper": must be 1 to 32 lower-case'),
        ({"name": ""}, 'fleet name "": must be'),
        ({"name": "../x"}, 'fleet name "../x": must be'),
        ({"nodes": 0}, "0 nodes: must be between 1 and 200"),
        ({"nodes": 201}, "201 nodes: must be between 1 and 200"),
        ({"node_port_range": "30000"}, 'node port range "30000": must be FIRST-LAST'),
        ({"node_port_range": "2-1"}, 'node port range "2-1": both ends'),
        ({"node_port_range": "0-70000"}, "must be between 1 and 65535"),
        ({"service_cidrs": ("10.96.0.1/16",)}, 'service CIDR "10.96.0.1/16": 10.96.0.1/16 has host bits set'),
        ({"service_cidrs": ()}, "no service CIDR"),
        ({"pod_cidrs": ("10.1.0.0/16", "10.2.0.0/16")}, "at most one for each of IPv4 and IPv6"),
        ({"pod_cidrs": ("10.244.0.0/16",)}, "must be of the same IP families in the same order"),
        (
            {"pod_cidrs": ("10.244.0.0/23", "fd00:244::/48")},
            "pod CIDR 10.244.0.0/23: 3 nodes need a /24 each, so it must be /22 or larger",
        ),
        ({"service_cidrs": ("10.0.0.0/8", "fd00:96::/112")}, "service CIDR 10.0.0.0/8: must be between /12 and /29"),
        (
            {"service_cidrs": ("10.244.0.0/16", "fd00:96::/112")},
            "service CIDR 10.244.0.0/16 overlaps pod CIDR 10.244.0.0/16",
        ),
        ({"pod_cidrs": ("172.18.0.0/16", "fd00:244::/48")}, "overlaps the nodes' wire 172.18.0.0/24"),
        ({"cluster_domain": "corp..internal"}, 'cluster domain "corp..internal": must be lower-case labels'),
        ({"cluster_domain": "Corp.internal"}, 'cluster domain "Corp.internal": must be lower-case labels'),
        ({"cluster_domain": "cluster.local."}, 'cluster domain "cluster.local.": must be lower-case labels'),
        ({"cluster_domain": "x." * 61 + "x"}, "of at most 121 characters"),
        ({"programs": {"echo": "/no/such"}}, 'image echo: "/no/such" is no program of this machine'),
        ({"programs": {"echo": "/etc"}}, 'image echo: "/etc" is no program of this machine'),
        ({"programs": {"": "/bin/sh"}}, 'a program "/bin/sh" of no image: must be IMAGE or IMAGE=PROGRAM'),
    ],
)
def test_what_cannot_work_is_said(change: dict[str, object], words: str) -> None:
    with pytest.raises(FleetError) as caught:
        validate(msgspec.structs.replace(FleetConfig(), **change))
    assert words in str(caught.value)


def test_all_problems_are_said_at_once() -> None:
    with pytest.raises(FleetError) as caught:
        validate(FleetConfig(nodes=0, name="?"))
    assert len(str(caught.value).splitlines()) == 2

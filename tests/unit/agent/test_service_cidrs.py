"""Ranges of clusterIPs from several sources."""

from portway.agent.service_cidrs import ServiceCidrs


def test_objects_come_change_and_go() -> None:
    cidrs = ServiceCidrs(["fd00:96::/112", "10.96.0.0/16"])
    assert list(cidrs.ranges) == ["10.96.0.0/16", "fd00:96::/112"]
    cidrs.put(("", "more"), ("10.100.0.0/24",))
    assert list(cidrs.ranges) == ["10.96.0.0/16", "10.100.0.0/24", "fd00:96::/112"]
    cidrs.put(("", "more"), ("10.101.0.0/24",))
    assert list(cidrs.ranges) == ["10.96.0.0/16", "10.101.0.0/24", "fd00:96::/112"]
    cidrs.put(("", "more"), None)
    cidrs.put(("", "never there"), None)
    assert list(cidrs.ranges) == ["10.96.0.0/16", "fd00:96::/112"]


def test_ranges_within_others_are_left_out() -> None:
    cidrs = ServiceCidrs(["10.96.0.0/16"])
    cidrs.put(("", "kubernetes"), ("10.96.0.0/16", "10.96.7.0/24"))
    cidrs.put(("", "wider"), ("10.96.0.0/12",))
    assert list(cidrs.ranges) == ["10.96.0.0/12"]
    cidrs.put(("", "wider"), None)
    assert list(cidrs.ranges) == ["10.96.0.0/16"]

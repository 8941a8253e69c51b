"""What counts as local: pods (local detectors), this node's addresses, and the addresses that accept nodePorts.

Source: kube-proxy 1.36 pkg/proxy/util/localdetector.go, nodeport_addresses.go.
"""

from collections.abc import Iterable, Sequence

import msgspec

from portway.model import Family, LocalDetector, Node, Packet, ProxyConfig, contains, family_of
from portway.model.address import is_loopback

ZERO_CIDRS = ("0.0.0.0/0", "::/0")


def detects(detector: LocalDetector | None, family: Family) -> bool:
    """Whether pods can be told from other clients in this family: by CIDR it takes a CIDR of the family."""
    if detector is None:
        return False
    if detector.mode in ("InterfaceNamePrefix", "BridgeInterface"):
        return bool(detector.interface)
    return any(family_of(cidr) == family for cidr in detector.cidrs)


def from_local_pod(detector: LocalDetector | None, packet: Packet) -> bool:
    """Whether the detector takes the packet's sender for a pod."""
    if detector is None:
        return False
    if detector.mode == "BridgeInterface":
        return bool(detector.interface) and packet.interface == detector.interface
    if detector.mode == "InterfaceNamePrefix":
        return bool(detector.interface) and packet.interface.startswith(detector.interface)
    return any(contains(cidr, packet.source) for cidr in detector.cidrs)


def accepts_node_ports(config: ProxyConfig, address: str) -> bool:
    """Whether nodePorts answer at this destination address."""
    if config.node_port_match_all:
        return address in config.node_addresses and not is_loopback(address)
    return address in config.node_port_addresses


def primary_address(config: ProxyConfig, family: Family) -> str:
    """This node's own IP of a family: the first that is no loopback; "" when it has none."""
    own = (a for a in config.node_addresses if family_of(a) == family and not is_loopback(a))
    return next(own, "")


def node_port_addresses(local: Iterable[str], cidrs: Sequence[str], family: Family) -> tuple[bool, tuple[str, ...]]:
    """--nodeport-addresses of one family resolved: (any local address does, those that match, loopback too).

    Without a CIDR of the family, or with its zero CIDR, any local address matches.
    """
    ours = [cidr for cidr in cidrs if family_of(cidr) == family]
    match_all = not ours or any(cidr in ZERO_CIDRS for cidr in ours)
    own = [address for address in local if family_of(address) == family]
    return match_all, tuple(a for a in own if match_all or any(contains(cidr, a) for cidr in ours))


def with_node_port_addresses(
    config: ProxyConfig, cidrs: Sequence[str] | str = "primary", local: Sequence[str] = ()
) -> ProxyConfig:
    """`config` with --nodeport-addresses applied: a list of CIDRs, or "primary", the default of nftables mode.

    CIDRs choose of the addresses that the node's interfaces have (`local`), whether its Node tells of them or not.
    Loopback addresses are left out: nodePorts never answer there. When only one family matches all, its present
    addresses are listed.
    """
    if isinstance(cidrs, str):
        both = (primary_address(config, "IPv4"), primary_address(config, "IPv6"))
        return _accepting(config, False, [a for a in both if a])
    here = tuple(dict.fromkeys((*config.node_addresses, *local)))
    found = [node_port_addresses(here, cidrs, family) for family in ("IPv4", "IPv6")]
    return _accepting(config, all(every for every, _ in found), [a for _, some in found for a in some])


def _accepting(config: ProxyConfig, match_all: bool, addresses: Iterable[str]) -> ProxyConfig:
    usable = () if match_all else tuple(a for a in addresses if not is_loopback(a))
    return msgspec.structs.replace(config, node_port_match_all=match_all, node_port_addresses=usable)


def with_pod_cidrs(config: ProxyConfig, node: Node) -> ProxyConfig:
    """`config` with detector NodeCIDR told this node's pod CIDRs; other detectors stay as they are."""
    detector = config.local_detector
    if detector is None or detector.mode != "NodeCIDR":
        return config
    return msgspec.structs.replace(config, local_detector=LocalDetector("NodeCIDR", node.pod_cidrs))

"""What a fleet is made of: what the user chose, and the plan that follows from it."""

import ipaddress
import re
import shutil
from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Literal

from msgspec import Struct

from portway.fleet.errors import FleetError
from portway.kubeapi import clusterdns
from portway.model import Family, family_of

MAX_NODES = 200
"""Node k's wire address ends in 10+k, and must stay below .255."""

WIRE_CIDRS = ("172.18.0.0/24", "fd00:18::/64")
LOAD_BALANCER_RANGES: dict[Family, str] = {
    "IPv4": "172.18.0.211-172.18.0.250",
    "IPv6": "fd00:18::211-fd00:18::250",
}
"""Addresses on the wire that no node can have: those of LoadBalancer Services, unless the user brings pools."""
NODE_MASK: dict[Family, int] = {"IPv4": 24, "IPv6": 64}
"""The size of each node's pod range (kube-controller-manager's --node-cidr-mask-size-ipv4/-ipv6 defaults)."""
API_PORT = 6443
"""Where pods reach the API server, at the first address of `outside`."""
DNS_LOOPBACK = 253
"""The host's own programs ask for the fleet's names at 127.x.y.253."""
_ZONES = 3
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,30}[a-z0-9])?")
_DOMAIN = re.compile(r"{0}(\.{0})*".format("[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"))
_LONGEST_DOMAIN = 121
"""A name has at most 253 characters, and below the domain are `svc`, a namespace's and a Service's label."""
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


GatewayEngine = Literal["auto", "haproxy", "builtin"]


class FleetConfig(Struct, frozen=True, kw_only=True):
    """What `portway up` was asked for. CIDR lists hold one range per family, the primary family first."""

    name: str = "portway"
    nodes: int = 3
    node_port_range: str = "30000-32767"
    service_cidrs: tuple[str, ...] = ("10.96.0.0/16", "fd00:96::/112")
    pod_cidrs: tuple[str, ...] = ("10.244.0.0/16", "fd00:244::/48")
    programs: Mapping[str, str] = {}
    """Images whose containers run as processes, and the program of those that name no command ("": none)."""
    cluster_domain: str = clusterdns.DOMAIN
    """Kubelet's clusterDomain: what names of Services end in."""
    gateway_engine: GatewayEngine = "auto"
    """Of the doors of Ingresses and Gateways; `auto`: HAProxy where it is installed, else the built-in router."""


class NodePlan(Struct, frozen=True, kw_only=True):
    """One node, planned: everything its processes need to know about it."""

    name: str
    index: int
    """k of node-k, from 1."""
    addresses: tuple[str, ...]
    """On the wire, one a family, the primary family first."""
    pod_cidrs: tuple[str, ...]
    """Its pods' ranges, one a family, the primary family first."""
    loopback: str
    """The host's address that stands for this node: nodePorts answer there."""
    zone: str
    region: str = "region-1"
    cluster_dns: tuple[str, ...] = ()
    """Where its pods ask for names: kubelet's clusterDNS, which kubeadm gives one address."""
    cluster_domain: str = clusterdns.DOMAIN
    """As in FleetConfig."""
    programs: Mapping[str, str] = {}
    """As in FleetConfig."""


def validate(config: FleetConfig) -> None:
    """FleetError naming every setting that cannot work, and what would."""
    problems = [
        *_name_problems(config.name),
        *_node_problems(config.nodes),
        *_range_problems(config.node_port_range),
        *_cidr_problems("service CIDR", config.service_cidrs),
        *_cidr_problems("pod CIDR", config.pod_cidrs),
        *_program_problems(config.programs),
        *_domain_problems(config.cluster_domain),
        *_engine_problems(config.gateway_engine),
    ]
    if not problems:
        problems = [*_size_problems(config), *_family_problems(config), *_overlap_problems(config)]
    if problems:
        raise FleetError("\n".join(problems))


def _name_problems(name: str) -> Iterator[str]:
    if not _NAME.fullmatch(name):
        yield f'fleet name "{name}": must be 1 to 32 lower-case letters, digits or "-", with no "-" at either end'


def _node_problems(nodes: int) -> Iterator[str]:
    if not 1 <= nodes <= MAX_NODES:
        yield f"{nodes} nodes: must be between 1 and {MAX_NODES}"


def _domain_problems(domain: str) -> Iterator[str]:
    if not _DOMAIN.fullmatch(domain) or len(domain) > _LONGEST_DOMAIN:
        yield (
            f'cluster domain "{domain}": must be lower-case labels of letters, digits and "-", joined by dots, of at '
            f"most {_LONGEST_DOMAIN} characters, e.g. {clusterdns.DOMAIN}"
        )


def _range_problems(text: str) -> Iterator[str]:
    try:
        first, last = parse_port_range(text)
    except ValueError:
        yield f'node port range "{text}": must be FIRST-LAST, e.g. 30000-32767'
        return
    if not 1 <= first <= last <= 65535:
        yield f'node port range "{text}": both ends must be between 1 and 65535, the first not above the last'


def parse_port_range(text: str) -> tuple[int, int]:
    """`30000-32767` -> (30000, 32767); ValueError when it is not two numbers."""
    first, dash, last = text.partition("-")
    if not (dash and first.isascii() and first.isdigit() and last.isascii() and last.isdigit()):
        raise ValueError(text)
    return int(first), int(last)


def _cidr_problems(what: str, cidrs: tuple[str, ...]) -> Iterator[str]:
    if not cidrs:
        yield f"no {what}: at least one is needed"
    for cidr in cidrs:
        try:
            ipaddress.ip_network(cidr)
        except ValueError as error:
            yield f'{what} "{cidr}": {error}'
    families = [family_of(cidr) for cidr in cidrs]
    if len(families) != len(set(families)):
        yield f"{what}s {','.join(cidrs)}: at most one for each of IPv4 and IPv6"


def _program_problems(programs: Mapping[str, str]) -> Iterator[str]:
    for image, program in programs.items():
        if not image:
            yield f'a program "{program}" of no image: must be IMAGE or IMAGE=PROGRAM, e.g. echo-basic=/usr/bin/echo'
        elif program and not shutil.which(program):
            yield f'image {image}: "{program}" is no program of this machine'


def _engine_problems(engine: GatewayEngine) -> Iterator[str]:
    if engine == "haproxy" and not shutil.which("haproxy"):
        yield "gateway engine haproxy: haproxy is not installed; builtin needs nothing"


def _size_problems(config: FleetConfig) -> Iterator[str]:
    for cidr in config.pod_cidrs:
        mask, prefix = NODE_MASK[family_of(cidr)], ipaddress.ip_network(cidr).prefixlen
        # The 0th range stays unused, so that node k has the k-th.
        if prefix > mask or 2 ** (mask - prefix) <= config.nodes:
            needed = mask - config.nodes.bit_length()
            yield f"pod CIDR {cidr}: {config.nodes} nodes need a /{mask} each, so it must be /{needed} or larger"
    for cidr in config.service_cidrs:
        network = ipaddress.ip_network(cidr)
        bits = network.max_prefixlen - network.prefixlen
        if not 3 <= bits <= 20:
            low, high = network.max_prefixlen - 20, network.max_prefixlen - 3
            yield f"service CIDR {cidr}: must be between /{low} and /{high}"


def _family_problems(config: FleetConfig) -> Iterator[str]:
    services = [family_of(cidr) for cidr in config.service_cidrs]
    pods = [family_of(cidr) for cidr in config.pod_cidrs]
    if services != pods:
        yield (
            f"service CIDRs {','.join(config.service_cidrs)} and pod CIDRs {','.join(config.pod_cidrs)}: "
            "must be of the same IP families in the same order"
        )


def _overlap_problems(config: FleetConfig) -> Iterator[str]:
    ranges: list[tuple[str, _Network]] = [
        *((f"service CIDR {cidr}", ipaddress.ip_network(cidr)) for cidr in config.service_cidrs),
        *((f"pod CIDR {cidr}", ipaddress.ip_network(cidr)) for cidr in config.pod_cidrs),
        *((f"the nodes' wire {cidr}", ipaddress.ip_network(cidr)) for cidr in WIRE_CIDRS),
        ("loopback 127.0.0.0/8", ipaddress.ip_network("127.0.0.0/8")),
        ("link-local 169.254.0.0/16", ipaddress.ip_network("169.254.0.0/16")),
        ("link-local fe80::/10", ipaddress.ip_network("fe80::/10")),
    ]
    for (name, one), (other_name, other) in combinations(ranges, 2):
        if one.version == other.version and one.overlaps(other):
            yield f"{name} overlaps {other_name}"


def families(config: FleetConfig) -> list[Family]:
    """The fleet's IP families, the primary one first."""
    return [family_of(cidr) for cidr in config.pod_cidrs]


def wire_address(host: int, family: Family) -> str:
    """The address on the wire with number `host` (its decimal digits, in IPv6 too). outside is 1, node-k is 10+k."""
    return f"172.18.0.{host}" if family == "IPv4" else f"fd00:18::{host}"


def api_address(config: FleetConfig) -> str:
    """Where pods reach the API server: of the primary family."""
    return wire_address(1, families(config)[0])


def wire_prefix(family: Family) -> int:
    """The wire's prefix length."""
    return 24 if family == "IPv4" else 64


def node_plans(config: FleetConfig, loopback: str) -> list[NodePlan]:
    """The nodes of a valid `config`; `loopback` is the fleet's `127.x.y` on the host."""
    return [
        NodePlan(
            name=f"node-{k}",
            index=k,
            addresses=tuple(wire_address(10 + k, family) for family in families(config)),
            pod_cidrs=tuple(_nth_range(cidr, k) for cidr in config.pod_cidrs),
            loopback=f"{loopback}.{k}",
            zone=f"zone-{(k - 1) % _ZONES + 1}",
            cluster_dns=clusterdns.addresses(config.service_cidrs)[:1],
            cluster_domain=config.cluster_domain,
            programs=config.programs,
        )
        for k in range(1, config.nodes + 1)
    ]


def _nth_range(cidr: str, n: int) -> str:
    network, mask = ipaddress.ip_network(cidr), NODE_MASK[family_of(cidr)]
    first = int(network.network_address) + (n << (network.max_prefixlen - mask))
    return f"{type(network.network_address)(first)}/{mask}"

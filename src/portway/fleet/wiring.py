"""Links, addresses, routes and sysctls of the fleet: made by `ip -batch`, one process for many lines.

The wire is a bridge in the world's own network namespace; `outside` and every `node-k` hang on it by a veth pair
whose inner end is eth0. Pods hang on their node by a veth pair each, routed: the pod's default route leads to
169.254.1.1 and fe80::1, which every node answers for on every pod link.
"""

import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from portway.fleet import linux
from portway.fleet.config import (
    API_PORT,
    FleetConfig,
    NodePlan,
    families,
    wire_address,
    wire_prefix,
)
from portway.model import Family, family_of

OUTSIDE = "outside"
_POD_GATEWAY = {"IPv4": "169.254.1.1", "IPv6": "fe80::1"}

ONE_CLOCK = {"ipv4/tcp_timestamps": "2"}
"""All machines of a fleet have one clock, and TCP's timestamps say so: no offset for each pair of addresses.

Connections whose source is translated may get a port again that the pod still has in TIME_WAIT, because nodes forget
them sooner (LogConfig.closed_seconds). A pod takes such a SYN if its timestamp is a newer one; with offsets it is that
for half of them, and the others wait a second or more (RFC 6191; net/ipv4/tcp_minisocks.c).
"""
_SYSCTLS = ONE_CLOCK | {
    # No packet of a fleet needs the reverse path check, and masqueraded ones may fail it.
    "ipv4/conf/all/rp_filter": "0",
    "ipv4/conf/default/rp_filter": "0",
    # A node forwards nodePort packets out of the interface they came in by; telling the client would break NAT.
    "ipv4/conf/all/send_redirects": "0",
    "ipv4/conf/default/send_redirects": "0",
    "ipv4/conf/all/accept_redirects": "0",
    "ipv4/conf/default/accept_redirects": "0",
    "ipv6/conf/all/accept_redirects": "0",
    "ipv6/conf/default/accept_redirects": "0",
    # Addresses are unique by construction: usable at once, without duplicate address detection.
    "ipv6/conf/all/accept_dad": "0",
    "ipv6/conf/default/accept_dad": "0",
    "ipv6/conf/all/disable_ipv6": "0",
    "ipv6/conf/default/disable_ipv6": "0",
    "ipv6/conf/lo/disable_ipv6": "0",
    "ipv6/conf/all/accept_ra": "0",
    "ipv6/conf/default/accept_ra": "0",
}
_FORWARDING = {
    "ipv4/ip_forward": "1",
    "ipv6/conf/all/forwarding": "1",
    "ipv6/conf/default/forwarding": "1",
}


def path(network: str) -> str:
    """Where the network namespace of that name is bound."""
    return f"/run/netns/{network}"


def pod_network(uid: str) -> str:
    """The name of a pod's network namespace."""
    return f"pod-{uid}"


def batch(lines: Iterable[str], force: bool = False, family: Family | None = None) -> None:
    """Run lines of `ip` in the current network namespace; CalledProcessError with ip's words when one fails."""
    of_family = ["-6" if family == "IPv6" else "-4"] if family else []
    command = ["ip", *of_family, *(["-force"] if force else []), "-batch", "-"]
    subprocess.run(command, input="\n".join(lines), text=True, capture_output=True, check=not force)


def make(config: FleetConfig, nodes: Sequence[NodePlan]) -> None:
    """The wire, `outside` and all nodes, in the current (the world's) network namespace."""
    names = [OUTSIDE, *(node.name for node in nodes)]
    batch(f"netns add {name}" for name in names)
    write_sysctls(_SYSCTLS)
    for name in names:
        with linux.inside_network(path(name)):
            write_sysctls(_SYSCTLS if name == OUTSIDE else _SYSCTLS | _FORWARDING)
    batch(["link set lo up", "link add wire type bridge mcast_snooping 0", "link set wire up", *_cables(names)])
    outside = [(wire_address(1, family), wire_prefix(family)) for family in families(config)]
    inner = {OUTSIDE: _outside_lines(outside)} | {node.name: _node_lines(node, nodes) for node in nodes}
    _run_each(inner)
    with linux.inside_network(path(OUTSIDE)):
        # A kernel without policy routing has no way to the API server for pods, and all else.
        batch(_ways_back(nodes), force=True, family=families(config)[0])


def _ways_back(nodes: Sequence[NodePlan]) -> Iterable[str]:
    """`outside` knows no way to pods, as the world outside of a cluster; what the API server answers them has one."""
    yield f"rule add ipproto tcp sport {API_PORT} lookup {API_PORT}"
    for node in nodes:
        yield f"route add {node.pod_cidrs[0]} via {node.addresses[0]} table {API_PORT}"


def _cables(names: Sequence[str]) -> Iterable[str]:
    for name in names:
        yield f"link add w-{name} master wire up type veth peer name eth0 netns {name}"


def _outside_lines(addresses: Iterable[tuple[str, int]]) -> list[str]:
    return [
        "link set lo up",
        "link set eth0 up",
        *(f"address add {address}/{prefix} dev eth0" for address, prefix in addresses),
    ]


def _node_lines(node: NodePlan, nodes: Sequence[NodePlan]) -> list[str]:
    addresses = [(address, wire_prefix(family_of(address))) for address in node.addresses]
    # scope link: the kernel never picks it as the source of masqueraded packets, yet answers ARP for it everywhere.
    gateway = [f"address add {_POD_GATEWAY['IPv4']}/32 dev lo scope link"]
    # What is in this node's range and belongs to no pod is answered, not sent round.
    own = [f"route add unreachable {cidr}" for cidr in node.pod_cidrs]
    # As on any machine; without it the kernel would refuse a process's packet to a clusterIP before any rule sees it.
    default = [f"route add default via {wire_address(1, family_of(address))}" for address, _ in addresses]
    return [*_outside_lines(addresses), *gateway, *own, *default, *_routes(node, nodes)]


def _routes(node: NodePlan, nodes: Sequence[NodePlan]) -> Iterable[str]:
    for other in nodes:
        if other.index != node.index:
            for cidr, address in zip(other.pod_cidrs, other.addresses, strict=True):
                yield f"route add {cidr} via {address} dev eth0"


def _run_each(lines: dict[str, list[str]]) -> None:
    """Run batches in several namespaces at once."""
    running = []
    for name, batch_lines in lines.items():
        with linux.inside_network(path(name)):
            process = subprocess.Popen(
                ["ip", "-batch", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
        assert process.stdin is not None
        process.stdin.write("\n".join(batch_lines))
        process.stdin.close()
        process.stdin = None
        running.append(process)
    for process in running:
        output, errors = process.communicate()
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, process.args, output, errors)


def write_sysctls(values: dict[str, str]) -> None:
    """Set /proc/sys/net/… of the current network namespace; what this kernel does not have is left out."""
    for name, value in values.items():
        setting = Path("/proc/sys/net") / name
        if setting.exists():
            setting.write_text(value)

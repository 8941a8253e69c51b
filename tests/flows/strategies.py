"""Random clusters and the packets worth sending into them.

Small pools of addresses, so that Services, endpoints, nodes and clients meet; no two Services claim the same
frontend, as the API's allocators see to. (A clash is a case of its own: test_forwarding_lookup.)
"""

from itertools import product

from hypothesis import strategies as st
from msgspec.structs import replace

from portway.model import (
    Endpoint,
    EndpointPort,
    EndpointSlice,
    LocalDetector,
    Node,
    Packet,
    Protocol,
    ProxyConfig,
    Service,
    ServicePort,
    Share,
    Snapshot,
)
from portway.model.service import ServiceType, TrafficPolicy

NODES = ("node-1", "node-2", "node-3")
ZONES = ("zone-a", "zone-b")
NODE_ADDRESSES = ("172.18.0.11", "172.18.1.11", "fd00:18::11", "fd00:18:1::11")
OTHER_NODE = ("172.18.0.12", "fd00:18::12")
PODS = tuple(f"10.244.{n}.{i}" for n in (1, 2) for i in (2, 3)) + tuple(
    f"fd00:244:{n}::{i}" for n in (1, 2) for i in (2, 3)
)
NODE_OF = dict(zip(PODS, ("node-1", "node-1", "node-2", "", "node-1", "node-1", "node-2", "node-3"), strict=True))
"""A pod is on one node, whatever slices list it; of one nobody says on which."""
OUTSIDE = ("203.0.113.5", "203.0.113.200", "2001:db8::5", "2001:db8:ffff::5")
RANGES = ("203.0.113.0/25", "172.18.0.0/16", "10.244.1.0/24", "0.0.0.0/0", "2001:db8::/48", "fd00:18::/64", "::/0")
PROTOCOLS: tuple[Protocol, ...] = ("TCP", "UDP", "SCTP")
PORT_NAMES = ("a", "b")
SERVICE_CIDRS = ("10.96.0.0/24", "fd00:96::/120")

_POLICIES: tuple[TrafficPolicy, ...] = ("Cluster", "Cluster", "Local")
_protocols = st.sampled_from(("TCP", "TCP", "TCP", *PROTOCOLS))
_ports = st.builds(EndpointPort, st.sampled_from(PORT_NAMES), _protocols, st.sampled_from((8080, 8081)))
_conditions = st.sampled_from(
    ((True, True, False),) * 4 + ((False, True, True),) * 3 + tuple(product((True, False), repeat=3))
)
_mostly = st.sampled_from((True,) * 9 + (False,))
_TYPES: tuple[ServiceType, ...] = ("LoadBalancer",) * 9 + ("ExternalName",)
_types = st.sampled_from(_TYPES)
_policies = st.sampled_from(_POLICIES)


def _subset(pool: tuple[str, ...], most: int = 3) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(st.sampled_from(pool), max_size=most, unique=True).map(tuple)


_hints = st.sampled_from((True, False, False))


@st.composite
def _endpoints(draw: st.DrawFn, v6: bool, hinted: bool) -> Endpoint:
    """An endpoint that mostly is ready; hinted ones nearly always carry both kinds of hints."""
    ready, serving, terminating = draw(_conditions)
    address = draw(st.sampled_from(tuple(pod for pod in PODS if (":" in pod) == v6)))
    return Endpoint(
        address,
        NODE_OF[address],
        "",
        ready,
        serving,
        terminating,
        draw(_subset(ZONES)) if hinted else (),
        draw(_subset(NODES)) if hinted else (),
    )


@st.composite
def slices(draw: st.DrawFn, number: int) -> EndpointSlice:
    """A slice of one of the first three Services, of one family; often with all the ports a Service may have."""
    owner, v6, hinted = draw(st.sampled_from((0, 0, 1, 2))), draw(st.booleans()), draw(_hints)
    members = tuple(draw(st.lists(_endpoints(v6, hinted), min_size=1, max_size=4)))
    listed = draw(st.lists(_ports, max_size=2))
    every = tuple(EndpointPort(name, protocol, 8080) for name in PORT_NAMES for protocol in PROTOCOLS)
    ports = draw(st.sampled_from((every, every, every, tuple(listed))))
    return EndpointSlice("ns", f"slice-{number}", f"svc-{owner}", ports, members, draw(_mostly))


@st.composite
def services(draw: st.DrawFn, number: int) -> Service:
    """Service `number`: all its addresses and nodePorts are its own."""
    families = draw(st.sampled_from(((4,), (6,), (4, 6), (4, 6), (6, 4), (6, 4), ())))
    ours = {4: f"10.96.0.{number + 1}", 6: f"fd00:96::{number + 1}"}
    names = draw(st.lists(st.sampled_from(PORT_NAMES), min_size=1, max_size=2, unique=True))
    ports = tuple(_service_port(draw, name, number) for name in names)
    external = (f"198.51.100.{number + 1}", f"2001:db8:e::{number + 1}")
    balanced = (f"192.0.2.{number + 1}", f"2001:db8:b::{number + 1}", external[0])
    return Service(
        namespace="ns",
        name=f"svc-{number}",
        type=draw(_types),
        ports=ports,
        cluster_ips=tuple(ours[f] for f in families),
        headless=not families,
        external_ips=draw(_subset(external)),
        load_balancer_ips=draw(_subset(balanced)),
        load_balancer_source_ranges=draw(_subset(RANGES)),
        internal_traffic_policy=draw(_policies),
        external_traffic_policy=draw(_policies),
        session_affinity_seconds=draw(st.sampled_from((0, 0, 10800))),
        health_check_node_port=draw(st.sampled_from((0, 31000 + number))),
        proxied=draw(_mostly),
    )


def _service_port(draw: st.DrawFn, name: str, number: int) -> ServicePort:
    place = PORT_NAMES.index(name)
    node_port = draw(st.sampled_from((0, 30000 + 10 * number + place)))
    return ServicePort(name, draw(_protocols), 80 + place, 8080, node_port)


@st.composite
def clusters(draw: st.DrawFn) -> Snapshot:
    """Up to three Services with up to five slices, and this node's zone."""
    made = [draw(services(number)) for number in range(draw(st.sampled_from((1, 2, 3))))]
    pieces = [draw(slices(number)) for number in range(draw(st.sampled_from((0, 2, 3, 4, 5))))]
    node = Node("node-1", NODE_ADDRESSES, zone=draw(st.sampled_from(("", *ZONES))))
    return Snapshot(
        {(s.namespace, s.name): s for s in made},
        {(s.namespace, s.name): s for s in pieces},
        {"node-1": node},
        draw(st.sampled_from(((), SERVICE_CIDRS))),
    )


_shares = st.builds(Share, st.sampled_from(("a", "b", "c")), st.sampled_from((0, 1, 1, 2, 9, 70)))


@st.composite
def shared_clusters(draw: st.DrawFn) -> Snapshot:
    """The same where slices may speak of shares, and groups may have no endpoints."""
    cluster = draw(clusters())
    pieces = {
        key: replace(piece, share=draw(_shares), endpoints=piece.endpoints if draw(_mostly) else ())
        for key, piece in cluster.slices.items()
        if draw(_mostly)
    }
    return replace(cluster, slices={**cluster.slices, **pieces})


any_clusters = clusters() | shared_clusters()

_detectors: st.SearchStrategy[LocalDetector | None] = st.sampled_from(
    (
        None,
        LocalDetector("ClusterCIDR", ("10.244.0.0/16", "fd00:244::/32")),
        LocalDetector("ClusterCIDR", ("10.244.0.0/16",)),
        LocalDetector("NodeCIDR", ("10.244.1.0/24", "fd00:244:1::/48")),
        LocalDetector("InterfaceNamePrefix", (), "veth"),
        LocalDetector("BridgeInterface", (), "cbr0"),
    )
)


@st.composite
def configs(draw: st.DrawFn) -> ProxyConfig:
    """This node under one of the ways it can be configured."""
    return ProxyConfig(
        "node-1",
        (*NODE_ADDRESSES, "127.0.0.1", "::1"),
        draw(_subset(NODE_ADDRESSES, 4)),
        draw(st.booleans()),
        draw(st.booleans()),
        draw(_detectors),
        draw(st.sampled_from((0, 7))),
    )


VIPS = ("192.0.2.1", "2001:db8:b::1")
SENDERS = (*NODE_ADDRESSES, *OTHER_NODE, "127.0.0.1", "::1", *PODS, *OUTSIDE, *VIPS, *VIPS)

Goal = tuple[str, Protocol, int]


@st.composite
def packets(draw: st.DrawFn, snapshot: Snapshot) -> list[Packet]:
    """From two senders of each family to everything that this cluster's clients may dial, and a little beside."""
    came_by = draw(st.sampled_from(("", "eth0", "veth12", "cbr0")))
    found = []
    for v6 in (False, True):
        parties = [a for a in SENDERS if (":" in a) == v6]
        senders = draw(st.lists(st.sampled_from(parties), min_size=2, max_size=2, unique=True))
        goals = [goal for goal in goals_of(snapshot) if (":" in goal[0]) == v6]
        found += [Packet(sender, *goal, came_by) for sender in senders for goal in goals]
    return found


def goals_of(snapshot: Snapshot) -> list[Goal]:
    """Every frontend, its neighbours, and addresses that are none."""
    goals: list[Goal] = [("10.96.0.99", "TCP", 80), ("fd00:96::99", "TCP", 80), (OUTSIDE[0], "TCP", 80)]
    for service in snapshot.services.values():
        for address in (*service.cluster_ips, *service.external_ips, *service.load_balancer_ips):
            goals += [(address, p.protocol, p.port) for p in service.ports]
            goals.append((address, "TCP", 9999))
        numbers = [(p.protocol, p.node_port) for p in service.ports if p.node_port]
        goals += [(address, *number) for number in numbers for address in (*NODE_ADDRESSES, *OTHER_NODE, "127.0.0.1")]
    return goals

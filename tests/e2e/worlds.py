"""Random clusters as documents: pods that always stand, and around them labels, readiness, Services, policies.

Small pools of labels, ports and addresses, so that they meet, and as many wrong ones: selectors that hit nothing, ports
that nobody declares, names that no pod has.
"""

from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st
from msgspec import Struct

from portway.model import Protocol
from portway.model.service import ServiceType

Doc = dict[str, Any]
SPACES = ("a", "b")
APPS = ("x", "y", "z")
Port = tuple[str, int, Protocol]
HTTP: Port = ("http", 8080, "TCP")
DNS: Port = ("dns", 5353, "UDP")
PODS: dict[tuple[str, str], tuple[str, tuple[Port, ...]]] = {
    ("a", "one"): ("node-1", (HTTP, DNS)),
    ("a", "two"): ("node-2", (HTTP, DNS)),
    ("a", "three"): ("node-3", (("http", 9090, "TCP"), ("web", 8080, "TCP"), ("dns", 5454, "UDP"))),
    ("a", "four"): ("node-1", (("", 8080, "TCP"),)),
    ("b", "five"): ("node-2", (HTTP, DNS)),
    ("b", "six"): ("node-1", (HTTP, ("dns", 5353, "TCP"))),
    ("a", "host"): ("node-3", (("http", 7070, "TCP"), ("dns", 7053, "UDP"))),
    ("a", "ending"): ("node-2", (HTTP, DNS)),
}
"""Node and declared ports of each; `host` is in its node's network, `ending` is about to go and serves meanwhile."""
POD_NETWORKS = ("10.244.1.0/24", "10.244.0.0/16", "fd00:244:0:2::/64")
NETWORKS = ("172.18.0.0/24", "172.18.0.1/32", "172.18.0.12/32", "fd00:18::/64", "fd00:18::1/128", *POD_NETWORKS)
EXTERNAL = ("198.51.100.7", "2001:db8:e::7", "172.18.0.12", "fd00:18::13")
"""Addresses of nobody and of nodes, which is where people point them."""


class World(Struct, frozen=True):
    """What changes from one cluster to the next."""

    apps: dict[str, str]
    """Each pod's label `app`."""
    taken_out: frozenset[str]
    """Pods that a person has declared not ready."""
    services: tuple[Doc, ...]
    slices: tuple[Doc, ...]
    """EndpointSlices that no controller made; $NAME stands for that pod's address."""
    policies: tuple[Doc, ...]


def pods() -> Iterator[Doc]:
    """The namespaces and pods."""
    for space in SPACES:
        yield {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space, "labels": {"space": space}}}
    for (namespace, name), (node, ports) in PODS.items():
        declared = [
            {"containerPort": n, "protocol": p} | ({"name": called} if called else {}) for called, n, p in ports
        ]
        containers: list[Doc] = [{"name": "server", "image": "portway.dev/stand-in", "ports": declared}]
        spec: Doc = {"nodeName": node, "containers": containers}
        if name == "host":
            spec["hostNetwork"] = True
        if name == "ending":
            spec["terminationGracePeriodSeconds"] = 3000
            containers.append(_LINGERING)
        yield {"apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": namespace, "name": name}, "spec": spec}


_LINGERING: Doc = {
    "name": "lingers",
    "image": "registry.k8s.io/e2e-test-images/agnhost:2.63.0",
    "args": ["netexec", "--http-port=6060", "--udp-port=-1", "--delay-shutdown=3000"],
}
_seldom = st.sampled_from((True, False, False, False))
_apps = st.sampled_from(APPS)
_TARGETS: tuple[int | str | None, ...] = ("http", "http", "dns", "nope", 8080, 8080, 8081, 5353, 9090, 7070, None)
_FAMILIES: tuple[Doc, ...] = (
    {},
    {"ipFamilyPolicy": "SingleStack", "ipFamilies": ["IPv6"]},
    {"ipFamilyPolicy": "RequireDualStack"},
    {"ipFamilyPolicy": "RequireDualStack"},
    {"ipFamilyPolicy": "RequireDualStack", "ipFamilies": ["IPv6", "IPv4"]},
)
_TYPES: tuple[ServiceType, ...] = ("ClusterIP", "ClusterIP", "NodePort", "NodePort", "LoadBalancer", "LoadBalancer")
_traffic = st.sampled_from(("Cluster", "Cluster", "Local"))


@st.composite
def _ports(draw: st.DrawFn) -> list[Doc]:
    found = []
    for place, name in enumerate(draw(st.sampled_from((["http"], ["http", "dns"], ["http", "dns"])))):
        protocol = "UDP" if name == "dns" else "TCP"
        port: Doc = {"name": name, "port": 80 + place, "protocol": protocol}
        if (target := draw(st.sampled_from((name, *_TARGETS)))) is not None:
            port["targetPort"] = target
        found.append(port)
    return found


@st.composite
def services(draw: st.DrawFn, number: int) -> Doc:
    """Service `svc-NUMBER`."""
    kind = draw(st.sampled_from(_TYPES))
    spec: Doc = {"type": kind, "ports": draw(_ports()), **draw(st.sampled_from(_FAMILIES))}
    if draw(st.sampled_from((True,) * 5 + (False,))):
        spec["selector"] = {"app": draw(st.sampled_from((*APPS, *APPS, "nobody")))}
    if draw(_seldom):
        spec["sessionAffinity"] = "ClientIP"
    if draw(_seldom):
        spec["publishNotReadyAddresses"] = True
    spec["internalTrafficPolicy"] = draw(_traffic)
    if draw(_seldom):
        spec["trafficDistribution"] = "PreferSameNode"
    if draw(_seldom):
        spec["externalIPs"] = draw(st.lists(st.sampled_from(EXTERNAL), min_size=1, max_size=2, unique=True))
    _door(draw, kind, number, spec)
    metadata = {"name": f"svc-{number}", "namespace": draw(st.sampled_from(("a", "a", "b")))}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


def _door(draw: st.DrawFn, kind: str, number: int, spec: Doc) -> None:
    """What only Services that can be dialled from outside have, and what only the others can be."""
    if kind == "ClusterIP":
        if draw(_seldom) and "externalIPs" not in spec:
            spec["clusterIP"] = "None"
            del spec["internalTrafficPolicy"]
        return
    spec["externalTrafficPolicy"] = draw(_traffic)
    if kind == "LoadBalancer":
        if draw(_seldom):
            spec["loadBalancerSourceRanges"] = draw(st.lists(st.sampled_from(NETWORKS), min_size=1, max_size=2))
        if draw(_seldom):
            spec["allocateLoadBalancerNodePorts"] = False
            return
    for place, port in enumerate(spec["ports"]):
        port["nodePort"] = 30010 + 10 * number + place  # below what is drawn for others


@st.composite
def _slices(draw: st.DrawFn, service: Doc) -> list[Doc]:
    """By hand, for a Service that selects nothing: endpoints on pods, perhaps without their nodes."""
    if "selector" in service["spec"]:
        return []
    names = draw(st.lists(st.sampled_from([*PODS]), min_size=1, max_size=3, unique=True))
    known = draw(st.booleans())
    conditions = st.sampled_from(
        ({}, {"ready": True}, {"ready": False}, {"ready": False, "serving": True, "terminating": True})
    )
    endpoints = [
        {"addresses": [f"${name}"], "conditions": draw(conditions)}
        | ({"nodeName": PODS[space, name][0]} if known else {})
        for space, name in names
    ]
    ports = [
        {"name": port["name"], "protocol": port["protocol"], "port": draw(st.sampled_from((8080, 5353, 9090, 7070)))}
        for port in service["spec"]["ports"]
    ]
    metadata = {
        "namespace": service["metadata"]["namespace"],
        "name": f"{service['metadata']['name']}-by-hand",
        "labels": {"kubernetes.io/service-name": service["metadata"]["name"]},
    }
    return [
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": metadata,
            "addressType": draw(st.sampled_from(("IPv4", "IPv4", "IPv6"))),
            "ports": ports,
            "endpoints": endpoints,
        }
    ]


def a_service(name: str, kind: ServiceType, app: str, port: Doc) -> Doc:
    """A Service of one port in namespace a."""
    spec = {"type": kind, "selector": {"app": app}, "ports": [port]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"namespace": "a", "name": name}, "spec": spec}


def _labelled(label: str, value: str) -> Doc:
    return {"matchLabels": {label: value}}


_selectors: st.SearchStrategy[Doc] = st.one_of(st.just({}), _apps.map(lambda app: _labelled("app", app)))
_PEER_KINDS = ("pods", "space", "both", "block")


@st.composite
def _peers(draw: st.DrawFn) -> Doc:
    kind = draw(st.sampled_from(_PEER_KINDS))
    if kind == "block":
        return {"ipBlock": {"cidr": draw(st.sampled_from((*NETWORKS, "0.0.0.0/0", "::/0")))}}
    peer: Doc = {}
    if kind in ("pods", "both"):
        peer["podSelector"] = draw(_selectors)
    if kind in ("space", "both"):
        peer["namespaceSelector"] = draw(st.sampled_from(({}, *(_labelled("space", space) for space in SPACES))))
    return peer


_policy_ports = st.sampled_from(
    (
        {"port": 8080},
        {"port": "http"},
        {"port": "dns", "protocol": "UDP"},
        {"port": 80},
        {"port": 5000, "endPort": 9000},
        {"protocol": "UDP"},
    )
)


@st.composite
def _rules(draw: st.DrawFn, side: str) -> list[Doc]:
    found = []
    for _ in range(draw(st.integers(0, 2))):
        rule: Doc = {}
        if peers := draw(st.lists(_peers(), max_size=2)):
            rule[side] = peers
        if ports := draw(st.lists(_policy_ports, max_size=2)):
            rule["ports"] = ports
        found.append(rule)
    return found


@st.composite
def policies(draw: st.DrawFn, number: int) -> Doc:
    """NetworkPolicy `policy-NUMBER`, of one direction or both."""
    kinds = draw(st.sampled_from((["Ingress"], ["Egress"], ["Ingress", "Egress"])))
    spec: Doc = {"podSelector": draw(_selectors), "policyTypes": kinds}
    if "Ingress" in kinds:
        spec["ingress"] = draw(_rules("from"))
    if "Egress" in kinds:
        spec["egress"] = draw(_rules("to"))
    metadata = {"name": f"policy-{number}", "namespace": draw(st.sampled_from(("a", "a", "b")))}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec}


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Up to three Services and two policies."""
    made = tuple(draw(services(number)) for number in range(draw(st.sampled_from((1, 2, 3)))))
    return World(
        {name: draw(_apps) for _, name in PODS},
        frozenset(name for _, name in PODS if draw(_seldom)),
        made,
        tuple(piece for one in made for piece in draw(_slices(one))),
        tuple(draw(policies(number)) for number in range(draw(st.sampled_from((0, 0, 1, 2))))),
    )

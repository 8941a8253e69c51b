"""The scenarios by which Kubernetes tells whether NetworkPolicies are enforced, as data that anything can run.

The world: namespaces x, y, z with pods a, b, c each (label `pod` is the name), which serve 80 and 81 of TCP and UDP by
ports named `serve-80-tcp` and so on; each has a Service of its name with the same ports. A **scenario** is steps; a
**step** changes objects and says, for a port and protocol, which pods reach which (`Truth`). Pods' ways to themselves
are no part of it.

To run one: make `world()`, wait for the pods, then per step of `scenario.steps(addresses)` apply, delete and relabel,
and probe every pair of `PODS` per truth; at the end `undo(steps)` puts the world back.

Named after the specs of test/e2e/network/netpol/network_policy.go (the words in their titles); the objects and tables
are ours, after what each title says.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from ipaddress import ip_network
from itertools import product
from typing import Any

from msgspec import Struct

Document = dict[str, Any]
Addresses = Mapping[str, str]
"""Pods' addresses by `namespace/name`, of the family that is probed."""

NAMESPACES = ("x", "y", "z")
PODS = tuple(f"{namespace}/{pod}" for namespace, pod in product(NAMESPACES, "abc"))
PORTS = (80, 81)
PROTOCOLS = ("TCP", "UDP")
NAME_LABEL = "kubernetes.io/metadata.name"


class Truth(Struct, frozen=True):
    """Who reaches whom at one port."""

    denied: frozenset[tuple[str, str]]
    """(client, server), as `namespace/name`."""
    port: int = 80
    protocol: str = "TCP"

    def pairs(self) -> Iterable[tuple[str, str, bool]]:
        """(client, server, whether it connects) of every two pods."""
        for client, server in product(PODS, PODS):
            if client != server:
                yield client, server, (client, server) not in self.denied


class Relabel(Struct, frozen=True):
    """Labels that an object gets (None: loses)."""

    kind: str
    """Pod or Namespace."""
    name: str
    """`namespace/name`, or a namespace's name."""
    labels: Mapping[str, str | None]


class Step(Struct, frozen=True):
    """A change and what is true after it."""

    truths: tuple[Truth, ...]
    apply: tuple[Document, ...] = ()
    """Policies of either kind to create, or to replace by namespace and name."""
    delete: tuple[Document, ...] = ()
    relabel: tuple[Relabel, ...] = ()


class Scenario(Struct, frozen=True):
    """A story in steps."""

    name: str
    steps: Callable[[Addresses], tuple[Step, ...]]
    """Most do not ask for the addresses; those with CIDRs do."""


def world() -> list[Document]:
    """The documents of namespaces, pods and Services, in the order in which they can be created."""
    namespaces = [_object("v1", "Namespace", {"name": name}) for name in NAMESPACES]
    pods = [document for name in PODS for document in (_pod(*name.split("/")), _service(*name.split("/")))]
    return namespaces + pods


def _object(api_version: str, kind: str, metadata: Document, **rest: Any) -> Document:
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **rest}


def port_name(port: int, protocol: str) -> str:
    """What pods and Services call a port: `serve-80-tcp`."""
    return f"serve-{port}-{protocol.lower()}"


def _pod(namespace: str, name: str) -> Document:
    ports = [
        {"name": port_name(port, protocol), "containerPort": port, "protocol": protocol}
        for port, protocol in product(PORTS, PROTOCOLS)
    ]
    metadata = {"namespace": namespace, "name": name, "labels": {"pod": name}}
    containers = [{"name": "server", "image": "portway.dev/stand-in", "ports": ports}]
    return _object("v1", "Pod", metadata, spec={"containers": containers, "terminationGracePeriodSeconds": 0})


def _service(namespace: str, name: str) -> Document:
    ports = [
        {"name": port_name(port, protocol), "port": port, "targetPort": port, "protocol": protocol}
        for port, protocol in product(PORTS, PROTOCOLS)
    ]
    spec = {"selector": {"pod": name}, "ports": ports}
    return _object("v1", "Service", {"namespace": namespace, "name": name}, spec=spec)


def undo(steps: Sequence[Step]) -> Step:
    """The step that puts the world back after these."""
    applied: dict[tuple[str, str, str], Document] = {}
    for step in steps:
        applied |= {_key(document): document for document in step.apply}
        for document in step.delete:
            applied.pop(_key(document), None)
    labels = [Relabel(each.kind, each.name, dict.fromkeys(each.labels)) for step in steps for each in step.relabel]
    return Step((truth(),), delete=tuple(applied.values()), relabel=tuple(labels))


def _key(document: Document) -> tuple[str, str, str]:
    metadata = document["metadata"]
    return document["kind"], metadata.get("namespace", ""), metadata["name"]


Line = tuple[bool, str, str]


def deny(clients: str, servers: str) -> Line:
    """Pods by patterns, such as `x/*` and `*`."""
    return False, clients, servers


def allow(clients: str, servers: str) -> Line:
    """What an earlier `deny` denied."""
    return True, clients, servers


def truth(*lines: Line, port: int = 80, protocol: str = "TCP") -> Truth:
    """Everybody reaches everybody, but for these lines: the last that fits a pair decides."""
    denied: set[tuple[str, str]] = set()
    for pair in product(PODS, PODS):
        for allowed, clients, servers in lines:
            if fnmatchcase(pair[0], clients) and fnmatchcase(pair[1], servers):
                (denied.discard if allowed else denied.add)(pair)
    return Truth(frozenset(denied), port, protocol)


def policy(
    name: str,
    namespace: str = "x",
    pods: Document | None = None,
    *,
    ingress: list[Document] | None = None,
    egress: list[Document] | None = None,
) -> Document:
    """A NetworkPolicy for the directions that are given; `[]` allows nothing, `[{}]` everything."""
    sides = {"ingress": ingress, "egress": egress}
    spec: Document = {"podSelector": pods or {}} | {side: rules for side, rules in sides.items() if rules is not None}
    spec["policyTypes"] = [side.capitalize() for side, rules in sides.items() if rules is not None]
    metadata = {"namespace": namespace, "name": name}
    return _object("networking.k8s.io/v1", "NetworkPolicy", metadata, spec=spec)


def labelled(**labels: str) -> Document:
    """A selector of these labels."""
    return {"matchLabels": labels}


def expression(key: str, operator: str, *values: str) -> Document:
    """A selector of one expression."""
    return {"matchExpressions": [{"key": key, "operator": operator, **({"values": values} if values else {})}]}


def of_namespace(*names: str) -> Document:
    """A selector of namespaces by the label that everyone has."""
    return expression(NAME_LABEL, "In", *names) if len(names) > 1 else {"matchLabels": {NAME_LABEL: names[0]}}


def peer(pods: Document | None = None, namespaces: Document | None = None) -> Document:
    """A peer by one or both selectors."""
    selectors = {"podSelector": pods, "namespaceSelector": namespaces}
    return {name: selector for name, selector in selectors.items() if selector is not None}


def block(cidr: str, *excepts: str) -> Document:
    """A peer by addresses."""
    return {"ipBlock": {"cidr": cidr, **({"except": list(excepts)} if excepts else {})}}


def port(number: int | str | None = None, protocol: str = "TCP") -> Document:
    """A port of a rule; None: all of the protocol."""
    return {"protocol": protocol, **({} if number is None else {"port": number})}


A = labelled(pod="a")
_FROM_B = {"from": [peer(labelled(pod="b"))]}
_FROM_Y = {"from": [peer(namespaces=of_namespace("y"))]}
_ONLY_Y = (deny("*", "x/a"), allow("y/*", "x/a"))


def _simple(name: str, *truths: Truth, apply: Sequence[Document]) -> Scenario:
    """One step that asks for no address."""
    step = Step(truths, tuple(apply))
    return Scenario(name, lambda _: (step,))


def _story(name: str, *steps: Step) -> Scenario:
    return Scenario(name, lambda _: steps)


def _ingress_to_a(name: str, rule: Document, *lines: Line) -> Scenario:
    """One policy that opens x/a, which is closed otherwise, by one rule."""
    return _simple(name, truth(deny("*", "x/a"), *lines), apply=[policy("to-a", pods=A, ingress=[rule])])


_DENY_INGRESS = policy("deny-ingress", ingress=[])

_SELECTORS = (
    _simple("support a 'default-deny-ingress' policy", truth(deny("*", "x/*")), apply=[_DENY_INGRESS]),
    _simple(
        "support a 'default-deny-all' policy",
        truth(deny("*", "x/*"), deny("x/*", "*")),
        apply=[policy("deny-all", ingress=[], egress=[])],
    ),
    _ingress_to_a("allow traffic from pods within server namespace by PodSelector", _FROM_B, allow("x/b", "x/a")),
    _simple(
        "allow ingress traffic for a target",
        truth(deny("*", "x/*"), allow("*", "x/a")),
        apply=[_DENY_INGRESS, policy("to-a", pods=A, ingress=[{"from": [peer(namespaces={})]}])],
    ),
    _story(
        "allow ingress traffic from pods in all namespaces",
        Step((truth(deny("*", "x/*")),), (_DENY_INGRESS,)),
        Step((truth(),), (policy("from-all", ingress=[{"from": [peer(namespaces={})]}]),)),
    ),
    _ingress_to_a("allow traffic only from a different namespace by NamespaceSelector", _FROM_Y, allow("y/*", "x/a")),
    _ingress_to_a(
        "based on PodSelector with MatchExpressions",
        {"from": [peer(expression("pod", "In", "b"))]},
        allow("x/b", "x/a"),
    ),
    _ingress_to_a(
        "based on NamespaceSelector with MatchExpressions",
        {"from": [peer(namespaces=expression(NAME_LABEL, "In", "y"))]},
        allow("y/*", "x/a"),
    ),
    _ingress_to_a(
        "based on PodSelector or NamespaceSelector",
        {"from": [peer(labelled(pod="b")), peer(namespaces=of_namespace("y"))]},
        allow("x/b", "x/a"),
        allow("y/*", "x/a"),
    ),
    _ingress_to_a(
        "based on PodSelector and NamespaceSelector",
        {"from": [peer(labelled(pod="b"), of_namespace("y"))]},
        allow("y/b", "x/a"),
    ),
    _ingress_to_a(
        "based on Multiple PodSelectors and NamespaceSelectors",
        {"from": [peer(expression("pod", "In", "b", "c"), expression(NAME_LABEL, "NotIn", "x"))]},
        *(allow(client, "x/a") for client in ("y/b", "y/c", "z/b", "z/c")),
    ),
    _ingress_to_a(
        "based on any PodSelectors",
        {"from": [peer(labelled(pod=name), expression(NAME_LABEL, "NotIn", "x")) for name in "bc"]},
        *(allow(client, "x/a") for client in ("y/b", "y/c", "z/b", "z/c")),
    ),
    _ingress_to_a(
        "allow traffic only from a pod in a different namespace by PodSelector and NamespaceSelector",
        {"from": [peer(A, of_namespace("y"))]},
        allow("y/a", "x/a"),
    ),
    _ingress_to_a(
        "allow ingress by NamespaceSelector with MatchLabels using default ns label", _FROM_Y, allow("y/*", "x/a")
    ),
    _ingress_to_a(
        "allow ingress by NamespaceSelector with MatchExpressions using default ns label",
        {"from": [peer(namespaces=expression(NAME_LABEL, "NotIn", "x", "z"))]},
        allow("y/*", "x/a"),
    ),
    _simple(
        "deny ingress from pods on other namespaces",
        truth(deny("y/*", "x/*"), deny("z/*", "x/*")),
        apply=[policy("own-namespace", ingress=[{"from": [peer({})]}])],
    ),
)

_PORTS = (
    _simple(
        "based on Ports",
        truth(*_ONLY_Y, port=81),
        truth(deny("*", "x/a")),
        apply=[policy("to-81", pods=A, ingress=[_FROM_Y | {"ports": [port(81)]}])],
    ),
    _story(
        "multiple, stacked policies with overlapping podSelectors",
        Step(
            (truth(*_ONLY_Y, port=81), truth(deny("*", "x/a"))),
            (policy("to-81", pods=A, ingress=[_FROM_Y | {"ports": [port(81)]}]),),
        ),
        Step(
            (truth(*_ONLY_Y, port=81), truth(*_ONLY_Y)),
            (policy("to-80", pods=A, ingress=[_FROM_Y | {"ports": [port(80)]}]),),
        ),
    ),
    _story(
        "support allow-all policy",
        Step((truth(deny("*", "x/*")), truth(deny("*", "x/*"), port=81)), (_DENY_INGRESS,)),
        Step((truth(), truth(port=81)), (policy("allow-all", ingress=[{}]),)),
    ),
    _simple(
        "allow ingress access on one named port",
        truth(port=81),
        truth(deny("*", "x/*")),
        truth(deny("*", "x/*"), port=81, protocol="UDP"),
        apply=[policy("to-81", ingress=[{"ports": [port("serve-81-tcp")]}])],
    ),
    _simple(
        "allow ingress access from namespace on one named port",
        truth(*_ONLY_Y),
        truth(deny("*", "x/a"), port=81),
        apply=[policy("to-80", pods=A, ingress=[_FROM_Y | {"ports": [port("serve-80-tcp")]}])],
    ),
    _simple(
        "allow egress access on one named port",
        truth(),
        truth(deny("x/a", "*"), port=81),
        apply=[policy("from-a", pods=A, egress=[{"ports": [port("serve-80-tcp")]}])],
    ),
    _simple(
        "allow ingress access on any port on a specific protocol",
        truth(),
        truth(port=81),
        truth(deny("*", "x/a"), port=81, protocol="UDP"),
        apply=[policy("tcp", pods=A, ingress=[{"ports": [port()]}])],
    ),
    _story(
        "not mistakenly treat 'protocol: SCTP' as 'protocol: TCP'",
        Step((truth(deny("*", "x/*"), port=81),), (_DENY_INGRESS,)),
        Step(
            (truth(deny("*", "x/*"), port=81), truth(deny("*", "x/*"), port=81, protocol="UDP")),
            (policy("sctp", pods=A, ingress=[{"ports": [port(81, "SCTP")]}]),),
        ),
        Step(
            (truth(deny("*", "x/*"), port=81), truth(deny("*", "x/*"), allow("*", "x/a"))),
            (policy("tcp", pods=A, ingress=[{"ports": [port(80)]}]),),
        ),
    ),
    _simple(
        "properly isolate pods selected by a policy allowing SCTP",
        truth(deny("*", "x/a")),
        truth(deny("*", "x/a"), port=81),
        apply=[policy("sctp", pods=A, ingress=[{"ports": [port(80, "SCTP")]}])],
    ),
    _simple(
        "not allow access by TCP when a policy specifies only UDP",
        truth(deny("*", "x/a"), port=81),
        truth(port=81, protocol="UDP"),
        truth(deny("*", "x/a"), protocol="UDP"),
        apply=[policy("udp", pods=A, ingress=[{"ports": [port(81, "UDP")]}])],
    ),
)

_MULTIPLE = _FROM_B | {"ports": [port(80)]}
_TO_B = {"to": [peer(labelled(pod="b"))], "ports": [port(80)]}

_CHANGES = (
    _story(
        "enforce updated policy",
        Step((truth(), truth(port=81)), (policy("changes", ingress=[{}]),)),
        Step((truth(), truth(deny("*", "x/*"), port=81)), (policy("changes", ingress=[{"ports": [port(80)]}]),)),
    ),
    _story(
        "allow ingress access from updated namespace",
        Step(
            (truth(deny("*", "x/a")),),
            (policy("to-a", pods=A, ingress=[{"from": [peer(namespaces=labelled(trusted="yes"))]}]),),
        ),
        Step((truth(*_ONLY_Y),), relabel=(Relabel("Namespace", "y", {"trusted": "yes"}),)),
    ),
    _story(
        "allow ingress access from updated pod",
        Step(
            (truth(deny("*", "x/a")),),
            (policy("to-a", pods=A, ingress=[{"from": [peer(labelled(pod="b", trusted="yes"))]}]),),
        ),
        Step((truth(deny("*", "x/a"), allow("x/b", "x/a")),), relabel=(Relabel("Pod", "x/b", {"trusted": "yes"}),)),
    ),
    _story(
        "deny ingress access to updated pod",
        Step((truth(),), (policy("isolated", pods=labelled(target="isolated"), ingress=[]),)),
        Step((truth(deny("*", "x/a")),), relabel=(Relabel("Pod", "x/a", {"target": "isolated"}),)),
    ),
    _story(
        "enforce multiple ingress policies with ingress allow-all policy taking precedence",
        Step(
            (truth(deny("*", "x/*"), *(allow("x/b", f"x/{name}") for name in "ac")), truth(deny("*", "x/*"), port=81)),
            (policy("from-b", ingress=[_MULTIPLE]),),
        ),
        Step((truth(), truth(port=81)), (policy("allow-all", ingress=[{}]),)),
    ),
    _story(
        "enforce multiple egress policies with egress allow-all policy taking precedence",
        Step(
            (truth(deny("x/*", "*"), allow("x/a", "x/b"), allow("x/c", "x/b")), truth(deny("x/*", "*"), port=81)),
            (policy("to-b", egress=[_TO_B]),),
        ),
        Step((truth(), truth(port=81)), (policy("allow-all", egress=[{}]),)),
    ),
    _story(
        "stop enforcing policies after they are deleted",
        Step((truth(deny("*", "x/*"), deny("x/*", "*")),), (policy("deny-all", ingress=[], egress=[]),)),
        Step((truth(),), delete=(policy("deny-all", ingress=[], egress=[]),)),
    ),
)

_EGRESS = (
    _simple(
        "deny egress from pods based on PodSelector", truth(deny("x/a", "*")), apply=[policy("a", pods=A, egress=[])]
    ),
    _simple("deny egress from all pods in a namespace", truth(deny("x/*", "*")), apply=[policy("all", egress=[])]),
    _simple(
        "work with Ingress, Egress specified together",
        truth(deny("*", "x/a"), allow("x/b", "x/a")),
        truth(deny("*", "x/a"), deny("x/a", "*"), allow("x/b", "x/a"), port=81),
        apply=[policy("both", pods=A, ingress=[_FROM_B], egress=[{"ports": [port(80)]}])],
    ),
    _simple(
        "support denying of egress traffic on the client side (even if the server explicitly allows this traffic)",
        truth(deny("x/a", "*"), deny("*", "y/a"), deny("*", "y/b"), allow("x/a", "y/a")),
        apply=[
            policy("to-y-a", pods=A, egress=[{"to": [peer(A, of_namespace("y"))]}]),
            policy("from-x-a", "y", A, ingress=[{"from": [peer(A, of_namespace("x"))]}]),
            policy("from-x-a-too", "y", labelled(pod="b"), ingress=[{"from": [peer(A, of_namespace("x"))]}]),
        ],
    ),
    _simple(
        "allow egress traffic to server in a different namespace by PodSelector and NamespaceSelector",
        truth(deny("x/a", "*"), allow("x/a", "y/a")),
        apply=[policy("to-y-a", pods=A, egress=[{"to": [peer(A, of_namespace("y"))]}])],
    ),
    _story(
        "check ingress and egress policies can be controlled independently based on PodSelector",
        Step(
            (truth(deny("*", "x/a"), deny("x/a", "*"), allow("x/b", "x/a"), allow("x/a", "x/b")),),
            (policy("both", pods=A, ingress=[_FROM_B], egress=[{"to": [peer(labelled(pod="b"))]}]),),
        ),
        Step((truth(deny("*", "x/a"), allow("x/b", "x/a")),), (policy("both", pods=A, ingress=[_FROM_B]),)),
    ),
)


def _host(address: str) -> str:
    return f"{address}/{128 if ':' in address else 32}"


def _around(address: str) -> str:
    """A block that holds every pod of the family."""
    return str(ip_network(f"{address}/{16 if ':' in address else 8}", strict=False))


def _to_cidr(addresses: Addresses) -> tuple[Step, ...]:
    rule = {"to": [block(_host(addresses["x/b"]))]}
    return (Step((truth(deny("x/a", "*"), allow("x/a", "x/b")),), (policy("to-b", pods=A, egress=[rule]),)),)


def _but_b(addresses: Addresses) -> Document:
    return block(_around(addresses["x/b"]), _host(addresses["x/b"]))


def _except(addresses: Addresses) -> tuple[Step, ...]:
    return (Step((truth(deny("x/a", "x/b")),), (policy("a", pods=A, egress=[{"to": [_but_b(addresses)]}]),)),)


def _overlapping(addresses: Addresses) -> tuple[Step, ...]:
    """What one block excepts another may allow: first it does not, then it does, then again it does not."""
    closed = policy("a", pods=A, egress=[{"to": [_but_b(addresses)]}])
    opened = policy("a", pods=A, egress=[{"to": [_but_b(addresses), block(_host(addresses["x/b"]))]}])
    without, everything = (truth(deny("x/a", "x/b")),), (truth(),)
    return Step(without, (closed,)), Step(everything, (opened,)), Step(without, (closed,))


_CIDRS = (
    Scenario("allow egress access to server in CIDR block", _to_cidr),
    Scenario("enforce except clause while egress access to server in CIDR block", _except),
    Scenario("ensure an IP overlapping both IPBlock.CIDR and IPBlock.Except is allowed", _overlapping),
)

_UDP = (
    _simple(
        "support a 'default-deny-ingress' policy (UDP)",
        truth(deny("*", "x/*"), protocol="UDP"),
        apply=[_DENY_INGRESS],
    ),
    _simple(
        "based on Ports (UDP)",
        truth(*_ONLY_Y, port=81, protocol="UDP"),
        truth(deny("*", "x/a"), protocol="UDP"),
        apply=[policy("to-81", pods=A, ingress=[_FROM_Y | {"ports": [port(81, "UDP")]}])],
    ),
    _simple(
        "allow traffic only from a pod in a different namespace by PodSelector and NamespaceSelector (UDP)",
        truth(deny("*", "x/a"), allow("y/a", "x/a"), protocol="UDP"),
        apply=[policy("to-a", pods=A, ingress=[{"from": [peer(A, of_namespace("y"))]}])],
    ),
)

SCENARIOS: tuple[Scenario, ...] = _SELECTORS + _PORTS + _CHANGES + _EGRESS + _CIDRS + _UDP
"""The 42 of the suite's core and the 3 over UDP. Those over SCTP need a kernel with SCTP sockets."""

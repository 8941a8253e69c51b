"""The scenarios by which sigs.k8s.io/network-policy-api tells whether ClusterNetworkPolicies are enforced, as data.

In the world and the form of `netpol`, which scenarios of both kinds share. Namespace x is the subject; y is all that
rules for everything speak of; z/a is what a port is denied of, z/b and z/c are what only a port is open of. Rules that
contradict each other stand in each order. Tables of SCTP are for who needs no sockets; nodes as peers are no part of
a table of pods.

After what the titles of the conformance tests of v1alpha2 say (conformance/tests: AdminTier and BaselineTier, Egress
and Ingress of TCP, UDP and SCTP, Gress, EgressInlineCIDRPeers, NamedPort, PriorityField, Integration); objects and
tables are ours.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product

from portway.testing.netpol import (
    Addresses,
    Document,
    Line,
    Relabel,
    Scenario,
    Step,
    Truth,
    allow,
    deny,
    labelled,
    of_namespace,
    peer,
    policy,
    port_name,
    truth,
)

PROTOCOLS = ("TCP", "UDP", "SCTP")
TIERS = ("Admin", "Baseline")
_WAYS = ("egress", "ingress")
_OTHER = {"TCP": "UDP", "UDP": "TCP", "SCTP": "TCP"}
_Y: Document = {"namespaces": of_namespace("y")}
_Z: Document = {"namespaces": of_namespace("z")}
_CLOSED_PORT: Document = {"pods": peer(labelled(pod="a"), of_namespace("z"))}
_OPEN_PORT: Document = {
    "pods": peer({"matchExpressions": [{"key": "pod", "operator": "In", "values": ["b", "c"]}]}, of_namespace("z"))
}
_EVERYWHERE: Document = {"networks": ["0.0.0.0/0", "::/0"]}


def cluster_policy(
    name: str, sides: Mapping[str, Sequence[Document]], tier: str = "Admin", priority: int = 10
) -> Document:
    """A ClusterNetworkPolicy for the pods of x; `sides` has the rules of "egress" and "ingress"."""
    spec = {"tier": tier, "priority": priority, "subject": {"namespaces": of_namespace("x")}}
    return {
        "apiVersion": "policy.networking.k8s.io/v1alpha2",
        "kind": "ClusterNetworkPolicy",
        "metadata": {"name": name},
        "spec": spec | {side: list(rules) for side, rules in sides.items()},
    }


def _rule(way: str, action: str, to: Document, *protocols: Document) -> Document:
    return {
        "action": action,
        "to" if way == "egress" else "from": [to],
        **({"protocols": list(protocols)} if protocols else {}),
    }


def _at(port: int, protocol: str) -> Document:
    return {protocol.lower(): {"destinationPort": {"number": port}}}


def _lines(way: str, *others: str) -> list[Line]:
    """Denied between x and these, the way that the rules are about."""
    return [deny("x/*", other) if way == "egress" else deny(other, "x/*") for other in others]


def _rules(way: str, order: Sequence[str], ports: Sequence[Document]) -> list[Document]:
    """Everything of y in each action, in this order; z/a's ports in the same order but for Accept; z's rest closed."""
    closing = [action for action in order if action != "Accept"]
    return [
        *(_rule(way, action, _Y) for action in order),
        *(_rule(way, action, _CLOSED_PORT, *ports) for action in closing),
        _rule(way, "Accept", _OPEN_PORT, *ports),
        _rule(way, "Deny", _OPEN_PORT),
    ]


def _truths(ways: Sequence[str], first: str, protocols: Sequence[str]) -> tuple[Truth, ...]:
    """What that order means at the rules' port, 80, at 81, and for a protocol that no rule names."""
    everything = ["y/*"] if first == "Deny" else []
    at_port = everything + ([] if first == "Pass" else ["z/a"])
    elsewhere = [*everything, "z/b", "z/c"]

    def table(others: Sequence[str], port: int, protocol: str) -> Truth:
        return truth(*(line for way in ways for line in _lines(way, *others)), port=port, protocol=protocol)

    named = [
        table(others, port, protocol) for protocol in protocols for port, others in ((80, at_port), (81, elsewhere))
    ]
    unnamed = {_OTHER[protocol] for protocol in protocols} - set(protocols)
    return (*named, *(table(elsewhere, 80, protocol) for protocol in sorted(unnamed)))


def _ordered(tier: str, ways: Sequence[str], protocols: Sequence[str]) -> Scenario:
    """Each action first in turn."""
    ports = [_at(80, protocol) for protocol in protocols]
    orders = (("Accept", "Deny", "Pass"), ("Deny", "Accept", "Pass"), ("Pass", "Deny", "Accept"))
    steps = tuple(
        Step(
            _truths(ways, order[0], protocols),
            (cluster_policy("ordered", {way: _rules(way, order, ports) for way in ways}, tier),),
        )
        for order in orders
    )
    return Scenario(
        f"{tier}Tier {'+'.join(ways)} {'+'.join(protocols)}: rules in order, and at a port", lambda _: steps
    )


def _networks(tier: str) -> Scenario:
    """Networks hold pods too, of either family; labels of a namespace decide who is excepted."""
    friends = _rule("egress", "Accept", {"namespaces": labelled(team="friends")})
    rest = _rule("egress", "Deny", _EVERYWHERE)

    def steps(addresses: Addresses) -> tuple[Step, ...]:
        hosts = [f"{a}/{128 if ':' in a else 32}" for a in (addresses["y/a"], addresses["x/c"])]
        opened = _rule("egress", "Accept", {"networks": hosts})
        closed = deny("x/*", "*")
        befriended = Relabel("Namespace", "z", {"team": "friends"})
        return (
            Step(
                (truth(closed), truth(closed, protocol="UDP")),
                (cluster_policy("networks", {"egress": [friends, rest]}, tier),),
            ),
            Step((truth(closed, allow("x/*", "z/*")),), relabel=(befriended,)),
            Step(
                (truth(closed, allow("x/*", "z/*"), allow("x/*", "y/a"), allow("x/*", "x/c")),),
                (cluster_policy("networks", {"egress": [opened, friends, rest]}, tier),),
            ),
            Step(
                (truth(closed, allow("x/*", "z/*")),),
                (cluster_policy("networks", {"egress": [friends, rest, opened]}, tier),),
            ),
        )

    return Scenario(f"{tier}Tier egress: networks as peers", steps)


def _named(tier: str, way: str) -> Scenario:
    """A port by the name that the destination's pod gives it."""
    name = port_name(80, "TCP")
    rules = [_rule(way, "Accept", _Y, {"destinationNamedPort": name}), _rule(way, "Deny", _Y)]
    closed = _lines(way, "y/*")
    step = Step(
        (truth(), truth(*closed, port=81), truth(*closed, protocol="UDP")),
        (cluster_policy("named", {way: rules}, tier),),
    )
    return Scenario(f"{tier}Tier {way}: a port by its name", lambda _: (step,))


def _both(action: str, to: Document) -> dict[str, list[Document]]:
    return {way: [_rule(way, action, to)] for way in _WAYS}


_APART = (deny("x/*", "z/*"), deny("z/*", "x/*"))


def _priority() -> Scenario:
    """Lower goes first; what passes is the Baseline tier's."""
    denying = cluster_policy("fifty", _both("Deny", _Z), priority=50)
    base = cluster_policy("base", _both("Accept", _Z), "Baseline")
    closed = cluster_policy("last", _both("Deny", _Z), "Baseline", 99)
    steps = (
        Step((truth(*_APART),), (denying, cluster_policy("other", _both("Pass", _Z), priority=60), base, closed)),
        Step((truth(),), (cluster_policy("other", _both("Pass", _Z), priority=40),)),
        Step((truth(*_APART),), delete=(base,)),
    )
    return Scenario("AdminTier: the priority field", lambda _: steps)


def _integration() -> Scenario:
    """Admin before NetworkPolicies before Baseline, which is not asked of who is isolated."""
    from_z, to_z = ({side: [{"namespaceSelector": of_namespace("z")}]} for side in ("from", "to"))
    isolating = policy("only-z", "x", ingress=[from_z], egress=[to_z])
    admin = cluster_policy("admin", _both("Deny", _Z))
    base = cluster_policy("base", _both("Deny", _Z), "Baseline")
    isolated = (deny("*", "x/*"), deny("x/*", "*"))
    steps = (
        Step((truth(*isolated),), (admin, isolating, base)),
        Step(
            (truth(*isolated, allow("x/*", "z/*"), allow("z/*", "x/*")),),
            (cluster_policy("admin", _both("Pass", _Z)),),
        ),
        Step((truth(*_APART),), delete=(isolating,)),
    )
    return Scenario("both tiers and NetworkPolicies", lambda _: steps)


def _all() -> Iterator[Scenario]:
    for tier, way, protocol in product(TIERS, _WAYS, PROTOCOLS):
        yield _ordered(tier, (way,), (protocol,))
    for tier in TIERS:
        yield _ordered(tier, _WAYS, PROTOCOLS)
        yield _networks(tier)
        yield from (_named(tier, way) for way in _WAYS)
    yield _priority()
    yield _integration()


SCENARIOS = tuple(_all())

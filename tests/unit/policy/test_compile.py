"""The compiled table says of every connection what `judge` says, and following changes is compiling anew."""

from collections.abc import Callable, Collection
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from portway.model import (
    ClusterNetworkPolicy,
    ClusterPeer,
    ClusterPort,
    ClusterRule,
    Connection,
    LabelSelector,
    NetworkPolicy,
    Pod,
    PolicySnapshot,
    contains,
)
from portway.policy import PolicyInputs, PolicyTable, apply, compile, judge, verdict
from portway.policy.lookup import class_of
from portway.policy.table import ANYBODY, EVERYTHING, NOBODY
from tests.unit.policy import worlds

NODE = "node-1"
Step = Callable[[PolicyInputs], None]
KEYS = tuple((namespace, name) for namespace in worlds.NAMESPACES for name in ("a", "b", "c"))


@st.composite
def steps(draw: st.DrawFn) -> Step:
    """One object comes, changes or goes."""
    what = draw(st.sampled_from(("pod", "pod", "policy", "policy", "namespace", "cluster", "node")))
    key = draw(st.sampled_from(KEYS))
    if what == "pod":
        pod = draw(worlds.pods(key))
        return lambda inputs: inputs.put_pod(key, pod)
    if what == "policy":
        policy = draw(worlds.policies(key))
        return lambda inputs: inputs.put_policy(key, policy)
    if what == "cluster":
        cluster = draw(worlds.cluster_policies(key[1]))
        return lambda inputs: inputs.put_cluster_policy(key[1], cluster)
    if what == "namespace":
        namespace = draw(worlds.namespaces)
        named = namespace and replace(namespace, name=key[0])
        return lambda inputs: inputs.put_namespace(key[0], named)
    name, state = draw(st.sampled_from(tuple(worlds.NODES))), draw(worlds.node_states)
    node = worlds.NODES[name] if state else None
    return lambda inputs: inputs.put_node(name, node, state[0] if state else {})


worlds_of_steps = st.lists(st.lists(steps(), max_size=12), min_size=2, max_size=5)


def differ(one: PolicyTable, other: PolicyTable) -> Any:
    """Where two tables do not mean the same; numbers may differ, and how finely they tell others apart."""
    tables = one, other
    addresses = {address for table in tables for address in table.classes}
    addresses |= {border for table in tables for piece in table.ranges for border in piece}
    rows = [{address: _row(table, address) for address in addresses} for table in tables]
    rest = [(dict(t.pods), set(_spelt(t).values()), t.own_node, t.hairpin_judged) for t in tables]
    return None if (rows[0], rest[0]) == (rows[1], rest[1]) else (rows, rest)


def _row(table: PolicyTable, address: str) -> Any:
    """The ports of each of the node's pods that are open to an address, or to them there."""
    spelt, other = _spelt(table), class_of(table, address)
    own = {(p.direction, p.address): n for p, n in table.pairs.items() if p.other == ANYBODY}
    own |= {(p.direction, p.address): n for p, n in table.pairs.items() if p.other == other}
    return {pod: spelt[number] for pod, number in own.items() if spelt[number]}


def _spelt(table: PolicyTable) -> dict[int, Any]:
    """Port sets by their ports."""
    sets: dict[int, list[Any]] = {number: [] for number in table.pairs.values()}
    for found in table.ports:
        sets.setdefault(found.port_set, []).append(found[1:])
    spelt = {number: tuple(sorted(found)) for number, found in sets.items()} | {EVERYTHING: "everything"}
    assert len(set(map(str, spelt.values()))) == len(spelt), "one set, one number"
    assert NOBODY not in {*table.classes.values(), *table.ranges.values()}
    return spelt


def lost(old: PolicyTable, new: PolicyTable, closed: Collection[str], connection: Connection) -> bool:
    """Whether the node let it pass and does no more. An address that it no longer knows as its pod's gets nothing.

    `closed`: the CIDRs in which it let nothing pass to or from addresses that it did not know as its pods'.
    """
    ends = (connection.source, connection.destination)
    if any(end not in old.pods and contains(cidr, end) for end in ends for cidr in closed):
        return False
    gone = any(end in old.pods and end not in new.pods for end in ends)
    return verdict(old, connection) and (gone or not verdict(new, connection))


def pod_cidrs(inputs: PolicyInputs) -> Collection[str]:
    """Where the node drops whatever goes to or comes from unknown addresses."""
    node = inputs.snapshot.nodes.get(NODE)
    return node.pod_cidrs if node else ()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(batches=worlds_of_steps, data=st.data())
def test_every_change_leads_to_what_judge_says(batches: list[list[Step]], data: st.DataObject) -> None:
    inputs = PolicyInputs(NODE)
    table = PolicyTable()
    closed: Collection[str] = ()
    for batch in batches:
        for step in batch:
            step(inputs)
        change = inputs.take()
        old, table = table, apply(table, change)
        was_closed, closed = closed, pod_cidrs(inputs)
        assert table == inputs.table
        assert not differ(table, compile(inputs.snapshot, NODE))
        assert not inputs.take(), "nothing changed since"
        for connection in data.draw(st.lists(st.sampled_from(worlds.CONNECTIONS), min_size=60, max_size=60)):
            wanted = judge(inputs.snapshot, connection, NODE)
            assert verdict(table, connection) == wanted.allowed, (connection, wanted, table)
            assert inputs.judge(connection, NODE) == wanted
            assert change.revokes or not lost(old, table, was_closed, connection), connection


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(world=worlds.wholes())
def test_every_verdict_of_a_world(world: PolicySnapshot) -> None:
    """Nine pods by nine by seven ports: both nodes' tables together say what `judge` says."""
    tables = [compile(world, node) for node in worlds.NODES]
    for connection in worlds.between_all(world):
        assert all(verdict(table, connection) for table in tables) == judge(world, connection).allowed, connection


POLICY = NetworkPolicy("x", "closed", LabelSelector(), ("Ingress",))


def test_a_pod_whose_address_was_another_nodes_pods_is_judged_at_once() -> None:
    """Connections to the one that had it were judged there; what still comes by them must be judged here."""
    inputs = PolicyInputs(NODE)
    inputs.put_policy(("x", "closed"), POLICY)
    inputs.put_node(NODE, worlds.NODES[NODE], {})
    inputs.put_pod(("x", "old"), Pod("x", "old", ("10.244.9.9",), "node-2"))
    inputs.take()
    inputs.put_pod(("x", "old"), None)
    inputs.put_pod(("x", "new"), Pod("x", "new", ("10.244.9.9",), NODE))
    assert inputs.take().revokes


def test_a_new_pod_revokes_nothing() -> None:
    """Nothing reached its address before."""
    inputs = PolicyInputs(NODE)
    inputs.put_policy(("x", "closed"), POLICY)
    inputs.put_node(NODE, worlds.NODES[NODE], {})
    inputs.take()
    inputs.put_pod(("x", "new"), Pod("x", "new", ("10.244.1.2",), NODE))
    change = inputs.take()
    assert change.pods and not change.revokes


def test_a_pod_that_is_closed_to_all_may_still_reach_itself_where_no_administrator_denies_it() -> None:
    """Its view is empty, and empty is not none: a closed pod with a Deny of one port lost all ways to itself."""
    inputs = PolicyInputs(NODE)
    inputs.put_pod(("x", "a"), Pod("x", "a", ("10.244.1.2",), NODE))
    inputs.put_policy(("x", "closed"), POLICY)
    everybody = ClusterPeer(namespaces=LabelSelector())
    deny = ClusterRule("Deny", (everybody,), (ClusterPort("TCP", 80, 80),))
    inputs.put_cluster_policy("c", ClusterNetworkPolicy("c", "Admin", 0, everybody, (deny,)))
    inputs.take()
    for port in (80, 81):
        itself = Connection("10.244.1.2", "10.244.1.2", "TCP", port)
        assert verdict(inputs.table, itself) == judge(inputs.snapshot, itself, NODE).allowed == (port == 81)

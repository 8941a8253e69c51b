"""The compiled table says of every connection what `judge` says, and following changes is compiling anew."""

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from portway.model import Connection
from portway.policy import PolicyInputs, PolicyTable, apply, compile, judge, verdict
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


def canonical(table: PolicyTable) -> Any:
    """The table with its numbers spelt out: classes by their members, port sets by their ports."""
    members: dict[int, list[Any]] = {}
    for held in (table.classes, table.ranges):
        for member, number in held.items():
            members.setdefault(number, []).append(member)
    classes = {number: tuple(sorted(map(str, found))) for number, found in members.items()} | {ANYBODY: "anybody"}
    sets: dict[int, list[Any]] = {number: [] for number in table.pairs.values()}
    for found in table.ports:
        sets.setdefault(found.port_set, []).append(found[1:])
    spelt = {number: tuple(sorted(found)) for number, found in sets.items()} | {EVERYTHING: "everything"}
    pairs = {(p.direction, p.address, classes[p.other]): spelt[number] for p, number in table.pairs.items()}
    assert len(pairs) == len(table.pairs) and len(set(map(str, spelt.values()))) == len(spelt)
    assert NOBODY not in members
    return dict(table.pods), set(classes.values()), set(spelt.values()), pairs, table.own_node, table.hairpin_judged


def lost(old: PolicyTable, new: PolicyTable, connection: Connection) -> bool:
    """Whether the node let it pass and does no more. An address that it no longer knows as its pod's gets nothing."""
    ends = (connection.source, connection.destination)
    if any(end in new.pods and end not in old.pods for end in ends):
        return False  # nothing reached that pod while the node did not know it
    gone = any(end in old.pods and end not in new.pods for end in ends)
    return verdict(old, connection) and (gone or not verdict(new, connection))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(batches=worlds_of_steps, data=st.data())
def test_every_change_leads_to_what_judge_says(batches: list[list[Step]], data: st.DataObject) -> None:
    inputs = PolicyInputs(NODE)
    table = PolicyTable()
    for batch in batches:
        for step in batch:
            step(inputs)
        change = inputs.take()
        old, table = table, apply(table, change)
        assert table == inputs.table
        assert canonical(table) == canonical(compile(inputs.snapshot, NODE))
        assert not inputs.take(), "nothing changed since"
        for connection in data.draw(st.lists(st.sampled_from(worlds.CONNECTIONS), min_size=60, max_size=60)):
            wanted = judge(inputs.snapshot, connection, NODE)
            assert verdict(table, connection) == wanted.allowed, (connection, wanted, table)
            assert inputs.judge(connection, NODE) == wanted
            assert change.revokes or not lost(old, table, connection), connection

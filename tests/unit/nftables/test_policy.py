"""Policies as rules: what a table means is what its ruleset does; transactions lead from one to the other."""

from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portway.model import Connection, Packet, Protocol
from portway.nftables import (
    Element,
    Flow,
    PolicyConfig,
    PolicyProgram,
    Ruleset,
    Trace,
    Transaction,
    apply,
    compile,
    diff,
    next_generation,
    policy_containers,
    render,
    trace,
    unite_rulesets,
    unite_transactions,
)
from portway.nftables.policy import LAST_GENERATION
from portway.nftables.render import creation
from portway.policy import PolicyChange, PolicyTable
from portway.policy.lookup import verdict
from portway.policy.table import EVERYTHING, FIRST_PORT_SET, AddressRange, Constrained, Pair, PortRange
from tests.flows.policy_tables import POD_CIDRS, change, connections, tables, unknown
from tests.unit.nftables.test_program import backends, content, table, web

CONFIG = PolicyConfig(POD_CIDRS)
FIRST = Flow()
POD, OTHER, FAR = "10.244.1.2", "10.244.1.3", "10.244.2.2"


def policies(table: PolicyTable, config: PolicyConfig = CONFIG) -> Ruleset:
    """Its ruleset."""
    program = PolicyProgram(config)
    program.load(table)
    return program.ruleset


def packet(connection: Connection, interface: str = "") -> Packet:
    """Its first packet."""
    protocol = cast(Protocol, connection.protocol)
    return Packet(connection.source, connection.destination, protocol, connection.port, interface)


def way(ruleset: Ruleset, source: str, destination: str, port: int = 80, flow: Flow = FIRST) -> Trace:
    """Of a TCP packet."""
    return trace(ruleset, Packet(source, destination, "TCP", port), flow=flow)


@settings(max_examples=120, deadline=None)
@given(table=tables(), some=connections())
def test_a_trace_says_what_the_table_means(table: PolicyTable, some: list[Connection]) -> None:
    ruleset = policies(table)
    for connection in some:
        passes = trace(ruleset, packet(connection), table.own_node)
        stays = connection.source in table.own_node or connection.destination in table.own_node
        closed = not stays and (unknown(table, connection.source) or unknown(table, connection.destination))
        meant = not closed and verdict(table, connection)
        assert (passes.outcome == "") == meant, f"{connection}: {passes.steps}"
        assert closed == (passes.ended_by == "unknown-pod")


@settings(max_examples=50, deadline=None)
@given(several=st.lists(tables(), min_size=2, max_size=4), revokes=st.lists(st.booleans(), min_size=4, max_size=4))
def test_following_changes_equals_loading_anew(several: list[PolicyTable], revokes: list[bool]) -> None:
    program = PolicyProgram(CONFIG)
    held = apply(Ruleset(), creation(program.ruleset))
    before = PolicyTable()
    for wanted, revoking in zip(several, revokes, strict=False):
        held = apply(held, program.update(change(before, wanted, revoking)))
        assert content(held) == content(program.ruleset)
        assert _without_stamps(held) == _without_stamps(policies(wanted))
        before = wanted


def _without_stamps(ruleset: Ruleset) -> object:
    chains = {name: chain for name, chain in ruleset.chains.items() if not chain.of_stamp}
    return chains, {n: dict(held) for n, held in ruleset.elements.items() if n != "policy_generation"}


def _world(count: int) -> PolicyTable:
    """So many policies that each select a pod, with a port and a block of addresses of its own."""
    pods = {f"10.244.{n % 250}.{n // 250 + 2}": n for n in range(count)}
    return PolicyTable(
        pods={pod: Constrained(True, n % 2 == 0) for pod, n in pods.items()},
        classes={pod: n + 2 for pod, n in pods.items()},
        ranges={AddressRange(f"9.{n % 250}.{n // 250}.0", f"9.{n % 250}.{n // 250}.9"): n + 2 for n in pods.values()},
        pairs={Pair("Ingress", pod, n + 2): FIRST_PORT_SET + n for pod, n in pods.items()},
        ports={PortRange(FIRST_PORT_SET + n, "TCP", n + 1, n + 1 + n % 2): True for n in pods.values()},
    )


def test_rules_and_chains_do_not_count_policies() -> None:
    def size(count: int) -> tuple[int, int, int]:
        ruleset = policies(_world(count))
        chains = ruleset.chains.values()
        return len(ruleset.containers), len(chains), sum(len(chain.rules) for chain in chains)

    assert size(0) == size(1) == size(1000)


OPENED = PolicyTable(
    pods={POD: Constrained(True, False), OTHER: Constrained(False, False)},
    classes={FAR: 2},
    pairs={Pair("Ingress", POD, 2): FIRST_PORT_SET},
    ports={PortRange(FIRST_PORT_SET, "TCP", 80, 80): True},
)


@pytest.mark.parametrize(
    ("what", "deleted", "added"),
    [
        # beside the number of the stamps
        (PolicyChange(pods={POD: Constrained(True, True)}), 0, 1),
        (PolicyChange(pods={POD: None}), 3, 0),
        (PolicyChange(pods={"10.244.1.4": Constrained(True, True)}), 0, 4),
        (PolicyChange(pairs={Pair("Ingress", POD, 2): EVERYTHING}), 1, 1),
        (PolicyChange(pairs={Pair("Ingress", POD, 0): FIRST_PORT_SET}), 0, 1),
        (PolicyChange(ports={PortRange(FIRST_PORT_SET, "TCP", 80, 80): None}), 1, 0),
        (PolicyChange(classes={FAR: 2}), 0, 0),
        (PolicyChange(ranges={AddressRange("9.0.0.0", "9.0.0.9"): None}), 0, 0),
        (PolicyChange(hairpin_judged={POD: True}), 1, 0),
        (PolicyChange(revokes=True), 0, 0),
    ],
)
def test_a_change_costs_what_differs(what: PolicyChange, deleted: int, added: int) -> None:
    program = PolicyProgram(CONFIG)
    program.load(OPENED)
    done = program.update(what)
    assert (len(done.delete), len(done.add), len(done.set_chains)) == (deleted + 1, added + 1, 3)
    assert not program.update(PolicyChange())


def test_an_allowed_connection_is_asked_once() -> None:
    ruleset = policies(OPENED)
    first = way(ruleset, FAR, POD)
    assert first.outcome == ""
    others = Flow(opened=True, mark=first.mark | 0x4000)
    again = way(ruleset, FAR, POD, flow=others)
    assert [(step.chain, step.did) for step in again.steps][1:] == [("policy-open", "accept")]
    assert again.mark == others.mark


def test_what_others_keep_in_the_mark_stays() -> None:
    for low in (0, 1, 0x4000, 0x7FFF):
        for source in (FAR, OTHER):
            assert way(policies(OPENED), source, POD, flow=Flow(mark=low)).mark & 0x7FFF == low


def test_a_revoking_change_asks_open_connections_again_and_another_does_not() -> None:
    program = PolicyProgram(CONFIG)
    program.load(OPENED)
    opened = Flow(opened=True, mark=way(program.ruleset, FAR, POD).mark)
    program.update(PolicyChange(classes={OTHER: 2}))
    assert way(program.ruleset, FAR, POD, flow=opened).steps[-1].chain == "policy-open"
    program.update(PolicyChange(classes={FAR: None}, revokes=True))
    closed = way(program.ruleset, FAR, POD, flow=opened)
    assert (closed.outcome, closed.ended_by) == ("DROP", "denied-ingress")
    # from now on it is dropped without a word, replies too
    for reply in (False, True):
        again = way(program.ruleset, FAR, POD, flow=Flow(opened=True, mark=closed.mark, reply=reply))
        assert (again.outcome, again.ended_by) == ("DROP", "policy-open")
    # and any change may open it again
    program.update(PolicyChange(classes={FAR: 2}))
    assert way(program.ruleset, FAR, POD, flow=Flow(opened=True, mark=closed.mark)).outcome == ""


def test_a_pods_own_node_is_asked_for_egress_and_answers_unasked() -> None:
    node = "172.18.0.11"
    table = PolicyTable(pods={POD: Constrained(True, True)}, own_node=(node,))
    ruleset = policies(table)

    def ended(source: str, destination: str, flow: Flow = FIRST) -> str:
        return trace(ruleset, Packet(source, destination, "TCP", 80), (node, "169.254.1.1"), flow=flow).ended_by

    assert ended(POD, node) == "denied-egress"
    assert ended(POD, node, Flow(opened=True, reply=True)) == ended(node, POD) == ""
    assert ended(OTHER, node) == ended(FAR, node) == ended(POD, "169.254.1.1") == ""
    guarded = policies(table, PolicyConfig(POD_CIDRS, "v*"))
    unknown = Packet(OTHER, node, "TCP", 80, "v2")
    assert trace(guarded, unknown, (node,), routes={OTHER: "v2"}).ended_by == "unknown-pod"


def test_replies_and_what_is_related_pass() -> None:
    table = PolicyTable(pods={POD: Constrained(True, True)})
    for flow in (Flow(opened=True, reply=True), Flow(opened=True, related=True)):
        assert way(policies(table), POD, FAR, flow=flow).outcome == ""
    assert way(policies(table), POD, FAR).ended_by == "denied-egress"


def test_who_sends_from_an_address_that_is_not_its_own_is_dropped() -> None:
    ruleset = policies(OPENED, PolicyConfig(POD_CIDRS, "v*"))
    routes = {POD: "v1", OTHER: "v2", FAR: "eth0"}

    def ended(source: str, interface: str) -> str:
        return trace(ruleset, Packet(source, FAR, "TCP", 80, interface), routes=routes).ended_by

    assert ended(POD, "v1") == ended(FAR, "eth0") == ""
    assert ended("10.244.1.1", "lo") == "unknown-pod", (
        "a bridge's own address; what the node sends itself is not forwarded"
    )
    assert ended(POD, "v2") == ended(FAR, "v1") == ended("192.0.2.1", "v1") == ended(POD, "eth0") == "spoofed"


def test_every_candidate_is_judged_for_itself() -> None:
    services = compile(table(web(0, backends(3))))
    ends = trace(services, Packet("192.0.2.1", "10.96.0.1", "TCP", 80), ("172.18.0.11",)).candidates
    names = [end.partition(":")[0] for end in ends]
    closed = PolicyTable(pods={names[0]: Constrained(True, False), names[1]: Constrained(False, False)})
    both = unite_rulesets(services, policies(closed, PolicyConfig(("10.244.0.0/16",))))
    found = trace(both, Packet("192.0.2.1", "10.96.0.1", "TCP", 80), ("172.18.0.11",))
    assert found.outcome == "FORWARD"
    assert found.stopped == {ends[0]: "denied-ingress", ends[2]: "unknown-pod"}


def test_the_numbers_of_stamps_go_round() -> None:
    program = PolicyProgram(CONFIG, LAST_GENERATION - 2)
    program.load(OPENED)
    assert not program.wraps_next
    program.update(PolicyChange(classes={OTHER: 2}))
    assert program.wraps_next
    assert program.stamp == (LAST_GENERATION - 1) << 16
    program.judge_again()
    assert (program.generation, program.stamp) == (1, 1 << 16)
    assert next_generation(0) == 1


def test_what_is_logged_and_counted() -> None:
    shown = render(policies(OPENED, PolicyConfig(POD_CIDRS, "v*", 7)))
    for prefix in ("NO_RULE_MATCHES Ingress", "NO_RULE_MATCHES Egress", "POD_UNKNOWN", "SOURCE_SPOOFED"):
        assert f'counter log prefix "{prefix}" group 7 snaplen 128 drop' in shown
    assert " log " not in render(policies(OPENED))


def test_both_tables_are_one() -> None:
    services, ours = compile(table(web(0, backends(3)))), PolicyProgram(CONFIG)
    ours.load(OPENED)
    both = unite_rulesets(services, ours.ruleset)
    assert both.containers.keys() == services.containers.keys() | {c.name for c in policy_containers()}
    assert not services.containers.keys() & ours.ruleset.containers.keys()
    assert not services.chains.keys() & ours.ruleset.chains.keys()
    held = apply(Ruleset(), creation(both))
    one = Transaction(add=(Element("frontends4", b"k", b"drop"),))
    other = ours.update(PolicyChange(pods={OTHER: None}))
    united = unite_transactions(one, other)
    assert united.add == (*one.add, *other.add)
    assert not diff(apply(held, united), apply(apply(held, one), other))
    assert not diff(apply(held, other), unite_rulesets(services, ours.ruleset))

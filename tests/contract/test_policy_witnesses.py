"""Three witnesses on random policies: what a table means, what the compiled values do, what the kernel does.

Through Services and without: a connection is judged as it arrives at its pod.
"""

from collections.abc import Sequence

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from portway.forwarding import ForwardingTable, compute, lookup
from portway.model import Connection, Packet, PolicySnapshot, ProxyConfig, Snapshot
from portway.nftables import PolicyConfig, PolicyProgram, Ruleset, compile, trace, unite_rulesets
from portway.policy import PolicyTable, judge
from portway.policy import compile as compile_policies
from portway.policy.lookup import verdict
from portway.policy.table import EVERYTHING, Constrained, Pair
from tests.contract.crossing import Crossing, Fate, enough, meant
from tests.contract.test_witnesses import sendable
from tests.flows import strategies
from tests.flows.policy_tables import POD_CIDRS, connections, tables, unknown
from tests.unit.nftables.test_trace import OUTPUT
from tests.unit.policy import worlds

CONFIG = PolicyConfig(POD_CIDRS)
NODE = ProxyConfig("node-1", strategies.NODE_ADDRESSES)
_DROPPED = ("DROP", False)


def both(services: ForwardingTable, policies: PolicyTable) -> Ruleset:
    """Services and policies as one table."""
    program = PolicyProgram(CONFIG)
    program.load(policies)
    return unite_rulesets(compile(services), program.ruleset)


def passes(policies: PolicyTable, packet: Packet, destination: str, port: int) -> bool:
    """Whether policies let the packet pass, once it is sent to this destination."""
    if packet.source in strategies.NODE_ADDRESSES:
        return True
    if destination in strategies.NODE_ADDRESSES and destination not in policies.own_node:
        return True
    if destination in policies.own_node:
        return verdict(policies, Connection(packet.source, destination, packet.protocol, port))
    closed = unknown(policies, packet.source) or unknown(policies, destination)
    return not closed and verdict(policies, Connection(packet.source, destination, packet.protocol, port))


def _expected(services: ForwardingTable, policies: PolicyTable, packet: Packet) -> Fate:
    said = lookup(services, packet)
    outcomes = meant(said, OUTPUT.get(said.disposition, ""))
    if not said.backends:
        left_alone = outcomes == {("", False)}
        stopped = left_alone and not passes(policies, packet, packet.destination, packet.port)
        return frozenset({_DROPPED}) if stopped else outcomes
    allowed = {str(b) for b in said.backends if passes(policies, packet, b.address, b.port)}
    return frozenset(outcome if outcome[0] in allowed else _DROPPED for outcome in outcomes)


def _traced(ruleset: Ruleset, packet: Packet) -> Fate:
    way = trace(ruleset, packet, strategies.NODE_ADDRESSES)
    if way.outcome != "FORWARD":
        return frozenset({(way.outcome, False)})
    left = [name for name in way.candidates if name not in way.stopped]
    passing = {(name, way.masquerade or name in way.hairpin) for name in left}
    return frozenset({*passing, *({_DROPPED} if way.stopped else ())})


def _ask(node: Crossing, services: ForwardingTable, policies: PolicyTable, packets: Sequence[Packet]) -> list[str]:
    """How trace or kernel differ from what the table means."""
    ruleset = both(services, policies)
    node.load(ruleset)
    times = [enough(len(lookup(services, packet).backends)) for packet in packets]
    wrong = []
    for packet, done in zip(packets, node.fates(packets, times), strict=True):
        wanted, traced = _expected(services, policies, packet), _traced(ruleset, packet)
        if not wanted == traced == done:
            wrong.append(f"{packet}\n  meant {sorted(wanted)}\n  trace {sorted(traced)}\n  done  {sorted(done)}")
    return wrong


def first_packet(connection: Connection) -> Packet:
    """Of a connection by a protocol that has ports."""
    interface = "veth12" if connection.source.startswith(("10.244.1.", "fd00:244:1::")) else "eth0"
    return Packet(connection.source, connection.destination, connection.protocol, connection.port, interface)  # type: ignore[arg-type]


_chance = settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    database=None,
    phases=(Phase.generate,),
    suppress_health_check=list(HealthCheck),
)


@_chance
@given(policies=tables(), some=connections())
def test_all_three_agree_on_connections_to_pods(node: Crossing, policies: PolicyTable, some: list[Connection]) -> None:
    packets = [first_packet(c) for c in some if not c.protocol.startswith("ICMP")]
    wrong = _ask(node, ForwardingTable(NODE, {}), policies, packets)
    assert not wrong, "\n".join(wrong)


@settings(_chance, max_examples=15)
@given(world=worlds.wholes(), data=st.data())
def test_packets_fare_as_a_worlds_policies_say(node: Crossing, world: PolicySnapshot, data: st.DataObject) -> None:
    """Objects at one end, packets at the other: node-1 judges its own pods' ends."""
    named = [c for c in worlds.between_all(world) if not c.protocol.startswith("ICMP")]
    some = data.draw(st.lists(st.sampled_from(named), min_size=60, max_size=60, unique=True))
    node.load(both(ForwardingTable(NODE, {}), compile_policies(world, "node-1")))
    done = node.fates([first_packet(connection) for connection in some], [1] * len(some))
    for fate, connection in zip(done, some, strict=True):
        assert fate == {("", False) if judge(world, connection, "node-1").allowed else _DROPPED}, connection


@_chance
@given(data=st.data(), policies=tables(), cluster=strategies.clusters())
def test_all_three_agree_on_connections_through_services(
    node: Crossing, data: st.DataObject, policies: PolicyTable, cluster: Snapshot
) -> None:
    packets = sendable(data.draw(strategies.packets(cluster)))
    services = compute(cluster, NODE)
    plain = [packet for packet in packets if not _affine(services, packet)]
    wrong = _ask(node, services, policies, plain)
    assert not wrong, "\n".join(wrong)


def _affine(services: ForwardingTable, packet: Packet) -> bool:
    """Whether the packet's Service keeps its clients to one endpoint: then each of its packets has the same fate."""
    frontends = (f for c in services.contributions.values() for f in c.frontends)
    return any(f.target.session_affinity_seconds and f.target.name == _port(services, packet) for f in frontends)


def _port(services: ForwardingTable, packet: Packet) -> object:
    return lookup(services, packet).service_port


def test_a_kernel_that_does_something_else_is_found_out(node: Crossing) -> None:
    pod, other = "10.244.1.2", "10.244.1.3"
    pods = {pod: Constrained(True, False), other: Constrained(False, False)}
    closed, opened = PolicyTable(pods=pods), PolicyTable(pods=pods, pairs={Pair("Ingress", pod, 0): EVERYTHING})
    services, packet = ForwardingTable(NODE, {}), Packet(other, pod, "TCP", 80, "veth12")
    assert not _ask(node, services, closed, [packet])
    assert not _ask(node, services, opened, [packet])
    node.load(both(services, closed))
    assert node.fates([packet], [1]) != [_expected(services, opened, packet)]

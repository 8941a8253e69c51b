"""Session affinity ClientIP with real packets: a client keeps its endpoint until that leaves or time is up.

The cluster is shared; each test begins with nobody remembered.
"""

from collections.abc import Iterator
from time import monotonic

import pytest

from portway.agent import affinity
from portway.agent.config import AgentConfig
from portway.agent.nf_tables import NfTables
from portway.agent.sync import Syncer
from portway.agent.table import KernelTable
from portway.forwarding import ForwardingTable
from portway.nftables import Program, program
from portway.nftables.structure import containers
from portway.testing.netns import Unavailable
from tests.contract.cluster import Cluster, cluster
from tests.contract.crossing import forget_connections
from tests.contract.services import service, slices, table
from tests.contract.test_packets import FAMILIES, PROTOCOLS, frontends

HOURS = 10800


@pytest.fixture(scope="module")
def place() -> Iterator[Cluster]:
    """The cluster, without rules yet."""
    try:
        with cluster() as made:
            yield made
    except Unavailable as reason:
        pytest.skip(f"no network namespaces here: {reason}")


def start(wanted: ForwardingTable) -> None:
    """An agent begins: it takes over what is there. Runs in the node's namespace."""
    kernel, made = KernelTable(), program(wanted)
    kernel.adopt(made.ruleset)
    affinity.forget_stale(kernel, made)
    kernel.close()


def change(before: ForwardingTable, after: ForwardingTable) -> int:
    """An agent that runs meets a change; how many clients it makes the kernel forget. Runs in the node's namespace."""
    kernel, made = KernelTable(), program(before)
    kernel.adopt(made.ruleset)
    affinity.forget_stale(kernel, made)
    forget_connections()
    kernel.apply(made.update(dict(after.contributions)), made.ruleset.containers)
    forgotten = affinity.forget_stale(kernel, made)
    kernel.close()
    return forgotten


def follow(pods: str, then: str) -> tuple[int, int]:
    """An agent's Syncer begins with these pods and then meets those; how many IPv4 clients are remembered each time."""
    syncer = Syncer(AgentConfig(node_name="node-1"), KernelTable())
    web, counts = service("web", 10, session_affinity_seconds=HOURS), []
    syncer.put_service(("shop", "web"), web)
    for some in (pods, then):
        for piece in slices("web", some):
            syncer.put_slice(("shop", piece.name), piece)
        syncer.sync()
        counts.append(len(remembered("affinity4")))
    return counts[0], counts[1]


def empty() -> None:
    """The node's table goes, with all that it remembers. Runs in the node's namespace."""
    kernel = KernelTable()
    kernel.adopt(Program(table().config).ruleset)
    for container in (c for c in containers() if c.learned):
        held = kernel.learned(container)
        made = Program(table().config)
        kernel.forget(tuple(made.affinity.stale(container.name[-1], held)), made.ruleset.containers)
    kernel.close()
    # the next UDP socket with the same port would go on with an old flow
    forget_connections()


def remembered(name: str) -> dict[bytes, bytes]:
    """What the kernel remembers. Runs in the node's namespace."""
    kernel = NfTables()
    held = kernel.elements(next(c for c in containers() if c.name == name))
    kernel.close()
    return held


def affine(pods: str, seconds: int = HOURS, **rest: str) -> ForwardingTable:
    """One Service with session affinity."""
    return table((service("web", 10, session_affinity_seconds=seconds, **rest), pods))


def pods_of(place: Cluster, client: str, where: tuple[str, int], protocol: str, times: int = 12) -> set[str]:
    """The pods that answer a client."""
    return {answer.partition(" sees ")[0] for answer in place.ask(client, *where, protocol, times)}


@pytest.fixture(autouse=True)
def fresh(place: Cluster) -> None:
    """Nobody is remembered when a test begins."""
    place.places["node-1"].run(empty)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_client_keeps_its_endpoint_at_all_frontends(place: Cluster, family: str, protocol: str) -> None:
    place.places["node-1"].run(start, affine("abc"))
    ways = frontends(10, family)
    (pod,) = pods_of(place, "outside", ways["nodePort"], protocol)
    assert pods_of(place, "outside", ways["clusterIP"], protocol) == {pod}
    assert pod in "abc"
    place.places["node-1"].command("nft", "list", "ruleset")


@pytest.mark.parametrize("family", FAMILIES)
def test_clients_and_service_ports_are_remembered_apart(place: Cluster, family: str) -> None:
    place.places["node-1"].run(start, affine("abc"))
    where = frontends(10, family)["clusterIP"]
    for client in ("outside", "b", "node-1"):
        for protocol in PROTOCOLS:
            assert len(pods_of(place, client, where, protocol, 6)) == 1
    held = place.places["node-1"].run(remembered, f"affinity{family[-1]}")
    assert len(held) == 6
    assert len({key[:-4] for key in held}) == 3
    assert len({key[-4:] for key in held}) == 2


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_an_endpoint_that_leaves_is_forgotten_and_others_are_not(place: Cluster, family: str, protocol: str) -> None:
    node, where = place.places["node-1"], frontends(10, family)["nodePort"]
    node.run(start, affine("abc"))
    (pod,) = pods_of(place, "outside", where, protocol)
    other = "abc".replace(pod, "")
    assert node.run(change, affine("abc"), affine(f"{pod}{other[0]}")) == 0
    assert pods_of(place, "outside", where, protocol) == {pod}
    assert node.run(change, affine(f"{pod}{other[0]}"), affine(other)) == 1
    (then,) = pods_of(place, "outside", where, protocol)
    assert then in other


@pytest.mark.parametrize("family", FAMILIES)
def test_a_restart_keeps_affinity_but_not_to_what_left_meanwhile(place: Cluster, family: str) -> None:
    node, where = place.places["node-1"], frontends(10, family)["clusterIP"]
    node.run(start, affine("abc"))
    (pod,) = pods_of(place, "outside", where, "TCP")
    for _ in range(3):
        node.run(start, affine("abc"))
        assert pods_of(place, "outside", where, "TCP") == {pod}
    rest = "abc".replace(pod, "")
    node.run(start, affine(rest))
    (then,) = pods_of(place, "outside", where, "TCP")
    assert then in rest


def test_the_agent_forgets_clients_of_an_endpoint_that_leaves(place: Cluster) -> None:
    node, where = place.places["node-1"], frontends(10, "IPv4")["clusterIP"]
    node.run(start, affine("abc"))
    (pod,) = pods_of(place, "outside", where, "TCP")
    assert node.run(follow, "abc", "abc".replace(pod, "")) == (1, 0)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_time_runs_out_after_the_last_connection(place: Cluster, family: str, protocol: str) -> None:
    where = frontends(10, family)["clusterIP"]
    place.places["node-1"].run(start, affine("abc", seconds=2))
    began = last = monotonic()
    (pod,) = pods_of(place, "outside", where, protocol, 1)
    while monotonic() - began < 3:
        # each connection comes in time, the first is longer ago than that
        asked, answered = monotonic(), pods_of(place, "outside", where, protocol, 1)
        assert answered == {pod} or monotonic() - last >= 2
        last = asked
        if answered != {pod}:
            place.places["node-1"].run(forget_connections)
            (pod,) = answered
    deadline, seen = monotonic() + 60, {pod}
    while len(seen) == 1 and monotonic() < deadline:
        _until_forgotten(place, family)
        seen |= pods_of(place, "outside", where, protocol, 1)
    assert len(seen) > 1, "remembered beyond its time"


def _until_forgotten(place: Cluster, family: str) -> None:
    deadline = monotonic() + 60
    while place.places["node-1"].run(remembered, f"affinity{family[-1]}"):
        assert monotonic() < deadline, "it never expires"


@pytest.mark.parametrize("family", FAMILIES)
def test_under_policy_local_only_the_nodes_own_are_remembered(place: Cluster, family: str) -> None:
    node, ways = place.places["node-1"], frontends(10, family)
    node.run(start, affine("ac", external_traffic_policy="Local"))
    assert pods_of(place, "outside", ways["nodePort"], "TCP") == {"a"}
    (any_pod,) = pods_of(place, "outside", ways["clusterIP"], "TCP")
    assert any_pod in "ac"
    assert pods_of(place, "outside", ways["nodePort"], "TCP") == {"a"}


def test_without_affinity_nobody_is_remembered(place: Cluster) -> None:
    place.places["node-1"].run(start, affine("abc", seconds=0))
    assert len(pods_of(place, "outside", frontends(10, "IPv4")["clusterIP"], "TCP", 60)) > 1
    assert not place.places["node-1"].run(remembered, "affinity4")

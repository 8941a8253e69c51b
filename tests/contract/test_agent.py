"""An agent against a real API server, programming a real kernel."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from portway import agent
from portway.agent.nf_tables import NfTables
from portway.client import Api
from portway.nftables.structure import containers
from portway.reconcile.resources import ENDPOINT_SLICES, NAMESPACES, NODES, SERVICES
from portway.testing import apiserver
from portway.testing.netns import Unavailable
from tests.contract.cluster import PODS, PORT, Cluster, cluster, pod_address
from tests.patience import until

T = TypeVar("T")
Doc = dict[str, Any]


class Place:
    """The cluster, its API server, and an agent on node-1."""

    def __init__(self, made: Cluster, server: apiserver.Server) -> None:
        self.cluster, self.server = made, server
        self.node = made.places["node-1"]
        self.config = agent.AgentConfig(
            node_name="node-1",
            api_socket=str(server.unix),
            cluster_cidrs=("10.244.0.0/16", "fd00:244::/48"),
            service_cidrs=("10.96.0.0/16", "fd00:96::/112"),
            check_interval=0.1,
        )
        self.agent = 0

    def start(self) -> None:
        """Start the agent."""
        self.agent = self.cluster.world.spawn(self.node, agent.run, self.config)

    def kill(self) -> None:
        """kill -9 the agent."""
        self.cluster.world.end(self.agent)

    def ask(self, work: Callable[[Api], Awaitable[T]]) -> T:
        """Do something with the API."""

        async def asking() -> T:
            async with Api.unix(self.server.unix) as api:
                return await work(api)

        return asyncio.run(asking())

    def elements(self) -> dict[str, dict[bytes, bytes]]:
        """All that the kernel holds."""
        return self.node.run(_elements)

    def generation(self) -> int:
        """The kernel's count of commits there."""
        return self.node.run(_generation)

    def expect(self, wanted: Callable[[], bool], what: str) -> None:
        """Wait until it is so."""
        until(wanted, what)


def _elements() -> dict[str, dict[bytes, bytes]]:
    kernel = NfTables()
    return {c.name: kernel.elements(c) for c in containers()} if kernel.exists() else {}


def _generation() -> int:
    return NfTables().generation()


@pytest.fixture(params=[None, True], ids=["as we are", "user namespace"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """Everything running, Service shop/web with pods a and c behind it."""
    try:
        with apiserver.start(tmp_path) as server, cluster(request.param) as made:
            ready = Place(made, server)
            ready.ask(_create_objects)
            ready.start()
            ready.expect(lambda: _answers(ready, "TCP") == {"a", "c"}, "the agent programs the Service")
            yield ready
    except Unavailable as reason:
        pytest.skip(f"no network namespaces here: {reason}")


def _answers(place: Place, protocol: str = "TCP") -> set[str]:
    """Which pods answer at the nodePort, seen from outside; failures too."""
    answers = place.cluster.ask("outside", "172.18.0.11", 30080, protocol, 24)
    return {answer.partition(" sees")[0] for answer in answers}


def _slice(pods: str) -> Doc:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "web-1", "namespace": "shop", "labels": {"kubernetes.io/service-name": "web"}},
        "addressType": "IPv4",
        "ports": [{"name": p.lower(), "protocol": p, "port": PORT} for p in ("TCP", "UDP")],
        "endpoints": [{"addresses": [pod_address(pod, "IPv4")], "nodeName": PODS[pod][0]} for pod in pods],
    }


def _service(name: str, node_port: int) -> Doc:
    ports = [{"name": p.lower(), "protocol": p, "port": 80, "nodePort": node_port} for p in ("TCP", "UDP")]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"type": "NodePort", "ports": ports},
    }


async def _create_objects(api: Api) -> None:
    await api.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
    addresses = [{"type": "InternalIP", "address": a} for a in ("172.18.0.11", "fd00:18::11")]
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node-1"}, "status": {"addresses": addresses}}
    await api.create(NODES, node)
    await api.create(SERVICES, _service("web", 30080))
    await api.create(ENDPOINT_SLICES, _slice("ac"))


def _set_pods(pods: str) -> Callable[[Api], Awaitable[Doc]]:
    return lambda api: api.replace(ENDPOINT_SLICES, _slice(pods))


def test_endpoints_come_and_go(place: Place) -> None:
    place.ask(_set_pods("abc"))
    place.expect(lambda: _answers(place) == set("abc"), "all three answer")
    place.expect(lambda: _answers(place, "UDP") == set("abc"), "all three answer over UDP")
    place.ask(_set_pods("b"))
    place.expect(lambda: _answers(place) == {"b"}, "only b is left")
    place.ask(_set_pods(""))
    place.expect(lambda: _answers(place) == {"refused"}, "nobody is left")


def test_a_killed_agent_disturbs_nothing_and_takes_over_what_is_there(place: Place) -> None:
    before = place.elements()
    place.kill()
    assert place.elements() == before
    assert _answers(place) == {"a", "c"}
    place.ask(_set_pods("bc"))  # while nobody looks
    place.start()
    place.expect(lambda: _answers(place) == {"b", "c"}, "the new agent catches up")
    after = place.elements()
    kept = {name: before[name].items() & after[name].items() for name in before}
    assert kept["frontends4"] == before["frontends4"].items(), "elements that were right are the same"


def test_what_others_do_to_the_table_is_repaired(place: Place) -> None:
    before = place.elements()
    for damage in (
        "flush map inet portway endpoints4",
        "flush chain inet portway services4",
        "delete element inet portway node_ports4 { tcp . 30080 }",
        "delete table inet portway",
    ):
        place.node.command("nft", damage)
        place.expect(lambda: place.elements() == before, f"repaired after: {damage}")
        place.expect(lambda: _answers(place) == {"a", "c"}, f"answers after: {damage}")


def test_an_idle_agent_writes_nothing(place: Place) -> None:
    generation = place.generation()
    place.ask(lambda api: api.replace(ENDPOINT_SLICES, _slice("ac")))  # says nothing new
    assert _answers(place) == {"a", "c"}
    assert place.generation() == generation


def test_it_stops_when_told_and_the_table_stays_until_cleanup(place: Place) -> None:
    os.kill(place.agent, signal.SIGTERM)
    place.cluster.world.wait(place.agent)
    assert _answers(place) == {"a", "c"}
    place.node.command("nft", "add table inet another")
    assert place.node.run(agent.cleanup)
    assert place.node.command("nft", "list", "tables") == "table inet another\n"
    assert not place.node.run(agent.cleanup)


def test_a_udp_client_that_goes_on_sending_leaves_a_pod_that_left(place: Place) -> None:
    place.ask(_set_pods("c"))
    place.expect(lambda: _same_socket(place) == {"c"}, "c answers")
    place.ask(_set_pods("b"))
    place.expect(lambda: _same_socket(place) == {"b"}, "b answers, also to who spoke with c before")


def _same_socket(place: Place) -> set[str]:
    """Who answers a client that always sends from one port."""
    return {place.cluster.ask_from("outside", 40000, "172.18.0.11", 30080).partition(" sees")[0]}

"""What a trace says is what packets meet: random clusters in a fleet, from every place to everything one may dial.

EXAMPLES says on how many clusters. Each is asked after it has come to rest: no node has committed for a while, and what
the API server has is what the trace was told.
"""

import asyncio
import json
import math
import os
import random
from collections.abc import Iterator, Sequence
from time import monotonic
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from portway.fleet import FleetState
from portway.analysis.policy import Judged
from portway.analysis.target import Place, Target, parse_target
from portway.analysis.trace import Pod, Terrain, Trace, trace
from portway.cli import cluster
from portway.cli.terrain import terrain
from portway.client import Api
from portway.fleet.state import read
from portway.kubeapi.kinds import Resource
from portway.model import Backend, family_of
from portway.reconcile.resources import ENDPOINT_SLICES, PODS, SERVICES
from portway.testing import fates as fate_words
from portway.testing.fates import Asked, Many
from portway.testing.question import Question
from tests.e2e.asking import NODES, Prober, prober
from tests.e2e.conftest import PEOPLE, Running, portway, somebody
from tests.e2e.worlds import PODS as TABLE
from tests.e2e.worlds import World, pods, worlds

Doc = dict[str, Any]
POLICIES = Resource("networking.k8s.io", "v1", "networkpolicies")
QUESTIONS = 150
"""Pairs that are asked of a cluster."""
SECONDS = 10.0
"""By then all that changed has come to rest everywhere."""
QUIET = 0.1
"""Seconds without a commit on any node: at rest."""
CHANCE = 1e-7
"""How likely it may be that one of several backends is never drawn."""


class Fleet(Running):
    """A fleet with the pods of all worlds, and a prober."""

    def __init__(self, running: Running, asking: Prober) -> None:
        super().__init__(running.person, running.name)
        self.prober = asking
        state = read(self.folder)
        assert state is not None
        self.state = state
        found = asyncio.run(self._pods())
        self.networks = {key: f"pod-{uid}" for key, (uid, _) in found.items()}
        self.addresses = {key: addresses for key, (_, addresses) in found.items()}
        for key, (node, _) in TABLE.items():
            if self.addresses[key][0] in _node_addresses(self.state, node):
                self.networks[key] = node
        asking.tell_all(["outside", *NODES, *self.networks.values()])
        self.listening = {
            (address, number, protocol): name
            for (space, name), (_, declared) in TABLE.items()
            for address in self.addresses[space, name]
            for _, number, protocol in declared
        }

    async def _pods(self) -> dict[tuple[str, str], tuple[str, list[str]]]:
        async with self.api() as api:
            return {
                (pod["metadata"]["namespace"], pod["metadata"]["name"]): (
                    pod["metadata"]["uid"],
                    [one["ip"] for one in pod["status"]["podIPs"]],
                )
                for pod in (await api.list(PODS))[0]
                if (pod["metadata"]["namespace"], pod["metadata"]["name"]) in TABLE
            }

    def api(self) -> Api:
        """The fleet's API server."""
        return Api.unix(self.folder / "api.sock")

    def become(self, world: World) -> None:
        """Let the fleet be this, and nothing of the world before."""
        asyncio.run(self._become(world))

    async def _become(self, world: World) -> None:
        async with self.api() as api:
            for resource in (POLICIES, SERVICES, ENDPOINT_SLICES):
                await asyncio.gather(*[self._forget(api, resource, one) for one in (await api.list(resource))[0]])
            await asyncio.gather(*[self._dress(api, key, world) for key in TABLE])
            await asyncio.gather(*[api.create(SERVICES, one) for one in world.services])
            await asyncio.gather(*[api.create(ENDPOINT_SLICES, self._with_addresses(one)) for one in world.slices])
            await asyncio.gather(*[api.create(POLICIES, one) for one in world.policies])

    async def _forget(self, api: Api, resource: Resource, one: Doc) -> None:
        metadata = one["metadata"]
        ours = metadata["namespace"] in ("a", "b")
        if ours and (resource != ENDPOINT_SLICES or metadata["name"].endswith("by-hand")):
            await api.delete(resource, metadata["namespace"], metadata["name"])

    async def _dress(self, api: Api, key: tuple[str, str], world: World) -> None:
        ready = {"portway.dev/ready": "false" if key[1] in world.taken_out else None}
        metadata = {"labels": {"app": world.apps[key[1]]}, "annotations": ready}
        await api.patch(PODS, *key, {"metadata": metadata})

    def _with_addresses(self, piece: Doc) -> Doc:
        families = {"IPv4": 0, "IPv6": 1}
        text = json.dumps(piece)
        for (_, name), addresses in self.addresses.items():
            text = text.replace(f'"${name}"', f'"{addresses[families[piece["addressType"]]]}"')
        made: Doc = json.loads(text)
        return made

    def terrain(self) -> Terrain:
        """Where traces walk, read now."""
        api = self.api()
        return terrain(self.state, cluster.ask(api, cluster.read_for_trace(api)))

    def at_rest(self) -> Terrain:
        """The same, once nothing moves any more."""
        deadline = monotonic() + SECONDS
        seen = self.terrain()
        while True:
            quiet = not self.prober.commit(QUIET)
            again = self.terrain()
            if quiet and (again.snapshot, again.policies, again.balancing) == (
                seen.snapshot,
                seen.policies,
                seen.balancing,
            ):
                return again
            assert monotonic() < deadline, "the cluster does not come to rest"
            seen = again

    def expected(self, found: Trace) -> set[str]:
        """What can become of a packet if the trace is right, in the prober's words."""
        assert found.packet is not None
        judged = {fate.backend: fate for fate in found.judged}
        if found.arrives:
            return {self._at(found, backend, judged.get(backend)) for backend in _ends(found)}
        if found.disposition == "drop":
            return {fate_words.SILENT}
        if found.disposition == "reject":
            return {fate_words.REFUSED}
        if found.code == "NODEPORT_UNSET":
            return {self._at(found, backend, None) for backend in _ends(found)}
        return {"NO_ROUTE": {fate_words.UNREACHABLE}}.get(found.code, {fate_words.UNREACHABLE, fate_words.SILENT})

    def _at(self, found: Trace, backend: Backend, fate: Judged | None) -> str:
        assert found.packet is not None
        if fate is not None and not fate.allowed:
            return fate_words.SILENT
        return self.listening.get((backend.address, backend.port, found.packet.protocol), fate_words.REFUSED)


def _node_addresses(state: FleetState, node: str) -> Sequence[str]:
    return next(plan.addresses for plan in state.nodes if plan.name == node)


def _ends(found: Trace) -> tuple[Backend, ...]:
    assert found.packet is not None
    return found.backends or (Backend(found.packet.destination, found.packet.port),)


@pytest.fixture(scope="module")
def place() -> Iterator[Fleet]:
    with somebody(PEOPLE[-1]) as person:
        portway(person, "up", "--name", "agree", "-f", "-", "--detach", text="\n---\n".join(map(json.dumps, pods())))
        try:
            running = Running(person, "agree")
            running.kubectl("delete", "pod", "-n", "a", "ending", "--wait=false")
            with prober(person, "agree") as asking:
                yield Fleet(running, asking)
        finally:
            portway(person, "down", "--name", "agree")


def _goals(seen: Terrain, fleet: Fleet) -> Iterator[str]:
    """Everything that one may dial here, and a little beside."""
    yield from ("10.96.0.99:80", "[fd00:96::99]:80", "node-2:32767", "[fd00:18::12]:31999/udp")
    for addresses in fleet.addresses.values():
        yield from (f"{_host(address)}:8080" for address in addresses)
        yield from (f"{_host(address)}:5353/udp" for address in addresses)
    for (namespace, name), service in seen.snapshot.services.items():
        if namespace not in ("a", "b"):
            continue
        for port in service.ports:
            end = f"{port.port}/{port.protocol.lower()}"
            fronts = (*service.cluster_ips, *service.external_ips, *service.load_balancer_ips)
            yield from (f"{_host(address)}:{end}" for address in fronts)
            yield from (f"svc/{namespace}/{name}:{port.name}", f"{name}.{namespace}:{end}")
            if port.node_port:
                yield from (
                    f"{_host(address)}:{port.node_port}/{port.protocol.lower()}"
                    for node in seen.snapshot.nodes.values()
                    for address in node.addresses
                )
        yield from (f"{_host(address)}:99" for address in (*service.cluster_ips, *service.load_balancer_ips))


def _host(address: str) -> str:
    return f"[{address}]" if ":" in address else address


CLIENTS = (
    *(Place("outside"),) * 3,
    *(Place("node", name) for name in NODES),
    *(Place("pod", name, space) for space, name in TABLE),
)


def _tries(found: Trace, expected: set[str]) -> int:
    count = len(found.backends)
    if len(expected) < 2 or count < 2:
        return 1
    return math.ceil(math.log(count / CHANCE) / -math.log(1 - 1 / count))


def _wrong(fleet: Fleet, seen: Terrain, pairs: Sequence[tuple[Place, Target]]) -> list[str]:
    """Each pair whose packets met something else than the trace says."""
    traces = [found for pair in pairs if (found := trace(seen, *pair)).packet is not None]
    traces.sort(key=lambda found: found.origin)
    expectations = [fleet.expected(found) for found in traces]
    asked = [
        Asked(_question(fleet, found), _tries(found, expected), fate_words.SILENT in expected)
        for found, expected in zip(traces, expectations, strict=True)
    ]
    met = fleet.prober.fates(Many(tuple(asked)))
    return [
        f"{found.origin} -> {found.target}: {found.code}, so {sorted(expected)}, but met {fates}; {found.packet}"
        for found, expected, fates in zip(traces, expectations, met, strict=True)
        if not _agrees(found, expected, set(fates))
    ]


def _agrees(found: Trace, expected: set[str], met: set[str]) -> bool:
    if fate_words.NOT_PERMITTED in met:
        # a process is told so of its own datagram that its node drops or refuses
        met = met - {fate_words.NOT_PERMITTED} | (expected & {fate_words.SILENT, fate_words.REFUSED})
    some = found.sticky or {fate_words.SILENT, fate_words.UNREACHABLE} <= expected
    return bool(met) and (met <= expected if some else met == expected)


def _question(fleet: Fleet, found: Trace) -> Question:
    kind, _, rest = found.origin.partition("/")
    space, _, name = rest.partition("/")
    network = {"outside": "outside", "node": rest}.get(kind) or fleet.networks[space, name]
    assert found.packet is not None
    return Question(network, found.packet.destination, found.packet.port, found.packet.protocol)


@settings(
    max_examples=int(os.environ.get("EXAMPLES", "8")),
    derandomize="EXAMPLES" not in os.environ,
    database=None,
    report_multiple_bugs=False,
    phases=(Phase.generate,),
    suppress_health_check=list(HealthCheck),
)
@given(world=worlds(), seed=st.integers(0, 2**32))
def test_a_trace_says_what_packets_meet(place: Fleet, world: World, seed: int) -> None:
    place.become(world)
    seen = place.at_rest()
    goals = [parse_target(text) for text in _goals(seen, place)]
    every = [(client, goal) for client in CLIENTS for goal in goals]
    pairs = random.Random(seed).sample(every, min(QUESTIONS, len(every)))
    deadline = monotonic() + SECONDS
    while wrong := _wrong(place, seen, pairs):
        assert monotonic() < deadline, "\n".join([*wrong, msgspec.json.encode(world).decode()])
        seen = place.at_rest()

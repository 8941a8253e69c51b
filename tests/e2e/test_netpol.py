"""Policies in a fleet: Kubernetes' scenarios, asked of real packets by way of Services' clusterIPs.

Both families are asked at once, where the scenario's objects do not name addresses.
"""

import asyncio
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from time import monotonic
from typing import Any

import pytest

from portway.client import Api
from portway.kubeapi.errors import ApiError
from portway.kubeapi.kinds import Resource
from portway.reconcile.resources import NAMESPACES, PODS, SERVICES
from portway.testing import clusternetpol, netpol
from portway.testing.netpol import Scenario, Step, Truth
from portway.testing.prober import Pass
from portway.testing.question import Question
from tests.e2e.asking import Prober, prober
from tests.e2e.conftest import PEOPLE, Running, portway, somebody
from tests.people import Person

POLICIES = {
    "NetworkPolicy": Resource("networking.k8s.io", "v1", "networkpolicies"),
    "ClusterNetworkPolicy": Resource(
        "policy.networking.k8s.io", "v1alpha2", "clusternetworkpolicies", namespaced=False
    ),
}
KINDS = {"Pod": PODS, "Namespace": NAMESPACES}
FAMILIES = ("IPv4", "IPv6")
SECONDS = 60.0
"""By then every node has programmed what changed."""


class Place(Running):
    """A fleet with the scenarios' world, and a prober in it."""

    def __init__(self, person: Person, prober: Prober) -> None:
        super().__init__(person, "netpol")
        self._prober = prober
        self.networks: dict[str, str] = {}
        """Names of pods' networks by `namespace/name`."""
        self.addresses: dict[str, dict[str, str]] = {family: {} for family in FAMILIES}
        self.clusters_ips: dict[str, dict[str, str]] = {family: {} for family in FAMILIES}
        asyncio.run(self._look())

    async def _look(self) -> None:
        async with self.api() as api:
            for pod in (await api.list(PODS))[0]:
                name = f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
                self.networks[name] = f"pod-{pod['metadata']['uid']}"
                for family, address in zip(FAMILIES, pod["status"]["podIPs"], strict=True):
                    self.addresses[family][name] = address["ip"]
            for name in netpol.PODS:
                service = await api.get(SERVICES, *name.split("/"))
                for family, address in zip(FAMILIES, service["spec"]["clusterIPs"], strict=True):
                    self.clusters_ips[family][name] = address

    def api(self) -> Api:
        """The fleet's API server."""
        return Api.unix(self.folder / "api.sock")

    def take(self, step: Step) -> None:
        """Change the objects as the step says, and let the first node hear of it."""
        asyncio.run(self._take(step))
        self._prober.commit(0.1)

    async def _take(self, step: Step) -> None:
        async with self.api() as api:
            for document in step.apply:
                await _apply(api, document)
            for document in step.delete:
                metadata = document["metadata"]
                await api.delete(POLICIES[document["kind"]], metadata.get("namespace", ""), metadata["name"])
            for each in step.relabel:
                namespace, _, name = each.name.rpartition("/")
                await api.patch(KINDS[each.kind], namespace, name, {"metadata": {"labels": dict(each.labels)}})

    def expect(self, truths: Iterable[Truth], families: Iterable[str]) -> None:
        """All nodes see it so, soon and then for good. No socket can ask for SCTP here."""
        asked = [truth for truth in truths if truth.protocol != "SCTP"]
        lines = [(self.clusters_ips[f], truth, *pair) for f in families for truth in asked for pair in truth.pairs()]
        deadline = monotonic() + SECONDS
        # at first a node may be only too busy to show what it does; who is asked again has more time
        while wrong := self._wrong(lines) or self._wrong(lines, patience=5.0):
            assert monotonic() < deadline, "\n".join(wrong)
            self._prober.commit(0.1)

    def _wrong(self, lines: list[tuple[dict[str, str], Truth, str, str, bool]], patience: float = 0.5) -> list[str]:
        questions = [
            Question(self.networks[client], addresses[server], truth.port, truth.protocol)
            for addresses, truth, client, server, _ in lines
        ]
        expected = [connects for *_, connects in lines]
        answers = self._prober.answered(Pass(tuple(questions), tuple(expected), patience))
        return [
            f"{client} -> {addresses[server]} {server}:{truth.port}/{truth.protocol} "
            f"{'connects' if answer else 'does not connect'}"
            for (addresses, truth, client, server, connects), answer in zip(lines, answers, strict=True)
            if answer != connects
        ]


async def _apply(api: Api, document: dict[str, Any]) -> None:
    try:
        await api.create(POLICIES[document["kind"]], document)
    except ApiError as error:
        assert error.code == 409, error
        await api.replace(POLICIES[document["kind"]], document)


def _world() -> str:
    documents = netpol.world()
    for document in documents:
        if document["kind"] == "Service":
            document["spec"]["ipFamilyPolicy"] = "RequireDualStack"
    return "\n---\n".join(map(json.dumps, documents))


@contextmanager
def _place(kind: str) -> Iterator[Place]:
    with somebody(kind) as person:
        portway(person, "up", "--name", "netpol", "-f", "-", "--detach", text=_world())
        try:
            with prober(person, "netpol") as asking:
                yield Place(person, asking)
        finally:
            portway(person, "down", "--name", "netpol")


@pytest.fixture(scope="module")
def places() -> Iterator[Callable[[str], Place]]:
    """One for each kind of person, made when it is first asked for."""
    with ExitStack() as stack:
        made: dict[str, Place] = {}

        def of(kind: str) -> Place:
            if kind not in made:
                made[kind] = stack.enter_context(_place(kind))
            return made[kind]

        yield of


def _cases() -> Iterator[Any]:
    """All of them for the first kind of person, a few for the other."""
    every = (*netpol.SCENARIOS, *clusternetpol.SCENARIOS)
    for kind, some in zip(PEOPLE, (every, every[::7]), strict=False):
        for scenario in some:
            yield pytest.param(kind, scenario, id=f"{kind}-{scenario.name}")


@pytest.mark.parametrize(("kind", "scenario"), [*_cases()])
def test_scenario(places: Callable[[str], Place], kind: str, scenario: Scenario) -> None:
    place = places(kind)
    stories = {family: scenario.steps(place.addresses[family]) for family in FAMILIES}
    alike = stories["IPv4"] == stories["IPv6"]
    for family in FAMILIES[:1] if alike else FAMILIES:
        steps = stories[family]
        try:
            for step in steps:
                place.take(step)
                place.expect(step.truths, FAMILIES if alike else (family,))
        finally:
            place.take(netpol.undo(steps))

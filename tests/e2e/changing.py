"""A fleet that becomes one random world after the other: its pods stay, what is around them changes."""

import asyncio
import contextlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any

from msgspec import Struct

from portway.analysis.trace import Terrain
from portway.cli import cluster
from portway.cli.terrain import terrain
from portway.client import Api
from portway.fleet.state import read
from portway.kubeapi.errors import ApiError
from portway.kubeapi.kinds import Resource
from portway.model import Protocol
from portway.reconcile.resources import ENDPOINT_SLICES, PODS, SERVICES
from tests.e2e.asking import NODES, Prober, prober
from tests.e2e.conftest import Running, portway
from tests.e2e.worlds import PODS as TABLE
from tests.e2e.worlds import SPACES, World, pods
from tests.people import Person

Doc = dict[str, Any]
POLICIES = Resource("networking.k8s.io", "v1", "networkpolicies")
SECONDS = 60.0
"""By then all that changed has come to rest everywhere."""
QUIET = 0.1
"""Seconds without a commit on any node: at rest."""


class Member(Struct, frozen=True):
    """A pod of the table, as it runs."""

    network: str
    """In the prober's words."""
    addresses: tuple[str, ...]
    """IPv4 and IPv6."""


class Changing(Running):
    """The fleet, and a prober in it."""

    def __init__(self, person: Person, name: str, asking: Prober) -> None:
        super().__init__(person, name)
        self.prober = asking
        state = read(self.folder)
        assert state is not None
        self.state = state
        self.members = asyncio.run(self._members())
        asking.tell_all(["outside", *NODES, *(member.network for member in self.members.values())])
        self.listening: dict[tuple[str, Protocol, int], str] = {
            (address, protocol, number): name
            for (space, name), (_, declared) in TABLE.items()
            for address in self.members[space, name].addresses
            for _, number, protocol in declared
        }
        """The pod that answers at an address, protocol and port."""

    async def _members(self) -> dict[tuple[str, str], Member]:
        found = {}
        async with self.api() as api:
            for key, (node, _) in TABLE.items():
                pod = await api.get(PODS, *key)
                network = node if pod["spec"].get("hostNetwork") else f"pod-{pod['metadata']['uid']}"
                found[key] = Member(network, tuple(one["ip"] for one in pod["status"]["podIPs"]))
        return found

    def api(self) -> Api:
        """The fleet's API server."""
        return Api.unix(self.folder / "api.sock")

    def become(self, world: World) -> Terrain:
        """Let the fleet be this, and nothing of the world before; where traces walk then."""
        asyncio.run(self._become(world))
        seen = self.at_rest()
        self.prober.forget_neighbours(["outside", *NODES])
        return seen

    async def _become(self, world: World) -> None:
        async with self.api() as api:
            for resource in (POLICIES, SERVICES, ENDPOINT_SLICES):
                while ours := [one for one in (await api.list(resource))[0] if _is_ours(one)]:
                    # load balancers are there until their controller has let go
                    await asyncio.gather(*[_forget(api, resource, one) for one in ours])
            await asyncio.gather(*[_dress(api, key, world) for key in TABLE])
            await asyncio.gather(*[api.create(SERVICES, one) for one in world.services])
            await asyncio.gather(*[api.create(ENDPOINT_SLICES, self._addressed(one)) for one in world.slices])
            await asyncio.gather(*[api.create(POLICIES, one) for one in world.policies])

    def _addressed(self, piece: Doc) -> Doc:
        """With addresses in the place of pods' names."""
        family = ("IPv4", "IPv6").index(piece["addressType"])
        text = json.dumps(piece)
        for (_, name), member in self.members.items():
            text = text.replace(f'"${name}"', f'"{member.addresses[family]}"')
        made: Doc = json.loads(text)
        return made

    def at_rest(self) -> Terrain:
        """Where traces walk, once nothing moves any more."""
        deadline = monotonic() + SECONDS
        seen = self._terrain()
        while True:
            quiet = not self.prober.commit(QUIET)
            again = self._terrain()
            if quiet and _objects(again) == _objects(seen):
                return again
            assert monotonic() < deadline, "the cluster does not come to rest"
            seen = again

    def _terrain(self) -> Terrain:
        api = self.api()
        return terrain(self.state, cluster.ask(api, cluster.read_for_trace(api)))


def _objects(seen: Terrain) -> tuple[object, ...]:
    return seen.snapshot, seen.policies, seen.balancing


def _is_ours(one: Doc) -> bool:
    """Whether a world brought it, rather than the fleet or a controller."""
    metadata = one["metadata"]
    return metadata["namespace"] in SPACES and "ownerReferences" not in metadata


async def _forget(api: Api, resource: Resource, one: Doc) -> None:
    with contextlib.suppress(ApiError):  # gone meanwhile
        await api.delete(resource, one["metadata"]["namespace"], one["metadata"]["name"])


async def _dress(api: Api, key: tuple[str, str], world: World) -> None:
    _, name = key
    ready = {"portway.dev/ready": "false" if name in world.taken_out else None}
    await api.patch(PODS, *key, {"metadata": {"labels": {"app": world.apps[name]}, "annotations": ready}})


@contextmanager
def changing(person: Person, name: str) -> Iterator[Changing]:
    """That person's fleet with the pods of all worlds."""
    portway(person, "up", "--name", name, "-f", "-", "--detach", text="\n---\n".join(map(json.dumps, pods())))
    try:
        Running(person, name).kubectl("delete", "pod", "-n", "a", "ending", "--wait=false")
        with prober(person, name) as asking:
            yield Changing(person, name, asking)
    finally:
        portway(person, "down", "--name", name)

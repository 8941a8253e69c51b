"""The controllers against a real API server; a small kubelet answers for the nodes."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest_asyncio

from portway.client import Api, Key, Reflector
from portway.controllers import run
from portway.controllers.process import run_controllers
from portway.kubeapi.errors import ApiError
from portway.reconcile.objects import is_deleting, is_ready, namespace_of, spec_of, status_of, timestamp
from portway.reconcile.resources import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    ENDPOINT_SLICES,
    ENDPOINTS,
    EVENTS,
    NAMESPACES,
    NODES,
    PODS,
    REPLICA_SETS,
    REPLICATION_CONTROLLERS,
    SERVICE_ACCOUNTS,
    SERVICES,
)
from portway.testing import apiserver
from tests.patience import PATIENCE

Doc = dict[str, Any]


class World:
    """An API server with three nodes, its controllers, and pods that run as soon as they have a node."""

    def __init__(self, server: apiserver.Server, api: Api) -> None:
        self.server, self.api = server, api
        self.pods: Reflector[Doc] = Reflector(api, PODS, on_change=self._pod_changed)
        self.services: Reflector[Doc] = Reflector(api, SERVICES)
        self.slices: Reflector[Doc] = Reflector(api, ENDPOINT_SLICES)
        self.endpoints: Reflector[Doc] = Reflector(api, ENDPOINTS)
        self.replicasets: Reflector[Doc] = Reflector(api, REPLICA_SETS)
        self.deployments: Reflector[Doc] = Reflector(api, DEPLOYMENTS)
        self.controllers: Reflector[Doc] = Reflector(api, REPLICATION_CONTROLLERS)
        self.tasks: set[asyncio.Task[None]] = set()
        self.addresses = 0
        self.run_pods = True

    def reflectors(self) -> list[Reflector[Doc]]:
        return [r for r in vars(self).values() if isinstance(r, Reflector)]

    def spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def _pod_changed(self, key: Key, old: Doc | None, new: Doc | None) -> None:
        if new is None or not self.run_pods:
            return
        if is_deleting(new):
            self.spawn(self._end(key))
        elif spec_of(new).get("nodeName") and not status_of(new).get("podIP"):
            self.spawn(self._start(key))

    async def _end(self, key: Key) -> None:
        try:
            await self.api.delete(PODS, *key, grace_seconds=0)
        except ApiError as error:
            assert error.code == 404

    async def _start(self, key: Key) -> None:
        self.addresses += 1
        ip = f"10.244.{self.addresses // 250}.{self.addresses % 250 + 1}"
        ready = {"type": "Ready", "status": "True", "lastTransitionTime": timestamp(time.time())}
        status = {"phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}], "conditions": [ready]}
        try:
            await self.api.patch(PODS, *key, {"status": status}, subresource="status")
        except ApiError as error:
            assert error.code == 404

    async def until(self, condition: Callable[[], bool], seconds: float = PATIENCE) -> float:
        """Wait for it; how long it took."""
        began = time.monotonic()
        while not condition():
            assert time.monotonic() - began < seconds, self.picture()
            await asyncio.sleep(0.002)
        return time.monotonic() - began

    async def events(self, reason: str) -> list[Doc]:
        """The Events of this reason, once there are any."""
        async with asyncio.timeout(PATIENCE):
            while True:
                found, _ = await self.api.list(EVENTS, "default", field_selector=f"reason={reason}")
                if found:
                    return found
                await asyncio.sleep(0.01)

    def picture(self) -> str:
        pods = [(k, status_of(p).get("phase"), spec_of(p).get("nodeName")) for k, p in self.pods.objects.items()]
        sets = [(k, spec_of(r).get("replicas"), status_of(r)) for k, r in self.replicasets.objects.items()]
        deployments = [(k, status_of(d)) for k, d in self.deployments.objects.items()]
        return f"pods {pods}\nreplicasets {sets}\ndeployments {deployments}"

    def named(self, prefix: str) -> list[Doc]:
        return [pod for (_, name), pod in self.pods.objects.items() if name.startswith(prefix)]

    def complete(self, name: str, replicas: int) -> bool:
        deployment = self.deployments.objects.get(("default", name), {})
        status = status_of(deployment)
        fields = ("replicas", "updatedReplicas", "availableReplicas")
        seen = status.get("observedGeneration") == deployment.get("metadata", {}).get("generation", -1)
        return seen and all(status.get(field, 0) == replicas for field in fields)

    def backends(self, service: str) -> set[str]:
        """Ready addresses in the Service's slices."""
        slices = [
            s for s in self.slices.objects.values() if s["metadata"]["labels"]["kubernetes.io/service-name"] == service
        ]
        return {a for s in slices for e in s.get("endpoints") or [] if e["conditions"]["ready"] for a in e["addresses"]}


def deployment(name: str, replicas: int, image: str = "one", **spec: Any) -> Doc:
    return {
        "metadata": {"namespace": "default", "name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container(image)]}},
            **spec,
        },
    }


def container(image: str) -> Doc:
    return {"name": "main", "image": image, "ports": [{"name": "http", "containerPort": 8080}]}


def service(name: str) -> Doc:
    ports = [{"port": 80, "targetPort": "http"}]
    return {"metadata": {"namespace": "default", "name": name}, "spec": {"selector": {"app": name}, "ports": ports}}


def node(number: int) -> Doc:
    labels = {"kubernetes.io/hostname": f"node-{number}", "topology.kubernetes.io/zone": f"zone-{number}"}
    return {"metadata": {"name": f"node-{number}", "labels": labels}}


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    with apiserver.start(tmp_path) as server:
        async with Api.unix(server.unix) as api:
            world = World(server, api)
            for number in (1, 2, 3):
                await api.create(NODES, node(number))
            for reflector in world.reflectors():
                world.spawn(reflector.run())
            world.spawn(run_controllers(api))
            for reflector in world.reflectors():
                await reflector.synced.wait()
            yield world
            for task in list(world.tasks):
                task.cancel()
            await asyncio.gather(*world.tasks, return_exceptions=True)


async def test_a_deployment_becomes_pods_on_every_node_and_backends(world: World) -> None:
    await world.api.create(SERVICES, service("web"))
    await world.api.create(DEPLOYMENTS, deployment("web", 6))
    await world.until(lambda: world.complete("web", 6) and len(world.backends("web")) == 6)
    nodes = [spec_of(pod)["nodeName"] for pod in world.named("web-")]
    assert sorted(nodes) == ["node-1", "node-1", "node-2", "node-2", "node-3", "node-3"]
    addresses = {status_of(pod)["podIP"] for pod in world.named("web-")}
    assert world.backends("web") == addresses

    def legacy(field: str, key: str) -> set[object]:
        subsets = world.endpoints.objects.get(("default", "web"), {}).get("subsets") or []
        return {one[key] for subset in subsets for one in subset.get(field) or []}

    await world.until(lambda: legacy("addresses", "ip") == addresses)
    assert legacy("ports", "port") == {8080}


async def test_scale_up_down_and_delete(world: World) -> None:
    await world.api.create(SERVICES, service("web"))
    await world.api.create(DEPLOYMENTS, deployment("web", 3))
    await world.until(lambda: world.complete("web", 3))
    await world.api.patch(DEPLOYMENTS, "default", "web", {"spec": {"replicas": 5}})
    await world.until(lambda: world.complete("web", 5) and len(world.backends("web")) == 5)
    await world.api.patch(DEPLOYMENTS, "default", "web", {"spec": {"replicas": 1}})
    await world.until(lambda: world.complete("web", 1) and len(world.named("web-")) == 1)
    assert len(world.replicasets.objects) == 1
    await world.api.delete(DEPLOYMENTS, "default", "web", propagation="Background")
    await world.until(lambda: not world.named("web-") and not world.replicasets.objects and not world.backends("web"))


async def test_a_rolling_update_and_its_undo(world: World) -> None:
    await world.api.create(DEPLOYMENTS, deployment("web", 4))
    await world.until(lambda: world.complete("web", 4))
    first = {key[1] for key in world.replicasets.objects}

    def images() -> list[str]:
        return [spec_of(pod)["containers"][0]["image"] for pod in world.named("web-")]

    template = {"spec": {"template": {"spec": {"containers": [container("two")]}}}}
    await world.api.patch(DEPLOYMENTS, "default", "web", template)
    # what was complete before the change is, until we hear of it
    await world.until(lambda: world.complete("web", 4) and images() == ["two"] * 4)
    annotation = "deployment.kubernetes.io/revision"
    assert world.deployments.objects["default", "web"]["metadata"]["annotations"][annotation] == "2"
    back = {"spec": {"template": {"spec": {"containers": [container("one")]}}}}
    await world.api.patch(DEPLOYMENTS, "default", "web", back)
    await world.until(lambda: world.complete("web", 4) and images() == ["one"] * 4)

    def active() -> dict[str, str]:
        """Revisions of ReplicaSets with pods."""
        some = [r["metadata"] for r in world.replicasets.objects.values() if spec_of(r)["replicas"]]
        return {metadata["name"]: metadata["annotations"][annotation] for metadata in some}

    await world.until(lambda: active() == dict.fromkeys(first, "3"))  # the first ReplicaSet is used again


async def test_a_deleted_pod_is_replaced(world: World) -> None:
    await world.api.create(SERVICES, service("web"))
    await world.api.create(DEPLOYMENTS, deployment("web", 3))
    await world.until(lambda: len(world.backends("web")) == 3)
    gone = world.named("web-")[0]
    await world.api.delete(PODS, namespace_of(gone), gone["metadata"]["name"])
    address = status_of(gone)["podIP"]
    await world.until(lambda: len(world.backends("web")) == 3 and address not in world.backends("web"))
    await world.until(lambda: len(world.named("web-")) == 3)


async def test_a_pod_that_fits_nowhere_says_why_until_a_node_fits(world: World) -> None:
    document = deployment("web", 1)
    document["spec"]["template"]["spec"]["nodeSelector"] = {"disk": "ssd"}
    await world.api.create(DEPLOYMENTS, document)
    await world.until(lambda: bool(world.named("web-")) and "conditions" in status_of(world.named("web-")[0]))
    [condition] = [c for c in status_of(world.named("web-")[0])["conditions"] if c["type"] == "PodScheduled"]
    assert condition["reason"] == "Unschedulable"
    assert condition["message"].startswith(
        "0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector."
    )
    await world.api.patch(NODES, "", "node-2", {"metadata": {"labels": {"disk": "ssd"}}})
    await world.until(lambda: world.complete("web", 1))
    assert spec_of(world.named("web-")[0])["nodeName"] == "node-2"
    [event] = await world.events("FailedScheduling")
    assert (event["type"], event["message"]) == ("Warning", condition["message"])


async def test_foreground_and_orphan_deletion(world: World) -> None:
    for name in ("front", "left"):
        await world.api.create(DEPLOYMENTS, deployment(name, 2))
    await world.until(lambda: world.complete("front", 2) and world.complete("left", 2))
    await world.api.delete(DEPLOYMENTS, "default", "front", propagation="Foreground")
    await world.api.delete(DEPLOYMENTS, "default", "left", propagation="Orphan")
    await world.until(lambda: not world.deployments.objects and not world.named("front-"))

    def owners() -> list[object]:
        return [r["metadata"].get("ownerReferences") or [] for r in world.replicasets.objects.values()]

    await world.until(lambda: owners() == [[]])
    assert len(world.named("left-")) == 2
    await world.api.create(DEPLOYMENTS, deployment("left", 2))
    await world.until(lambda: world.complete("left", 2))
    assert len(world.replicasets.objects) == 1, "the orphan was adopted"


async def test_a_namespace_goes_with_all_that_is_in_it(world: World) -> None:
    await world.api.create(NAMESPACES, {"metadata": {"name": "shop"}})
    async with asyncio.timeout(PATIENCE):
        while not (await world.api.list(SERVICE_ACCOUNTS, "shop"))[0]:
            await asyncio.sleep(0.01)
    for document in (deployment("web", 2), service("web")):
        document["metadata"]["namespace"] = "shop"
        await world.api.create(DEPLOYMENTS if "template" in document["spec"] else SERVICES, document)
    await world.until(lambda: len([p for p in world.pods.objects.values() if is_ready(p)]) == 2)
    await world.api.delete(NAMESPACES, "", "shop")
    async with asyncio.timeout(PATIENCE):
        while "shop" in [n["metadata"]["name"] for n in (await world.api.list(NAMESPACES))[0]]:
            await asyncio.sleep(0.01)
    await world.until(lambda: not world.pods.objects and not world.deployments.objects)


async def test_an_object_of_an_owner_that_never_was_is_garbage(world: World) -> None:
    owner = {"apiVersion": "v1", "kind": "Service", "name": "never", "uid": "u"}
    metadata = {"namespace": "default", "name": "left-over", "ownerReferences": [owner]}
    await world.api.create(CONFIG_MAPS, {"metadata": metadata})
    async with asyncio.timeout(PATIENCE):
        while "left-over" in [c["metadata"]["name"] for c in (await world.api.list(CONFIG_MAPS, "default"))[0]]:
            await asyncio.sleep(0.01)


async def test_endpoints_that_someone_wrote_are_mirrored(world: World) -> None:
    metadata = {"namespace": "default", "name": "outside"}
    await world.api.create(SERVICES, {"metadata": metadata, "spec": {"ports": [{"port": 5432}]}})
    subsets = [{"addresses": [{"ip": "192.0.2.1"}], "ports": [{"port": 5432}]}]
    await world.api.create(ENDPOINTS, {"metadata": metadata, "subsets": subsets})
    await world.until(lambda: world.backends("outside") == {"192.0.2.1"})
    subsets[0]["addresses"] = [{"ip": "192.0.2.2"}]
    await world.api.patch(ENDPOINTS, "default", "outside", {"subsets": subsets})
    await world.until(lambda: world.backends("outside") == {"192.0.2.2"})
    assert len(world.slices.objects) == 1
    await world.api.delete(SERVICES, "default", "outside")
    await world.until(lambda: not world.slices.objects)


async def test_topology_mode_auto_follows_the_nodes_cpu(world: World) -> None:
    """Hints come when the nodes say what CPU they have, and go when one has none; Events tell."""
    near = service("near")
    near["metadata"]["annotations"] = {"service.kubernetes.io/topology-mode": "Auto"}
    await world.api.create(SERVICES, near)
    await world.api.create(DEPLOYMENTS, deployment("near", 6))
    await world.until(lambda: len(world.backends("near")) == 6)
    [disabled] = await world.events("TopologyAwareHintsDisabled")
    assert disabled["message"].startswith("Insufficient Node information"), disabled

    def hinted() -> set[str]:
        endpoints = [e for s in world.slices.objects.values() for e in s.get("endpoints") or []]
        return {zone["name"] for e in endpoints for zone in (e.get("hints") or {}).get("forZones", [])}

    assert not hinted()
    ready = [{"type": "Ready", "status": "True"}]
    for number in (1, 2, 3):
        status = {"allocatable": {"cpu": "2"}, "conditions": ready}
        await world.api.patch(NODES, "", f"node-{number}", {"status": status}, subresource="status")
    await world.until(lambda: hinted() == {"zone-1", "zone-2", "zone-3"})
    [enabled] = await world.events("TopologyAwareHintsEnabled")
    assert (enabled["type"], enabled["source"]["component"]) == ("Normal", "endpoint-slice-controller")
    await world.api.patch(NODES, "", "node-3", {"status": {"allocatable": {"cpu": "0"}}}, subresource="status")
    await world.until(lambda: not hinted())


async def test_events_are_written_and_counted(world: World) -> None:
    await world.api.create(DEPLOYMENTS, deployment("web", 2))
    await world.until(lambda: world.complete("web", 2))
    async with asyncio.timeout(PATIENCE):
        while len(await world.events("Scheduled")) < 2:
            await asyncio.sleep(0.01)
        while len(await world.events("SuccessfulCreate")) < 2:
            await asyncio.sleep(0.01)
    [scaled] = await world.events("ScalingReplicaSet")
    assert scaled["involvedObject"]["kind"] == "Deployment"
    assert scaled["message"].endswith("from 0 to 2")


async def test_replication_controllers_adopt_and_replace(world: World) -> None:
    pod = {"metadata": {"namespace": "default", "name": "orphan", "labels": {"app": "old"}}}
    await world.api.create(PODS, pod | {"spec": {"containers": [container("x")]}})
    template = {"metadata": {"labels": {"app": "old"}}, "spec": {"containers": [container("x")]}}
    spec = {"replicas": 2, "selector": {"app": "old"}, "template": template}
    rc = {"metadata": {"namespace": "default", "name": "rc"}, "spec": spec}
    await world.api.create(REPLICATION_CONTROLLERS, rc)
    await world.until(lambda: len([p for p in world.pods.objects.values() if is_ready(p)]) == 2)
    orphan = world.pods.objects["default", "orphan"]
    await world.until(lambda: bool(world.pods.objects["default", "orphan"]["metadata"].get("ownerReferences")))
    assert orphan["metadata"]["uid"] == world.pods.objects["default", "orphan"]["metadata"]["uid"]
    assert len(world.pods.objects) == 2


async def test_the_api_server_is_killed_in_the_middle(world: World) -> None:
    await world.api.create(SERVICES, service("web"))
    await world.api.create(DEPLOYMENTS, deployment("web", 8))
    world.server.kill()
    await asyncio.to_thread(world.server.start)
    await world.until(lambda: world.complete("web", 8) and len(world.backends("web")) == len(world.named("web-")) == 8)


async def test_how_quick(world: World) -> None:
    """Measured and shown, because a busy machine is slow: the budget is 300 ms to six bound pods."""
    await world.api.create(SERVICES, service("web"))
    await world.until(lambda: bool(world.slices.objects))
    await world.api.create(DEPLOYMENTS, deployment("web", 6))
    bound = await world.until(lambda: sum("nodeName" in spec_of(p) for p in world.named("web-")) == 6)
    await world.until(lambda: len(world.backends("web")) == 6)
    print(f"six pods bound after {bound * 1000:.0f} ms")


def test_the_process_ends_when_told(tmp_path: Path) -> None:
    with apiserver.start(tmp_path) as server:
        pid = os.fork()
        if not pid:
            os._exit(run(str(server.unix)))
        asyncio.run(_default_deployment(server))
        os.kill(pid, signal.SIGTERM)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


async def _default_deployment(server: apiserver.Server) -> None:
    async with Api.unix(server.unix) as api, asyncio.timeout(PATIENCE):
        await api.create(DEPLOYMENTS, deployment("web", 1))
        while not (await api.list(PODS, "default"))[0]:
            await asyncio.sleep(0.01)


async def test_recreate_on_a_real_server(world: World) -> None:
    strategy = {"type": "Recreate"}
    await world.api.create(DEPLOYMENTS, deployment("web", 3, strategy=strategy))
    await world.until(lambda: world.complete("web", 3))
    seen: set[frozenset[str]] = set()
    template = {"spec": {"template": {"spec": {"containers": [container("two")]}}}}
    await world.api.patch(DEPLOYMENTS, "default", "web", template)

    def images() -> frozenset[str]:
        seen.add(frozenset(spec_of(pod)["containers"][0]["image"] for pod in world.named("web-")))
        return frozenset().union(*seen)

    await world.until(lambda: "two" in images() and world.complete("web", 3))
    assert all(len(group) < 2 for group in seen), "old and new pods never live together"

"""One pod's life on its node: network, containers, status, and the end. One task a pod."""

import asyncio
import contextlib
import logging
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Protocol

from msgspec import structs

from portway.client import Api, Unreachable
from portway.dns.podconf import resolv_conf
from portway.dns.resolvconf import ResolvConf, written
from portway.fleet import dnssocket, etc, wiring
from portway.fleet.config import NodePlan
from portway.fleet.kubelet import agnhost_programs, folders, hostports, roles, volumes
from portway.fleet.kubelet.addresses import PoolExhausted
from portway.fleet.kubelet.agnhost_programs import Server
from portway.fleet.kubelet.agnhost_servers import AgnhostServers
from portway.fleet.kubelet.container import PlayedContainer, ProcessContainer, Room, variables_of
from portway.fleet.kubelet.environment import Missing, Place, Sources
from portway.fleet.kubelet.gate import Gate
from portway.fleet.kubelet.handover import Handover
from portway.fleet.kubelet.hostports import HostPorts
from portway.fleet.kubelet.names import NameTooLong, PodName, hosts_file, pod_name
from portway.fleet.kubelet.network import PodNetworks, kill_inside
from portway.fleet.kubelet.process import Log, Space
from portway.fleet.kubelet.standin import Identity, Port, StandIn
from portway.fleet.kubelet.status import ContainerState, Runtime, status, waiting
from portway.fleet.kubelet.volumes import Volume
from portway.fleet.paths import FleetPaths
from portway.kubeapi import clusterdns
from portway.kubeapi.errors import ApiError, Doc
from portway.kubeapi.kinds import Resource

log = logging.getLogger("portway.fleet.kubelet")

PODS = Resource("", "v1", "pods")
_SOURCES = {"ConfigMap": Resource("", "v1", "configmaps"), "Secret": Resource("", "v1", "secrets")}
_CONTAINERS = ("containers", "initContainers")
_DRAIN_SECONDS = 1.0
"""How long a stand-in of a pod that is being deleted still serves: time for every node to hear of it."""
_RETRY_SECONDS = 1.0
_HANDOVER_SECONDS = 5.0
"""How long a pod of kube-dns waits for the nameserver before it is called ready all the same."""
_GATE_SECONDS = 5.0
"""A pod whose node's rules do not know it for so long says so."""


class Node(Protocol):
    """What a pod's life needs of its kubelet."""

    plan: NodePlan
    paths: FleetPaths
    api: Api
    networks: PodNetworks
    host_ports: HostPorts
    gate: Gate | None
    resolver: ResolvConf
    """The node's own."""

    async def release(self, uid: str) -> None:
        """Give a removed pod's addresses back, once nothing of it is in the node's rules."""

    def event(self, pod: Doc, type: str, reason: str, message: str) -> None:
        """Record an event about the pod."""


def now() -> str:
    """This second, RFC 3339."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Pod:
    """A pod that this node has to run."""

    def __init__(self, node: Node, document: Doc) -> None:
        self._node, self._document = node, document
        self._uid: str = document["metadata"]["uid"]
        self._gone = False
        self._changed = asyncio.Event()
        self._runtime = self._described(document)
        self._hostname = ""
        self._standin: StandIn | None = None
        self._agnhost: AgnhostServers | None = None
        self._handover: Handover | None = None
        self._processes: list[ProcessContainer] = []
        self._played: list[PlayedContainer] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._probing: list[asyncio.Task[None]] = []
        """Goes on while the pod ends."""

    @property
    def _name(self) -> tuple[str, str]:
        metadata = self._document["metadata"]
        return metadata["namespace"], metadata["name"]

    @property
    def _own_network(self) -> bool:
        return not self._document["spec"].get("hostNetwork")

    @property
    def _deleting(self) -> bool:
        return self._gone or bool(self._document["metadata"].get("deletionTimestamp"))

    def update(self, document: Doc | None) -> None:
        """The API has it so now; None: it is gone."""
        if document is None:
            self._gone = True
        else:
            self._document = document
        self._changed.set()

    async def run(self) -> None:
        """From the first sight of it to the last trace. After an exception, `abandon` and start anew."""
        if (self._document.get("status") or {}).get("phase") not in ("Succeeded", "Failed"):
            await self._start()
        while not self._deleting:
            self._changed.clear()
            await self._report()
            await self._changed.wait()
        await self._end()

    async def abandon(self) -> "Pod":
        """Stop everything, leave the network: another Pod, which is returned, takes over."""
        self._cancel()
        self._probe_no_more()
        await asyncio.gather(*(process.stop(0.0) for process in self._processes))
        self._fall_silent()
        successor = Pod(self._node, self._document)
        successor._gone = self._gone
        return successor

    async def _start(self) -> None:
        while not self._deleting:
            try:
                await self._connect()
                if await self._admitted():
                    await self._populate()
                return
            except (PoolExhausted, NameTooLong, Missing, OSError, subprocess.CalledProcessError) as error:
                self._fail("FailedCreatePodSandBox", f"Failed to create pod sandbox: {_words(error)}")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_RETRY_SECONDS):
                    await self._changed.wait()

    def _fail(self, reason: str, message: str) -> None:
        self._node.event(self._document, "Warning", reason, message)
        self._fall_silent()

    def _fall_silent(self) -> None:
        for answering in (self._standin, self._agnhost, self._handover):
            if answering is not None:
                answering.close()

    async def _connect(self) -> None:
        name = pod_name(self._document, self._node.plan.name, self._node.plan.cluster_domain)
        if self._own_network:
            self._runtime.pod_ips = self._node.networks.ensure(self._uid)
            self._node.host_ports.put(self._uid, hostports.wanted(self._document), self._runtime.pod_ips)
        else:
            self._runtime.pod_ips = self._node.plan.addresses
        self._furnish(name)

    def _furnish(self, name: PodName) -> None:
        """Write the files that its programs see in /etc."""
        spec, node = self._document["spec"], self._node
        plan = node.plan
        resolver, omitted = resolv_conf(self._document, plan.cluster_dns, node.resolver, plan.cluster_domain)
        for message in omitted:
            node.event(self._document, "Warning", "DNSConfigForming", message)
        of_node = None if self._own_network else (etc.folder(plan.name) / "hosts").read_text()
        hosts = hosts_file(name, self._runtime.pod_ips, spec.get("hostAliases") or (), of_node)
        etc.write(wiring.pod_network(self._uid), {"resolv.conf": written(resolver), "hosts": hosts}, name.kernel)
        self._hostname = name.kernel

    async def _admitted(self) -> bool:
        """Say the addresses, then wait until the node's rules know them; False when the pod is deleted before.

        What policies forbid a pod is forbidden from its first packet on (NetworkPolicy's "Pod lifecycle").
        """
        gate = self._node.gate
        if gate is None or not self._own_network or (_said(self._document) and gate.knows(self._runtime.pod_ips)):
            return True
        self._runtime.admitted = False
        known = asyncio.ensure_future(gate.known(self._runtime.pod_ips))
        known.add_done_callback(lambda _: self._changed.set())
        warning = asyncio.get_running_loop().call_later(_GATE_SECONDS, self._say_that_rules_lack_it)
        try:
            while not (known.done() or self._deleting):
                self._changed.clear()
                await self._report()
                await self._changed.wait()
            self._runtime.admitted = known.done() and known.result() is None
        finally:
            warning.cancel()
            known.cancel()
        return self._runtime.admitted

    def _say_that_rules_lack_it(self) -> None:
        node = self._node.plan.name
        message = f"the agent of {node} has not let {', '.join(self._runtime.pod_ips)} in yet: see {node}-agent.log"
        self._node.event(self._document, "Warning", "NetworkNotReady", message)
        for container in self._runtime.containers:
            container.state = waiting("NetworkNotReady", message)
        self._changed.set()

    @property
    def space(self) -> Space:
        """Where its programs run."""
        network = wiring.pod_network(self._uid)
        return Space(wiring.path(network) if self._own_network else None, etc.folder(network))

    async def space_in(self, container: Doc, variables: Mapping[str, str]) -> Space:
        """The same with the container's volumes. Raises environment.Missing."""
        mounts = volumes.mounts(container, await self._folders(container), variables)
        folders.lay_below(self._uid, mounts)
        return structs.replace(self.space, mounts=mounts)

    async def _folders(self, container: Doc) -> Mapping[str, str]:
        """Where the volumes that the container mounts lie, by name, with what they hold now."""
        wanted = volumes.mounted(self._document, container)
        sources = await self._sources(volumes.references(wanted))
        place, found = self._room().place, dict[str, str]()
        for document in wanted:
            volume = volumes.resolved(document, self._document, place, sources)
            if volume.stands_in_for:
                self._say_what_is_empty(volume)
            found[volume.name] = folders.lay(self._uid, volume)
        return found

    def _say_what_is_empty(self, volume: Volume) -> None:
        message = f"Volume {volume.name}: nothing here provides {volume.stands_in_for}; it is an empty folder"
        self._node.event(self._document, "Warning", "VolumeNotProvided", message)

    @property
    def addresses(self) -> Sequence[str]:
        """Its own, the primary one first."""
        return self._runtime.pod_ips

    async def _populate(self) -> None:
        """Start what the pod's containers are."""
        spec = self._document["spec"]
        serving = [container for container in spec.get("initContainers") or [] if _restarts(container)]
        images = self._node.plan.programs
        run = {c["name"]: roles.program(self._document, c, images) for c in spec["containers"]}
        programs = [program for program in run.values() if program]
        standing = serving + [container for container in spec["containers"] if not run[container["name"]]]
        await self._stand_in(standing)
        if roles.as_processes(self._document):
            self._say_who_stands_in(standing)
        self._probe([c for c in standing if c.get("readinessProbe") and agnhost_programs.is_agnhost(c)])
        self._run_programs(programs)
        self._runtime.containers = [self._state_of(container) for container in spec["containers"]]
        self._runtime.init_containers = [_init_state(c, self._uid) for c in spec.get("initContainers") or []]

    async def _stand_in(self, containers: list[Doc]) -> None:
        namespace, name = self._name
        identity = Identity(name, namespace, self._node.plan.name, self._runtime.pod_ips[0])
        self._standin = StandIn(identity)
        played = [container for container in containers if agnhost_programs.is_agnhost(container)]
        self._agnhost = AgnhostServers(self._hostname, self.space)
        await self._agnhost.listen([server for container in played for server in await self._servers(container)])
        ports = [
            Port(port["containerPort"], port.get("protocol", "TCP"), port.get("name") or "")
            for container in containers
            if container not in played
            for port in container.get("ports") or []
            if port.get("protocol", "TCP") in ("TCP", "UDP")
        ]
        if self._own_network and serves_dns(self._document):
            ports = await self._hand_over(ports)
        await self._standin.listen(self.space.network, ports)

    async def _servers(self, container: Doc) -> list[Server]:
        """What an agnhost container serves, and of which files."""
        servers = agnhost_programs.servers(container)
        if not any(server.speaks == "files" for server in servers):
            return servers
        files = (await self.space_in(container, {})).mounts
        return [structs.replace(server, files=files) for server in servers]

    async def _hand_over(self, ports: list[Port]) -> list[Port]:
        """Let the nameserver answer at the ports of DNS; returns the others."""
        if any(port.port == dnssocket.PORT for port in ports):
            self._handover = Handover(self._node.paths.dns_socket, "cluster", self.space.network, self._runtime.pod_ips)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_HANDOVER_SECONDS):
                    await self._handover.taken.wait()
        return [port for port in ports if port.port != dnssocket.PORT]

    def _say_who_stands_in(self, containers: list[Doc]) -> None:
        for container in containers:
            message = f"Container {container['name']} names no command: a stand-in answers at its ports"
            self._node.event(self._document, "Normal", "StandIn", message)

    def _probe(self, containers: list[Doc]) -> None:
        for container in containers:
            played = PlayedContainer(container, self._room(), _standing(container, self._uid, self._document))
            self._played.append(played)
            self._probing.append(asyncio.create_task(played.run()))

    def _run_programs(self, containers: list[Doc]) -> None:
        if not containers:
            return
        if self._own_network:
            # What an earlier kubelet's processes left behind when it was killed.
            kill_inside(wiring.pod_network(self._uid))
        before = {c["name"]: c for c in (self._document.get("status") or {}).get("containerStatuses") or []}
        room = self._room()
        for container in containers:
            old = before.get(container["name"])
            restarts = old["restartCount"] + 1 if old and ("running" in old["state"] or old.get("lastState")) else 0
            process = ProcessContainer(container, room, restarts)
            self._processes.append(process)
            self._tasks.append(asyncio.create_task(process.run()))

    def _room(self) -> Room:
        paths, uid = self._node.paths, self._uid
        return Room(
            pod=self._document,
            space=self.space_in,
            place=Place(tuple(self._runtime.pod_ips), self._node.plan.addresses, self._hostname),
            log=lambda container: Log(paths.container_log(uid, container)),
            sources=self._sources,
            changed=self._changed.set,
            event=lambda type, reason, message: self._node.event(self._document, type, reason, message),
            now=now,
        )

    async def _sources(self, wanted: set[tuple[str, str]]) -> Sources:
        found = {}
        for kind, name in wanted:
            # What is not there is missing from the result, and the container says so.
            with contextlib.suppress(ApiError, Unreachable):
                found[kind, name] = await self._node.api.get(_SOURCES[kind], self._name[0], name)
        return found

    async def inside(self, container: str) -> tuple[Space, Mapping[str, str]]:
        """Where a command in one of its containers runs, and its environment. Raises environment.Missing."""
        spec = self._document["spec"]
        wanted = next(c for field in _CONTAINERS for c in spec.get(field) or () if c["name"] == container)
        variables = await variables_of(wanted, self._room())
        return await self.space_in(wanted, variables), variables

    def _state_of(self, container: Doc) -> ContainerState:
        states = [each.state for each in self._processes] + [each.state for each in self._played]
        for state in states:
            if state.name == container["name"]:
                return state
        if _has_nothing_to_do(self._document, container):
            return _completed(container, self._uid, _before(self._document, container))
        return _standing(container, self._uid, self._document)

    def _described(self, document: Doc) -> Runtime:
        containers = [
            ContainerState(container["name"], container.get("image") or "", waiting("ContainerCreating"))
            for container in document["spec"]["containers"]
        ]
        return Runtime([], self._node.plan.addresses, containers, [], now())

    async def _report(self) -> None:
        """Write the status, if it is another than the API has."""
        if not self._runtime.pod_ips:
            return
        wanted = status(self._document, self._runtime, now())
        have = self._document.get("status") or {}
        if all(have.get(key) == value for key, value in wanted.items()):
            return
        patch = {"metadata": {"uid": self._uid}, "status": wanted}
        try:
            # The answer is not kept: the watch may have brought a newer document (a deletion) before it.
            await self._node.api.patch(PODS, *self._name, patch, subresource="status")
        except (ApiError, Unreachable) as error:
            # 404 and 409: it is gone or another pod's by now, which the watch will say.
            if not isinstance(error, ApiError) or error.code not in (404, 409):
                log.warning("status of pod %s/%s: %s", *self._name, error)
                asyncio.get_running_loop().call_later(_RETRY_SECONDS, self._changed.set)

    async def _end(self) -> None:
        grace = self._grace()
        self._cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await asyncio.gather(self._drain(grace), *(process.stop(grace) for process in self._processes))
        self._probe_no_more()
        if self._own_network:
            self._node.host_ports.remove(self._uid)
            await self._node.networks.remove(self._uid)
        etc.remove(wiring.pod_network(self._uid))
        folders.remove(self._uid)
        await self._forget()
        if self._own_network:
            await self._node.release(self._uid)

    def _cancel(self) -> None:
        for task in self._tasks:
            task.cancel()

    def _grace(self) -> float:
        return 0.0 if self._gone else float(self._document["metadata"].get("deletionGracePeriodSeconds") or 0)

    def _probe_no_more(self) -> None:
        for task in self._probing:
            task.cancel()

    async def _drain(self, grace: float) -> None:
        if self._standin is None or self._agnhost is None:
            return
        loop = asyncio.get_running_loop()
        told = loop.call_later(self._hook_seconds(), self._agnhost.leave)
        end = loop.time() + min(grace, self._lingers())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(end) as limit:
                while not self._gone:
                    self._changed.clear()
                    await self._report()
                    await self._changed.wait()
                    limit.reschedule(min(end, loop.time() + self._grace()))  # it may be deleted again, sooner
        told.cancel()
        self._fall_silent()

    def _lingers(self) -> float:
        """Seconds for which it serves on: while preStop hooks of containers sleep that are no programs, too."""
        hooks = map(agnhost_programs.hook_seconds, self._standing_containers)
        return max([_DRAIN_SECONDS, *hooks, *map(agnhost_programs.lingers, self._played_containers)])

    def _hook_seconds(self) -> float:
        return max([0.0, *map(agnhost_programs.hook_seconds, self._played_containers)])

    @property
    def _standing_containers(self) -> list[Doc]:
        images = self._node.plan.programs
        return [c for c in self._document["spec"]["containers"] if not roles.program(self._document, c, images)]

    @property
    def _played_containers(self) -> list[Doc]:
        return [c for c in self._document["spec"]["containers"] if agnhost_programs.is_agnhost(c)]

    async def _forget(self) -> None:
        """Tell the API that nothing of the pod is left."""
        while not self._gone:
            try:
                await self._node.api.delete(PODS, *self._name, uid=self._uid, grace_seconds=0)
                return
            except ApiError as error:
                if error.code in (404, 409):
                    return
                log.warning("removal of pod %s/%s: %s", *self._name, error)
            except Unreachable:
                pass
            await asyncio.sleep(_RETRY_SECONDS)


def serves_dns(pod: Doc) -> bool:
    """Whether it is one of the pods behind the Service kube-dns."""
    labels = pod["metadata"].get("labels") or {}
    of_dns = all(labels.get(name) == value for name, value in clusterdns.LABELS.items())
    return of_dns and bool(pod["metadata"]["namespace"] == clusterdns.NAMESPACE)


def _said(pod: Doc) -> bool:
    """Whether its addresses are in the API: by an earlier kubelet, for a pod that we see for the first time."""
    return bool((pod.get("status") or {}).get("podIPs"))


def _restarts(container: Doc) -> bool:
    """A sidecar: an init container that runs as long as the pod does."""
    return bool(container.get("restartPolicy") == "Always")


def _has_nothing_to_do(pod: Doc, container: Doc) -> bool:
    """A Job's stand-in without a port: that it has done its work is the best that can be said of it."""
    owners = pod["metadata"].get("ownerReferences") or []
    return not container.get("ports") and any(o.get("controller") and o.get("kind") == "Job" for o in owners)


def _before(pod: Doc, container: Doc) -> Doc:
    """The container's state as the API has it."""
    statuses = (pod.get("status") or {}).get("containerStatuses") or []
    return next((old.get("state") or {} for old in statuses if old.get("name") == container["name"]), {})


def _standing(container: Doc, uid: str, pod: Doc) -> ContainerState:
    before = _before(pod, container)
    running = before if "running" in before else {"running": {"startedAt": now()}}
    return ContainerState(
        name=container["name"],
        image=container.get("image") or "",
        state=running,
        ready=True,
        identity=f"portway://{uid}/{container['name']}",
    )


def _init_state(container: Doc, uid: str) -> ContainerState:
    return _standing(container, uid, {}) if _restarts(container) else _completed(container, uid, {}, ready=True)


def _completed(container: Doc, uid: str, before: Doc, ready: bool = False) -> ContainerState:
    """It has ended well, just now or as was said before. `ready`: as an init container is then."""
    identity, moment = f"portway://{uid}/{container['name']}", now()
    times = {"startedAt": moment, "finishedAt": moment}
    ended = {"terminated": {"exitCode": 0, "reason": "Completed", **times, "containerID": identity}}
    state = before if "terminated" in before else ended
    return ContainerState(container["name"], container.get("image") or "", state, {}, ready, 0, identity)


def _words(error: Exception) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        return str(error.stderr or error).strip()
    return str(error)

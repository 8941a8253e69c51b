"""A node's kubelet: pods become network namespaces, containers stand-ins or processes, and status says so.

A killed kubelet's successor finds the pods' networks and addresses again, serves on, and removes what is left of
pods that are gone.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from portway.client import Api, Key, Reflector, Unreachable
from portway.client.recorder import Recorder
from portway.dns.resolvconf import ResolvConf, read, written
from portway.fleet import etc
from portway.fleet.config import NodePlan
from portway.fleet.dialer import raise_file_limit
from portway.fleet.kubelet.gate import Gate
from portway.fleet.kubelet.handover import Handover
from portway.fleet.kubelet.hostports import HostPorts
from portway.fleet.kubelet.network import PodNetworks
from portway.fleet.kubelet.node import node_document
from portway.fleet.kubelet.pod import PODS, Pod, now
from portway.fleet.kubelet.server import Server
from portway.fleet.paths import FleetPaths
from portway.kubeapi import discovery
from portway.kubeapi.errors import ApiError, Doc
from portway.kubeapi.kinds import Resource
from portway.reconcile.change import Event

log = logging.getLogger("portway.fleet.kubelet")

_NODES = Resource("", "v1", "nodes")
_RETRY_SECONDS = 0.1
_ANEW_SECONDS = 1.0


def run(paths: FleetPaths, node: NodePlan, gate: Callable[[], Gate] | None = None) -> int:
    """The kubelet process of `node`, in its network namespace; returns only by being killed.

    Pods pass the gate that `gate` makes here, if there is one.
    """
    raise_file_limit()
    asyncio.run(Kubelet(paths, node, gate() if gate else None).run())
    return 0


class Kubelet:
    """All pods of one node."""

    def __init__(self, paths: FleetPaths, plan: NodePlan, gate: Gate | None = None) -> None:
        self.paths, self.plan, self.gate = paths, plan, gate
        self.api = Api.unix(paths.api_socket)
        self.networks = PodNetworks(plan)
        self.host_ports = HostPorts()
        self.resolver = resolver_of(plan)
        self._recorder = Recorder(self.api)
        self._pods: dict[str, Pod] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Register the node, then run its pods for ever."""
        async with self.api:
            self._furnish_node()
            await self._register()
            self._background(self._recorder.run())
            await Server(self._pods.get).open(self.paths.kubelets / f"{self.plan.name}.sock")
            selector = f"spec.nodeName={self.plan.name}"
            pods = Reflector(self.api, PODS, field_selector=selector, on_change=self._change)
            self._background(self._remove_leftovers(pods.synced))
            await pods.run()

    def _furnish_node(self) -> None:
        """The node asks at its own address, and whoever asks there is told what this machine's resolvers say."""
        hosts = Path("/etc/hosts").read_text(errors="replace") if Path("/etc/hosts").is_file() else ""
        etc.write(self.plan.name, {"resolv.conf": written(self.resolver), "hosts": hosts}, self.plan.name)
        try:
            self._handover = Handover(self.paths.dns_socket, "host", None, self.plan.addresses)
        except OSError as error:
            log.error("DNS at %s: %s", ", ".join(self.plan.addresses), error)

    async def _register(self) -> None:
        document = node_document(self.plan, discovery.VERSION["gitVersion"], now())
        while True:
            try:
                await self._write_node(document)
                return
            except Unreachable as error:
                log.info("%s", error)
                await asyncio.sleep(_RETRY_SECONDS)

    async def _write_node(self, document: Doc) -> None:
        try:
            await self.api.create(_NODES, document)
        except ApiError as error:
            if error.code != 409:
                raise
            whole = {"metadata": {"labels": document["metadata"]["labels"]}, "spec": document["spec"]}
            await self.api.patch(_NODES, "", self.plan.name, whole)
        await self.api.patch(_NODES, "", self.plan.name, {"status": document["status"]}, subresource="status")

    def _change(self, _: Key, old: Doc | None, new: Doc | None) -> None:
        # The same name may be another pod by now.
        if old is not None and (new is None or _uid(new) != _uid(old)) and (pod := self._pods.get(_uid(old))):
            pod.update(None)
        if new is None:
            return
        if pod := self._pods.get(_uid(new)):
            pod.update(new)
        else:
            self._pods[_uid(new)] = Pod(self, new)
            self._background(self._live(_uid(new)))

    async def _live(self, uid: str) -> None:
        while uid in self._pods:
            try:
                await self._pods[uid].run()
                del self._pods[uid]
            except Exception:
                log.exception("pod %s: starting it anew", uid)
                self._pods[uid] = await self._pods[uid].abandon()
                await asyncio.sleep(_ANEW_SECONDS)

    async def _remove_leftovers(self, synced: asyncio.Event) -> None:
        await synced.wait()
        for uid in [uid for uid in self.networks.addresses if uid not in self._pods]:
            log.info("removing what is left of pod %s", uid)
            await self.networks.remove(uid)
            self._background(self.release(uid))

    async def release(self, uid: str) -> None:
        """Give a removed pod's addresses back, once nothing of it is in the node's rules."""
        if self.gate is not None:
            await self.gate.forgotten(self.networks.addresses.get(uid, []))
        self.networks.free(uid)

    def _background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("a task failed", exc_info=error)

    def event(self, pod: Doc, type: str, reason: str, message: str) -> None:
        """Record an event about the pod, some time soon; one that cannot be stored is logged."""
        self._recorder.record(Event(pod, type, reason, message, "kubelet", self.plan.name))


def resolver_of(plan: NodePlan) -> ResolvConf:
    """The node's: itself, with what else this machine's resolv.conf says."""
    try:
        machine = read(Path("/etc/resolv.conf").read_text(errors="replace"))
    except OSError:
        machine = ResolvConf()
    return ResolvConf(plan.addresses[:1], machine.searches, machine.options)


def _uid(document: Doc) -> str:
    return str(document["metadata"]["uid"])

"""The doors of layer 7: their objects, and the statuses of Ingresses, Gateways and routes.

All of it is computed anew with every change that matters: routes refer to one another's Gateways, Services, Secrets
and namespaces, and a fleet has few of them. What is written is only what differs.
"""

import os
import shutil
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from portway.client import Key
from portway.client.reflector import key_of
from portway.controllers.cluster import Cluster
from portway.controllers.controller import Controller
from portway.kubeapi.doorclasses import GATEWAY_CONTROLLER
from portway.kubeapi.errors import Doc
from portway.kubeapi.kinds import Resource
from portway.kubeapi.shares import CONTROLLER, MANAGED_BY
from portway.model import Share
from portway.reconcile import doors
from portway.reconcile.change import Change, Create, Event, Update
from portway.reconcile.doors import Door, DoorPort, Existing, Program
from portway.reconcile.objects import (
    is_deleting,
    labels_of,
    meta,
    name_of,
    namespace_of,
    spec_of,
    status_of,
    timestamp,
    uid_of,
)
from portway.reconcile.resources import (
    DEPLOYMENTS,
    ENDPOINT_SLICES,
    GATEWAY_CLASSES,
    GATEWAYS,
    INGRESSES,
    LISTENER_SETS,
    NAMESPACES,
    SERVICES,
)
from portway.routing.compute import Doors, compute
from portway.routing.documents import GROUP, RESOURCES, ROUTE_KINDS, Asked, Documents, watched
from portway.routing.engines import engine_for
from portway.routing.gateways import Forward, door_of
from portway.routing.ingresses import DOOR
from portway.routing.reports import Complaint, Condition, GatewayReport
from portway.routing.statuses import (
    DoorState,
    class_status,
    gateway_status,
    listener_set_status,
    policy_status,
    programmed,
    route_status,
)
from portway.routing.table import Pool

COMPONENT = "portway-gateway-controller"
_READ = (*RESOURCES.values(), DEPLOYMENTS, ENDPOINT_SLICES)
_PAUSE = 0.02
"""Seconds: changes come together."""


def program(door: str, api_socket: str, engine: str) -> Program:
    """What a door's pod runs: this very Portway."""
    found = tuple((name, os.environ[name]) for name in ("PYTHONPATH",) if name in os.environ)
    argv = (sys.executable, "-m", "portway", "gateway", door, "--api-socket", api_socket, "--engine", engine)
    return Program(argv, found)


class DoorController(Controller):
    """Follows all that doors are made of. There is one key: everything."""

    workers = 1

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(cluster)
        self._told: set[tuple[str, str, str]] = set()
        """Complaints that stand: each is told once."""
        self._sources: set[Key] = set()
        """The Services whose endpoints are forwarded to."""
        self._asked: dict[Resource, Asked] | None = None
        """What the doors of the last time asked for by name; None: there was no last time."""
        for resource in _READ:
            self.caches[resource].listeners.append(self._listener(resource))

    def _listener(self, resource: Resource) -> Any:
        def changed(_: Key, old: Doc | None, new: Doc | None) -> None:
            if any(self._matters(resource, document) for document in (old, new) if document is not None):
                self.queue.add_later(None, _PAUSE)

        return changed

    def _matters(self, resource: Resource, document: Doc) -> bool:
        if resource == ENDPOINT_SLICES:
            service = labels_of(document).get(doors.SERVICE_NAME, "")
            return (namespace_of(document), service) in self._sources or doors.HASH in _notes(document)
        if doors.LABEL in labels_of(document):
            return True
        if self._asked is not None and resource in self._asked:
            return key_of(document) in self._asked[resource].names
        return resource != DEPLOYMENTS

    async def work(self, key: None) -> float | None:
        """Make everything right."""
        computed = compute(self._documents())
        try:
            await self.hands.carry_out(list(self._objects(computed)))
        finally:  # what cannot be made must not keep everybody else from being told
            await self.hands.carry_out(list(self._statuses(computed)))
            await self.hands.carry_out(list(self._complaints(computed.complaints)))
        return None

    def _documents(self) -> Documents:
        found, asked = watched({kind: self.caches[resource].objects for kind, resource in RESOURCES.items()})
        self._asked = {RESOURCES[kind]: one for kind, one in asked.items()}
        return found

    def _all(self, resource: Resource) -> list[Doc]:
        return [document for document in self.caches[resource].objects.values() if not is_deleting(document)]

    # Objects

    def _program(self, door: str) -> Program:
        return program(door, self.cluster.api_socket, self.cluster.gateway_engine)

    def _objects(self, computed: Doors) -> Iterator[Change]:
        pools = (computed.pools[key] for forward in computed.forwards for key in _weights(forward) if key)
        self._sources = {(pool.namespace, pool.service) for pool in pools}
        yield from self._ingress_objects(computed)
        for report in computed.gateways:
            yield from self._gateway_objects(computed, report)
        wanted = {(doors.NAMESPACE, doors.INGRESS_NAME), *map(_door_key, computed.gateways)}
        for key in sorted(self._doors() - wanted):
            yield from doors.remove(self._existing(*key))

    def _doors(self) -> set[Key]:
        """All doors that were made, also for Gateways that are no longer of our classes."""
        found = (document for resource in (SERVICES, DEPLOYMENTS) for document in self._all(resource))
        return {key_of(document) for document in found if doors.is_of_door(document)}

    def _ingress_objects(self, computed: Doors) -> Iterator[Change]:
        existing = self._existing(doors.NAMESPACE, doors.INGRESS_NAME)
        if not computed.ingresses:
            yield from doors.remove(existing)
        elif self.caches[NAMESPACES].get(("", doors.NAMESPACE)) is None:
            yield Create(NAMESPACES, {"metadata": {"name": doors.NAMESPACE}})
        else:
            door = Door(DOOR, doors.NAMESPACE, doors.INGRESS_NAME, _ports(computed, DOOR))
            yield from doors.reconcile(door, existing, self._program(DOOR), [])

    def _gateway_objects(self, computed: Doors, report: GatewayReport) -> Iterator[Change]:
        gateway = self.caches[GATEWAYS].get(report.name)
        if gateway is None:
            return
        door = _door(gateway, report, computed)
        existing = self._existing(door.namespace, door.name)
        if not door.ports:
            yield from doors.remove(existing)
            return
        slices = [
            document
            for forward in computed.forwards
            if forward.gateway == report.name
            for document in self._forwarded(door, forward, computed)
        ]
        run = self._program(door.door)
        yield from doors.reconcile(door, existing, run, slices)

    def _existing(self, namespace: str, name: str) -> Existing:
        labels = {doors.SERVICE_NAME: name, MANAGED_BY: CONTROLLER}
        return Existing(
            self.caches[DEPLOYMENTS].get((namespace, name)),
            self.caches[SERVICES].get((namespace, name)),
            self.caches[ENDPOINT_SLICES].labelled(namespace, labels),
        )

    def _forwarded(self, door: Door, forward: Forward, computed: Doors) -> Iterator[Doc]:
        port = DoorPort(forward.port, forward.protocol, forwarded=True)
        for key, weight in _weights(forward).items():
            share = Share(key, weight)
            found = self._endpoints(computed.pools[key]) if key else ()
            slices = [doors.forwards(door, port, share, source, source_port) for source, source_port in found]
            yield from slices or [doors.leads_nowhere(door, port, share)]

    def _endpoints(self, pool: Pool) -> Iterator[tuple[Doc, Doc]]:
        """The slices of a Service, each with the port that is meant."""
        for source in self.caches[ENDPOINT_SLICES].labelled(pool.namespace, {doors.SERVICE_NAME: pool.service}):
            for port in source.get("ports") or ():
                if (port.get("name") or "") == pool.port_name and port.get("port"):
                    yield source, port

    # Statuses

    def _statuses(self, computed: Doors) -> Iterator[Change]:
        # doors' pods have the programs of this machine
        builtin = engine_for(self.cluster.gateway_engine, installed=shutil.which("haproxy") is not None) == "builtin"
        now = timestamp(self.cluster.clock())
        for gateway_class in self._all(GATEWAY_CLASSES):
            if spec_of(gateway_class).get("controllerName") == GATEWAY_CONTROLLER:
                yield from _status(GATEWAY_CLASSES, gateway_class, class_status(gateway_class, now, builtin=builtin))
        gateways = {}
        for report in computed.gateways:
            if gateway := self.caches[GATEWAYS].get(report.name):
                state = self._state(_door(gateway, report, computed))
                yield from _status(GATEWAYS, gateway, gateway_status(gateway, report, state, now))
                gateways[report.name] = programmed(report, state)
        yield from self._listener_set_statuses(computed, gateways, now)
        yield from self._route_statuses(computed, now)
        yield from self._policy_statuses(computed, now)
        yield from self._ingress_statuses(computed)

    def _listener_set_statuses(self, computed: Doors, gateways: Mapping[Key, Condition], now: str) -> Iterator[Change]:
        for report in computed.listener_sets:
            document = self.caches[LISTENER_SETS].get(report.name)
            if document is not None:
                gateway = gateways.get(report.gateway, report.accepted)
                yield from _status(LISTENER_SETS, document, listener_set_status(document, report, gateway, now))

    def _state(self, door: Door) -> DoorState:
        existing = self._existing(door.namespace, door.name)
        ready = not door.served or doors.is_available(existing.deployment)
        return DoorState(_points(existing.service), ready)

    def _route_statuses(self, computed: Doors, now: str) -> Iterator[Change]:
        reports = {(report.kind, report.name): report.parents for report in computed.routes}
        for kind in ROUTE_KINDS:
            resource = RESOURCES[kind]
            for route in self._all(resource):
                parents = reports.get((kind, key_of(route)), ())
                if parents or _is_ours(route):
                    yield from _status(resource, route, route_status(route, parents, now))

    def _policy_statuses(self, computed: Doors, now: str) -> Iterator[Change]:
        reports = {report.name: report.ancestors for report in computed.policies}
        resource = RESOURCES["BackendTLSPolicy"]
        for policy in self._all(resource):
            ancestors = reports.get(key_of(policy), ())
            if ancestors or _is_ours(policy, "ancestors"):
                yield from _status(resource, policy, policy_status(policy, ancestors, now))

    def _ingress_statuses(self, computed: Doors) -> Iterator[Change]:
        """The door's addresses, once a pod of it is ready; nothing on an Ingress that is no longer ours."""
        existing = self._existing(doors.NAMESPACE, doors.INGRESS_NAME)
        points = _points(existing.service)
        ours = {key_of(ingress) for ingress in computed.ingresses}
        for ingress in self._all(INGRESSES):
            old = (status_of(ingress).get("loadBalancer") or {}).get("ingress") or []
            new = old
            if key_of(ingress) in ours:
                new = points if doors.is_available(existing.deployment) or not points else old
            elif old and old == points:
                new = []
            if new != old:
                balancer = {"ingress": new} if new else {}
                yield Update(INGRESSES, {**ingress, "status": {"loadBalancer": balancer}}, "status")

    def _complaints(self, complaints: Iterable[Complaint]) -> Iterator[Event]:
        """Each once, for as long as it stands."""
        standing = {(uid_of(c.regarding), c.reason, c.message): c for c in complaints}
        for key, complaint in standing.items():
            if key not in self._told:
                regarding = {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", **complaint.regarding}
                yield Event(regarding, "Warning", complaint.reason, complaint.message, COMPONENT)
        self._told = set(standing)


def _notes(document: Doc) -> Doc:
    return meta(document).get("annotations") or {}


def _points(service: Doc | None) -> list[Doc]:
    """The addresses of a door's Service, as an Ingress' status has them."""
    found = (status_of(service or {}).get("loadBalancer") or {}).get("ingress") or []
    return [{key: point[key] for key in ("ip", "hostname") if point.get(key)} for point in found]


def _is_ours(document: Doc, where: str = "parents") -> bool:
    entries = status_of(document).get(where) or ()
    return any(entry.get("controllerName") == GATEWAY_CONTROLLER for entry in entries)


def _status(resource: Resource, document: Doc, status: Doc) -> Iterator[Change]:
    if status_of(document) != status:
        yield Update(resource, {**document, "status": status}, "status")


def _weights(forward: Forward) -> dict[str, int]:
    """The weights of the pools behind a forward, "" being all that lead to none; those of 0 get nothing."""
    found: Counter[str] = Counter()
    for backend in forward.backends:
        found[backend.pool] += backend.weight
    return {key: weight for key, weight in found.items() if weight}


def _door_key(report: GatewayReport) -> Key:
    """Namespace and name of the objects of a Gateway's door."""
    namespace, name = report.name
    return namespace, doors.object_name(name)


def _door(gateway: Doc, report: GatewayReport, computed: Doors) -> Door:
    """What a Gateway's door is to be."""
    infrastructure = spec_of(gateway).get("infrastructure") or {}
    name = name_of(gateway)
    forwards = [DoorPort(f.port, f.protocol, True) for f in computed.forwards if f.gateway == report.name]
    return Door(
        door_of(report.name),
        namespace_of(gateway),
        doors.object_name(name),
        (*_ports(computed, door_of(report.name)), *forwards),
        _owner(gateway),
        {**(infrastructure.get("labels") or {}), doors.GATEWAY_LABEL: name[:63].rstrip(".-")},
        infrastructure.get("annotations") or {},
        report.addresses,
    )


def _ports(computed: Doors, door: str) -> tuple[DoorPort, ...]:
    """Those of its listeners."""
    numbers = {listener.port for listener in computed.listeners if listener.door == door}
    return tuple(DoorPort(number) for number in sorted(numbers))


def _owner(gateway: Doc) -> Doc:
    reference = {"apiVersion": f"{GROUP}/v1", "kind": "Gateway", "name": name_of(gateway), "uid": uid_of(gateway)}
    return {**reference, "controller": True, "blockOwnerDeletion": True}

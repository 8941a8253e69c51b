"""Events: what people are told of this node's proxy where they look for it, at the object that it concerns.

Source of the words: kube-proxy 1.36 pkg/proxy/healthcheck/service_health.go.
"""

import asyncio
import logging
import time
from datetime import UTC, datetime

from portway.client import Api, Unreachable
from portway.forwarding import ServiceKey
from portway.kubeapi.errors import ApiError, Doc
from portway.kubeapi.kinds import Resource

log = logging.getLogger(__name__)

EVENTS = Resource("", "v1", "events")
_REMEMBERED = 256
"""Not yet written: who could not write so many has other troubles."""


class Events:
    """Those of one node. What is told returns at once; `run` writes."""

    def __init__(self, node_name: str) -> None:
        self._node_name = node_name
        self._unwritten: asyncio.Queue[Doc] = asyncio.Queue(_REMEMBERED)

    def no_health_check(self, service: ServiceKey, port: int, why: str) -> None:
        """A Service's healthCheckNodePort cannot be listened on here."""
        self._put(failed_health_check(self._node_name, service, port, why, time.time_ns()))

    def two_answer(self, service: ServiceKey, message: str) -> None:
        """Somebody else claims an address of a Service that this node answers for."""
        self._put(address_conflict(self._node_name, service, message, time.time_ns()))

    def peer_refused(self, namespace: str, name: str, reason: str, message: str) -> None:
        """A BGPPeer is told nothing from here."""
        self._put(refused_peer(self._node_name, (namespace, name), reason, message, time.time_ns()))

    def _put(self, document: Doc) -> None:
        if not self._unwritten.full():
            self._unwritten.put_nowait(document)

    async def run(self, api: Api) -> None:
        """Forever. An Event that cannot be written is logged and lost, as in Kubernetes."""
        while True:
            document = await self._unwritten.get()
            try:
                await api.create(EVENTS, document)
            except (ApiError, Unreachable) as failure:
                log.warning("an Event cannot be written: %s", failure)


def failed_health_check(node_name: str, service: ServiceKey, port: int, why: str, nanoseconds: int) -> Doc:
    """The v1 Event that says so at the Service; `nanoseconds` since 1970."""
    namespace, name = service
    message = f'node {node_name} failed to start healthcheck "{namespace}/{name}" on port {port}: {why}'
    why_here = ("FailedToStartServiceHealthcheck", "Listen", message)
    return _event("kube-proxy", node_name, _service(service), why_here, nanoseconds)


def address_conflict(node_name: str, service: ServiceKey, message: str, nanoseconds: int) -> Doc:
    """The same of an address that two have."""
    said = f"node {node_name} announces it, but {message}"
    why = ("AddressConflict", "Announce", said)
    return _event("portway-announcer", node_name, _service(service), why, nanoseconds)


def refused_peer(node_name: str, peer: tuple[str, str], reason: str, message: str, nanoseconds: int) -> Doc:
    """The same at a BGPPeer."""
    said = f"node {node_name} has no session: {message}"
    namespace, name = peer
    of = {"apiVersion": "metallb.io/v1beta2", "kind": "BGPPeer", "namespace": namespace, "name": name}
    return _event("portway-announcer", node_name, of, (reason, "Announce", said), nanoseconds)


def _service(key: ServiceKey) -> Doc:
    namespace, name = key
    return {"apiVersion": "v1", "kind": "Service", "namespace": namespace, "name": name}


def _event(component: str, node_name: str, regarding: Doc, why: tuple[str, str, str], nanoseconds: int) -> Doc:
    """`why`: reason, action, message."""
    reason, action, message = why
    moment = datetime.fromtimestamp(nanoseconds / 1e9, UTC)
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"namespace": regarding["namespace"], "name": f"{regarding['name']}.{nanoseconds:x}"},
        "involvedObject": regarding,
        "type": "Warning",
        "reason": reason,
        "action": action,
        "message": message,
        "source": {"component": component, "host": node_name},
        "reportingComponent": component,
        "reportingInstance": f"{component}-{node_name}",
        "firstTimestamp": f"{moment:%Y-%m-%dT%H:%M:%SZ}",
        "lastTimestamp": f"{moment:%Y-%m-%dT%H:%M:%SZ}",
        "eventTime": f"{moment:%Y-%m-%dT%H:%M:%S.%fZ}",
        "count": 1,
    }

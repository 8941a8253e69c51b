"""EndpointSlices and Endpoints of Services: which changes concern which Service."""

from datetime import UTC, datetime

from portway.client import Key
from portway.client.reflector import key_of
from portway.controllers.cluster import Cluster, selecting
from portway.controllers.controller import Controller, distinct
from portway.kubeapi.errors import Doc
from portway.reconcile import backends, endpoints, endpointslices, hints, mirroring, topology
from portway.reconcile.objects import annotations_of, contains_all, labels_of, spec_of
from portway.reconcile.resources import ENDPOINT_SLICES, ENDPOINTS, NODES, PODS, SERVICES


class _BackendsController(Controller):
    """Follows Services and the pods that they select."""

    workers = 8

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(cluster)
        self._since: dict[Key, float] = {}
        """When the first change came that has not been written yet."""
        self.caches[SERVICES].listeners.append(self._touched)
        self.caches[PODS].listeners.append(self._pod_changed)

    def _touched(self, key: Key, *_: object) -> None:
        self._since.setdefault(key, self.cluster.clock())
        self.queue.add(key)

    def _pod_changed(self, _: Key, old: Doc | None, new: Doc | None) -> None:
        if old and new and labels_of(old) == labels_of(new) and not backends.shows_in_endpoints(old, new):
            return
        concerned = {
            key_of(service)
            for pod in (old, new)
            if pod is not None and backends.pod_addresses(pod)
            for service in selecting(self.caches[SERVICES], pod)
            if contains_all(labels_of(pod), spec_of(service).get("selector") or {})
        }
        for key in sorted(concerned):
            self._touched(key)

    def selected(self, service: Doc) -> list[Doc]:
        """The pods that the Service selects, in a stable order."""
        namespace, _ = key_of(service)
        return distinct(self.caches[PODS].labelled(namespace, spec_of(service).get("selector") or {}))

    def trigger_time(self, key: Key) -> str:
        """RFC 3339 of the first change that is not written yet."""
        since = self._since.pop(key, None) or self.cluster.clock()
        return datetime.fromtimestamp(since, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


class EndpointSliceController(_BackendsController):
    """Follows also slices (someone may change ours) and nodes (zones, CPU, pods that were there before a node)."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(cluster)
        self._zonal: dict[Key, set[str]] = {}
        """The address types whose hints the topology annotation made."""
        self.caches[ENDPOINT_SLICES].listeners.append(self._slice_changed)
        self.caches[NODES].listeners.append(self._node_changed)

    def _slice_changed(self, _: Key, old: Doc | None, new: Doc | None) -> None:
        for slice_ in (old, new):
            labels = labels_of(slice_ or {})
            if labels.get(endpointslices.MANAGED_BY) == endpointslices.CONTROLLER and slice_:
                self.queue.add((key_of(slice_)[0], labels.get(endpointslices.SERVICE_NAME, "")))

    def _node_changed(self, _: Key, old: Doc | None, new: Doc | None) -> None:
        """Its zone is in every endpoint of its pods; its CPU matters to those Services that spread hints by it."""
        moved = old is None or new is None or _zone(old) != _zone(new)
        resized = [node and topology.share_of(node) for node in (old, new)]
        if not moved and resized[0] == resized[1]:
            return
        for key, service in self.caches[SERVICES].objects.items():
            if moved or hints.topology_mode_auto(annotations_of(service)):
                self._touched(key)

    async def work(self, key: Key) -> float | None:
        """Make the Service's slices right."""
        service = self.caches[SERVICES].get(key)
        if service is None or not backends.is_managed(service):
            self._since.pop(key, None)
            self._zonal.pop(key, None)
            return None
        labels = {endpointslices.SERVICE_NAME: key[1], endpointslices.MANAGED_BY: endpointslices.CONTROLLER}
        slices = distinct(self.caches[ENDPOINT_SLICES].labelled(key[0], labels))
        nodes = {name: node for (_, name), node in self.caches[NODES].objects.items()}
        pods = self.selected(service)
        since, zonal = self.trigger_time(key), self._zonal.setdefault(key, set())
        await self.hands.carry_out(endpointslices.reconcile(service, pods, slices, nodes, since, zonal=zonal))
        return None


def _zone(node: Doc) -> str:
    return labels_of(node).get(backends.ZONE, "")


class EndpointsController(_BackendsController):
    """Follows also Endpoints: they have their Service's name."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(cluster)
        self.caches[ENDPOINTS].listeners.append(self.add)

    async def work(self, key: Key) -> float | None:
        """Make the Service's Endpoints right."""
        service, current = self.caches[SERVICES].get(key), self.caches[ENDPOINTS].get(key)
        pods = self.selected(service) if service else []
        await self.hands.carry_out(endpoints.reconcile(service, pods, current, self.trigger_time(key)))
        return None


class MirroringController(Controller):
    """Follows Endpoints, their Services and the slices made of them."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(cluster)
        self.caches[ENDPOINTS].listeners.append(self._endpoints_changed)
        self.caches[SERVICES].listeners.append(self._service_changed)
        self.caches[ENDPOINT_SLICES].listeners.append(self._slice_changed)

    def _endpoints_changed(self, key: Key, old: Doc | None, new: Doc | None) -> None:
        """Those of the other controller are none of ours, unless they were."""
        if any(e is not None and labels_of(e).get(endpoints.MANAGED_BY) != endpoints.CONTROLLER for e in (old, new)):
            self.queue.add(key)

    def _service_changed(self, key: Key, old: Doc | None, new: Doc | None) -> None:
        if any(s is not None and spec_of(s).get("selector") is None for s in (old, new)):
            self.queue.add(key)

    def _slice_changed(self, _: Key, old: Doc | None, new: Doc | None) -> None:
        for slice_ in (old, new):
            labels = labels_of(slice_ or {})
            if labels.get(endpointslices.MANAGED_BY) == mirroring.CONTROLLER and slice_:
                self.queue.add((key_of(slice_)[0], labels.get(endpointslices.SERVICE_NAME, "")))

    async def work(self, key: Key) -> float | None:
        """Make the slices what the Endpoints are."""
        labels = {endpointslices.SERVICE_NAME: key[1], endpointslices.MANAGED_BY: mirroring.CONTROLLER}
        slices = distinct(self.caches[ENDPOINT_SLICES].labelled(key[0], labels))
        service, written = self.caches[SERVICES].get(key), self.caches[ENDPOINTS].get(key)
        await self.hands.carry_out(mirroring.reconcile(service, written, slices))
        return None

"""Pods by their addresses, and the kinds of them that nothing in a policy can tell apart."""

from bisect import bisect_right
from collections.abc import Iterable
from typing import Any

from msgspec.structs import replace

from portway.model import ContainerPort, Labels, Pod
from portway.policy.space import point
from portway.policy.spans import Spans

PodKey = tuple[str, str]


class Kind:
    """Pods of one namespace with the same labels and named ports: mostly a workload's replicas."""

    __slots__ = ("addresses", "asked", "cells", "here", "labels", "namespace", "ports", "terms")

    def __init__(self, namespace: str, labels: Labels, ports: tuple[ContainerPort, ...]) -> None:
        self.namespace = namespace
        self.labels = labels
        self.ports = ports
        self.addresses = 0
        """How many addresses its pods have."""
        self.here: dict[str, None] = {}
        """The addresses of those on this node."""
        self.terms: frozenset[int] = frozenset()
        """The numbers of the peers by selector that match."""
        self.asked: tuple[ContainerPort, ...] = ()
        """The ports that matching peers call by name."""
        self.cells: dict[frozenset[int], Any] = {}
        """Its `classes.Cell`s by the blocks that hold their addresses."""


class Kinds:
    """All pods of the cluster. Of several that claim an address, the first by (namespace, name) has it."""

    def __init__(self, node_name: str) -> None:
        self._node_name = node_name
        self.pods: dict[PodKey, Pod] = {}
        self.of: dict[str, Kind] = {}
        """The kind of each pod's address."""
        self.here: dict[str, Kind] = {}
        """Those of this node."""
        self._kinds: dict[object, Kind] = {}
        self._owner: dict[str, PodKey] = {}
        self._rivals: dict[str, set[PodKey]] = {}
        """All claimants of the addresses that more than one claims."""
        self._points: dict[str, int] = {}

    def put(self, key: PodKey, pod: Pod | None) -> Iterable[str]:
        """A pod came or changed, or went (None). The addresses that it concerns."""
        old = self.pods.get(key)
        if old == pod:
            return ()
        before = old.addresses if old is not None and old.has_policies else ()
        after = pod.addresses if pod is not None and pod.has_policies else ()
        if pod is None:
            del self.pods[key]
        else:
            kind = self._kinds.get(_identity(pod)) if after else None
            self.pods[key] = pod if kind is None else replace(pod, labels=kind.labels, ports=kind.ports)
        for address in before:
            if address not in after:
                self._leave(address, key)
        for address in after:
            self._claim(address, key)
        return dict.fromkeys((*before, *after))

    def _claim(self, address: str, key: PodKey) -> None:
        owner = self._owner.setdefault(address, key)
        if owner != key:
            rivals = self._rivals.setdefault(address, {owner})
            rivals.add(key)
            self._owner[address] = min(rivals)

    def _leave(self, address: str, key: PodKey) -> None:
        rivals = self._rivals.get(address)
        if rivals is None:
            del self._owner[address]
            return
        rivals.discard(key)
        self._owner[address] = min(rivals)
        if len(rivals) == 1:
            del self._rivals[address]

    def within(self, spans: Spans) -> list[tuple[str, Kind]]:
        """The pods' addresses that lie there, with their kinds."""
        starts, ends = [first for first, _ in spans], [last for _, last in spans]
        found = []
        for address, kind in self.of.items():
            number = self._points.get(address)
            if number is None:
                number = self._points[address] = point(address)
            index = bisect_right(starts, number) - 1
            if index >= 0 and number <= ends[index]:
                found.append((address, kind))
        return found

    def owner(self, address: str) -> Pod | None:
        """The pod that has an address."""
        key = self._owner.get(address)
        return None if key is None else self.pods[key]

    def settle(self, address: str) -> tuple[Kind | None, Kind | None]:
        """Brings `of` and `here` up to date for an address; its kind before and now."""
        before, pod = self.of.get(address), self.owner(address)
        if pod is None:
            self.of.pop(address, None)
            self._points.pop(address, None)
            self._stay(address, before, None)
            return self._counted(before, None)
        now = self._kind(pod)
        self.of[address] = now
        self._stay(address, before, now if pod.node_name == self._node_name else None)
        return self._counted(before, now)

    def _kind(self, pod: Pod) -> Kind:
        identity = _identity(pod)
        found = self._kinds.get(identity)
        if found is None:
            found = self._kinds[identity] = Kind(pod.namespace, pod.labels, pod.ports)
        return found

    def _stay(self, address: str, before: Kind | None, now: Kind | None) -> None:
        """`now`: whose the address is on this node."""
        if before is not None and before is not now:
            before.here.pop(address, None)
        if now is None:
            self.here.pop(address, None)
        else:
            now.here[address] = None
            self.here[address] = now

    def _counted(self, before: Kind | None, now: Kind | None) -> tuple[Kind | None, Kind | None]:
        if now is not None:
            now.addresses += 1
        if before is not None:
            before.addresses -= 1
            if not before.addresses:
                del self._kinds[_identity(before)]
        return before, now


def _identity(of: Pod | Kind) -> object:
    return of.namespace, frozenset(of.labels.items()), of.ports

"""Services with very many endpoints: a changed EndpointSlice costs that slice, not the whole Service.

What is remembered of such a Service is where each endpoint stands: its slot, or that it has none. A change moves
only what it names. Whatever is not simple is left to the full computation: topology hints, shares, an endpoint in two
slices, a change of the Service itself, a fallback to terminating endpoints that begins or ends, health checks.

Remembered state belongs to one exact Contribution; it is of no use for any other and then forgotten.
"""

from collections.abc import Iterable, Iterator, Mapping

import msgspec
from msgspec import Struct

from portway.forwarding.frontend import Contribution, Frontend, ServiceKey, Target
from portway.model import Backend, Endpoint, EndpointSlice, ProxyConfig, Service, family_of

LARGE = 1000
"""Endpoints of a Service from which remembering pays."""

Key = tuple[str, int]
Slices = Mapping[str, EndpointSlice]
Pair = tuple[EndpointSlice | None, EndpointSlice | None]
"""A slice before and after."""


class _NotSimple(Exception):
    """This change is for the full computation."""


class LargeServices:
    """What is remembered of each large Service. Mutable; owned by whoever keeps the inputs."""

    def __init__(self, least: int = LARGE) -> None:
        self._least = least
        self._known: dict[ServiceKey, _Remembered] = {}

    def learn(self, service: Service, slices: Slices, made: Contribution, config: ProxyConfig) -> None:
        """Remembers how `made` came from its inputs, when it is large and simple enough."""
        self._known.pop(made.service, None)
        if made.health_check is None and sum(len(piece.endpoints) for piece in slices.values()) >= self._least:
            try:
                self._known[made.service] = _Remembered(service, slices, made, config)
            except _NotSimple:
                return

    def renewed(
        self, service: Service, slices: Slices, previous: Contribution | None, config: ProxyConfig
    ) -> Contribution | None:
        """`previous` brought up to date from what changed, or None when that takes the full computation."""
        known = self._known.pop((service.namespace, service.name), None)
        if known is None or known.contribution is not previous or (known.service, known.config) != (service, config):
            return None
        try:
            known.change(slices)
        except _NotSimple:
            return None
        self._known[previous.service] = known
        return known.contribution


class _Remembered:
    def __init__(self, service: Service, slices: Slices, made: Contribution, config: ProxyConfig) -> None:
        self.service = service
        self.config = config
        self.contribution = made
        self._slices = dict(slices)
        self._columns = [_Column(target, fs, config.node_name) for target, fs in _by_target(made.frontends)]
        for column in self._columns:
            column.fill(slices.values())

    def change(self, slices: Slices) -> None:
        """Brings the contribution to these slices."""
        changed = list(_differences(self._slices, slices))
        for before, after in changed:
            if after is not None:
                self._slices[after.name] = after
            elif before is not None:
                del self._slices[before.name]
        fresh = {id(column.target): column.changed(changed) for column in self._columns}
        frontends = tuple(msgspec.structs.replace(f, target=fresh[id(f.target)]) for f in self.contribution.frontends)
        for column in self._columns:
            column.target = fresh[id(column.target)]
        self.contribution = msgspec.structs.replace(self.contribution, frontends=frontends)


def _by_target(frontends: Iterable[Frontend]) -> Iterator[tuple[Target, list[Frontend]]]:
    grouped: dict[int, list[Frontend]] = {}
    for frontend in frontends:
        grouped.setdefault(id(frontend.target), []).append(frontend)
    return ((group[0].target, group) for group in grouped.values())


def _differences(before: Slices, after: Slices) -> Iterator[Pair]:
    for name, piece in after.items():
        if before.get(name) is not piece:
            yield before.get(name), piece
    for name, gone in before.items():
        if name not in after:
            yield gone, None


class _Counts(Struct):
    """Endpoints by what they are good for; "leaving" serve and terminate."""

    ready: int = 0
    leaving: int = 0
    ready_here: int = 0
    leaving_here: int = 0

    def count(self, endpoint: Endpoint, here: bool, by: int) -> None:
        """Adds (1) or takes away (-1) one endpoint."""
        leaving = endpoint.serving and endpoint.terminating
        self.ready += by * endpoint.ready
        self.leaving += by * leaving
        self.ready_here += by * (here and endpoint.ready)
        self.leaving_here += by * (here and leaving)


class _Column:
    """One Target's endpoints, and where each stands."""

    def __init__(self, target: Target, frontends: list[Frontend], node_name: str) -> None:
        inside = next(f for f in frontends if f.kind == "clusterIP")
        self.target = target
        self._family = inside.family
        self._uses_cluster = not inside.local_policy or len(frontends) > 1
        self._uses_local = any(f.local_policy for f in frontends)
        self._node_name = node_name
        self._counts = _Counts()
        self._known: set[Key] = set()
        self._cluster = {(b.address, b.port): slot for slot, b in enumerate(target.cluster)}
        self._local = {(b.address, b.port): slot for slot, b in enumerate(target.local)}

    def fill(self, slices: Iterable[EndpointSlice]) -> None:
        """Counts all endpoints of these slices."""
        for piece in slices:
            for key, endpoint in self._entries(piece).items():
                self._enter(key, endpoint)

    def changed(self, pairs: list[Pair]) -> Target:
        """The target after these slices changed."""
        old = {key: e for before, _ in pairs for key, e in self._entries(before).items()}
        new: dict[Key, Endpoint] = {}
        for _, after in pairs:
            entries = self._entries(after)
            if new.keys() & entries.keys():
                raise _NotSimple
            new |= entries
        touched = {key for key in old.keys() | new.keys() if old.get(key) != new.get(key)}
        for key in touched & old.keys():
            self._known.remove(key)
            self._counts.count(old[key], self._is_here(old[key]), -1)
        for key in sorted(touched & new.keys()):
            self._enter(key, new[key])
        self._check_fallbacks()
        return self._edited(touched, new)

    def _entries(self, piece: EndpointSlice | None) -> dict[Key, Endpoint]:
        if piece is not None and piece.share:
            raise _NotSimple
        if piece is None or not piece.proxied or not piece.endpoints:
            return {}
        if family_of(piece.endpoints[0].address) != self._family:
            return {}
        wanted = (self.target.name.port, self.target.name.protocol)
        numbers = [p.port for p in piece.ports if (p.name, p.protocol) == wanted]
        found = {(e.address, number): e for number in numbers for e in piece.endpoints}
        if len(found) != len(numbers) * len(piece.endpoints):
            raise _NotSimple
        return found

    def _is_here(self, endpoint: Endpoint) -> bool:
        return bool(self._node_name) and endpoint.node_name == self._node_name

    def _enter(self, key: Key, endpoint: Endpoint) -> None:
        if key in self._known or endpoint.zone_hints or endpoint.node_hints:
            raise _NotSimple
        self._known.add(key)
        self._counts.count(endpoint, self._is_here(endpoint), 1)

    def _check_fallbacks(self) -> None:
        counts = self._counts
        cluster = self._uses_cluster and not counts.ready and counts.leaving > 0
        local = self._uses_local and not counts.ready_here and counts.leaving_here > 0
        if (cluster, local) != (self.target.cluster_terminating, self.target.local_terminating):
            raise _NotSimple

    def _edited(self, touched: set[Key], new: dict[Key, Endpoint]) -> Target:
        target, counts = self.target, self._counts
        wanted = {key: new[key] for key in sorted(touched & new.keys())}
        backends = {key: Backend(*key, e.node_name, e.target) for key, e in wanted.items()}
        to_cluster = {
            k: backends[k] for k, e in wanted.items() if self._uses_cluster and _used(e, target.cluster_terminating)
        }
        to_local = {
            k: backends[k]
            for k, e in wanted.items()
            if self._uses_local and self._is_here(e) and _used(e, target.local_terminating)
        }
        return msgspec.structs.replace(
            target,
            cluster=edited(target.cluster, self._cluster, touched, to_cluster),
            local=edited(target.local, self._local, touched, to_local),
            has_endpoints=bool(counts.ready or counts.leaving),
        )


def _used(endpoint: Endpoint, falls_back: bool) -> bool:
    return endpoint.serving and endpoint.terminating if falls_back else endpoint.ready


def edited(
    slots: tuple[Backend, ...], positions: dict[Key, int], touched: Iterable[Key], wanted: Mapping[Key, Backend]
) -> tuple[Backend, ...]:
    """`slots` where those `touched` are as `wanted` or gone, by the law of endpoints.in_slots.

    `positions` (key to slot) is brought along in place. Returns `slots` itself when nothing moves.
    """
    coming = {key: backend for key, backend in wanted.items() if key not in positions}
    going = [key for key in touched if key in positions and key not in wanted]
    staying = [key for key in wanted if key in positions]
    if not (coming or going or any(slots[positions[key]] != wanted[key] for key in staying)):
        return slots
    edit = list(slots)
    for key in staying:
        edit[positions[key]] = wanted[key]
    free = sorted((positions.pop(key) for key in going), reverse=True)
    for key, backend in sorted(coming.items(), key=lambda item: str(item[1])):
        slot = free.pop() if free else len(edit)
        edit[slot : slot + 1] = [backend]
        positions[key] = slot
    for slot in free:
        last = edit.pop()
        if slot < len(edit):
            edit[slot] = last
            positions[(last.address, last.port)] = slot
    return tuple(edit)

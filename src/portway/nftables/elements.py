"""What one frontend adds to the maps."""

import ipaddress
from collections.abc import Callable, Iterator, Mapping
from hashlib import blake2b
from itertools import chain, compress, zip_longest
from operator import ne

from msgspec import Struct, field

from portway.forwarding.frontend import Contribution, Frontend
from portway.model import Backend, Disposition, Family, ProxyConfig, ServicePortName
from portway.nftables.datatype import address_bytes, backend_bytes_many, native, native_many, service_bytes
from portway.nftables.ruleset import Element
from portway.nftables.structure import (
    NO_ENDPOINTS,
    NO_LOCAL_ENDPOINT,
    Behaviour,
    digit,
    guard,
    guard_unserved,
    no_local_endpoint,
)

_STRIDE = 256
"""Slots that are compared, or made, at once."""


LOCAL = 1
"""Added to what stands for a ServicePort where only the node's own endpoints are drawn from."""


class Column(Struct, frozen=True):
    """Endpoints in the order of their slots, as elements `prefix . slot : backend` of one map."""

    container: str
    prefix: bytes
    backends: tuple[Backend, ...]

    def key(self, slot: int) -> bytes:
        """The key of one slot's entry."""
        return self.prefix + native(slot)

    def entries(self) -> Iterator[tuple[bytes, bytes]]:
        """All keys and values."""
        if len(self.backends) <= _STRIDE:
            return self._packed(0, self.backends)
        starts = range(0, len(self.backends), _STRIDE)
        return chain.from_iterable(self._packed(start, self.backends[start : start + _STRIDE]) for start in starts)

    def _packed(self, first: int, backends: tuple[Backend, ...]) -> Iterator[tuple[bytes, bytes]]:
        keys = [self.prefix + slot for slot in native_many(first, len(backends))]
        return zip(keys, backend_bytes_many(backends), strict=True)


class Compiled(Struct, frozen=True):
    """One frontend's elements. Endpoints stay a column, so that two versions compare without making elements."""

    singles: Mapping[tuple[str, bytes], bytes] = field(default_factory=dict)
    columns: tuple[Column, ...] = ()
    behaviour: Behaviour | None = None
    shared: tuple[Element, ...] = ()
    """Those that other frontends of its ServicePort have too."""

    def elements(self) -> Iterator[Element]:
        """All that is this frontend's own."""
        for (container, key), value in self.singles.items():
            yield Element(container, key, value)
        for column in self.columns:
            yield from (Element(column.container, key, value) for key, value in column.entries())


EMPTY = Compiled()


def number_of(name: ServicePortName) -> int:
    """What stands for a ServicePort under session affinity: the same in every run, so that clients keep their
    endpoints when the agent restarts. Even, never 0. Two may have the same; then a Program gives one of them the next.
    """
    text = "\0".join((name.namespace, name.name, name.port, name.protocol))
    return int.from_bytes(blake2b(text.encode(), digest_size=4).digest()) & ~LOCAL or 2


def compile_frontend(frontend: Frontend, number: int = 0) -> Compiled:
    """The frontend's elements and how it behaves. `number` stands for its ServicePort (0: its first choice)."""
    node_port, d = frontend.kind == "nodePort", digit(frontend.family)
    key, name = _key(frontend), "node_port_" if node_port else ""
    behaviour = _behaviour(frontend)
    singles = dict(_source_ranges(frontend, key, d)) if frontend.source_ranges else {}
    shared: list[Element] = []
    if behaviour is not None:
        served = "node_ports" + d if node_port else "frontends" + d
        singles.update(_verdicts(frontend, key, served, "guarded_frontends" + d, guard, behaviour.verdict))
        if behaviour.affinity:
            number = number or number_of(frontend.target.name)
            for ports, value in _ports(behaviour, number):
                singles[f"{name}{ports}{d}", key] = value
                shared.append(Element(f"remember{d}", value, f"goto {behaviour.remember}".encode()))
    if not frontend.backends or frontend.target.refused:
        end = f"goto {_ending(frontend, behaviour)}".encode()
        unserved = f"no_{name}endpoints{d}"
        singles.update(_verdicts(frontend, key, unserved, "guarded_no_endpoints" + d, guard_unserved, end))
    return Compiled(singles, columns_of(frontend, behaviour, key), behaviour, tuple(shared))


def _ending(frontend: Frontend, behaviour: Behaviour | None) -> str:
    """The chain for those who get no endpoint of it."""
    if frontend.without_backends is not Disposition.DROP:
        return NO_ENDPOINTS
    return no_local_endpoint(frontend.family) if behaviour and frontend.address else NO_LOCAL_ENDPOINT


def _key(frontend: Frontend) -> bytes:
    """By what packets to it are found."""
    port = service_bytes(frontend.protocol, frontend.port)
    return address_bytes(frontend.address) + port if frontend.address else port


def _behaviour(frontend: Frontend) -> Behaviour | None:
    """None when no connection to it can get an endpoint."""
    family, node_port, seconds = frontend.family, frontend.kind == "nodePort", frontend.target.session_affinity_seconds
    cluster, local = frontend.target.draws, len(frontend.target.local)
    if frontend.kind == "clusterIP":
        if frontend.local_policy:
            return Behaviour(family, "cluster-ip-local", local=local, affinity=seconds) if local else None
        return Behaviour(family, "cluster-ip", cluster=cluster, affinity=seconds) if cluster else None
    if not cluster:
        # Under policy Local, an empty cluster set with a local one cannot be: what is local is in the cluster too.
        return None
    if frontend.local_policy:
        return Behaviour(family, "external-local", node_port, cluster, local, seconds)
    return Behaviour(family, "external", node_port, cluster, affinity=seconds)


def _ports(behaviour: Behaviour, number: int) -> Iterator[tuple[str, bytes]]:
    """What stands for the ServicePort: two numbers, as an endpoint of the cluster's may be none of the node's own."""
    if behaviour.cluster:
        yield "affinity_ports", native(number)
    if behaviour.local:
        yield "local_affinity_ports", native(number | LOCAL)


def columns_of(frontend: Frontend, behaviour: Behaviour | None = None, key: bytes | None = None) -> tuple[Column, ...]:
    """The frontend's endpoints as it draws from them; the rest are what who knows them already spares us to find."""
    behaviour = behaviour or _behaviour(frontend)
    if behaviour is None:
        return ()
    key, target, d = key or _key(frontend), frontend.target, digit(frontend.family)
    name = "node_port_" if behaviour.node_port else ""
    cluster = (Column(f"{name}endpoints{d}", key, target.drawn),) if behaviour.cluster else ()
    return (*cluster, Column(f"{name}local_endpoints{d}", key, target.local)) if behaviour.local else cluster


def _verdicts(
    frontend: Frontend, key: bytes, served: str, guarded: str, guard: Callable[[Family], str], verdict: bytes
) -> Iterator[tuple[tuple[str, bytes], bytes]]:
    """The verdict; where only some sources may come, behind a guard."""
    if not frontend.source_ranges:
        yield (served, key), verdict
        return
    yield (served, key), f"goto {guard(frontend.family)}".encode()
    yield (guarded, key), verdict


def _source_ranges(frontend: Frontend, key: bytes, d: str) -> Iterator[tuple[tuple[str, bytes], bytes]]:
    # Disjoint, because the kernel refuses overlapping ranges.
    networks = [ipaddress.ip_network(cidr, strict=False) for cidr in frontend.source_ranges]
    for network in ipaddress.collapse_addresses(networks):  # type: ignore[type-var]
        first, last = network.network_address.packed, network.broadcast_address.packed
        yield ("source_ranges" + d, key + first + key + last), b""


def hairpin(backend: Backend) -> Element:
    """The pair by which a pod is recognised that was sent to itself."""
    packed = address_bytes(backend.address)
    return Element("hairpin" + ("6" if ":" in backend.address else "4"), packed + packed)


def cluster_ip(address: str) -> Element:
    """A clusterIP, whatever its ports."""
    return Element("cluster_ips" + ("6" if ":" in address else "4"), address_bytes(address))


def differences(old: Column | None, new: Column | None) -> Iterator[tuple[int, Backend | None, Backend | None]]:
    """(slot, was, is) where two versions of a column differ; None where one has no such slot."""
    a, b = old.backends if old else (), new.backends if new else ()
    if a is b:
        return
    shared = min(len(a), len(b))
    for start in range(0, shared, _STRIDE):
        some, others = a[start : min(start + _STRIDE, shared)], b[start : min(start + _STRIDE, shared)]
        # Tuples compare by identity first: a long column of which little changed costs next to nothing.
        if some != others:
            for slot in compress(range(start, shared), map(ne, some, others)):
                yield slot, a[slot], b[slot]
    for slot, (was, now) in enumerate(zip_longest(a[shared:], b[shared:]), shared):
        yield slot, was, now


def elements_of(contribution: Contribution, config: ProxyConfig) -> frozenset[Element]:
    """All that one Service adds, were it alone."""
    found = {cluster_ip(address) for address in contribution.cluster_ips}
    for frontend in contribution.frontends:
        compiled = compile_frontend(frontend)
        found.update(compiled.elements())
        found.update(compiled.shared)
        backends = (backend for column in compiled.columns for backend in column.backends)
        found.update(hairpin(backend) for backend in backends if backend.node_name == config.node_name)
    return frozenset(found)

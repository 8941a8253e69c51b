"""Who did the work: each backend's share of a Service port's connections, beside the share that chance would give it.

A backend that came late or left early could not get an equal part. So each connection is expected to go, with equal
chances, to one of the backends that were there when it began, and a backend was there from its first connection to its
last. What deviates by more than 4 standard deviations is no chance (1 in 16,000): session affinity, weights of a
TCPRoute or UDPRoute, a traffic policy that keeps connections local, clients that hold connections open, or a node that
knows other backends.
"""

from bisect import bisect_left, bisect_right
from itertools import accumulate
from math import sqrt

from msgspec import Struct

from portway.accesslog.names import PortKey, party_name, port_key, socket_name
from portway.accesslog.record import Party, Record

DEVIATIONS = 4.0


class BackendShare(Struct, frozen=True):
    """One backend's part."""

    name: str
    node: str
    connections: int
    expected: float
    """Connections that chance would have given it."""
    bytes: int
    """Both ways."""
    deviations: float
    """How many standard deviations it is off."""


class PortShares(Struct, frozen=True):
    """All backends of a Service port that got a connection."""

    port: PortKey
    connections: int
    uneven: bool
    """More than chance explains."""
    backends: tuple[BackendShare, ...]
    """The busiest first."""


class Shares:
    """Takes records in any order."""

    def __init__(self) -> None:
        self._ports: dict[PortKey, dict[tuple[str, str], _Backend]] = {}

    def add(self, record: Record) -> None:
        """Only connections that were let in count."""
        key = port_key(record)
        if key is not None and record.backend is not None and record.verdict == "FORWARDED":
            backends = self._ports.setdefault(key, {})
            backends.setdefault(_name(record.backend), _Backend()).add(record)

    def found(self) -> tuple[PortShares, ...]:
        """By port."""
        return tuple(_shares(key, self._ports[key]) for key in sorted(self._ports))


class _Backend:
    def __init__(self) -> None:
        self.starts: list[float] = []
        self.bytes = 0

    def add(self, record: Record) -> None:
        self.starts.append(record.ts_start)
        self.bytes += record.bytes_in + record.bytes_out


def _name(backend: Party) -> tuple[str, str]:
    """A dual-stack pod is one backend."""
    return party_name(backend) if backend.pod else socket_name(backend.ip, backend.port), backend.node


def _shares(key: PortKey, backends: dict[tuple[str, str], _Backend]) -> PortShares:
    expected = _expected(list(backends.values()))
    total = sum(len(backend.starts) for backend in backends.values())
    rows = [
        _row(name, backend, mean, variance)
        for (name, backend), (mean, variance) in zip(backends.items(), expected, strict=True)
    ]
    uneven = any(abs(row.deviations) > DEVIATIONS for row in rows)
    return PortShares(key, total, uneven, tuple(sorted(rows, key=lambda row: (-row.connections, row.name))))


def _row(name: tuple[str, str], backend: _Backend, mean: float, variance: float) -> BackendShare:
    got = len(backend.starts)
    # Rounding leaves a trace of a variance where there is no choice.
    off = (got - mean) / sqrt(variance) if variance > 1e-6 else 0.0
    return BackendShare(*name, got, round(mean, 1), backend.bytes, round(off, 1))


def _expected(backends: list[_Backend]) -> list[tuple[float, float]]:
    """(mean, variance) of each one's connections: sums of 1/n and (1/n)(1 - 1/n) while it was there, among n."""
    begins = sorted(min(backend.starts) for backend in backends)
    ends = sorted(max(backend.starts) for backend in backends)
    moments = sorted(moment for backend in backends for moment in backend.starts)
    chances = [1 / (bisect_right(begins, moment) - bisect_left(ends, moment)) for moment in moments]
    means = [0.0, *accumulate(chances)]
    variances = [0.0, *accumulate(chance * (1 - chance) for chance in chances)]
    found = []
    for backend in backends:
        first, last = bisect_left(moments, min(backend.starts)), bisect_right(moments, max(backend.starts))
        found.append((means[last] - means[first], variances[last] - variances[first]))
    return found

"""How much at once: what a Service port has to carry at its busiest, for planning capacity.

A record knows a connection's beginning, end and bytes, not when the bytes came: they are spread evenly over its
time, over a second at least. A UDP flow's time ends when the kernel forgets it, so it counts as open a while longer
than it was used.
"""

from array import array
from collections import Counter
from collections.abc import Iterable

from msgspec import Struct

from portway.accesslog.names import PortKey, port_key
from portway.accesslog.record import Record

_SHORTEST = 0.001
"""Seconds: a connection that begins and ends at the same moment was open nevertheless."""


class Peak(Struct, frozen=True):
    """The most of something, and when it was, in seconds since the epoch."""

    value: int
    at: float


class PortPeaks(Struct, frozen=True):
    """One Service port's busiest moments, each with its own time."""

    port: PortKey
    connections: int
    """All of them."""
    bytes_in: int
    bytes_out: int
    connections_per_second: Peak
    """New ones, in the seconds of the clock."""
    bytes_per_second: Peak
    """Both ways."""
    concurrent: Peak


class Peaks:
    """Takes records in any order."""

    def __init__(self) -> None:
        self._ports: dict[PortKey, _Port] = {}

    def add(self, record: Record) -> None:
        """Only connections that were let in count."""
        key = port_key(record)
        if key is not None and record.verdict == "FORWARDED":
            self._ports.setdefault(key, _Port()).add(record)

    def found(self) -> tuple[PortPeaks, ...]:
        """The port with most connections first."""
        peaks = (port.peaks(key) for key, port in self._ports.items())
        return tuple(sorted(peaks, key=lambda found: (-found.connections, found.port)))


class _Port:
    def __init__(self) -> None:
        self._starts, self._ends = array("d"), array("d")
        self._bytes = array("Q")
        self._seconds: Counter[int] = Counter()
        self._in = self._out = 0

    def add(self, record: Record) -> None:
        self._starts.append(record.ts_start)
        self._ends.append(max(record.ts_end, record.ts_start + _SHORTEST))
        self._bytes.append(record.bytes_in + record.bytes_out)
        self._seconds[int(record.ts_start)] += 1
        self._in += record.bytes_in
        self._out += record.bytes_out

    def peaks(self, key: PortKey) -> PortPeaks:
        second, most = min(self._seconds.items(), key=lambda item: (-item[1], item[0]))
        return PortPeaks(
            port=key,
            connections=len(self._starts),
            bytes_in=self._in,
            bytes_out=self._out,
            connections_per_second=Peak(most, float(second)),
            bytes_per_second=_throughput(zip(self._starts, self._ends, self._bytes, strict=True)),
            concurrent=_concurrent(self._starts, self._ends),
        )


def _concurrent(starts: Iterable[float], ends: Iterable[float]) -> Peak:
    """One that ends at the moment another begins is not open together with it."""
    ended, gone = sorted(ends), 0
    best = Peak(0, 0.0)
    for begun, start in enumerate(sorted(starts), 1):
        while ended[gone] <= start:
            gone += 1
        if begun - gone > best.value:
            best = Peak(begun - gone, start)
    return best


def _throughput(connections: Iterable[tuple[float, float, int]]) -> Peak:
    """Whole bytes a second, so that what is added is what is taken away again."""
    steps: list[tuple[float, int]] = []
    for start, end, size in connections:
        seconds = max(end - start, 1.0)
        rate = round(size / seconds)
        steps += ((start, rate), (start + seconds, -rate))
    now, best = 0, Peak(0, 0.0)
    for moment, step in sorted(steps):
        now += step
        if now > best.value:
            best = Peak(now, moment)
    return best

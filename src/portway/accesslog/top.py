"""What Service ports have to do right now: the difference of two readings of the agents' counters.

A reading is what every agent said, as samples of its /metrics. Connections that are open are counted about once a
second, and an agent says up to when: rates are over the time from one such moment to the other, not over that of the
question. A counter that went back (its agent began anew, or its Service did) counts from 0, as in Prometheus.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

from msgspec import Struct, field

from portway.model import ServicePortName

Labels = Mapping[str, str]
Samples = Iterable[tuple[str, Labels, float]]
"""(name, labels, value)."""
_SERVICE = "portway_service_"
_COUNTED = "portway_access_log_counted_timestamp_seconds"
_DIGITS = 3
_Series = tuple[str, str]
"""A name without its prefix and `_total`; the direction, reason or backend that tells apart those of one port."""


class Reading(Struct, frozen=True):
    """One agent's numbers at one moment."""

    asked: float
    """When it was asked, in seconds of any steady clock."""
    counted: float
    """Up to when it had counted what is open, in seconds since 1970."""
    series: dict[tuple[ServicePortName, _Series], float]


class Rates(Struct, frozen=True):
    """What one Service port has to do, over all nodes. Rates are of a second."""

    namespace: str
    service: str
    port: str
    protocol: str
    connections: float
    """New ones that were let through, a second."""
    bytes_in: float
    """From clients, a second."""
    bytes_out: float
    active: int
    """Open now."""
    ready: int
    """Backends, at the node that knows of most."""
    refused: float
    refusals: dict[str, float]
    """That, by the code of the reason."""
    new_clients: int
    """Since the last reading: clients that an agent had not let in before."""
    shares: dict[str, float]
    """Each backend's part of the connections since `top` began, the largest first."""

    @property
    def name(self) -> str:
        """`shop/web:http`; "-" for what belongs to no Service."""
        return f"{self.namespace}/{self.service}:{self.port or self.protocol}" if self.service else "-"

    @property
    def busy(self) -> bool:
        """Whether there is anything to tell of it."""
        return bool(self.connections or self.bytes_in or self.bytes_out or self.active or self.refused)


def reading(samples: Samples, asked: float) -> Reading:
    """What an agent's samples say of Services."""
    counted, series = 0.0, {}
    for name, labels, value in samples:
        if name.startswith(_SERVICE):
            names = (labels[name] for name in ("namespace", "service", "port", "protocol"))
            port = ServicePortName(*names)  # type: ignore[arg-type]  # whatever an agent says
            part = labels.get("direction") or labels.get("reason") or labels.get("backend") or ""
            series[port, (name.removeprefix(_SERVICE).removesuffix("_total"), part)] = value
        elif name == _COUNTED:
            counted = value
    return Reading(asked, counted, series)


class _Sums(Struct):
    """Of one Service port over all nodes."""

    rates: defaultdict[_Series, float] = field(default_factory=lambda: defaultdict(float))
    gained: Counter[_Series] = field(default_factory=Counter)
    active: float = 0.0
    ready: float = 0.0


class Top:
    """Takes readings and tells what came of them. Nodes that do not answer are left out of a tick."""

    def __init__(self) -> None:
        self._last: dict[str, Reading] = {}
        self._backends: dict[ServicePortName, Counter[str]] = {}

    def take(self, now: Mapping[str, Reading]) -> tuple[Rates, ...]:
        """By node what it says now; the busiest port first. A node's first reading says only what is open."""
        sums: dict[ServicePortName, _Sums] = {}
        for node, read in now.items():
            self._add(sums, self._last.get(node), read)
        self._last |= now
        return tuple(sorted((self._rates(port, told) for port, told in sums.items()), key=_busiest))

    def _add(self, sums: dict[ServicePortName, _Sums], before: Reading | None, now: Reading) -> None:
        seconds = _seconds(before, now) if before else 0.0
        for (port, series), value in now.series.items():
            told = sums.setdefault(port, _Sums())
            if series[0] == "connections_active":
                told.active += value
            elif series[0] == "backends_ready":
                told.ready = max(told.ready, value)
            elif before and seconds:
                gained = _gained(before.series.get((port, series), 0.0), value)
                told.gained[series] += int(gained)
                told.rates[series] += gained / seconds

    def _rates(self, port: ServicePortName, told: _Sums) -> Rates:
        refusals = {
            part: round(rate, _DIGITS) for (name, part), rate in told.rates.items() if name == "refusals" and rate
        }
        backends = self._backends.setdefault(port, Counter())
        for (name, part), number in told.gained.items():
            if name == "backend_connections" and number:
                backends[part] += number
        total = backends.total()
        return Rates(
            *(port.namespace, port.name, port.port, port.protocol),
            connections=round(told.rates["connections", ""], _DIGITS),
            bytes_in=round(told.rates["bytes", "in"], _DIGITS),
            bytes_out=round(told.rates["bytes", "out"], _DIGITS),
            active=round(told.active),
            ready=round(told.ready),
            refused=round(sum(refusals.values()), _DIGITS),
            refusals=dict(sorted(refusals.items(), key=lambda item: (-item[1], item[0]))),
            new_clients=told.gained["clients", ""],
            shares={name: round(number / total, 4) for name, number in backends.most_common()},
        )


def _seconds(before: Reading, now: Reading) -> float:
    """From one to the other; as the question goes where an agent does not say."""
    counted = now.counted - before.counted
    return counted if counted > 0 else now.asked - before.asked


def _gained(before: float, now: float) -> float:
    return now - before if now >= before else now


def _busiest(one: Rates) -> tuple[object, ...]:
    return -one.connections, -(one.bytes_in + one.bytes_out), -one.active, -one.refused, one.name, one.protocol

"""Sets of ports, numbered: two pairs that allow the same ports share one.

All ports of all protocols lie on one line: TCP's 65536, UDP's, SCTP's, and one point for protocols without ports.
"""

from collections.abc import Iterable, Iterator, Mapping

from portway.model import ContainerPort
from portway.policy.spans import Span, Spans, covers, union
from portway.policy.table import EVERYTHING, FIRST_PORT_SET, OTHER_PROTOCOLS, PortRange

_PORTS = 65536
_PROTOCOLS = ("TCP", "UDP", "SCTP")
_LINE = {protocol: number * _PORTS for number, protocol in enumerate(_PROTOCOLS)}
_OTHERS = len(_PROTOCOLS) * _PORTS
ALL: Spans = ((0, _OTHERS),)
NONE: Spans = ()
UNLISTED = 0
"""The number of the port set of a pair that is not listed: nothing."""

PortName = tuple[str, str]
"""A port's name and protocol; "" is any protocol."""


def span(protocol: str, first: int = 0, last: int = _PORTS - 1) -> Spans:
    """Ports of one protocol; none when they end before they begin."""
    start = _LINE[protocol]
    return ((start + first, start + last),) if first <= last else NONE


def named(names: Iterable[PortName], ports: Iterable[ContainerPort]) -> Spans:
    """The ports that a pod has under one of these names."""
    held = tuple(ports)
    return union(span(p.protocol, p.port, p.port)[0] for p in held if has_name(names, p))


def has_name(names: Iterable[PortName], port: ContainerPort) -> bool:
    """Whether one of the names means this port."""
    return any(name == port.name and protocol in ("", port.protocol) for name, protocol in names)


class PortSets:
    """Which sets are in use, by number. A number means the same ports as long as somebody holds it."""

    def __init__(self) -> None:
        self._numbers: dict[Spans, int] = {ALL: EVERYTHING}
        self._spans: dict[int, Spans] = {UNLISTED: NONE, EVERYTHING: ALL}
        self._uses: dict[int, int] = {}
        self._listed: set[int] = set()
        self._touched: dict[int, None] = {}
        self._last = FIRST_PORT_SET - 1

    def hold(self, spans: Spans) -> int:
        """The number of a set, held once more."""
        number = self._numbers.get(spans)
        if number is None:
            number = self._numbers[spans] = self._next()
            self._spans[number] = spans
            self._touched[number] = None
        if number != EVERYTHING:
            self._uses[number] = self._uses.get(number, 0) + 1
        return number

    def release(self, number: int) -> None:
        """Held once less; it keeps its meaning until changes are taken."""
        if number in self._uses:
            self._uses[number] -= 1
            if not self._uses[number]:
                self._touched[number] = None

    def _next(self) -> int:
        """A number that is free and was not in use lately."""
        while True:
            self._last = self._last + 1 if self._last < EVERYTHING - 1 else FIRST_PORT_SET
            if self._last not in self._spans:
                return self._last

    def spans(self, number: int) -> Spans:
        """What a number means."""
        return self._spans[number]

    def covers(self, whole: int, part: int) -> bool:
        """Whether all of the second set's ports are in the first."""
        if whole in (part, EVERYTHING) or part == UNLISTED:
            return True
        return covers(self._spans[whole], self._spans[part])

    def take(self) -> Mapping[PortRange, bool | None]:
        """The ranges that came and went since the last call; sets that nobody holds are forgotten."""
        changed: dict[PortRange, bool | None] = {}
        for number in self._touched:
            if self._uses.get(number) and number not in self._listed:
                changed.update(dict.fromkeys(_ranges(number, self._spans[number]), True))
                self._listed.add(number)
            elif not self._uses.get(number):
                changed.update(self._forget(number))
        self._touched.clear()
        return changed

    def _forget(self, number: int) -> Mapping[PortRange, None]:
        spans = self._spans.pop(number)
        del self._numbers[spans]
        self._uses.pop(number, None)
        if number not in self._listed:
            return {}
        self._listed.discard(number)
        return dict.fromkeys(_ranges(number, spans))

    @property
    def ranges(self) -> Mapping[PortRange, bool]:
        """All ranges of the sets in use, as of the last `take`."""
        return {found: True for number in self._listed for found in _ranges(number, self._spans[number])}


def _ranges(number: int, spans: Spans) -> Iterator[PortRange]:
    for one in spans:
        yield from _by_protocol(number, one)


def _by_protocol(number: int, one: Span) -> Iterator[PortRange]:
    first, last = one
    for protocol in _PROTOCOLS:
        start = _LINE[protocol]
        low, high = max(first, start), min(last, start + _PORTS - 1)
        if low <= high:
            yield PortRange(number, protocol, low - start, high - start)
    if last >= _OTHERS:
        yield PortRange(number, OTHER_PROTOCOLS, 0, _PORTS - 1)

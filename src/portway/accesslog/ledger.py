"""Every flow that came in by a Service, from when it was first seen to its end, which is told once.

Two sources that complete each other. The **event** of a flow's end says everything, exactly, but the kernel may have
more of them than it can keep for us. **Dumps** of what there is are never too many; they show what is under way, and
a flow that is missing from two of them in a row without an event has ended too.
"""

from collections.abc import Iterator
from operator import add, le

from msgspec import Struct
from msgspec.structs import replace

from portway.accesslog.attribute import PORT_NOT_LISTENING, Attribution
from portway.accesslog.counters import Counters, Counts
from portway.accesslog.entrances import Entrance
from portway.accesslog.flow import Flow
from portway.accesslog.record import Party, Record

_Key = tuple[int, int]
_Sums = tuple[int, int, int, int]
"""bytes_in, bytes_out, packets_in, packets_out."""
_WRAP = 1 << 64
"""The kernel counts in so many bits."""


class _Open(Struct, gc=False):
    flow: Flow
    entrance: Entrance
    counts: Counts
    active: bool
    dump: int
    """The number of the last dump that showed it."""
    seen: int
    """When that was, in nanoseconds since 1970."""
    before: _Sums = (0, 0, 0, 0)
    """What the flow's own counters had told before they began anew."""


class Ledger:
    """`began`: nanoseconds since 1970; what began before was counted by somebody else, or nobody."""

    def __init__(self, attribution: Attribution, counters: Counters, began: int) -> None:
        self._attribution, self._counters, self._began = attribution, counters, began
        self._open: dict[_Key, _Open] = {}
        self._ended: set[_Key] = set()
        """During a dump: what it showed already may have ended meanwhile."""
        self._dump = 0

    def __len__(self) -> int:
        return len(self._open)

    def begin_dump(self) -> None:
        """From now on `seen` tells of one whole dump, until `end_dump`."""
        self._dump += 1
        self._ended.clear()

    def seen(self, flow: Flow, now: int) -> None:
        """The dump shows a flow whose destination is translated."""
        key = flow.identity, flow.started
        known = self._open.get(key)
        if known is None:
            if key not in self._ended:
                self._first_seen(key, flow, now)
            return
        if (flow.bytes_in, flow.bytes_out) != (known.flow.bytes_in, known.flow.bytes_out):
            _count(known, flow)
        known.flow, known.dump, known.seen = flow, self._dump, now
        if known.active and flow.over:
            known.active = False
            known.counts.active -= 1

    def end_dump(self) -> Iterator[Record]:
        """The records of flows that have ended unheard."""
        missing = [key for key, known in self._open.items() if known.dump < self._dump - 1]
        for key in missing:
            known = self._open[key]
            yield self._end(key, known, replace(known.flow, stopped=known.seen))

    def ended(self, flow: Flow) -> Record | None:
        """The event of a flow's end; None for what is none of ours."""
        key = flow.identity, flow.started
        self._ended.add(key)
        known = self._open.get(key)
        if known is not None:
            if not flow.state:
                flow.state = known.flow.state  # Linux before 5.11 does not say
            _count(known, flow)
            return self._end(key, known, flow)
        entrance = self._attribution.entrance(flow)
        if entrance is None:
            return None
        counts = self._counters.counts(entrance.name)
        record = self._attribution.connection(flow, entrance)
        if flow.never_opened:
            counts.refusals[PORT_NOT_LISTENING] += 1
        else:
            _count_new(counts, flow, record.backend)
        return record

    def _first_seen(self, key: _Key, flow: Flow, now: int) -> None:
        entrance = self._attribution.entrance(flow)
        if entrance is None:
            return
        counts = self._counters.counts(entrance.name)
        self._open[key] = _Open(flow, entrance, counts, not flow.over, self._dump, now)
        counts.active += not flow.over
        if flow.started >= self._began:
            _count_new(counts, flow, self._attribution.backend(flow, entrance))

    def _end(self, key: _Key, known: _Open, flow: Flow) -> Record:
        del self._open[key]
        known.counts.active -= known.active
        if any(known.before):
            flow = replace(flow, **dict(zip(_COUNTED, map(add, known.before, _sums(flow)), strict=True)))
        return self._attribution.connection(flow, known.entrance)


def _count_new(counts: Counts, flow: Flow, backend: Party | None) -> None:
    if backend is not None:
        counts.opened(f"{backend.namespace}/{backend.pod}" if backend.pod else backend.ip, flow.source)
    _add(counts, _sums(flow))


def _count(known: _Open, now: Flow) -> None:
    """What came since. A flow's own counters may begin anew; what is told of it never goes back."""
    last, sums = _sums(known.flow), _sums(now)
    if not all(map(le, last, sums)):
        known.before = tuple(map(add, known.before, map(_lost, last, sums)))
    _add(known.counts, tuple(map(_grown, last, sums)))  # type: ignore[arg-type]


_COUNTED = ("bytes_in", "bytes_out", "packets_in", "packets_out")


def _sums(flow: Flow) -> _Sums:
    return flow.bytes_in, flow.bytes_out, flow.packets_in, flow.packets_out


def _add(counts: Counts, sums: _Sums) -> None:
    counts.bytes_in += sums[0]
    counts.bytes_out += sums[1]
    counts.packets_in += sums[2]
    counts.packets_out += sums[3]


def _lost(before: int, now: int) -> int:
    """What the kernel's counter does not say any more: it wrapped, or somebody set it back (`conntrack -L -z`)."""
    if now >= before:
        return 0
    return _WRAP if before >= _WRAP // 2 else before


def _grown(before: int, now: int) -> int:
    return now + _lost(before, now) - before

"""The access log of a node: the kernel tells, records are written.

Runs on the agent's event loop, so that what it knows of Services and pods is what the rules were made from, without
a lock. Syncs do not wait for it: the kernel's table is gone through on a thread (in the kernel, which holds no lock of
Python's), and what it told is taken apart a little at a time, in between of everything else.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeVar

import msgspec

from portway.accesslog.attribute import Attribution, Judge
from portway.accesslog.counters import Counters
from portway.accesslog.entrances import Entrances
from portway.accesslog.flow import Flow
from portway.accesslog.ledger import Ledger
from portway.accesslog.packed import packed_address
from portway.accesslog.parties import Known, Parties
from portway.accesslog.record import Record
from portway.accesslog.refusals import Attempts, Refusals
from portway.agent import machine
from portway.agent.config import LOG_GROUP, LogConfig
from portway.agent.ct_events import Dump, Ends, flow_count, read_timeouts
from portway.agent.logfile import Lines, LogFile, LogStream
from portway.agent.nflog import PacketLog
from portway.forwarding import Contribution, ServiceKey
from portway.model import Node, Pod, ProxyConfig
from portway.model.address import canonical_address

log = logging.getLogger(__name__)

T = TypeVar("T")

INTERVAL = 1.0
"""Seconds from one look at all flows to the next, at least."""
SHARE = 20
"""And at least so many times what a look costs: a twentieth of a processor, however many flows there are."""
IDLE = 10.0
"""Seconds after which we look although nothing seems to have changed."""
_AT_ONCE = 64
"""Messages between two chances for everything else on the loop: a millisecond's worth."""
_TOGETHER = 0.005
"""Seconds from a first event to when it and what follows are taken: less than a small buffer has room for."""
_SYSCTLS = {
    "net/netfilter/nf_conntrack_acct": 1,
    "net/netfilter/nf_conntrack_timestamp": 1,
    "net/netfilter/nf_conntrack_events": 1,
}
"""Count bytes; remember when; tell of the end also of flows that began while nobody listened."""
_TIME_WAIT = "net/netfilter/nf_conntrack_tcp_timeout_time_wait"
_CLOSE = "net/netfilter/nf_conntrack_tcp_timeout_close"


class AccessLog:
    """Keeps the log until `run` is cancelled. `clock` gives nanoseconds since 1970.

    `put_*` tell of objects, and may be called before `run`.
    """

    def __init__(self, config: LogConfig, node: str, clock: Callable[[], int] = time.time_ns) -> None:
        self._config, self._clock = config, clock
        self._timeouts: dict[str, int] = {}
        self.counters = Counters()
        self._entrances, self._parties = Entrances(), Parties()
        self._attribution = Attribution(node, self._entrances, self._parties, self._timeouts)
        self._ledger = Ledger(self._attribution, self.counters, clock())
        self._refusals = Refusals()
        self._encode = msgspec.json.Encoder().encode
        self._resumed: asyncio.TimerHandle | None = None
        self._lines = _lines(config, clock)

    def put_contributions(self, changes: Mapping[ServiceKey, Contribution | None]) -> None:
        """Services came, changed or went."""
        for service, contribution in changes.items():
            self._entrances.put(service, contribution)
            self.counters.put(service, contribution)

    def put_proxy(self, config: ProxyConfig) -> None:
        """The configuration that the rules follow from now on."""
        if config != self._attribution.config:
            self._attribution.config = config
            cidrs = config.local_detector.cidrs if config.local_detector else ()
            self._parties.put_cluster(config.node_name, config.node_addresses, cidrs)

    def put_pod(self, key: tuple[str, str], pod: Pod | None) -> None:
        """A pod, of any node, came, changed or went."""
        self._parties.put_pod(key, pod)

    def put_node(self, name: str, node: Node | None) -> None:
        """A node came, changed or went."""
        self._parties.put_node(name, node)

    def known(self, addresses: Iterable[str]) -> dict[str, Known]:
        """Who they are, as a record would say, of those that are addresses."""
        canonical = {address: canonical_address(address) for address in addresses}
        return {address: self._parties.known(packed_address(own)) for address, own in canonical.items() if own}

    def put_judge(self, judge: Judge) -> None:
        """Who knows the policies that this node enforces."""
        self._attribution.judge = judge

    async def run(self) -> None:
        """Until cancelled. What the kernel does not offer is said, and the rest is logged."""
        for complaint in machine.set_sysctls(_sysctls(self._config.closed_seconds)):
            log.warning("access log: %s", complaint)
        self._timeouts.update(read_timeouts())
        self._say_gap()
        sources = _Sources()
        loop = asyncio.get_running_loop()
        try:
            if sources.ends:
                loop.add_reader(sources.ends, self._take_ends, sources.ends)
            if sources.packets:
                loop.add_reader(sources.packets, self._take_packets, sources.packets)
            await self._look_now_and_then(sources)
        finally:
            self._finish(sources)

    async def _look_now_and_then(self, sources: "_Sources") -> None:
        known, looked = -1, 0.0
        while True:
            began = time.monotonic()
            count, took = flow_count(), 0.0
            if sources.dump and (len(self._ledger) or count != known or began - looked > IDLE):
                took = await self._look(sources, sources.dump)
                known, looked = flow_count(), began
            self.counters.counted = self._clock()
            self._write_due()
            self._take_stock(sources)
            await asyncio.sleep(max(INTERVAL, SHARE * took) - (time.monotonic() - began))

    async def _look(self, sources: "_Sources", dump: Dump) -> float:
        """One look at all flows; the seconds of processor that it took, about."""
        began = time.perf_counter()
        try:
            # before the kernel is asked: what it shows first may have ended by the time that it has answered
            self._ledger.begin_dump()
            await asyncio.to_thread(dump.begin)
            complete = False
            while not complete:
                pieces, complete = await asyncio.to_thread(dump.pieces)
                for piece in pieces:
                    self._see(dump.flows(piece))
                    await asyncio.sleep(0)
        except OSError as error:
            log.warning("access log: no look at open connections this time: %s", error)
            return time.perf_counter() - began
        while sources.ends and (flows := sources.ends.flows(_AT_ONCE)):
            self._end(flows)
            await asyncio.sleep(0)
        self._write(self._ledger.end_dump())
        return time.perf_counter() - began

    def _see(self, flows: Iterable[Flow]) -> None:
        now = self._clock()
        for flow in flows:
            self._ledger.seen(flow, now)

    def _take_ends(self, ends: Ends) -> None:
        """The loop says that there is an event: those of the next moment are taken together, and written at once."""
        loop = asyncio.get_running_loop()
        loop.remove_reader(ends)
        self._resumed = loop.call_later(_TOGETHER, self._take_more, ends)

    def _take_more(self, ends: Ends) -> None:
        flows = ends.flows(_AT_ONCE)
        self._end(flows)
        loop = asyncio.get_running_loop()
        if len(flows) < _AT_ONCE:
            loop.add_reader(ends, self._take_ends, ends)
        else:
            self._resumed = loop.call_later(0, self._take_more, ends)

    def _end(self, flows: Iterable[Flow]) -> None:
        self._write(filter(None, map(self._ledger.ended, flows)))

    def _take_packets(self, packets: PacketLog) -> None:
        now = self._clock()
        for logged in packets.packets(4):
            self._refusals.add(logged.refusal, logged.moment or now)
        self._write_due()

    def _write_due(self) -> None:
        self._write_attempts(self._refusals.due(self._clock()))

    def _write_attempts(self, attempts: Iterable[Attempts]) -> None:
        self._write(self._refused(one) for one in attempts)

    def _refused(self, one: Attempts) -> Record:
        record = self._attribution.refusal(one.refusal, one.first, one.last, one.count)
        entrance = self._attribution.entrance_of(one.refusal)
        counts = self.counters.counts(entrance.name) if entrance else self.counters.others
        counts.refusals[record.reason] += 1
        return record

    def _write(self, records: Iterable[Record]) -> None:
        lines = [self._encode(record) for record in records]
        if lines:
            self.counters.records += len(lines)
            lost = self._lines.write(b"\n".join(lines) + b"\n", len(lines))
            if lost:
                self.counters.lost["lines"] += lost

    def _take_stock(self, sources: "_Sources") -> None:
        """Overruns are said, once for each time that there are more. How much is lost may be known a little later."""
        self._lines.keep()
        counters = self.counters
        for what, overruns, lost in sources.overruns():
            known = counters.overruns[what], counters.lost[what]
            counters.overruns[what], counters.lost[what] = overruns, lost
            if (overruns, lost) != known:
                log.warning("access log: the kernel had more to tell of %s than fits (%d times, %d known to be lost)",
                            what, overruns, lost)  # fmt: skip

    def _say_gap(self) -> None:
        if isinstance(self._lines, LogFile) and (until := self._lines.kept_until()):
            since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(until))
            log.info("access log: not kept since %s (%.1f s): refusals and connections that ended since are missing",
                     since, self._clock() / 1e9 - until)  # fmt: skip

    def _finish(self, sources: "_Sources") -> None:
        """What is known is written; what still is open is left to the next agent."""
        loop = asyncio.get_running_loop()
        if self._resumed:
            self._resumed.cancel()
        if sources.ends:
            loop.remove_reader(sources.ends)
            while flows := sources.ends.flows(_AT_ONCE):
                self._end(flows)
        if sources.packets:
            loop.remove_reader(sources.packets)
            self._take_packets(sources.packets)
        self._write_attempts(self._refusals.rest())
        self._take_stock(sources)
        sources.close()
        self._lines.close()


class _Sources:
    """What the kernel offers; None where it does not, which is said."""

    def __init__(self) -> None:
        self.ends = _opened(Ends, "connections are logged late and without their exact end")
        self.dump = _opened(Dump, "open connections are not known")
        self.packets = _opened(lambda: PacketLog(LOG_GROUP), "refused connections are not logged")

    def overruns(self) -> Iterable[tuple[str, int, int]]:
        """(of what, how often, how many were lost)."""
        if self.ends:
            yield "connections", self.ends.overruns, self.ends.lost
        if self.packets:
            yield "refusals", self.packets.overruns, self.packets.lost

    def close(self) -> None:
        """Close all."""
        for source in (self.ends, self.dump, self.packets):
            if source:
                source.close()


def _opened(make: Callable[[], T], otherwise: str) -> T | None:
    try:
        return make()
    except OSError as error:
        log.error("access log: %s: %s", otherwise, error)
        return None


def _lines(config: LogConfig, clock: Callable[[], int]) -> Lines:
    if config.path == "-":
        return LogStream()
    return LogFile(Path(config.path), config.retention, lambda: clock() / 1e9)


def _sysctls(closed_seconds: int) -> dict[str, int]:
    return _SYSCTLS | ({_TIME_WAIT: closed_seconds, _CLOSE: closed_seconds} if closed_seconds else {})

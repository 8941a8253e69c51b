"""Flows from first sight to their end: each told once, and its numbers whatever the kernel's counters do."""

from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from portway.accesslog import Record
from portway.accesslog.attribute import Attribution
from portway.accesslog.counters import Counters, Counts
from portway.accesslog.entrances import Entrances
from portway.accesslog.flow import ASSURED, SEEN_REPLY, TCP, TIME_WAIT, TIMEOUTS, TRANSLATED, UDP, Flow
from portway.accesslog.ledger import Ledger
from portway.accesslog.packed import packed_address
from portway.accesslog.parties import Parties
from portway.model import ServicePortName
from tests.contract.services import service, table

SECOND = 1_000_000_000
NOON = 1_700_000_000 * SECOND
WEB = ServicePortName("shop", "web", "tcp", "TCP")
_ESTABLISHED = 3


def flow(number: int = 1, at: float = 0.0, **other: object) -> Flow:
    """A TCP connection to web's clusterIP that began `at` seconds after NOON and is open."""
    made = Flow(
        source=packed_address("10.244.2.1"),
        destination=packed_address("10.96.0.10"),
        protocol=TCP,
        source_port=40000,
        port=80,
        answerer=packed_address("10.244.1.1"),
        answered=packed_address("10.244.2.1"),
        answerer_port=8080,
        identity=number,
        status=TRANSLATED | SEEN_REPLY | ASSURED,
        packets_in=5,
        bytes_in=500,
        packets_out=4,
        bytes_out=4000,
        started=NOON + int(at * SECOND),
        stopped=0,
        remaining=TIMEOUTS["tcp_timeout_established"],
        state=_ESTABLISHED,
    )
    return replace(made, **other)


def ended(one: Flow, at: float, **other: object) -> Flow:
    """The event of its end: closed by both `at` seconds after NOON, and kept for as long as the kernel does."""
    kept = TIMEOUTS["tcp_timeout_time_wait"] if one.protocol == TCP else TIMEOUTS["udp_timeout_stream"]
    state = TIME_WAIT if one.protocol == TCP else 0
    return replace(one, stopped=NOON + int((at + kept) * SECOND), state=state, remaining=0, **other)


class Desk:
    """A ledger that is told things."""

    def __init__(self) -> None:
        entrances, self.counters = Entrances(), Counters()
        for key, contribution in table((service("web", 10), "a")).contributions.items():
            entrances.put(key, contribution)
            self.counters.put(key, contribution)
        self.ledger = Ledger(Attribution("node-1", entrances, Parties(), TIMEOUTS), self.counters, NOON)

    def dump(self, at: float, *flows: Flow) -> list[Record]:
        """A look that shows these."""
        self.ledger.begin_dump()
        for one in flows:
            self.ledger.seen(one, NOON + int(at * SECOND))
        return list(self.ledger.end_dump())

    @property
    def web(self) -> Counts:
        return self.counters.counts(WEB)


@pytest.fixture
def desk() -> Iterator[Desk]:
    yield Desk()


def test_an_end_that_was_heard_is_told_once_although_dumps_showed_it(desk: Desk) -> None:
    assert desk.dump(1, flow()) == []
    assert (desk.web.active, desk.web.connections, desk.web.bytes_in) == (1, 1, 500)
    record = desk.ledger.ended(ended(flow(), 2.5, bytes_in=700))
    assert record is not None and (record.ts_end, record.bytes_in) == (NOON / SECOND + 2.5, 700)
    assert (desk.web.active, desk.web.connections, desk.web.bytes_in) == (0, 1, 700)
    assert desk.dump(3) == desk.dump(4) == desk.dump(5) == []


def test_an_end_that_was_not_heard_is_told_after_two_dumps(desk: Desk) -> None:
    desk.dump(1, flow())
    assert desk.dump(2) == []
    (record,) = desk.dump(3)
    assert record.verdict == "FORWARDED" and record.flow_id and record.ts_end == NOON / SECOND + 1
    assert desk.dump(4) == []


def test_the_kernels_number_of_a_flow_is_given_again(desk: Desk) -> None:
    """Within one look and the next, and between the event and the dump that began before it."""
    desk.dump(1, flow(7))
    first = desk.ledger.ended(ended(flow(7), 1.5))
    desk.dump(2, flow(7, at=1.8))
    second = desk.ledger.ended(ended(flow(7, at=1.8), 2.5))
    third = desk.ledger.ended(ended(flow(7, at=2.6), 2.7))
    assert first and second and third
    assert len({record.flow_id for record in (first, second, third)}) == 3
    assert (desk.web.connections, desk.web.active, desk.web.bytes_in) == (3, 0, 1500)


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (2**64 - 100, 50, 2**64 + 50),  # 64 bits are full
        (2**32 - 100, 2**32 + 50, 2**32 + 50),  # 32 bits are nothing special
        (5000, 50, 5050),  # somebody set it back
        (2**40, 0, 2**40),
    ],
)
def test_counters_that_wrap_or_are_set_back_lose_nothing(desk: Desk, before: int, after: int, told: int) -> None:
    desk.dump(1, flow(bytes_out=before))
    desk.dump(2, flow(bytes_out=after))
    record = desk.ledger.ended(ended(flow(), 3, bytes_out=after))
    assert record is not None and record.bytes_out == told == desk.web.bytes_out
    assert (record.bytes_in, record.packets_out) == (500, 4) == (desk.web.bytes_in, desk.web.packets_out)


def test_a_day_of_flows_sums_are_equal_and_nothing_piles_up(desk: Desk) -> None:
    """24 hours in looks of a minute: long ones, short ones between two looks, ends that were not heard."""
    records: list[Record] = []
    still = [flow(1), flow(2, protocol=UDP, state=0)]
    for minute in range(24 * 60):
        at = minute * 60.0
        still = [replace(one, bytes_in=one.bytes_in + 10**9, packets_in=one.packets_in + 10**6) for one in still]
        unheard = [flow(3, at=at)] if minute % 10 == 0 else []
        records += desk.dump(at, *still, *unheard)
        if minute % 3 == 0:
            records += filter(None, [desk.ledger.ended(ended(flow(4, at=at + 1), at + 2))])
    records += filter(None, (desk.ledger.ended(ended(one, 86400)) for one in still))
    assert len(records) == 2 + 24 * 60 // 10 + 24 * 60 // 3 == len({record.flow_id for record in records})
    tcp, udp = (desk.counters.counts(replace(WEB, port=p.lower(), protocol=p)) for p in ("TCP", "UDP"))
    for proto, counts in (("TCP", tcp), ("UDP", udp)):
        mine = [record for record in records if record.proto == proto]
        assert (len(mine), 0) == (counts.connections, counts.active)
        assert sum(record.bytes_in for record in mine) == counts.bytes_in
        assert sum(record.packets_in for record in mine) == counts.packets_in
    assert max(record.duration_ms for record in records) == 86400 * 1000
    assert len(desk.ledger) == 0

"""What the records of a time tell together: `portway report access`."""

from collections import Counter
from collections.abc import Iterable, Set

from msgspec import Struct

from portway.accesslog.closed import Closed, Denial
from portway.accesslog.lines import moment
from portway.accesslog.names import Client
from portway.accesslog.peaks import Peaks, PortPeaks
from portway.accesslog.record import Record
from portway.accesslog.requests import Requests, RouteUse
from portway.accesslog.scans import Scan, Scans
from portway.accesslog.shares import PortShares, Shares
from portway.accesslog.today import Difference, Now, Today
from portway.accesslog.usage import DoorUse, NewClient, Usage


class Totals(Struct, frozen=True):
    """Everything counted once."""

    connections: int = 0
    """Let in."""
    refused: int = 0
    """Not let in, for whatever reason."""
    reasons: dict[str, int] = {}
    """Those by their code, the commonest first."""
    clients: int = 0
    bytes_in: int = 0
    bytes_out: int = 0


class AccessReport(Struct, frozen=True):
    """Times are seconds since the epoch."""

    written: float
    first: float
    """The earliest and the latest moment that a record tells of; 0 when there is none."""
    last: float
    totals: Totals
    doors: tuple[DoorUse, ...]
    """Who used which nodePort, externalIP or load balancer address."""
    peaks: tuple[PortPeaks, ...]
    new_clients: tuple[NewClient, ...] | None
    """None: nothing is known of the time before, so nobody can be called new."""
    scans: tuple[Scan, ...]
    denials: tuple[Denial, ...]
    shares: tuple[PortShares, ...]
    requests: tuple[RouteUse, ...] = ()
    """What came through doors of layer 7."""
    carried: tuple[RouteUse, ...] = ()
    """Connections of TLSRoutes."""
    today: tuple[Difference, ...] | None = None
    """What today's policies say otherwise; None: nobody asked them."""
    gone: int = 0
    """Records that they could not be asked about: their pods are not there any more."""


def report(
    records: Iterable[Record], now: float, known_before: Set[Client] | None = None, policies: Now | None = None
) -> AccessReport:
    """Of all these records, in any order; `known_before`: the clients of the time before them, where that is known;
    `policies`: today's, to hold them against.
    """
    today = Today(policies) if policies else None
    usage, peaks, scans, closed, shares, requests = parts = Usage(), Peaks(), Scans(), Closed(), Shares(), Requests()
    sums = _Sums()
    for record in records:
        sums.add(record)
        for part in parts:
            part.add(record)
        if today:
            today.add(record)
    return AccessReport(
        written=now,
        first=sums.first if sums.last else 0.0,
        last=sums.last,
        totals=sums.totals(usage.clients),
        doors=usage.doors(),
        peaks=peaks.found(),
        new_clients=None if known_before is None else usage.new(known_before),
        scans=scans.found(),
        denials=closed.found(),
        shares=shares.found(),
        requests=requests.found(),
        carried=requests.carried(),
        today=today.found() if today else None,
        gone=today.gone if today else 0,
    )


class _Sums:
    def __init__(self) -> None:
        self.first, self.last = float("inf"), 0.0
        self._connections = self._in = self._out = 0
        self._reasons: Counter[str] = Counter()

    def add(self, record: Record) -> None:
        self.first, self.last = min(self.first, record.ts_start), max(self.last, moment(record))
        self._in += record.bytes_in
        self._out += record.bytes_out
        if record.verdict == "FORWARDED":
            self._connections += 1
        else:
            self._reasons[record.reason] += 1

    def totals(self, clients: int) -> Totals:
        by_number = dict(sorted(self._reasons.items(), key=lambda item: (-item[1], item[0])))
        return Totals(self._connections, self._reasons.total(), by_number, clients, self._in, self._out)

"""An access report as a person reads it: the same sections as tables or as Markdown."""

import textwrap
from collections.abc import Callable, Iterator, Sequence

import click
from msgspec import Struct

from portway.accesslog.closed import Denial
from portway.accesslog.names import Client
from portway.accesslog.peaks import Peak, PortPeaks
from portway.accesslog.record import PolicyRef
from portway.accesslog.report import AccessReport
from portway.accesslog.requests import RouteUse
from portway.accesslog.scans import Scan
from portway.accesslog.shares import BackendShare, PortShares
from portway.accesslog.today import Difference
from portway.accesslog.usage import DoorUse, NewClient
from portway.cli import table, units

Clock = Callable[[float], str]
"""Shows a moment, in seconds since the epoch."""
_SHOWN = 30
"""Rows of a section; JSON has all of them."""
_NAMES = ("SERVICE", "CLIENT", "TO", "BACKEND", "NODE", "GOT INTO", "HOST", "ROUTE")
"""Columns that a narrow terminal may shorten; numbers never are."""


class Section(Struct, frozen=True):
    """A heading, what to know before reading, and a table that may be empty."""

    title: str
    note: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    remarks: str = ""
    """The head of the last column, if that is text: it gets lines of its own on a terminal."""
    alarming: bool = False
    """Whether rows are bad news."""


def text(report: AccessReport, room: int, coloured: bool) -> Iterator[str]:
    """Lines for a terminal of `room` columns."""
    yield from _summary(report)
    for section in sections(report):
        yield ""
        yield _title(section, coloured)
        yield from _table(section, room) if section.rows else ()
        if more := _more(section):
            yield more


def _table(section: Section, room: int) -> Iterator[str]:
    columns = len(section.head) - bool(section.remarks)
    shown = section.rows[:_SHOWN]
    head, *lines = table.narrow(section.head[:columns], [row[:columns] for row in shown], room, _NAMES)
    yield head
    for line, row in zip(lines, shown, strict=True):
        yield line
        for remark in row[columns:]:
            yield from textwrap.wrap(remark, min(room, 110), initial_indent="  ", subsequent_indent="  ")


def markdown(report: AccessReport) -> Iterator[str]:
    """Lines of a document."""
    yield "# Access"
    yield ""
    yield from _summary(report)
    for section in sections(report):
        yield from ("", f"## {section.title}", "")
        yield f"{section.note[0].upper()}{section.note[1:]}." if section.rows else "None."
        if section.rows:
            yield ""
            yield from map(_markdown_row, [section.head, ["---"] * len(section.head), *section.rows[:_SHOWN]])
        if more := _more(section):
            yield from ("", more)


def _markdown_row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _title(section: Section, coloured: bool) -> str:
    title, note = section.title.upper(), section.note if section.rows else "none"
    if not coloured:
        return f"{title}  {note}"
    colour = "red" if section.alarming and section.rows else None
    return f"{click.style(title, bold=True, fg=colour)}  {click.style(note, dim=True)}"


def _more(section: Section) -> str:
    left = len(section.rows) - _SHOWN
    return f"… and {left} more: -o json has all" if left > 0 else ""


def _summary(report: AccessReport) -> Iterator[str]:
    totals = report.totals
    if not report.last:
        yield "No records in this time."
        return
    length = units.seconds(report.last - report.first)
    yield f"{units.stamp(report.first)} to {units.stamp(report.last)}, {length}"
    yield (
        f"{totals.connections} connections, {units.size(totals.bytes_in)} in, {units.size(totals.bytes_out)} out; "
        f"{totals.clients} clients"
    )
    if totals.refused:
        reasons = ", ".join(f"{number} {reason}" for reason, number in totals.reasons.items())
        yield f"{totals.refused} not let in: {reasons}"


def sections(report: AccessReport) -> Iterator[Section]:
    """All of them, those without rows too: that nobody scanned is an answer."""

    def clock(moment: float) -> str:
        return units.clock(moment, report.written)

    yield from _of_use(report, clock)
    yield from _of_refusals(report, clock)
    yield Section(
        "Shares",
        "each backend's part, beside what chance gives it; !: not by chance",
        ("SERVICE", "BACKEND", "NODE", "CONNECTIONS", "SHARE", "CHANCE", "BYTES"),
        [_share(port, backend) for port in report.shares for backend in port.backends],
    )


def _of_use(report: AccessReport, clock: Clock) -> Iterator[Section]:
    yield Section(
        "Doors",
        "who used which port that is open to the outside",
        ("SERVICE", "PORT", "CLIENT", "LET IN", "REFUSED", "BYTES", "FIRST", "LAST"),
        [_door(uses, clock) for uses in _of_one_client(report.doors)],
    )
    yield Section(
        "Peaks",
        "the busiest moment of each Service port, to plan capacity by",
        ("SERVICE", "TOTAL", "NEW IN A SECOND", "BYTES A SECOND", "OPEN AT ONCE"),
        [_peaks(port, clock) for port in report.peaks],
    )
    if report.new_clients is not None:
        yield Section(
            "New clients",
            "in the log for the first time",
            ("CLIENT", "FIRST", "LET IN", "REFUSED", "SERVICES"),
            [_new(row, clock) for row in report.new_clients],
        )
    if report.requests:
        yield Section(
            "Requests",
            "what came through Ingress and Gateway, by host and route",
            ("HOST", "ROUTE", "REQUESTS", "2XX", "3XX", "4XX", "5XX", "MEAN", "LONGEST"),
            [_requests(use) for use in report.requests],
        )
    if report.carried:
        yield Section(
            "TLSRoutes",
            "connections by the name that was asked for, those that were handed on and those that were closed",
            ("HOST", "ROUTE", "CARRIED", "CLOSED", "MEAN", "LONGEST"),
            [_carried(use) for use in report.carried],
        )


def _of_refusals(report: AccessReport, clock: Clock) -> Iterator[Section]:
    yield Section(
        "Scans",
        "clients that tried many doors that are not there, or not theirs",
        ("CLIENT", "PORTS", "ADDRESSES", "TRIES", "FIRST", "LAST", "TRIED"),
        [_scan(scan, clock) for scan in report.scans],
        remarks="TRIED",
        alarming=True,
    )
    yield Section(
        "Closed doors",
        "who was turned away by policy",
        ("CLIENT", "TO", "TRIES", "FIRST", "LAST", "BY"),
        [_denial(denial, clock) for denial in report.denials],
        remarks="BY",
        alarming=True,
    )
    if report.today is not None:
        yield Section(
            "Today's policies",
            f"what they say otherwise{_unjudged(report.gone)}",
            ("CLIENT", "TO", "TIMES", "WAS", "NOW", "LAST", "BY"),
            [_difference(row, clock) for row in report.today],
            remarks="BY",
            alarming=any(row.was == "let in" for row in report.today),
        )


def _of_one_client(doors: Sequence[DoorUse]) -> Iterator[list[DoorUse]]:
    """Ports that no Service has are one row a client: a scan has thousands of them."""
    strays: dict[Client, list[DoorUse]] = {}
    for use in doors:
        if use.port is not None:
            yield [use]
        else:
            strays.setdefault(use.client, []).append(use)
    yield from strays.values()


def _door(uses: Sequence[DoorUse], clock: Clock) -> Sequence[str]:
    first, others = uses[0], len(uses) - 1
    return (
        str(first.port or "-"),
        f"({others + 1})" if others else str(first.number) if first.proto == "TCP" else _numbered(first),
        first.client.name,
        units.count(sum(use.connections for use in uses)),
        units.count(sum(use.refused for use in uses)),
        units.size(sum(use.bytes_in + use.bytes_out for use in uses)),
        clock(min(use.first for use in uses)),
        clock(max(use.last for use in uses)),
    )


def _numbered(use: DoorUse) -> str:
    return f"{use.number}/{use.proto}"


def _peaks(port: PortPeaks, clock: Clock) -> Sequence[str]:
    def peak(found: Peak, unit: Callable[[float], str]) -> str:
        return f"{unit(found.value)} at {clock(found.at)}" if found.value else "0"

    return (
        str(port.port),
        units.count(port.connections),
        peak(port.connections_per_second, units.count),
        peak(port.bytes_per_second, units.size),
        peak(port.concurrent, units.count),
    )


def _new(row: NewClient, clock: Clock) -> Sequence[str]:
    into = ", ".join(row.ports) or "-"
    return row.client.name, clock(row.first), units.count(row.connections), units.count(row.refused), into


def _requests(use: RouteUse) -> Sequence[str]:
    return use.host or "-", use.route or "-", units.count(use.requests), *_answers(use, "2xx", "3xx", "4xx", "5xx")


def _carried(use: RouteUse) -> Sequence[str]:
    return use.host or "-", use.route or "-", *_answers(use, "carried", "closed")


def _answers(use: RouteUse, *kinds: str) -> Iterator[str]:
    """How many of each, and the times."""
    yield from (units.count(use.answers.get(kind, 0)) for kind in kinds)
    yield from (units.seconds(ms / 1000) for ms in (use.mean_ms, use.longest_ms))


def _scan(scan: Scan, clock: Clock) -> Sequence[str]:
    tried = ", ".join(scan.sample) + (", …" if scan.ports > len(scan.sample) else "")
    into = f"it got into {', '.join(scan.reached)}" if scan.reached else "it got in nowhere"
    return (
        scan.client.name,
        units.count(scan.ports),
        units.count(scan.addresses),
        units.count(scan.attempts),
        clock(scan.first),
        clock(scan.last),
        f"{'fast' if scan.fast else 'slow'}: {tried}; {into}",
    )


def _denial(denial: Denial, clock: Clock) -> Sequence[str]:
    return (
        denial.client.name,
        str(denial.port or denial.door),
        units.count(denial.attempts),
        clock(denial.first),
        clock(denial.last),
        f"{denial.reason}{_by(denial.policy)}; "
        f"let in {denial.let_in_before} times before and {denial.let_in_after} times after",
    )


def _unjudged(gone: int) -> str:
    return f"; {units.count(gone)} of pods that are gone are not judged" if gone else ""


def _difference(row: Difference, clock: Clock) -> Sequence[str]:
    now = "denied" if row.was == "let in" else "let in"
    to, times = str(row.port or row.door), units.count(row.connections)
    return row.client.name, to, times, row.was, now, clock(row.last), f"{row.reason}{_by(row.policy)}"


def _by(policy: PolicyRef | None) -> str:
    """` by NetworkPolicy shop/only-api`, or nothing."""
    if policy is None or not policy.name:
        return ""
    return f" by {policy.kind} {f'{policy.namespace}/' if policy.namespace else ''}{policy.name}"


def _share(port: PortShares, backend: BackendShare) -> Sequence[str]:
    total = port.connections
    return (
        str(port.port),
        backend.name.rpartition("/")[2],
        backend.node or "-",
        units.count(backend.connections),
        f"{backend.connections / total:.0%}{' !' if port.uneven else ''}",
        f"{backend.expected / total:.0%}",
        units.size(backend.bytes),
    )

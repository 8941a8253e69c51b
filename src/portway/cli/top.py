"""`portway top`."""

import shutil
import sys
import time
from collections.abc import Iterator, Sequence

import click
import msgspec

from portway import fleet
from portway.accesslog.top import Rates, Top
from portway.cli import agentmetrics, flags, stream, toptable, units
from portway.cli.agentmetrics import Agents
from portway.cli.failure import Failure, tell
from portway.cli.logoptions import services
from portway.cli.options import fleet_name, output_format

_FIRST_CELL, _CLEAR_LINE, _CLEAR_BELOW = "\x1b[H", "\x1b[K", "\x1b[J"
_ENTER, _LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
"""The screen that full-screen programs use, without a cursor; and back."""


@click.command()
@fleet_name
@click.argument("service", required=False)
@click.option("-n", "--namespace", default="default", show_default=True, help="Only Services of this namespace.")
@click.option("-A", "--all-namespaces", is_flag=True, help="All namespaces, and what belongs to no Service.")
@click.option("--interval", callback=flags.duration, default="2s", show_default=True, help="From one look to the next.")
@click.option("--once", is_flag=True, help="One table (or line of JSON) after one interval.")
@click.option(
    "--metrics", "urls", multiple=True, metavar="URL", help="An agent's /metrics in place of a fleet's (repeatable)."
)
@output_format
def command(
    name: str,
    service: str | None,
    namespace: str,
    all_namespaces: bool,
    interval: float,
    once: bool,
    urls: Sequence[str],
    output: str,
) -> None:
    """What every Service port has to do right now: connections, bytes, refusals, new clients, backends' shares.

    \b
    portway top -A                    the busiest first, until Ctrl-C
    portway top -n shop svc/web       one Service, with each backend
    portway top -A -o json | jq .     one JSON document a line and interval

    CONN/S are new connections, IN/S bytes from clients, NEW clients that their node had not let in since its agent
    began. Shares are of the connections since this command began. A pipe gets one table.
    """
    if interval < 1:
        raise click.BadParameter("at least 1s: agents count open connections once a second", param_hint="--interval")
    wanted = services([service] if service else [], namespace)
    agents = agentmetrics.of_urls(urls) if urls else agentmetrics.of_fleet(fleet.find(name))
    show = _Show(agents, wanted, "" if all_namespaces or service else namespace, interval)
    with stream.quietly():
        if output == "json":
            _print_json(show, once)
        elif once or not sys.stdout.isatty():
            _print_once(show)
        else:
            _draw(show)


class _Show:
    """What is asked for, tick by tick."""

    def __init__(self, agents: Agents, wanted: frozenset[tuple[str, str]], namespace: str, interval: float) -> None:
        self.agents, self.wanted, self._namespace, self.interval = agents, wanted, namespace, interval
        self._top = Top()

    def ticks(self) -> Iterator[tuple[Rates, ...]]:
        """The rows of one interval after the other, until nobody reads them."""
        self._read()
        due = time.monotonic()
        while stream.paused(max(0.0, (due := due + self.interval) - time.monotonic())):
            yield tuple(row for row in self._read() if self._takes(row))

    def _read(self) -> tuple[Rates, ...]:
        readings = self.agents.read()
        if not readings:
            whom = "\n".join(f"{name}: {why}" for name, why in self.agents.silent.items())
            raise Failure(f"no agent answers:\n{whom}")
        return self._top.take(readings)

    def _takes(self, row: Rates) -> bool:
        if self.wanted:
            return (row.namespace, row.service) in self.wanted
        if not row.service:
            return not self._namespace and row.busy
        return self._namespace in ("", row.namespace)

    @property
    def silent(self) -> str:
        """A word about agents that do not answer; empty when all do."""
        return ", ".join(f"{name} does not answer ({why})" for name, why in self.agents.silent.items())


def _print_json(show: _Show, once: bool) -> None:
    for rows in show.ticks():
        nodes = show.agents.count - len(show.agents.silent)
        tick = {"ts": round(time.time(), 3), "nodes": nodes, "silent": show.agents.silent, "services": rows}
        sys.stdout.write(msgspec.json.encode(tick).decode() + "\n")
        sys.stdout.flush()
        if once:
            return


def _print_once(show: _Show) -> None:
    rows = next(show.ticks())
    _say(show, rows)
    sys.stdout.writelines(f"{line}\n" for line in _table(show, rows, stream.width(), 1 << 30, stream.coloured()))


def _say(show: _Show, rows: Sequence[Rates]) -> None:
    if show.silent:
        tell(show.silent)
    if not rows:
        tell("no such Service port, or no Service at all: -A shows all namespaces")


def _table(show: _Show, rows: Sequence[Rates], room: int, height: int, coloured: bool) -> Iterator[str]:
    yield from toptable.lines(rows, room, height, coloured)
    if show.wanted:
        for row in rows:
            yield from ("", *toptable.details(row, room)) if row.shares else ()


def _draw(show: _Show) -> None:
    """The whole terminal again and again; what it showed last stays when it ends."""
    lines: list[str] = []
    sys.stdout.write(f"{_ENTER}{_FIRST_CELL}looking for {show.interval:g} s …")
    sys.stdout.flush()
    try:
        for rows in show.ticks():
            size = shutil.get_terminal_size()
            lines = list(_screen(show, rows, size.columns, size.lines))
            sys.stdout.write(_FIRST_CELL + "".join(f"{line}{_CLEAR_LINE}\r\n" for line in lines) + _CLEAR_BELOW)
            sys.stdout.flush()
    finally:
        sys.stdout.write(_LEAVE + "".join(f"{line}\n" for line in lines))


def _screen(show: _Show, rows: Sequence[Rates], columns: int, height: int) -> Iterator[str]:
    nodes = show.agents.count - len(show.agents.silent)
    head = f"{units.clock(time.time(), time.time())}  {nodes} node{'' if nodes == 1 else 's'}, every {show.interval:g}s"
    yield units.shortened(f"{head}  {show.silent}".rstrip(), columns)
    yield ""
    yield from list(_table(show, rows, columns, height - 3, stream.coloured()))[: height - 3]

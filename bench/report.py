"""Figures for people: the tables in docs/performance.md and the plots in docs/plots, from what benches saved as JSON.

    make plots               of bench/figures/BENCH.json, as they are
    make performance         measures everything first (a quarter of an hour; leave the machine alone meanwhile)

No figure is typed: a table stands between `<!-- figures: BENCH -->` and `<!-- end -->` and is written anew. Plots are
SVG by hand, because they are a few lines and dots on logarithmic axes, and a library would be needed by nobody else.
How a series grows is the slope of its points in the plot: 1 means in proportion, 2 with the square.
"""

import json
import math
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

ROOT = Path(__file__).resolve().parents[1]
FIGURES, PLOTS, PAGE = ROOT / "bench" / "figures", ROOT / "docs" / "plots", ROOT / "docs" / "performance.md"
Row = dict[str, Any]
Points = list[tuple[float, float]]
_WIDTH, _HEIGHT, _MARGIN, _TOP = 640, 370, 56, 86
_COLOURS = ("#3b7dd8", "#d8762b", "#3a9a5b", "#a457c4")
_TEXT = "text{font:13px sans-serif;fill:#24292f}line{stroke:#8c959f55}.axis{stroke:#8c959f}"
_DARK = "@media (prefers-color-scheme:dark){text{fill:#e6edf3}}"


class Column(Struct, frozen=True):
    """One of a table's columns; a row without the value shows nothing."""

    title: str
    value: Callable[[Row], float]
    shown: Callable[[float], str]


def main() -> int:
    """Writes what there are figures for."""
    page = PAGE.read_text()
    for bench, columns in _COLUMNS.items():
        file = FIGURES / f"{bench}.json"
        if file.exists():
            found = json.loads(file.read_text())
            drawn = draw(bench, found["rows"])
            plots = "".join(f"\n![How it grows with the {axis}](plots/{name}.svg)\n" for name, axis in drawn.items())
            page = replaced(page, bench, _told(found["machine"]) + table(found["rows"], columns) + plots)
        else:
            print(f"no figures of bench-{bench}: JSON={file.relative_to(ROOT)} make bench-{bench}", file=sys.stderr)
    PAGE.write_text(page)
    return 0


def replaced(page: str, bench: str, text: str) -> str:
    """The page with another text between a bench's marks. Raises ValueError when they are not there."""
    pattern = re.compile(rf"(<!-- figures: {bench} -->\n).*?(<!-- end -->)", re.DOTALL)
    new, count = pattern.subn(lambda found: f"{found[1]}{text}{found[2]}", page)
    if count != 1:
        raise ValueError(f"{PAGE}: needs one <!-- figures: {bench} --> … <!-- end -->")
    return new


def table(rows: Sequence[Row], columns: Sequence[Column]) -> str:
    """Markdown; columns that no row has a value for are left out."""
    cells = [[_cell(column, row) for column in columns] for row in rows]
    used = [index for index in range(len(columns)) if any(line[index] for line in cells)]
    head = [[columns[index].title for index in used], ["---"] * len(used)]
    lines = [*head, *([line[index] for index in used] for line in cells)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cell(column: Column, row: Row) -> str:
    try:
        value = column.value(row)
    except KeyError:
        return ""
    return column.shown(value) if value else ""


def growth(points: Points) -> float:
    """The exponent of n that fits best: least squares over logarithms. Needs two different n."""
    logs = [(math.log(x), math.log(y)) for x, y in points]
    mean_x, mean_y = (sum(values) / len(logs) for values in zip(*logs, strict=True))
    slope: float = sum((x - mean_x) * (y - mean_y) for x, y in logs) / sum((x - mean_x) ** 2 for x, _ in logs)
    return slope


def draw(bench: str, rows: Sequence[Row]) -> dict[str, str]:
    """A bench's plots, where there are two sizes at least: their names, with what they are drawn over."""
    drawn = {}
    for name, plot in _PLOTS.items():
        if plot.bench != bench:
            continue
        chosen = [row for row in rows if plot.chosen(row)]
        lines = {series: _points(chosen, plot.axis, value) for series, value in plot.series.items()}
        lines = {series: points for series, points in lines.items() if len({x for x, _ in points}) > 1}
        if lines:
            PLOTS.mkdir(exist_ok=True)
            (PLOTS / f"{name}.svg").write_text(svg(plot.unit, lines, plot.axis))
            drawn[name] = plot.axis
    return drawn


def _points(rows: Sequence[Row], axis: str, value: Callable[[Row], float]) -> Points:
    found = []
    for row in rows:
        try:
            found.append((float(row[axis.lower()]), value(row)))
        except KeyError:
            continue
    return sorted(point for point in found if point[1])


def svg(unit: str, lines: dict[str, Points], axis: str = "Services") -> str:
    """Logarithmic axes, a line for each series, its name with how it grows. Readable on light and dark pages."""
    across, up = _scale([x for p in lines.values() for x, _ in p]), _scale([y for p in lines.values() for _, y in p])

    def place(x: float, y: float) -> tuple[float, float]:
        return _MARGIN + across(x) * (_WIDTH - 2 * _MARGIN), _HEIGHT - _MARGIN - up(y) * (_HEIGHT - _MARGIN - _TOP)

    every = [point for points in lines.values() for point in points]
    parts = [_text(_MARGIN, 20, unit), _text(_WIDTH - 90, _HEIGHT - 8, axis)]
    for x in sorted({x for x, _ in every}):
        at, _ = place(x, every[0][1])
        parts += [_text(at - 14, _HEIGHT - _MARGIN + 20, f"{x:,.0f}"), _rule(at, _TOP, at, _HEIGHT - _MARGIN)]
    for y in (min(y for _, y in every), max(y for _, y in every)):
        _, at = place(every[0][0], y)
        parts += [_text(4, at + 4, _short(y)), _rule(_MARGIN, at, _WIDTH - _MARGIN, at)]
    for number, (name, points) in enumerate(lines.items()):
        parts += _series(name, [place(*point) for point in points], growth(points), number)
    style = f"<style>{_TEXT}{_DARK}</style>"
    body = "\n".join([style, *parts])
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">\n{body}\n</svg>\n'


def _scale(values: Sequence[float]) -> Callable[[float], float]:
    low, high = math.log(min(values)), math.log(max(values))
    return lambda value: (math.log(value) - low) / (high - low or 1)


def _series(name: str, points: Points, exponent: float, number: int) -> list[str]:
    colour = _COLOURS[number % len(_COLOURS)]
    way = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dots = [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>' for x, y in points]
    label = f'<tspan fill="{colour}">●</tspan> {name}: n^{exponent:.2f}'
    line = f'<polyline points="{way}" fill="none" stroke="{colour}" stroke-width="2"/>'
    return [line, *dots, _text(_MARGIN + 110, 20 + 17 * number, label)]


def _short(value: float) -> str:
    """`1,370`, `63.3`, `0.588`."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def _text(x: float, y: float, text: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}">{text}</text>'


def _rule(x: float, y: float, to_x: float, to_y: float) -> str:
    return f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{to_x:.1f}" y2="{to_y:.1f}"/>'


def _told(machine: Row) -> str:
    load = machine["load"][0]
    return f"{machine['cores']} cores, Linux {machine['kernel']}, Python {machine['python']}, load average {load}.\n\n"


def _seconds(value: float) -> str:
    return f"{value:.2f} s"


def _microseconds(value: float) -> str:
    return f"{value:.0f} µs"


def _milliseconds(value: float) -> str:
    return f"{value * 1000:.2f} ms"


def _megabytes(value: float) -> str:
    return f"{value:,.0f} MB"


def _of(proxy: str, name: str) -> Callable[[Row], float]:
    return lambda row: float(row["proxies"][proxy][name])


def _plain(name: str) -> Callable[[Row], float]:
    return lambda row: float(row[name])


_SIZE = (
    Column("Services", _plain("services"), "{:,.0f}".format),
    Column("endpoints each", _plain("endpoints"), "{:,.0f}".format),
)
_CLUSTER = (
    Column("pods", _plain("pods"), "{:,.0f}".format),
    Column("policies", _plain("policies"), "{:,.0f}".format),
)
_MOMENTS = {"applied": "applied", "all have addresses": "addressed", "all answer": "answered", "all gone": "gone"}
_PROCESSES = {
    "API server": "apiserver",
    "controllers": "controllers",
    "agents": "agent",
    "announcers": "announce",
    "relay": "relay",
}
"""A column's title, and what the kernel calls the process; agents and announcers are those of all nodes together."""


def _costs(process: str) -> Callable[[Row], Any]:
    """Of one process, both in a cell."""
    return lambda row: f"{row['cpu'][process]:.2f} s, {row['memory'][process]:.0f} MB"


_COLUMNS: dict[str, Sequence[Column]] = {
    "sync": (
        *_SIZE,
        Column("clock", _plain("sync"), _seconds),
        Column("CPU, kernel included", _plain("cpu"), _seconds),
        Column("peer", _plain("peer"), _seconds),
        Column("kube-proxy, from its start", _of("kube-proxy", "seconds"), _seconds),
        Column("portway serve, from its start", _of("portway serve", "seconds"), _seconds),
    ),
    "change": (
        *_SIZE,
        Column("median", _plain("median"), _milliseconds),
        Column("p99", _plain("p99"), _milliseconds),
        Column("peer", _plain("peer"), _milliseconds),
        Column("kube-proxy, by the API", _of("kube-proxy", "median"), _milliseconds),
        Column("portway serve, by the API", _of("portway serve", "median"), _milliseconds),
    ),
    "memory": (
        *_SIZE,
        Column("resident", _plain("resident"), _megabytes),
        Column("of which the interpreter", _plain("bare"), _megabytes),
        Column("at most, during the sync", _plain("most"), _megabytes),
        Column("kube-proxy", _of("kube-proxy", "resident"), _megabytes),
        Column("portway serve", _of("portway serve", "resident"), _megabytes),
    ),
    "connect": (
        Column("packet", lambda row: row["what"], str),
        Column("dialled", lambda row: row["spread"], str),
        _SIZE[0],
        *(
            Column(name, _plain(name), "{:.2f}".format)
            for name in ("bare", "one rule", "floor", "peer", "kube-proxy", "portway")
        ),
    ),
    "policy": (
        *_CLUSTER,
        Column("what", lambda row: row["what"], str),
        Column("median", _plain("median"), _milliseconds),
        Column("most", _plain("most"), _milliseconds),
        Column("elements", _plain("elements"), "{:,.0f}".format),
        Column("peer", _plain("peer"), _milliseconds),
    ),
    "policy-packets": (
        Column("packet", lambda row: row["what"], str),
        *_CLUSTER,
        *(Column(name, _plain(name), "{:.2f}".format) for name in ("bare", "none", "unselected", "portway", "peer")),
    ),
    "log": (
        Column("log", lambda row: row["what"], str),
        Column("wall", _plain("wall"), _microseconds),
        Column("to off", _plain("wall ratio"), "{:.2f}".format),
        Column("path", _plain("path"), _microseconds),
        Column("to off", _plain("path ratio"), "{:.2f}".format),
        Column("agent", _plain("agent"), _microseconds),
        Column("looks, of a processor", _plain("looks"), "{:.1%}".format),
    ),
    "dns": (
        _SIZE[0],
        Column("asked", lambda row: row["reading"], str),
        Column("CPU a query", _plain("portway cpu"), _microseconds),
        Column("dnsmasq", _plain("dnsmasq cpu"), _microseconds),
        Column("to dnsmasq", _plain("cpu ratio"), "{:.2f}".format),
        Column("rate to dnsmasq's", _plain("rate ratio"), "{:.2f}".format),
        Column("p50, one at a time", _plain("portway p50"), _microseconds),
        Column("dnsmasq", _plain("dnsmasq p50"), _microseconds),
        Column("to build", _plain("build"), _seconds),
        Column("memory", _plain("zone mb"), lambda mb: f"{mb:,.1f} MB"),
        Column("when all were asked", _plain("asked mb"), lambda mb: f"{mb:,.1f} MB"),
    ),
    "analysis": (
        Column("what", lambda row: row["what"], str),
        _CLUSTER[0],
        _SIZE[0],
        Column("clock", _plain("seconds"), _seconds),
        Column("CPU", _plain("cpu"), _seconds),
        Column("first", _plain("first"), _milliseconds),
        Column("next", _plain("next"), _milliseconds),
        Column("memory at most", lambda row: float(row["mb"]), lambda mb: f"{mb:,.0f} MB"),
    ),
    "loadbalancers": (
        Column("kind", lambda row: row["what"], str),
        _SIZE[0],
        *(Column(title, _plain(name), _seconds) for title, name in _MOMENTS.items()),
        Column("CPU in all", _plain("total cpu"), _seconds),
        *(Column(title, _costs(process), str) for title, process in _PROCESSES.items()),
    ),
    "ingress": (
        Column("door", lambda row: row["what"], str),
        Column("requests/s", _plain("rate"), "{:,.0f}".format),
        Column("ratio", _plain("rate ratio"), "{:.2f}".format),
        Column("p50", _plain("p50"), _milliseconds),
        Column("p99", _plain("p99"), _milliseconds),
        Column("CPU a request", _plain("cpu"), lambda seconds: _microseconds(seconds * 1e6)),
        Column("ratio", _plain("cpu ratio"), "{:.2f}".format),
        Column("and the log's reader", _plain("own"), lambda seconds: _microseconds(seconds * 1e6)),
        Column("changes/s", _plain("changes"), "{:,.0f}".format),
    ),
}


class Plot(Struct, frozen=True):
    """One of a bench's plots; rows without a series' value are none of its points."""

    bench: str
    unit: str
    chosen: Callable[[Row], bool]
    series: dict[str, Callable[[Row], float]]
    axis: str = "Services"
    """What it is drawn over; in lower case the rows' field."""


def _tens(row: Row) -> bool:
    return bool(row["endpoints"] == 10)


def _large(row: Row) -> bool:
    """Where starting an interpreter is not most of it."""
    return int(row.get("pods", 0)) >= 5000


def _of_what(what: str, name: str) -> Callable[[Row], float]:
    return lambda row: float({row["what"]: row[name]}[what])


_PLOTS: dict[str, Plot] = {
    "sync": Plot(
        "sync", "s", _tens,
        {"Portway": _plain("sync"), "peer": _plain("peer"), "kube-proxy": _of("kube-proxy", "seconds")},
    ),
    "change": Plot(
        "change", "s", _tens,
        {"Portway": _plain("median"), "peer": _plain("peer"), "kube-proxy": _of("kube-proxy", "median")},
    ),
    "memory": Plot(
        "memory", "MB", _tens,
        {
            "Portway": _plain("resident"),
            "Portway, without the interpreter": lambda row: float(row["resident"] - row["bare"]),
            "kube-proxy": _of("kube-proxy", "resident"),
        },
    ),
    "connect": Plot(
        "connect", "µs", lambda row: (row["what"], row["spread"]) == ("new, clusterIP", "all"),
        {
            "Portway": _plain("portway"),
            "peer": _plain("peer"),
            "kube-proxy": _plain("kube-proxy"),
            "two look-ups": _plain("floor"),
        },
    ),
    "loadbalancers": Plot(
        "loadbalancers", "s of CPU", lambda row: True,
        {what: _of_what(what, "total cpu") for what in ("ClusterIP", "LoadBalancer")},
    ),
    "loadbalancers-answered": Plot(
        "loadbalancers", "s until all answer", lambda row: True,
        {what: _of_what(what, "answered") for what in ("ClusterIP", "LoadBalancer")},
    ),
    "analysis": Plot(
        "analysis", "s of CPU", _large,
        {what: _of_what(what, "cpu") for what in ("lint", "audit", "diff", "trace")}, "Pods",
    ),
    "analysis-memory": Plot(
        "analysis", "MB", _large, {what: _of_what(what, "mb") for what in ("lint", "audit", "diff", "trace")}, "Pods"
    ),
}  # fmt: skip


if __name__ == "__main__":
    raise SystemExit(main())

"""An audit as text, Markdown or HTML."""

from collections.abc import Iterable, Sequence
from html import escape
from itertools import zip_longest

from portway.analysis.drift import Change
from portway.analysis.exposure import Exposure
from portway.cli import table

_HEAD = ("SERVICE", "WAY IN", "OUTSIDE", "LEADS TO", "PODS", "INSIDE", "LIMITED BY")
_FLAGS = {
    "unrestricted": "open to the outside, and nothing limits who",
    "no-pods": "no pod stands behind it",
    "single-pod": "one pod only",
    "single-node": "all pods on one node",
}


def text(found: Sequence[Exposure], changes: Sequence[Change] = ()) -> str:
    """Tables for a terminal."""
    outside = [one for one in found if one.outside]
    others = [one for one in found if not one.outside]
    parts = [f"OUTSIDE  {len(outside)} Service ports that can be reached from outside the cluster"]
    parts += table.lines(_HEAD, list(_rows(outside))) if outside else ["none"]
    flagged = [f"{flag:13} {text}" for flag, text in _flagged(found)]
    parts += ["", *flagged] if flagged else []
    parts += ["", f"INSIDE  {len(others)} Service ports for the cluster itself"]
    parts += table.lines(_HEAD, list(_rows(others))) if others else ["none"]
    if changes:
        parts += ["", "SINCE THEN", *changed(changes)]
    return "\n".join(parts)


def changed(changes: Sequence[Change]) -> list[str]:
    """Changes, a line each, with an example connection below."""
    lines = []
    for one in changes:
        lines.append(f"{one.kind:16} {one.subject}  {one.text}")
        lines += [f"{'':16} e.g. {one.example}"] if one.example else []
    return lines or ["nothing changed"]


def _rows(found: Iterable[Exposure]) -> Iterable[tuple[str, ...]]:
    for one in found:
        ways = [way for way in one.ways if way.entry not in ("clusterIP", "headless")] or list(one.ways[:1])
        for index, way in enumerate(ways or [None]):
            first = index == 0
            yield (
                one.named if first else "",
                f"{way.entry} {way.address}" if way else "-",
                _verdict(way.outside, way.code) if way else "-",
                _short(one.backends) if first else "",
                f"{one.pods} on {one.nodes}" if first else "",
                inside(one) if first else "",
                _short(one.restricted_by) or "-" if first else "",
            )


def _verdict(outside: str, code: str) -> str:
    return f"{outside} {code}".strip() if outside == "closed" else "-" if outside == "none" else outside


def inside(one: Exposure) -> str:
    """Who may connect inside, in a few words."""
    who = one.clients
    if not one.pods:
        return "-"
    but = f" but {_short(who.but)}" if who.but else ""
    if who.everywhere:
        return f"all{but}"
    if but:
        return f"{_short(who.namespaces)}{but}"
    names = [*who.namespaces, *who.partly]
    return _short(names) or ("nodes" if who.nodes == "open" else "nobody")


def _short(names: Sequence[str], most: int = 2) -> str:
    return ", ".join(names[:most]) + (f" +{len(names) - most}" if len(names) > most else "")


def _flagged(found: Sequence[Exposure]) -> list[tuple[str, str]]:
    """Each flag that something has, with what it means and who has it."""
    named = {flag: [one.named for one in found if flag in one.flags] for flag in _FLAGS}
    return [(flag, f"{meaning}: {', '.join(named[flag])}") for flag, meaning in _FLAGS.items() if named[flag]]


def markdown(found: Sequence[Exposure], changes: Sequence[Change] = ()) -> str:
    """For a pull request or a wiki."""
    rows = ["| " + " | ".join(head.lower() for head in _HEAD) + " |", "|" + "---|" * len(_HEAD)]
    rows += ["| " + " | ".join(_cell(cell) for cell in row) + " |" for row in _rows(found)]
    flags = [f"- **{flag}**: {', '.join(one.named for one in found if flag in one.flags)}" for flag in _FLAGS]
    parts = ["# What can be reached from where", "", *rows, "", *(line for line in flags if not line.endswith(": "))]
    parts += ["", "## Since then", "", *(f"- {_cell(c.kind)} {_cell(c.subject)}: {_cell(c.text)}" for c in changes)]
    return "\n".join(parts if changes else parts[:-3])


def _cell(value: str) -> str:
    return value.replace("|", "&#124;").replace("<", "&lt;")


_STYLE = """
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; }
body { max-width: 80rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; line-height: 1.2; }
ul { padding-left: 1.2rem; overflow-wrap: anywhere; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid #8884; vertical-align: top; }
.more td { border-bottom-color: transparent; }
.open, .partly, .closed { font-weight: 600; }
.open { color: light-dark(#b71c1c, #ff8a80); } .partly { color: light-dark(#8a5000, #ffb74d); }
.closed { color: light-dark(#1b5e20, #81c784); }
@media (max-width: 45rem) {
  thead { display: none; }
  tr { display: block; padding: .3rem 0; border-bottom: 1px solid #8884; }
  td { display: flex; gap: .6rem; padding: .1rem 0; border: 0; overflow-wrap: anywhere; }
  td::before { content: attr(data-head); flex: 0 0 5.5rem; color: GrayText; font-weight: 400; }
  td:empty { display: none; }
  .more { border-bottom-color: transparent; }
}
"""


def html(found: Sequence[Exposure], changes: Sequence[Change] = ()) -> str:
    """One page that needs nothing else."""
    head = "".join(f"<th>{escape(name.lower())}</th>" for name in _HEAD)
    listed = list(_rows(found))
    rows = "".join(_html_row(row, following) for row, following in zip_longest(listed, listed[1:]))
    flags = "".join(f"<li><b>{escape(flag)}</b> {escape(text)}</li>" for flag, text in _flagged(found))
    since = "".join(f"<li><b>{escape(c.kind)}</b> {escape(c.subject)}: {escape(c.text)}</li>" for c in changes)
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>portway audit</title><style>{_STYLE}</style><h1>What can be reached from where</h1>"
        f'<ul>{flags}</ul><div class="wide"><table><thead><tr>{head}</tr></thead>\n{rows}</table></div>'
        + (f"<h2>Since then</h2><ul>{since}</ul>" if since else "")
        + "</html>"
    )


def _html_row(row: Sequence[str], following: Sequence[str] | None) -> str:
    """Without a line below it where the next one goes on with the same Service."""
    more = ' class="more"' if following and not following[0] else ""
    return f"<tr{more}>{''.join(_html_cell(i, cell) for i, cell in enumerate(row))}</tr>\n"


def _html_cell(index: int, cell: str) -> str:
    kind = cell.partition(" ")[0] if index == 2 else ""
    mark = f' class="{kind}"' if kind in ("open", "partly", "closed") else ""
    return f'<td{mark} data-head="{escape(_HEAD[index].lower())}">{escape(cell)}</td>'

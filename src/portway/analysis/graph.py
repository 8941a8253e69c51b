"""A trace as a graph, for Mermaid and Graphviz."""

import json
from collections.abc import Iterator

from portway.analysis.trace import Trace
from portway.forwarding.hops import percent

_Edge = tuple[str, str, str, bool]
"""From, to, label, whether packets go on."""


def mermaid(found: Trace) -> str:
    """A flowchart, as GitHub shows it in Markdown."""
    nodes, edges = _parts(found)
    lines = ["flowchart LR"]
    lines += [f'  {name}["{_quoted(text)}"]' for name, text in nodes]
    for start, end, label, goes in edges:
        arrow = "-->" if goes else "-.-x"
        lines.append(f'  {start} {arrow}|"{_quoted(label)}"| {end}' if label else f"  {start} {arrow} {end}")
    lines += [f"  style {name} stroke:#c62828" for name, _ in nodes if name == "end" and not found.arrives]
    return "\n".join(lines)


def dot(found: Trace) -> str:
    """A digraph."""
    nodes, edges = _parts(found)
    lines = ["digraph trace {", "  rankdir=LR; node [shape=box];"]
    lines += [f"  {name} [label={json.dumps(text, ensure_ascii=False)}];" for name, text in nodes]
    for start, end, label, goes in edges:
        style = "" if goes else ", style=dashed, color=red"
        lines.append(f"  {start} -> {end} [label={json.dumps(label, ensure_ascii=False)}{style}];")
    return "\n".join([*lines, "}"])


def _quoted(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;").replace("\n", "<br>")


def _parts(found: Trace) -> tuple[list[tuple[str, str]], list[_Edge]]:
    nodes = [(f"h{index}", _hop(found, index)) for index in range(len(found.hops))]
    edges: list[_Edge] = [
        (f"h{index}", f"h{index + 1}", found.hops[index + 1].note, True) for index in range(len(found.hops) - 1)
    ]
    last = nodes[-1][0] if nodes else ""
    for name, text, goes, label in _ends(found):
        nodes.append((name, text))
        if last:
            edges.append((last, name, label, goes))
    return nodes, edges


def _hop(found: Trace, index: int) -> str:
    hop = found.hops[index]
    socket = f"{hop.address}:{hop.port}" if hop.port else hop.address
    return f"{hop.name}\n{socket}" if socket else hop.name


def _ends(found: Trace) -> Iterator[tuple[str, str, bool, str]]:
    """The backends with their fate, or the end itself."""
    fates = {fate.backend: fate for fate in found.judged}
    if not found.backends:
        yield "end", f"{found.code}\n{found.meaning}", found.arrives, ""
    for index, backend in enumerate(found.backends):
        fate = fates.get(backend)
        denied = fate is not None and not fate.allowed
        share = percent(found.shares[index]) if found.shares else ""
        yield f"b{index}", f"{backend.target}\n{backend}", not denied, fate.fate if fate and denied else share

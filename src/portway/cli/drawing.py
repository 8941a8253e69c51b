"""A trace as a person reads it: the hops in a line, the candidates below, then what happens and why."""

from typing import Any

from portway.analysis import replies
from portway.analysis.trace import Trace
from portway.forwarding.hops import percent
from portway.model import Hop


def draw(found: Trace, fact: dict[str, Any] | None = None, agrees: bool | None = None) -> list[str]:
    """Lines of text, without colour."""
    last = _candidates(found) if len(found.backends) > 1 else ""
    way = " → ".join([*(_box(hop) for hop in found.hops), *([last] if last else [])])
    lines = [way if found.arrives else f"{way} ✗"]
    lines += [f"    {line}" for line in _backends(found)]
    lines += [f"  {hop.kind:8} {hop.note}" for hop in found.hops if hop.note]
    lines += [f"  {kind:8} {line}" for kind, line in _fates(found)]
    lines += [f"  {'ends':8} {found.code}: {found.meaning}"]
    lines += [f"  {'note':8} {line}" for line in (*_undeclared(found), *found.findings)]
    return [*lines, *(_fact(found, fact, agrees) if fact else [])]


def _undeclared(found: Trace) -> list[str]:
    if not found.undeclared or found.packet is None:
        return []
    names = ", ".join(backend.target or backend.address for backend in found.undeclared)
    verb = "declares" if len(found.undeclared) == 1 else "declare"
    port = f"{found.undeclared[0].port}/{found.packet.protocol}"
    return [f"{names} {verb} no port {port}: whether something listens there, nobody has said"]


def _box(hop: Hop) -> str:
    where = f" {_socket(hop)}" if hop.address and hop.kind != "service" else ""
    if hop.kind == "service":
        return f"[{hop.name}:{hop.port}{f' {hop.port_name}' if hop.port_name else ''}]"
    return f"[{hop.name}{where}]"


def _socket(hop: Hop) -> str:
    address = f"[{hop.address}]" if ":" in hop.address and hop.port else hop.address
    return f"{address}:{hop.port}" if hop.port else address


def _candidates(found: Trace) -> str:
    return f"one of {len(found.backends)}"


def _backends(found: Trace) -> list[str]:
    if len(found.backends) < 2:
        return []
    width = max(len(b.target) for b in found.backends)
    denied = {fate.backend for fate in found.judged if not fate.allowed}
    shares = [f"  {percent(share)}" for share in found.shares] or [""] * len(found.backends)
    return [
        f"[{b.target:{width}} {b}]  {b.node_name}{share}{' ✗' if b in denied else ''}".rstrip()
        for b, share in zip(found.backends, shares, strict=True)
    ]


def _fates(found: Trace) -> list[tuple[str, str]]:
    """What policies say of the backends and whose answers are lost, those alike together; nothing where all is well."""
    groups: dict[tuple[str, str], list[str]] = {}
    for fate in found.judged:
        if fate.by or not fate.allowed:
            kind = "reply" if fate.code in replies.MEANING else "policy"
            groups.setdefault((kind, fate.fate), []).append(fate.backend.target or fate.backend.address)
    every = len(found.judged)
    return [(kind, f"{_whom(names, every)}: {fate}") for (kind, fate), names in groups.items()]


def _whom(names: list[str], every: int) -> str:
    return "all backends" if len(names) == every > 1 else ", ".join(names)


def _fact(found: Trace, fact: dict[str, Any], agrees: bool | None) -> list[str]:
    said = _outcome(fact)
    if agrees and found.arrives and fact["outcome"] == "refused":
        said = "refused, as a share is" if found.refused else "refused by the pod itself (PORT_NOT_LISTENING)"
    return [f"  {'probe':8} {said}: {'agrees' if agrees else 'DISAGREES with the trace'}"]


def _outcome(fact: dict[str, Any]) -> str:
    if fact.get("tries", 1) > 1:
        names = ", ".join(name or "a pod" for name in fact["answered"])
        answered = f", the others answered by {names}" if names else ""
        refused = f", {fact['refused']} refused" if fact.get("refused") else ""
        return f"of {fact['tries']} connections {fact['silent']} silent{refused}{answered}"
    pod = fact.get("reply", {}).get("pod")
    return f"{fact['outcome']}{f' by {pod}' if pod else ''}"

"""A request's way as a person reads it, and the doors there are."""

from collections.abc import Iterable

from portway.analysis.webtrace import DoorRow, Share, WebTrace
from portway.cli import table

_HEAD = ("DOOR", "ADDRESS", "PORT", "PROTOCOL", "HOSTS", "ROUTES")
_MOST_HOSTS = 3


def draw(found: WebTrace) -> list[str]:
    """Lines of text, without colour."""
    boxes = [found.url, found.listener and f"listener {found.listener}", found.host and f"host {found.host}"]
    boxes += [found.route, *([_service(found.shares[0])] if len(found.shares) == 1 else [])]
    way = " → ".join(f"[{box}]" for box in boxes if box)
    lines = [way if found.arrives else f"{way} ✗"]
    for share in found.shares:
        lines += _share(share, alone=len(found.shares) == 1, closes=found.protocol == "TLS")
    if found.client_certificate:
        lines.append(
            f"  {'asks':8} a certificate of the client, issued by an authority of the Gateway (spec.tls.frontend)"
        )
    if found.code == "ROUTED" and found.protocol != "TLS":
        lines.append(f"  {'path':8} the pod sees {found.path}")
    if found.location:
        lines.append(f"  {'redirect':8} {found.status} to {found.location}")
    lines.append(f"  {'ends':8} {found.code}: {found.meaning}")
    return lines + [f"  {'note':8} {other} listens there too" for other in found.others]


def _service(share: Share) -> str:
    return share.service or share.reason


def _share(share: Share, *, alone: bool, closes: bool) -> list[str]:
    lines = [] if alone else [f"    [{_service(share)}]  weight {share.weight}{_failing(share, closes)}"]
    return lines + [
        f"    [{endpoint.pod or 'pod'} {_socket(endpoint.address)}:{endpoint.port}]" for endpoint in share.endpoints
    ]


def _failing(share: Share, closes: bool) -> str:
    if not share.status:
        return ""
    return " ✗ closed" if closes else f" ✗ answered {share.status}"


def _socket(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def lines(rows: Iterable[DoorRow]) -> list[str]:
    """The table of doors; nothing when there is none."""
    found = [
        (row.door, row.address or "<pending>", str(row.port), row.protocol, _hosts(row), str(row.routes))
        for row in rows
    ]
    return table.lines(_HEAD, found) if found else []


def _hosts(row: DoorRow) -> str:
    more = len(row.hosts) - _MOST_HOSTS
    return ",".join(row.hosts[:_MOST_HOSTS]) + (f" + {more} more" if more > 0 else "") or "<none>"

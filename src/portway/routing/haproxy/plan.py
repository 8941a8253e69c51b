"""From what runs to the next table: a reload, or changes for the runtime API."""

import re
from collections.abc import Iterator, Sequence

from msgspec import Struct
from msgspec.structs import replace

from portway.routing.haproxy.config import Rendered, options
from portway.routing.haproxy.frontends import Place
from portway.routing.haproxy.maps import NAMES
from portway.routing.haproxy.words import server_address, server_name
from portway.routing.table import Endpoint

_PLAIN = re.compile(r"[A-Za-z0-9/._*|:=~%+@,-]+")
"""Keys that a command can name without quoting."""


class Server(Struct, frozen=True):
    """A server that comes or goes."""

    name: str
    """`section/server`."""
    add: str
    """The command that makes it; it is in maintenance then."""


class Plan(Struct, frozen=True):
    """What the runtime API is told, in this order: nothing leads to where nobody is yet."""

    come: tuple[Server, ...] = ()
    certificates: tuple[str, ...] = ()
    maps: tuple[str, ...] = ()
    """What is new or changed in maps."""
    replaced: tuple[str, ...] = ()
    """Names of maps that are replaced whole."""
    drops: tuple[str, ...] = ()
    """What is no longer in maps."""
    go: tuple[Server, ...] = ()

    def size(self) -> int:
        """How many changes these are."""
        return (
            len(self.come)
            + len(self.certificates) // 2
            + len(self.maps)
            + len(self.replaced)
            + len(self.drops)
            + len(self.go)
        )


def plan(old: Rendered, new: Rendered, place: Place) -> Plan | None:
    """None: only a reload does it."""
    if _needs_reload(old, new):
        return None
    puts, replaced, drops = _maps(old, new, place)
    return Plan(
        tuple(_others(new, old)),
        tuple(_certificates(old, new, place)),
        tuple(puts),
        tuple(replaced),
        tuple(drops),
        tuple(_others(old, new)),
    )


def ran(old: Rendered, new: Rendered) -> Rendered:
    """What runs after a plan: sections that nothing leads to any more are still there."""
    return replace(
        new,
        sections={**old.sections, **new.sections},
        servers={**old.servers, **new.servers},
        protocols={**old.protocols, **new.protocols},
    )


def _needs_reload(old: Rendered, new: Rendered) -> bool:
    if old.head != new.head or old.lists != new.lists or old.certificates.keys() != new.certificates.keys():
        return True
    return any(old.sections.get(name) != section for name, section in new.sections.items())


def _others(these: Rendered, those: Rendered) -> Iterator[Server]:
    """Servers that `these` have and `those` have not, in sections that both have."""
    for section in these.servers.keys() & those.servers.keys():
        mine, known = these.servers[section], those.servers[section]
        if mine is not known and mine != known:
            there = {(e.address, e.port) for e in known}
            yield from (_server(these, section, e) for e in mine if (e.address, e.port) not in there)


def _server(rendered: Rendered, section: str, endpoint: Endpoint) -> Server:
    name = f"{section}/{server_name(endpoint)}"
    return Server(name, f"add server {name} {server_address(endpoint)}{options(rendered.protocols[section])}")


def _certificates(old: Rendered, new: Rendered, place: Place) -> Iterator[str]:
    for file, pem in new.certificates.items():
        if old.certificates[file] != pem:
            text = "\n".join(line for line in pem.splitlines() if line.strip())
            yield f"set ssl cert {place.folder}/{file} <<\n{text}\n"
            yield f"commit ssl cert {place.folder}/{file}"


def _maps(old: Rendered, new: Rendered, place: Place) -> tuple[list[str], list[str], list[str]]:
    """Targets before what leads to them; what goes, the other way round."""
    puts: list[str] = []
    drops: list[str] = []
    replaced: list[str] = []
    for name in reversed(NAMES):
        before, after = dict(old.maps[name]), dict(new.maps[name])
        if old.maps[name] == new.maps[name]:
            continue
        changed = [key for key in (*after, *before) if before.get(key) != after.get(key)]
        if name.endswith("-wild") or len(changed) > 1000 or not all(map(_PLAIN.fullmatch, changed)):
            replaced.append(name)  # its order counts, or a command cannot say it
            continue
        file = place.map(name)
        puts += [
            f"{'set' if key in before else 'add'} map {file} {key} {after[key]}" for key in changed if key in after
        ]
        drops = [f"del map {file} {key}" for key in dict.fromkeys(changed) if key not in after] + drops
    return list(dict.fromkeys(puts)), replaced, drops


def replacement(entries: Sequence[tuple[str, str]], file: str, version: str) -> Iterator[str]:
    """Commands that fill a prepared version of a map, in pieces that HAProxy's buffer takes."""
    for start in range(0, len(entries), _PIECE):
        lines = "\n".join(f"{key} {value}" for key, value in entries[start : start + _PIECE])
        yield f"add map @{version} {file} <<\n{lines}\n"


_PIECE = 20

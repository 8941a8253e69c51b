"""From what runs to the next table: a reload, or changes for the runtime API."""

import re
from collections.abc import Iterator, Sequence

from msgspec import Struct
from msgspec.structs import replace

from portway.routing.haproxy.config import Rendered
from portway.routing.haproxy.maps import NAMES
from portway.routing.haproxy.place import Place
from portway.routing.haproxy.upstreams import server
from portway.routing.haproxy.words import server_name
from portway.routing.table import Endpoint

_PLAIN = re.compile(r"[A-Za-z0-9/._*|:=~%+@,-]+")
"""Words that a command can have without quoting."""


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
    """Commands: those that are new or changed, then what ports show."""
    maps: tuple[str, ...] = ()
    """What is new or changed in maps."""
    replaced: tuple[str, ...] = ()
    """Names of maps that are replaced whole."""
    drops: tuple[str, ...] = ()
    """What is no longer in maps."""
    withdrawn: tuple[str, ...] = ()
    """Commands for certificates that are no longer shown."""
    go: tuple[Server, ...] = ()

    def size(self) -> int:
        """How many changes these are, about."""
        commands = (*self.maps, *self.replaced, *self.drops, *self.withdrawn)
        return len(self.come) + (len(self.certificates) + 1) // 2 + len(commands) + len(self.go)


def plan(old: Rendered, new: Rendered, place: Place) -> Plan | None:
    """None: only a reload does it."""
    if _needs_reload(old, new):
        return None
    puts, replaced, drops = _maps(old, new, place)
    return Plan(
        tuple(_others(new, old)),
        (*_certificates(old, new, place), *_shown(old, new, place)),
        tuple(puts),
        tuple(replaced),
        tuple(drops),
        tuple(_withdrawn(old, new, place)),
        tuple(_others(old, new)),
    )


def ran(old: Rendered, new: Rendered) -> Rendered:
    """What runs after a plan: sections that nothing leads to any more are still there."""
    return replace(
        new,
        sections={**old.sections, **new.sections},
        servers={**old.servers, **new.servers},
        speeches={**old.speeches, **new.speeches},
    )


def _needs_reload(old: Rendered, new: Rendered) -> bool:
    if old.head != new.head or old.lists.keys() != new.lists.keys():
        return True
    if any(_is_another(old.lists[name], text) for name, text in new.lists.items()):
        return True
    return any(old.sections.get(name) != section for name, section in new.sections.items())


def _is_another(old: str, new: str) -> bool:
    """Whether a list has another first line (its default certificate), or one with the same file in other words."""
    if old == new:
        return False
    before, after = old.splitlines(), new.splitlines()
    files = [
        {line.split()[0] for line in ours if line not in others} for ours, others in ((before, after), (after, before))
    ]
    return before[:1] != after[:1] or bool(files[0] & files[1])


def _others(these: Rendered, those: Rendered) -> Iterator[Server]:
    """Servers that `these` have and `those` have not, in sections that both have."""
    for section in these.servers.keys() & those.servers.keys():
        mine, known = these.servers[section], those.servers[section]
        if mine is not known and mine != known:
            there = {(e.address, e.port) for e in known}
            yield from (_server(these, section, e) for e in mine if (e.address, e.port) not in there)


def _server(rendered: Rendered, section: str, endpoint: Endpoint) -> Server:
    name = f"{section}/{server_name(endpoint)}"
    return Server(name, f"add server {section}/{server(endpoint, rendered.speeches[section])}")


def _certificates(old: Rendered, new: Rendered, place: Place) -> Iterator[str]:
    for file, pem in new.certificates.items():
        if old.certificates.get(file) != pem:
            text = "\n".join(line for line in pem.splitlines() if line.strip())
            if file not in old.certificates:
                yield f"new ssl cert {place.folder}/{file}"
            yield f"set ssl cert {place.folder}/{file} <<\n{text}\n"
            yield f"commit ssl cert {place.folder}/{file}"


def _shown(old: Rendered, new: Rendered, place: Place) -> Iterator[str]:
    for name, text in new.lists.items():
        for line in text.splitlines():
            if line not in old.lists[name].splitlines():
                yield f"add ssl crt-list {place.folder}/{name} <<\n{line}\n"


def _withdrawn(old: Rendered, new: Rendered, place: Place) -> Iterator[str]:
    for name, text in old.lists.items():
        for line in text.splitlines():
            if line not in new.lists[name].splitlines():
                yield f"del ssl crt-list {place.folder}/{name} {line.split()[0]}"
    for file in old.certificates.keys() - new.certificates.keys():
        yield f"del ssl cert {place.folder}/{file}"


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
        words = (*changed, *(after.get(key) or "-" for key in changed))
        if name.endswith("-wild") or len(changed) > 1000 or not all(map(_PLAIN.fullmatch, words)):
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

"""Names and quoting in a configuration."""

import hashlib
import re
from collections.abc import Iterator

from portway.routing.table import Endpoint, HeaderEdit, Pool

_NAME = re.compile(r"[A-Za-z0-9._~-]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def quoted(text: str) -> str:
    """One word of a line, nothing in it special to the parser. Raises ValueError for control characters."""
    if _CONTROL.search(text):
        raise ValueError(f"{text!r} has control characters, which HAProxy's configuration cannot have")
    return "'" + text.replace("'", "'\\''") + "'"


def plain(name: str) -> str:
    """The name of a header or parameter, as an argument of a sample. Raises ValueError for one that needs quoting."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"HAProxy cannot look for the name {name!r}: only letters, digits and -._~ are possible")
    return name


def formatted(text: str) -> str:
    """Text as part of a log-format string, nothing in it special."""
    return text.replace("%", "%%")


def edit_lines(rule: str, edit: HeaderEdit | None) -> Iterator[str]:
    """Rules of this kind that set, then add, then remove."""
    if edit is None:
        return
    for verb, fields in (("set-header", edit.set), ("add-header", edit.add)):
        for name, value in fields:
            yield f"{rule} {verb} {quoted(name)} {quoted(formatted(value))}"
    for name in edit.remove:
        yield f"{rule} del-header {quoted(name)}"


def digest(*parts: str, length: int = 10) -> str:
    """A short name for these; `length` in hexadecimal digits: 32 where nobody may find others that share it."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:length]


def authorities_file(pem: str) -> str:
    """Of certificates that backends or clients are checked by, within the folder.

    Named after what is in it: another content is another configuration, and nobody's session outlives it.
    """
    return f"certs/ca-{digest(pem, length=32)}.pem"


def section_name(pool: Pool | None, lines: tuple[str, ...], *more: str) -> str:
    """The same for the same pool and lines; readable, as far as it can be."""
    base = f"{pool.namespace}.{pool.service}.{pool.port}" if pool is not None else "none"
    marks = (pool.protocol if pool is not None else "", *lines, *more)
    return f"{base}.{digest(*marks)}"


def server_name(endpoint: Endpoint) -> str:
    """Of an endpoint within its section."""
    return f"{endpoint.address}_{endpoint.port}"


def server_address(endpoint: Endpoint) -> str:
    """As HAProxy reads it: the last colon stands before the port."""
    return f"{endpoint.address}:{endpoint.port}"


def certificate_file(key: str) -> str:
    """Of a Secret's certificate, within the folder: namespaces have no dots, so the first one separates."""
    return f"certs/{key.replace('/', '.')}.pem"

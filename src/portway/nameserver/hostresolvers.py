"""Who answers this machine: /etc/resolv.conf's nameservers, as they are now."""

import ipaddress
from pathlib import Path

from portway.dns.resolvconf import read
from portway.dns.stubs import Address

_PORT = 53
_MOST = 3
"""MAXNS: as many as any resolver asks (man 5 resolv.conf)."""


class HostResolvers:
    """Reads the file when it has changed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int] | None = None
        self._found: list[Address] = []

    def now(self) -> list[Address]:
        """The resolvers, the first first; none when there is no file, or it names none."""
        try:
            state = self._path.stat()
            if self._seen != (seen := (state.st_mtime_ns, state.st_ino)):
                text = self._path.read_text(errors="replace")
                self._seen, self._found = seen, [(a, _PORT) for a in read(text).nameservers if _is_address(a)][:_MOST]
        except OSError:
            self._seen, self._found = None, []
        return self._found


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True

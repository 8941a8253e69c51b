"""What agents say at /metrics: those of a fleet by their Unix sockets, others by their address."""

import http.client
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from portway.accesslog.top import Reading, reading
from portway.fleet import FleetState

_PATIENCE = 5.0
"""Seconds for which an agent may think."""


class Agents:
    """Those that are asked, by name; and those that did not answer the last time, with the reason."""

    def __init__(self, doors: Mapping[str, str]) -> None:
        """`doors`: by name a socket's path, or a URL."""
        self._doors = doors
        self.silent: dict[str, str] = {}

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._doors)

    def read(self) -> dict[str, Reading]:
        """What each says now, of those that answer."""
        self.silent.clear()
        return dict(self._readings())

    def _readings(self) -> Iterator[tuple[str, Reading]]:
        from prometheus_client.parser import text_string_to_metric_families

        for name, door in self._doors.items():
            try:
                text, asked = _get(door), time.monotonic()
                samples = (s for family in text_string_to_metric_families(text) for s in family.samples)
                yield name, reading(((s.name, s.labels, s.value) for s in samples), asked)
            except (OSError, http.client.HTTPException) as error:
                self.silent[name] = getattr(error, "strerror", None) or str(error) or type(error).__name__
            except (ValueError, KeyError):
                self.silent[name] = "what it says is not what Portway's agents say"


def of_fleet(state: FleetState) -> Agents:
    """A fleet's."""
    return Agents({node.name: str(state.paths.agent_socket(node.name)) for node in state.nodes})


def of_urls(urls: Sequence[str]) -> Agents:
    """Those at these URLs, which are their names."""
    return Agents({url: url for url in urls})


def _get(door: str) -> str:
    parts = urlsplit(door)
    connection: http.client.HTTPConnection
    if parts.scheme:
        connection, path = http.client.HTTPConnection(parts.netloc, timeout=_PATIENCE), parts.path or "/metrics"
    else:
        connection, path = _UnixConnection(Path(door)), "/metrics"
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        if answer.status != 200:
            raise http.client.HTTPException(f"status {answer.status}")
        return answer.read().decode()
    finally:
        connection.close()


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=_PATIENCE)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))

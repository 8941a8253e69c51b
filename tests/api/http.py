"""Requests over the Unix socket, one after another, with everything of the answer."""

import http.client
import json
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Doc = dict[str, Any]


@dataclass
class Answer:
    """What came back."""

    code: int
    headers: http.client.HTTPMessage = field(repr=False)
    text: str

    @property
    def doc(self) -> Any:
        return json.loads(self.text)

    @property
    def message(self) -> str:
        """Of a Status."""
        return str(self.doc.get("message", ""))


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=60)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class Http:
    """A client that adds nothing of its own."""

    def __init__(self, path: Path) -> None:
        self._connection = _Connection(path)

    def close(self) -> None:
        self._connection.close()

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """`body`: bytes as they are, anything else as JSON; `Content_Type="…"` for headers."""
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        self._connection.request(method, path, data, names)
        response = self._connection.getresponse()
        return Answer(response.status, response.headers, response.read().decode())

    def get(self, path: str, **headers: str) -> Answer:
        return self.send("GET", path, **headers)

    def post(self, path: str, body: Any, **headers: str) -> Answer:
        return self.send("POST", path, body, **headers)

    def put(self, path: str, body: Any, **headers: str) -> Answer:
        return self.send("PUT", path, body, **headers)

    def delete(self, path: str, body: Any = None, **headers: str) -> Answer:
        return self.send("DELETE", path, body, **headers)

    def patch(self, path: str, body: Any, form: str = "merge-patch") -> Answer:
        """`form`: "merge-patch", "strategic-merge-patch" or "json-patch"."""
        return self.send("PATCH", path, body, Content_Type=f"application/{form}+json")

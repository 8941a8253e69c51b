"""Sends one real packet and says what came back: `python -m portway.cli.probe ADDRESS PORT TCP|UDP`.

Run inside a fleet (`portway trace --probe` does it through `portway exec`). Prints one JSON object:
outcome "answered" | "refused" | "silent" | "unreachable", and the stand-in's own words when one answered.
"""

import json
import socket
import sys
from typing import Any

_PATIENCE = 2.0
_REQUEST = b"GET / HTTP/1.1\r\nHost: probe\r\nConnection: close\r\n\r\n"


def probe(address: str, port: int, protocol: str) -> dict[str, Any]:
    """One connection (TCP) or datagram (UDP) to address:port."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    kind = socket.SOCK_STREAM if protocol == "TCP" else socket.SOCK_DGRAM
    with socket.socket(family, kind) as dialled:
        dialled.settimeout(_PATIENCE)
        try:
            dialled.connect((address, port))
            dialled.sendall(_REQUEST)
            return {"outcome": "answered", **_words(_reply(dialled, protocol))}
        except ConnectionError:
            return {"outcome": "refused"}
        except TimeoutError:
            return {"outcome": "silent"}
        except OSError as error:
            return {"outcome": "unreachable", "error": str(error)}


def _reply(dialled: socket.socket, protocol: str) -> bytes:
    if protocol == "UDP":
        return dialled.recv(65536)
    reply = b""
    while chunk := dialled.recv(65536):
        reply += chunk
    return reply


def _words(reply: bytes) -> dict[str, Any]:
    """The JSON object in a stand-in's reply, if it is one."""
    start, end = reply.find(b"{"), reply.rfind(b"}")
    try:
        said = json.loads(reply[start : end + 1]) if start >= 0 else {}
    except ValueError:
        said = {}
    return {"reply": said} if isinstance(said, dict) and said else {}


if __name__ == "__main__":
    print(json.dumps(probe(sys.argv[1], int(sys.argv[2]), sys.argv[3])))

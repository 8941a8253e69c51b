"""Sends real packets and says what came back: `python -m portway.cli.probe`.

Run inside a fleet (`portway trace --probe` does it through `portway exec`). Reads a JSON list of [ADDRESS, PORT,
"TCP" | "UDP", TIMES], tries all of them beside each other, and prints a list with an object for each: its outcome, and
the stand-in's own words when one answered. Of several connections: outcome "mixed" unless all fared alike, `tries`,
`silent`, `refused`, and how often each pod `answered`.

Outcomes are "answered", "refused", "silent", "unreachable" and "not permitted": a process is told so of its own
datagram that its node drops or refuses.
"""

import json
import socket
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
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
        except PermissionError:
            return {"outcome": "not permitted"}
        except OSError as error:
            return {"outcome": "unreachable", "error": str(error)}


def probe_often(address: str, port: int, protocol: str, times: int) -> dict[str, Any]:
    """So many connections, many at a time."""
    with ThreadPoolExecutor(max_workers=64) as pool:
        facts = [*pool.map(lambda _: probe(address, port, protocol), range(times))]
    outcomes = Counter(fact["outcome"] for fact in facts)
    answered = Counter(fact.get("reply", {}).get("pod", "") for fact in facts if fact["outcome"] == "answered")
    outcome = next(iter(outcomes)) if len(outcomes) == 1 else "mixed"
    return {
        "outcome": outcome,
        "tries": times,
        "silent": outcomes["silent"],
        "refused": outcomes["refused"],
        "answered": dict(sorted(answered.items())),
    }


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


def _asked(address: str, port: int, protocol: str, times: int) -> dict[str, Any]:
    return probe(address, port, protocol) if times == 1 else probe_often(address, port, protocol, times)


if __name__ == "__main__":
    questions = json.load(sys.stdin)
    with ThreadPoolExecutor(max_workers=16) as _pool:
        print(json.dumps([*_pool.map(lambda question: _asked(*question), questions)]))

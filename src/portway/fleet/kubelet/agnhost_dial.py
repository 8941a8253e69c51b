"""netexec's `/dial`: a pod is asked to ask another, and tells what it was answered.

Source: test/images/agnhost/netexec of Kubernetes 1.36.
"""

import asyncio
import json
import os
import socket
from collections.abc import Mapping

from portway.fleet.kubelet.agnhost import connected
from portway.fleet.kubelet.process import Space

_SECONDS = 5.0
_KINDS = {"http": socket.SOCK_STREAM, "": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}


async def dial(space: Space, query: Mapping[str, str]) -> tuple[int, str]:
    """(HTTP status, body), asked as a program in `space` would."""
    tries, request = query.get("tries") or "1", query.get("request", "")
    protocol, port = query.get("protocol", "").lower(), query.get("port", "")
    if not tries.isdigit():
        return 400, f"tries parameter is invalid. {tries}\n"
    if not request:
        return 400, "request parameter not specified.\n"
    if protocol not in _KINDS:
        return 400, f"unsupported protocol. {protocol}\n"
    if not (port.isdigit() and query.get("host")):
        return 400, "host and/or port param are invalid.\n"
    responses: list[str] = []
    errors: list[str] = []
    for _ in range(int(tries)):
        try:
            async with asyncio.timeout(_SECONDS):
                responses.append(await _once(space, query["host"], int(port), protocol, request))
        except TimeoutError:
            errors.append("i/o timeout")
        except OSError as error:
            errors.append((os.strerror(error.errno) if error.errno else str(error)).lower())
    said = {name: texts for name, texts in (("responses", responses), ("errors", errors)) if texts}
    return 200, json.dumps(said)


async def _once(space: Space, host: str, port: int, protocol: str, request: str) -> str:
    loop = asyncio.get_running_loop()
    with await connected(space, host, port, _KINDS[protocol]) as asking:
        if protocol == "udp":
            await loop.sock_sendall(asking, request.encode())
            return (await loop.sock_recv(asking, 2048)).decode(errors="replace")
        shown = f"[{host}]" if ":" in host else host
        # HTTP/1.0: the answer ends with the connection, never in chunks
        await loop.sock_sendall(asking, f"GET /{request} HTTP/1.0\r\nHost: {shown}:{port}\r\n\r\n".encode())
        return await _body(asking)


async def _body(asking: socket.socket) -> str:
    loop = asyncio.get_running_loop()
    data = b""
    while more := await loop.sock_recv(asking, 65536):
        data += more
    return data.partition(b"\r\n\r\n")[2].decode(errors="replace")

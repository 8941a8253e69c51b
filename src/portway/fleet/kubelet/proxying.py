"""HTTP requests that the API server hands on to what runs in a pod: `pods/NAME/proxy`."""

import contextlib
import socket
from collections.abc import Sequence
from typing import Any

import aiohttp
from aiohttp import web

from portway.fleet import linux
from portway.kubeapi.remotecommand import UNREACHABLE

_SECONDS = aiohttp.ClientTimeout(total=60, connect=10)


async def carry(request: web.Request, network: str | None, addresses: Sequence[str]) -> web.StreamResponse:
    """Ask the pod, from its own network namespace (None: the current one), and tell what it answered, as it said it."""
    way = request.match_info
    host = f"[{addresses[0]}]" if ":" in addresses[0] else addresses[0]
    rest = request.raw_path.split("/", 5)[5]  # as it was written: quoted, with its query
    url = f"{way['scheme']}://{host}:{way['port']}/{rest}"

    def inside(info: Any) -> socket.socket:
        with linux.inside_network(network) if network else contextlib.nullcontext():
            return socket.socket(info[0], info[1])

    connector = aiohttp.TCPConnector(socket_factory=inside, ssl=False)
    async with aiohttp.ClientSession(connector=connector, timeout=_SECONDS, auto_decompress=False) as session:
        try:
            asked = await session.request(
                request.method,
                url,
                headers={name: value for name, value in request.headers.items() if name.lower() != "host"},
                data=await request.read() or None,
                allow_redirects=False,
            )
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            return unreachable(f"error trying to reach service: {error}")
        return web.Response(status=asked.status, headers=_kept(asked), body=await asked.read())


def unreachable(why: str) -> web.Response:
    """The kubelet's own answer."""
    return web.Response(status=503, text=why, headers={UNREACHABLE: "yes"})


def _kept(answer: aiohttp.ClientResponse) -> Any:
    headers = answer.headers.copy()
    for name in ("Content-Length", "Transfer-Encoding", "Connection"):
        headers.popall(name, None)
    return headers

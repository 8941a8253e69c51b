"""What a name means to a pod, for what the kubelet itself asks in the pod's place."""

import asyncio
import ipaddress
import socket
from typing import Any

from portway.fleet import etc, linux
from portway.fleet.kubelet.process import Space

Goal = tuple[int, Any]
"""(address family, address as sockets have it)."""


async def find(space: Space, host: str, port: int, kind: int) -> Goal:
    """Where `host` is to a program of the pod; its first address. Raises socket.gaierror."""
    address = host if _is_address(host) or not space.etc else await _asked(space, host)
    found = await asyncio.get_running_loop().getaddrinfo(address, port, type=kind)
    family, _, _, _, goal = found[0]
    return family, goal


async def _asked(space: Space, host: str) -> str:
    """By getent: the C library's resolver, with the pod's files, in the pod's network."""

    def enter() -> None:
        if space.network:
            linux.join_network(space.network)
        if space.etc:
            etc.put_on(space.etc)

    pipe, nothing = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    asking = await asyncio.create_subprocess_exec(
        "getent", "ahosts", "--", host, stdin=nothing, stdout=pipe, stderr=nothing, preexec_fn=enter
    )
    try:
        output, _ = await asking.communicate()
    except asyncio.CancelledError:
        asking.kill()
        raise
    words = output.decode(errors="replace").split()
    if not words:
        raise socket.gaierror(socket.EAI_NONAME, "no such host")
    return words[0]


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True

"""A UDP door: takes what has come, as much as there is, and answers it, before the event loop has its next turn."""

import asyncio
import logging
import socket
from functools import partial
from typing import Any

from portway.nameserver.desk import Desk

log = logging.getLogger(__name__)

_AT_ONCE = 64
"""Datagrams taken before others have their turn."""
_LARGEST = 4096
"""A query is shorter; the rest of a longer one is cut off, and it is malformed."""


class UdpDoor:
    """Answers at one socket, until closed."""

    def __init__(self, door: socket.socket, desk: Desk) -> None:
        self._door, self._desk = door, desk
        door.setblocking(False)
        asyncio.get_running_loop().add_reader(door, self._take)

    def _take(self) -> None:
        receive, at_once, send = self._door.recvfrom, self._desk.at_once, self._send
        for _ in range(_AT_ONCE):
            try:
                packet, client = receive(_LARGEST)
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:  # ICMP about an earlier answer: its client is gone
                log.debug("%s", error)
                continue
            if (response := at_once(packet, False)) is not None:
                send(response, client)
            else:
                self._desk.consider(packet, False, partial(self._send, client=client))

    def _send(self, response: bytes, client: Any) -> None:
        try:
            self._door.sendto(response, client)
        except OSError as error:  # full, closed since, or nobody can be reached there: UDP may lose what it carries
            log.debug("%s", error)

    def close(self) -> None:
        """Answer no more."""
        asyncio.get_running_loop().remove_reader(self._door)
        self._door.close()

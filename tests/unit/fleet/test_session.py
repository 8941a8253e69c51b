"""`kubectl exec` at the kubelet's end, with a peer that is slow."""

import asyncio
import os
from typing import Any, cast

import pytest
from aiohttp import web

from portway.fleet.kubelet import session
from portway.fleet.kubelet.process import Space

_STDOUT, _ERROR = 1, 3


class Slow:
    """Takes longer for a message than last words are waited for."""

    def __init__(self) -> None:
        self.heard: list[tuple[int, bytes]] = []
        self._gone = asyncio.Event()

    async def send_bytes(self, message: bytes) -> None:
        await asyncio.sleep(0.02)
        self.heard.append((message[0], message[1:]))

    def __aiter__(self) -> "Slow":
        return self

    async def __anext__(self) -> Any:
        await self._gone.wait()
        raise StopAsyncIteration


async def test_all_that_a_command_said_comes_before_its_end_however_slow_the_peer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(session, "_LAST_WORDS_SECONDS", 0.001)
    peer = Slow()
    wanted = session.Wanted(("sh", "-c", "head -c 300000 /dev/zero"), {"PATH": os.environ["PATH"]}, Space())
    await session.Session(cast(web.WebSocketResponse, peer), wanted).run()
    assert sum(len(data) for channel, data in peer.heard if channel == _STDOUT) == 300_000
    assert [channel for channel, _ in peer.heard][-1] == _ERROR

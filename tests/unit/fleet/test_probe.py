"""What a readiness probe says of a port that nobody listens on: kubelet's words, for it is read in an Event."""

import socket

import pytest

from portway.fleet.kubelet.probe import Exec, Failed, check


async def _nothing_runs(_: object) -> int:
    return 0


@pytest.mark.parametrize("action", ["httpGet", "tcpSocket"])
async def test_a_closed_port(action: str) -> None:
    run: Exec = _nothing_runs
    with socket.socket() as bound:  # and never listening
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        with pytest.raises(Failed, match=f"^dial tcp 127.0.0.1:{port}: connect: connection refused$"):
            await check({action: {"port": port}}, [], "127.0.0.1", run)

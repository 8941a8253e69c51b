"""What the API server asks of a kubelet, on a Unix socket: commands in its pods, and requests to them."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import msgspec
from aiohttp import web

from portway import strangers
from portway.fleet.kubelet import agnhost, proxying
from portway.fleet.kubelet.environment import Missing
from portway.fleet.kubelet.process import CannotRun, Space
from portway.fleet.kubelet.session import Session, Wanted, command_of, failure, outcome
from portway.kubeapi.remotecommand import PROTOCOLS

_TRUE = ("1", "true")


class Inside(Protocol):
    """A pod, as commands see it."""

    @property
    def space(self) -> Space:
        """Where its programs run."""

    @property
    def addresses(self) -> Sequence[str]:
        """Its own, the primary one first."""

    async def inside(self, container: str) -> tuple[Space, Mapping[str, str]]:
        """Where a command in one of its containers runs, and its environment. Raises environment.Missing."""


class Server:
    """Serves at a socket until it is closed."""

    def __init__(self, find: Callable[[str], Inside | None]) -> None:
        self._find = find
        self._runner: web.AppRunner | None = None

    async def open(self, path: Path) -> None:
        """Begin. An earlier kubelet's socket is replaced."""
        application = web.Application()
        application.router.add_get("/exec/{uid}/{container}", self._execute)
        application.router.add_route("*", "/proxy/{uid}/{scheme}/{port}/{path:.*}", self._proxy)
        self._runner = web.AppRunner(application, access_log=None, logger=strangers.log, shutdown_timeout=0.1)
        await self._runner.setup()
        path.parent.mkdir(mode=0o700, exist_ok=True)
        path.unlink(missing_ok=True)
        await web.UnixSite(self._runner, str(path)).start()

    async def _execute(self, request: web.Request) -> web.StreamResponse:
        pod = self._find(request.match_info["uid"])
        if pod is None:
            raise web.HTTPNotFound(text="the kubelet does not run this pod")
        peer = web.WebSocketResponse(protocols=PROTOCOLS, max_msg_size=0)
        await peer.prepare(request)
        try:
            await self._converse(peer, pod, request)
        except (Missing, CannotRun) as error:
            await peer.send_bytes(b"\3" + msgspec.json.encode(failure(f"failed to exec in container: {error}")))
        await peer.close()
        return peer

    async def _proxy(self, request: web.Request) -> web.StreamResponse:
        pod = self._find(request.match_info["uid"])
        if pod is None:
            return proxying.unreachable("the kubelet does not run this pod")
        return await proxying.carry(request, pod.space.network, pod.addresses)

    async def _converse(self, peer: web.WebSocketResponse, pod: Inside, request: web.Request) -> None:
        argv = command_of(request.query.getall("command", []))
        answer = await _played(pod.space, agnhost.unwrapped(argv))
        if answer is not None:
            await peer.send_bytes(b"\1" + answer.output.encode())
            await peer.send_bytes(b"\2" + answer.errors.encode())
            await peer.send_bytes(b"\3" + msgspec.json.encode(outcome(answer.code)))
            return
        on = {name: request.query.get(name, "") in _TRUE for name in ("stdin", "stdout", "stderr", "tty")}
        space, variables = await pod.inside(request.match_info["container"])
        wanted = Wanted(argv, variables, space, "/", on["stdin"], on["stdout"], on["stderr"], terminal=on["tty"])
        await Session(peer, wanted).run()


async def _played(space: Space, argv: Sequence[str]) -> agnhost.Answer | None:
    """What a command of the image agnhost says; None: it is another, to be run."""
    if agnhost.is_connect(argv):
        return await agnhost.connect(space, argv)
    return agnhost.told(argv, space.etc or Path("/etc"))

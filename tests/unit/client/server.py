"""A small API server to try the client against: Services and their watch, with faults on demand."""

import asyncio
import json
from pathlib import Path
from typing import Any

from aiohttp import web

Doc = dict[str, Any]


def service(name: str, version: int, **labels: str) -> Doc:
    return {
        "metadata": {"namespace": "shop", "name": name, "resourceVersion": str(version), "labels": labels},
        "spec": {},
    }


class Server:
    """Holds Services; `say` and `drop` reach the open watches; `answers` are given before anything else."""

    def __init__(self, socket: Path) -> None:
        self.socket = socket
        self.objects: dict[str, Doc] = {}
        self.version = 100
        self.oldest = 0
        """Watches from before are answered with 410."""
        self.answers: list[web.Response] = []
        self.only = ""
        """`answers` are for paths with this in them."""
        self.requests: list[web.BaseRequest] = []
        self.bodies: list[Any] = []
        self.watches: list[tuple[web.StreamResponse, asyncio.Event]] = []
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", self._answer)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.UnixSite(self._runner, str(self.socket)).start()

    async def stop(self) -> None:
        self.drop()
        if self._runner:
            await self._runner.cleanup()
        self.socket.unlink(missing_ok=True)

    def put(self, name: str, **labels: str) -> Doc:
        self.version += 1
        self.objects[name] = service(name, self.version, **labels)
        return self.objects[name]

    async def say(self, kind: str, document: Doc) -> None:
        line = json.dumps({"type": kind, "object": document}).encode() + b"\n"
        for stream, _ in self.watches:
            await stream.write(line[:7])  # a line arrives in pieces
            await stream.write(line[7:])

    def drop(self) -> None:
        for _, done in self.watches:
            done.set()
        self.watches.clear()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        text = await request.text()
        self.requests.append(request)
        self.bodies.append(json.loads(text) if text else None)
        if self.answers and self.only in request.path:
            return self.answers.pop(0)
        if request.query.get("watch"):
            return await self._watch(request)
        if request.method == "GET" and request.path.endswith("/services"):
            return self._list(request)
        return web.json_response(self.bodies[-1] if isinstance(self.bodies[-1], dict) else {})

    def _list(self, request: web.Request) -> web.Response:
        start = int(request.query.get("continue", "0"))
        end = start + int(request.query.get("limit", "500"))
        names = sorted(self.objects)
        metadata: Doc = {"resourceVersion": str(self.version)}
        if end < len(names):
            metadata["continue"] = str(end)
        items = [self.objects[name] for name in names[start:end]]
        return web.json_response({"kind": "ServiceList", "apiVersion": "v1", "metadata": metadata, "items": items})

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        if int(request.query["resourceVersion"]) < self.oldest:
            return refusal(410, "Expired", "too old resource version")
        stream, done = web.StreamResponse(), asyncio.Event()
        await stream.prepare(request)
        self.watches.append((stream, done))
        await done.wait()
        return stream


def refusal(code: int, reason: str, message: str, **details: Any) -> web.Response:
    status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "message": message}
    return web.json_response(status | {"code": code, "details": details}, status=code)

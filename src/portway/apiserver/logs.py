"""GET of a pod's log: the kubelet writes files, one a container; here they are read, and followed."""

import asyncio
from collections import deque
from pathlib import Path
from typing import BinaryIO

import msgspec
from aiohttp import web

from portway.apiserver.call import Call
from portway.apiserver.registry import Registry, key_of
from portway.kubeapi.errors import ApiError, Doc, bad_request
from portway.store import Key

_FOLLOW_SECONDS = 0.1
"""How often a followed file is looked at: files of network namespaces on one machine, so no notification is needed."""


async def log(registry: Registry, call: Call) -> web.StreamResponse:
    """The text of one container's log. Raises 400, 404."""
    pod = registry.decode(registry.get(call.target), call.target.kind)
    container = _container(pod, call.query.get("container", ""))
    if call.flag("previous"):
        name = pod["metadata"]["name"]
        raise bad_request(f'previous terminated container "{container}" in pod "{name}" not found')
    tail, limit = _counts(call)
    response = web.StreamResponse(headers={"Content-Type": "text/plain", "Cache-Control": "no-cache, private"})
    await response.prepare(call.request)
    reader = _Reader(registry.pod_logs / pod["metadata"]["uid"] / f"{container}.log", limit)
    try:
        await _send(response, reader.last(tail) if tail is not None else reader.more())
        while call.flag("follow") and not reader.exhausted and _runs(registry, key_of(call.target), container):
            await asyncio.sleep(_FOLLOW_SECONDS)
            await _send(response, reader.more())
        await _send(response, reader.more())
    except ConnectionResetError:
        pass
    finally:
        reader.close()
    return response


async def _send(response: web.StreamResponse, data: bytes) -> None:
    if data:
        await response.write(data)


def _counts(call: Call) -> tuple[int | None, int | None]:
    """tailLines and limitBytes. Raises 400."""
    tail, limit = call.number("tailLines"), call.number("limitBytes")
    if tail is not None and tail < 0:
        raise bad_request(f"tailLines: Invalid value: {tail}: must be greater than or equal to 0")
    if limit is not None and limit < 1:
        raise bad_request(f"limitBytes: Invalid value: {limit}: must be greater than 0")
    return tail, limit


def _container(pod: Doc, wanted: str) -> str:
    """The container asked for, or the only one. Raises 400 in the API server's words."""
    spec, pod_name = pod.get("spec") or {}, pod["metadata"]["name"]
    main = [each["name"] for each in spec.get("containers") or ()]
    init = [each["name"] for each in spec.get("initContainers") or ()]
    if wanted:
        if wanted not in [*main, *init]:
            raise bad_request(f"container {wanted} is not valid for pod {pod_name}")
        return wanted
    if len(main) != 1:
        choices = f"choose one of: [{' '.join(main)}]"
        if init:
            choices += f" or one of the init containers: [{' '.join(init)}]"
        raise bad_request(f"a container name must be specified for pod {pod_name}, {choices}")
    return str(main[0])


def _runs(registry: Registry, key: Key, container: str) -> bool:
    """More may come: the pod is there and its container has not ended."""
    entry = registry.store.get(key)
    if entry is None or registry.store.ending:
        return False
    status = msgspec.json.decode(entry.value).get("status") or {}
    states = {each["name"]: each.get("state") or {} for each in status.get("containerStatuses") or ()}
    return "terminated" not in states.get(container, {}) and status.get("phase") not in ("Succeeded", "Failed")


class _Reader:
    """One log file, which may not be there yet."""

    def __init__(self, path: Path, limit: int | None) -> None:
        self._path = path
        self._file: BinaryIO | None = None
        self._left = limit

    @property
    def exhausted(self) -> bool:
        """As many bytes were given as were wanted."""
        return self._left == 0

    def more(self) -> bytes:
        """What was added since the last time."""
        file = self._opened()
        return self._limited(file.read()) if file else b""

    def last(self, lines: int) -> bytes:
        """The last lines."""
        file = self._opened()
        return self._limited(b"".join(deque(file, maxlen=lines))) if file else b""

    def _opened(self) -> BinaryIO | None:
        if self._file is None:
            try:
                self._file = self._path.open("rb")
            except FileNotFoundError:
                return None
            except OSError as error:
                raise ApiError(500, "InternalError", f"{self._path}: {error.strerror}") from None
        return self._file

    def _limited(self, data: bytes) -> bytes:
        if self._left is None:
            return data
        data = data[: self._left]
        self._left -= len(data)
        return data

    def close(self) -> None:
        """Let the file go."""
        if self._file is not None:
            self._file.close()

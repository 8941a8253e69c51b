"""One HTTP session to one API server: connections, TLS, identity, and which failures may be tried again.

A request is repeated only when it cannot have been carried out (no connection; 429, which says so) or when it is a
GET. Everything else that goes wrong on the way is `Unreachable` at once: whoever asked knows what to do about it.
"""

import asyncio
import os
import ssl
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from portway.client.access import Access
from portway.client.credential import Identity
from portway.client.failure import BadKubeconfig, Unreachable
from portway.kubeapi.errors import ApiError

if TYPE_CHECKING:
    import aiohttp

Params = Mapping[str, str]

_PAUSES = (0.05, 0.2, 0.8)
"""Seconds before each repetition."""
_CONNECT_SECONDS = 10.0
_ANSWER_SECONDS = 60.0
_LONGEST_RETRY_AFTER = 5.0


class Request(Struct, frozen=True):
    """What to send. `params` and `body` as they go on the wire."""

    method: str
    path: str
    params: Params = {}
    body: bytes = b""
    content_type: str = "application/json"
    accept: str = "application/json"
    silence: float = 0.0
    """Seconds the server may stay silent within the answer; 0: the whole answer within a minute."""


class Transport:
    """Opens its session with the first request, in the event loop that sends it."""

    def __init__(self, access: Access) -> None:
        self.access = access
        self._session: aiohttp.ClientSession | None = None
        self._shown = Identity()
        """The identity that the session's TLS was set up with."""

    async def close(self) -> None:
        """Close every connection; the next request opens a new session."""
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()

    async def fetch(self, request: Request) -> bytes:
        """The answer's body. Raises ApiError for what the server refuses, Unreachable when there is no answer."""
        pauses = iter(_PAUSES)
        while True:
            try:
                async with self.stream(request) as response:
                    return await response.read()
            except (Unreachable, ApiError) as failure:
                pause = _repeat_after(request, failure, next(pauses, None))
                if pause is None:
                    raise
            await asyncio.sleep(pause)

    @asynccontextmanager
    async def stream(self, request: Request) -> "AsyncIterator[aiohttp.ClientResponse]":
        """The answer while it is coming; failures as in `fetch`, nothing repeated but a 401 that may be cured."""
        import aiohttp

        identity = await self.access.credential.identity()
        try:
            async with await self._send(request, identity) as response:
                if response.status == 401 and self.access.credential.renewable:
                    identity = await self.access.credential.identity(refused=True)
                    async with await self._send(request, identity) as second:
                        yield await _checked(second)
                else:
                    yield await _checked(response)
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise self._unreachable(error) from error

    async def _send(self, request: Request, identity: Identity) -> "aiohttp.ClientResponse":
        import aiohttp

        session = await self._opened(identity)
        headers = [*self.access.headers, ("Accept", request.accept)]
        if request.body:
            headers.append(("Content-Type", request.content_type))
        if identity.token:
            headers.append(("Authorization", f"Bearer {identity.token}"))
        timeout = aiohttp.ClientTimeout(
            total=None if request.silence else _ANSWER_SECONDS,
            sock_connect=_CONNECT_SECONDS,
            sock_read=request.silence or None,
        )
        return await session.request(
            request.method,
            self.access.server + request.path,
            params=dict(request.params),
            data=request.body or None,
            headers=headers,
            timeout=timeout,
            server_hostname=self.access.server_name or None,
            proxy=self.access.proxy or None,
            allow_redirects=request.method in ("GET", "HEAD"),
        )

    async def _opened(self, identity: Identity) -> "aiohttp.ClientSession":
        if self._session is not None and self._certificate_of(identity) != self._certificate_of(self._shown):
            await self.close()
        if self._session is None:
            self._session, self._shown = _session(self.access, identity), identity
        return self._session

    @staticmethod
    def _certificate_of(identity: Identity) -> tuple[str, str]:
        return identity.certificate, identity.key

    def _unreachable(self, error: BaseException) -> Unreachable:
        where = self.access.unix_path or self.access.server
        reason = " ".join(str(error).split()) or type(error).__name__
        if isinstance(error, asyncio.TimeoutError):
            reason = "no answer in time"
        failure = Unreachable(f"no answer from the API server at {where}: {reason}")
        failure.never_sent = _never_sent(error)
        return failure


def _never_sent(error: BaseException) -> bool:
    import aiohttp

    return isinstance(error, aiohttp.ClientConnectorError) and not isinstance(error, aiohttp.ClientSSLError)


def _repeat_after(request: Request, failure: Unreachable | ApiError, pause: float | None) -> float | None:
    """Seconds to wait before sending it again, None to give up."""
    if pause is None or isinstance(failure, BadKubeconfig):
        return None
    if isinstance(failure, ApiError):
        if failure.code != 429:
            return None
        asked = (failure.details or {}).get("retryAfterSeconds") or 0
        return min(max(float(asked), pause), _LONGEST_RETRY_AFTER)
    return pause if failure.never_sent or request.method == "GET" else None


def _session(access: Access, identity: Identity) -> "aiohttp.ClientSession":
    import aiohttp

    connector: aiohttp.BaseConnector
    if access.unix_path:
        connector = aiohttp.UnixConnector(access.unix_path, limit=0)
    elif access.server.startswith("https:"):
        connector = aiohttp.TCPConnector(ssl=_tls(access, identity), limit=0)
    else:
        connector = aiohttp.TCPConnector(limit=0)
    # on this machine compressing costs more than it saves
    headers = {"Accept-Encoding": "identity"} if access.unix_path else None
    return aiohttp.ClientSession(connector=connector, headers=headers)


def _tls(access: Access, identity: Identity) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cadata=access.ca or None)
        if access.insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if identity.certificate:
            _load_certificate(context, identity)
    except (ssl.SSLError, ValueError) as error:
        raise BadKubeconfig(f"the certificates for {access.server} cannot be used: {error}") from error
    return context


def _load_certificate(context: ssl.SSLContext, identity: Identity) -> None:
    """ssl only reads certificates from files: write one that only we can read, for as long as that takes."""
    descriptor, path = tempfile.mkstemp(prefix="portway-", suffix=".pem")
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(f"{identity.certificate}\n{identity.key}\n")
        context.load_cert_chain(path)
    finally:
        Path(path).unlink()


async def _checked(response: "aiohttp.ClientResponse") -> "aiohttp.ClientResponse":
    if response.status >= 400:
        raise decode_failure(response.status, await response.read(), response.headers.get("Retry-After", ""))
    return response


def decode_failure(code: int, body: bytes, retry_after: str = "") -> ApiError:
    """The Status in `body`, or one made of what is there when it is none (a proxy's answer, say)."""
    try:
        status: Any = msgspec.json.decode(body)
    except msgspec.DecodeError:
        status = None
    if not isinstance(status, dict) or status.get("kind") != "Status":
        text = body.decode(errors="replace").strip() or "the server gave no reason"
        status = {"message": text}
    details = dict(status.get("details") or {})
    if retry_after.isdigit():
        details.setdefault("retryAfterSeconds", int(retry_after))
    return ApiError(code, status.get("reason") or "", status.get("message") or "", details or None)

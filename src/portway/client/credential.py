"""Who we are to an API server: nobody, a bearer token, a file with one, or a program that knows (exec plugin).

Source: client.authentication.k8s.io/v1 (ExecCredential) and client-go's rules: a token file is read again as it
changes, a plugin's answer is kept until its expirationTimestamp and asked again after a 401.
"""

import asyncio
import os
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import msgspec
from msgspec import Struct

from portway.client.failure import BadKubeconfig

_TOKEN_FILE_SECONDS = 60.0
"""How long a token file's content is believed (client-go re-reads about every minute)."""
_EARLY_SECONDS = 10.0
"""A plugin's credential is renewed this long before it expires."""


class Identity(Struct, frozen=True):
    """What a request shows: a bearer token or a client certificate with its key (PEM), or nothing."""

    token: str = ""
    certificate: str = ""
    key: str = ""


class Credential(Protocol):
    """Gives the identity to use now."""

    async def identity(self, *, refused: bool = False) -> Identity:
        """`refused`: the last one was answered with 401, get another if there can be one."""

    @property
    def renewable(self) -> bool:
        """Whether asking again after a 401 may help."""


class Static:
    """The same identity for ever."""

    renewable = False

    def __init__(self, identity: Identity | None = None) -> None:
        self._identity = identity or Identity()

    async def identity(self, *, refused: bool = False) -> Identity:
        """The identity given at construction."""
        return self._identity


class TokenFile:
    """A token kept in a file that someone else renews (tokenFile; a pod's projected token)."""

    renewable = True

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._path, self._clock = path, clock
        self._read_at, self._identity = float("-inf"), Identity()

    async def identity(self, *, refused: bool = False) -> Identity:
        """The file's content, at most a minute old. Raises BadKubeconfig when it cannot be read."""
        now = self._clock()
        if refused or now - self._read_at > _TOKEN_FILE_SECONDS:
            self._identity, self._read_at = Identity(token=self._read()), now
        return self._identity

    def _read(self) -> str:
        try:
            return self._path.read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise BadKubeconfig(f"cannot read the token file {self._path}: {error}") from error


class ExecPlugin:
    """A program that prints an ExecCredential."""

    renewable = True

    def __init__(
        self,
        command: str,
        arguments: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        *,
        api_version: str = "client.authentication.k8s.io/v1",
        cluster: Mapping[str, Any] | None = None,
        install_hint: str = "",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._argv = [command, *arguments]
        spec: dict[str, Any] = {"interactive": False}
        if cluster is not None:
            spec["cluster"] = dict(cluster)
        info = {"apiVersion": api_version, "kind": "ExecCredential", "spec": spec}
        self._environment = dict(environment or {}) | {"KUBERNETES_EXEC_INFO": msgspec.json.encode(info).decode()}
        self._install_hint = install_hint
        self._clock = clock
        self._expires, self._identity = float("-inf"), Identity()
        self._asking = asyncio.Lock()

    async def identity(self, *, refused: bool = False) -> Identity:
        """The plugin's last answer while it is valid, else a new one. Raises BadKubeconfig when it gives none."""
        known = self._identity
        async with self._asking:
            stale = refused and self._identity is known  # someone else may have renewed it while we waited
            if stale or self._clock() >= self._expires - _EARLY_SECONDS:
                self._identity, self._expires = self._parse(await self._run())
        return self._identity

    async def _run(self) -> bytes:
        name = self._argv[0]
        try:
            process = await asyncio.create_subprocess_exec(
                *self._argv,
                env=os.environ | self._environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
            )
        except OSError as error:
            hint = f" ({self._install_hint.strip()})" if self._install_hint else ""
            raise BadKubeconfig(f"cannot run the kubeconfig's exec plugin {name}: {error.strerror}{hint}") from error
        output, _ = await process.communicate()
        if process.returncode:
            raise BadKubeconfig(f"the kubeconfig's exec plugin {name} failed with exit code {process.returncode}")
        return output

    def _parse(self, output: bytes) -> tuple[Identity, float]:
        name = self._argv[0]
        try:
            status = msgspec.json.decode(output, type=dict[str, Any]).get("status") or {}
            identity = Identity(
                status.get("token") or "",
                status.get("clientCertificateData") or "",
                status.get("clientKeyData") or "",
            )
            expires = status.get("expirationTimestamp")
            until = datetime.fromisoformat(expires).timestamp() if expires else float("inf")
        except (msgspec.DecodeError, ValueError, TypeError, AttributeError) as error:
            raise BadKubeconfig(f"the kubeconfig's exec plugin {name} printed no ExecCredential: {error}") from error
        if identity == Identity():
            raise BadKubeconfig(f"the kubeconfig's exec plugin {name} gave neither a token nor a client certificate")
        return identity, until

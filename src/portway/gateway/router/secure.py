"""Connections to backends, by TLS where their pool says so: none that is not what its policy asks for."""

import asyncio
import logging
import ssl
from collections.abc import Mapping

from portway.gateway.backendtls import BackendContexts, connect, why
from portway.gateway.router.asked import Target
from portway.routing.table import BackendTls, Certificate

log = logging.getLogger(__name__)

NOTHING = BackendTls()
"""Of `appProtocol: https` alone."""
_MOST_TOLD = 1000


class Secure:
    """Makes them."""

    def __init__(self) -> None:
        self._contexts = BackendContexts()
        self._certificates: Mapping[str, Certificate] = {}
        self._told: set[tuple[str, int, str]] = set()

    def keep(self, wanted: set[BackendTls], certificates: Mapping[str, Certificate]) -> None:
        """What may be asked for from now on."""
        self._certificates = certificates
        self._contexts.keep(wanted)

    async def connected(self, made: asyncio.Protocol, target: Target, name: str) -> None:
        """`name`: the server name where no policy says one. Raises OSError; ssl.SSLError: it cannot be trusted."""
        at = (target.address, target.port)
        if not target.secure:
            await asyncio.get_running_loop().create_connection(lambda: made, *at)
            return
        tls = target.tls or NOTHING
        try:
            context = self._contexts.of(tls, self._certificates.get(tls.certificate), http2=target.http2)
            await connect(made, at, tls, context, name, http2=target.http2)
        except ssl.SSLError as error:
            self._tell(target, why(error))
            raise

    def _tell(self, target: Target, reason: str) -> None:
        told = (target.address, target.port, reason)
        if told not in self._told and len(self._told) < _MOST_TOLD:
            self._told.add(told)
            log.warning("%s port %d: %s", *told)

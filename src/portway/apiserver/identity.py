"""Who asks: a client certificate over HTTPS, our own user over the Unix socket."""

import os
import socket
import struct
from asyncio import BaseTransport

from msgspec import Struct

from portway.kubeapi.errors import ApiError


class User(Struct, frozen=True):
    """As SelfSubjectReview shows it."""

    name: str
    groups: tuple[str, ...]


LOCAL = User("system:portway", ("system:masters", "system:authenticated"))


def unauthorized() -> ApiError:
    """401."""
    return ApiError(401, "Unauthorized", "Unauthorized")


def identify(transport: BaseTransport | None) -> User:
    """The peer of a connection. Raises ApiError 401."""
    if transport is None:
        raise unauthorized()
    certificate = transport.get_extra_info("peercert")
    if certificate:
        return _from_certificate(certificate)
    peer = transport.get_extra_info("socket")
    if peer is not None and peer.family == socket.AF_UNIX and _uid(peer) in (0, os.getuid()):
        return LOCAL
    raise unauthorized()


def _from_certificate(certificate: dict[str, tuple[tuple[tuple[str, str], ...], ...]]) -> User:
    """CN is the user's name, each O a group; the TLS layer has verified it against our CA."""
    fields = [field for names in certificate.get("subject", ()) for field in names]
    name = next((value for key, value in fields if key == "commonName"), "")
    groups = [value for key, value in fields if key == "organizationName"]
    if not name:
        raise unauthorized()
    return User(name, (*groups, "system:authenticated"))


def _uid(peer: socket.socket) -> int:
    credentials = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return int(struct.unpack("3i", credentials)[1])

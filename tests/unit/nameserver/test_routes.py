"""Who may be asked: the host's resolvers and the fleet, nobody else, and not ourselves."""

import json
import logging
import socket

import pytest

from portway.dns import from_text
from portway.nameserver.routes import Routes
from tests.told import by_portway

HOST = [("192.0.2.53", 53), ("127.0.0.2", 53)]
NAME = from_text("www.acme.local")


def told(stub: str) -> dict[str, object]:
    return {"data": {"stubDomains": json.dumps({"acme.local": [stub]})}}


@pytest.mark.parametrize(
    ("stub", "asked"),
    [
        ("10.244.1.9", [("10.244.1.9", 53)]),
        ("10.96.0.9:5353", [("10.96.0.9", 5353)]),
        ("192.0.2.53:5353", [("192.0.2.53", 5353)]),
        ("203.0.113.1", []),
        ("fd00:244::9", [("fd00:244::9", 53)]),
        ("127.0.0.9", []),
    ],
)
def test_stub_domains(stub: str, asked: list[object], caplog: pytest.LogCaptureFixture) -> None:
    routes = Routes(lambda: HOST, inside=["10.96.0.0/16", "10.244.0.0/16", "fd00:244::/48"])
    routes.configure(told(stub))
    with caplog.at_level(logging.WARNING):
        assert [routes.servers(NAME) for _ in range(2)] == [asked, asked]
    assert len(by_portway(caplog)) == (0 if asked else 1), "said once"
    assert routes.servers(from_text("www.example.com")) == HOST
    routes.configure(None)
    assert routes.servers(NAME) == HOST


def test_not_ourselves() -> None:
    assert Routes(lambda: HOST, own=[("127.0.0.2", 53)]).servers(NAME) == HOST[:1]


async def test_who_is_inside_is_asked_by_sockets_from_inside() -> None:
    lent = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)

    async def borrow(family: int, kind: int) -> socket.socket:
        assert (family, kind) == (socket.AF_INET6, socket.SOCK_DGRAM)
        return lent

    routes = Routes(lambda: HOST, inside=["fd00:244::/48"], borrow=borrow)
    assert await routes.socket(("fd00:244::9", 53), socket.SOCK_DGRAM) is lent
    with await routes.socket(("192.0.2.53", 53), socket.SOCK_STREAM) as own:
        assert (own.family, own.type) == (socket.AF_INET, socket.SOCK_STREAM)
    lent.close()
    with pytest.raises(OSError, match="no socket"):
        await Routes(lambda: HOST, inside=["10.244.0.0/16"]).socket(("10.244.1.9", 53), socket.SOCK_DGRAM)

"""What stand-ins read of HTTP."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portway.fleet.kubelet.http import looks_like_http, parse

_GET = b"GET /a?b HTTP/1.1\r\nHost: x\r\nX-Y: 1\r\nx-y: 2\r\n\r\n"
_POST = b"POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\nbody"
_CHUNKED = b"PUT /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
_REQUESTS = [_GET, _POST, _CHUNKED]


def test_a_request_is_understood() -> None:
    request = parse(_GET)
    assert request is not None
    assert (request.method, request.path, request.headers) == ("GET", "/a?b", {"host": "x", "x-y": "1, 2"})


@pytest.mark.parametrize("data", _REQUESTS)
def test_its_end_is_found_and_nothing_less_is_taken_for_it(data: bytes) -> None:
    for cut in range(len(data)):
        assert parse(data[:cut]) is None, data[:cut]
        assert looks_like_http(data[:cut])
    whole = parse(data + _GET)
    assert whole is not None
    assert whole.length == len(data)


@pytest.mark.parametrize(
    ("head", "keep_alive"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", True),
        (b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n", False),
        (b"GET / HTTP/1.0\r\n\r\n", False),
        (b"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", True),
    ],
)
def test_who_closes(head: bytes, keep_alive: bool) -> None:
    request = parse(head)
    assert request is not None
    assert request.keep_alive is keep_alive


@pytest.mark.parametrize("data", [b"\x16\x03\x01", b"hello", b"PING\r\n", b"*1\r\n$4\r\nPING\r\n", b"GETX"])
def test_other_protocols_are_not_taken_for_it(data: bytes) -> None:
    assert not looks_like_http(data)


@given(st.binary())
def test_nothing_makes_it_fail(data: bytes) -> None:
    parse(b"GET / HTTP/1.1\r\n" + data)
    parse(b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + data)

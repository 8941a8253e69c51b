"""HTTP/2 as bytes and fields: farewells taken out of a stream of frames, heads of messages and what becomes of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portway.gateway.fields import request_fields, request_of, response_fields, response_of, trailer_fields
from portway.gateway.router.farewell import PREFACE, Farewell, Frames, farewell


def _frame(kind: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3) + bytes((kind, 0)) + b"\0\0\0\1" + payload


_OTHERS = st.tuples(st.sampled_from([0, 1, 4, 8, 9]), st.binary(max_size=40)).map(lambda pair: _frame(*pair))
_FAREWELLS = st.tuples(st.integers(0, 2**31 - 1), st.integers(0, 13))


@given(st.lists(_OTHERS | _FAREWELLS, max_size=8), st.booleans(), st.data())
def test_farewells_are_told_and_nothing_else_is_touched(
    frames: list[bytes | tuple[int, int]], preface: bool, data: st.DataObject
) -> None:
    """However the bytes are cut."""
    parts = [frame if isinstance(frame, bytes) else farewell(*frame) for frame in frames]
    sent = (PREFACE if preface else b"") + b"".join(parts)
    reading, passed = Frames(preface), b""
    told: list[Farewell] = []
    while sent:
        size = data.draw(st.integers(1, len(sent)))
        more, heard = reading.feed(sent[:size])
        passed, told, sent = passed + more, told + heard, sent[size:]
    kept = b"".join(frame for frame in frames if isinstance(frame, bytes))
    assert passed == (PREFACE if preface else b"") + kept
    assert told == [Farewell(*frame) for frame in frames if not isinstance(frame, bytes)]


def test_farewells_that_cannot_be_read() -> None:
    with pytest.raises(ValueError, match="too short"):
        Frames(False).feed(_frame(7, b"\0\0"))
    with pytest.raises(ValueError, match="a frame of 32768 bytes"):
        Frames(False).feed(_frame(0, bytes(1 << 15))[:9])


def _fields(*more: tuple[str, str], **pseudo: str) -> list[tuple[bytes, bytes]]:
    known = {"method": "GET", "scheme": "http", "authority": "a.example", "path": "/x?y", **pseudo}
    named = [(f":{name}", value) for name, value in known.items() if value]
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in [*named, *more]]


def test_a_request_as_it_is_meant() -> None:
    read = request_of(_fields(("accept", "*/*"), ("te", "trailers"), ("content-length", "5"), method="POST"))
    assert (read.method, read.target, read.host, read.length, read.bad) == ("POST", "/x?y", "a.example", 5, "")
    assert read.headers == [("accept", "*/*"), ("te", "trailers"), ("content-length", "5")]
    assert request_of(_fields(("host", "b.example"), authority="")).host == "b.example"


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        (_fields(method="CONNECT"), "method"),
        (_fields(method="GET /evil"), "method"),
        (_fields(path="/a b"), "path"),
        (_fields(path="x"), "path"),
        (_fields(path="/a\r\nX: y"), "path"),
        (_fields(authority=""), "Host"),
        (_fields(("host", "b.example")), "Host"),
        (_fields(authority="user@a.example"), "Host"),
        (_fields(authority="a example"), "Host"),
        (_fields(("x", "1\r\ny: 2")), "field"),
        (_fields(("x y", "1")), "field"),
        (_fields(("X", "1")), "field"),
        (_fields(("transfer-encoding", "chunked")), "transfer-encoding"),
        (_fields(("connection", "x")), "connection"),
        (_fields(("te", "gzip")), "te"),
        (_fields(("content-length", "+5")), "length"),
    ],
)
def test_what_a_backend_could_read_otherwise_is_refused(fields: list[tuple[bytes, bytes]], why: str) -> None:
    assert why in request_of(fields).bad


def test_a_request_for_a_backend() -> None:
    headers = [
        ("X-Forwarded-For", "10.0.0.1"),
        ("Content-Length", "9"),
        ("Host", "evil"),
        ("Connection", "x"),
        ("X", "1"),
    ]
    made = request_fields("POST", "/x", "a", headers, length=3, trailers=True)
    assert made == [
        (b":method", b"POST"),
        (b":scheme", b"http"),
        (b":authority", b"a"),
        (b":path", b"/x"),
        (b"x-forwarded-for", b"10.0.0.1"),
        (b"content-length", b"3"),
        (b"te", b"trailers"),
    ]


def test_answers_both_ways() -> None:
    made = response_fields(200, [("Content-Type", "a/b"), ("Keep-Alive", "1"), ("Content-Length", "7")], 3)
    assert made == [(b":status", b"200"), (b"content-type", b"a/b"), (b"content-length", b"3")]
    assert response_of(made) == (200, [("content-type", "a/b"), ("content-length", "3")], 3)
    assert response_of([(b":status", b"+1")])[0] == 502
    assert trailer_fields([("Grpc-Status", "5"), ("Content-Length", "1")]) == [(b"grpc-status", b"5")]

"""What is read off the wire by itself: the name in a ClientHello, and heads of messages."""

import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portway.gateway.head import answer, chunk, end_to_end, forwarded, origin_form, request_head, tokens
from portway.gateway.router.hello import NotTls, server_name


def _hello(name: str | None) -> bytes:
    """As OpenSSL sends it."""
    context = ssl.create_default_context()
    context.check_hostname = False
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(incoming, outgoing, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


@pytest.mark.parametrize(("name", "read"), [("Shop.Example", "shop.example"), ("a.b.c", "a.b.c"), (None, "")])
def test_the_name_that_openssl_asks_for(name: str | None, read: str) -> None:
    hello = _hello(name)
    assert server_name(hello) == read
    assert {server_name(hello[:length]) for length in range(len(hello))} == {None}, "it waits for the rest"


def test_a_hello_may_be_spread_over_records() -> None:
    record = _hello("shop.example")
    message = record[5:]
    pieces = [message[at : at + 40] for at in range(0, len(message), 40)]
    assert server_name(b"".join(b"\x16\x03\x01" + len(piece).to_bytes(2) + piece for piece in pieces)) == "shop.example"


@given(st.binary(max_size=80).map(lambda rest: b"\x16\x03\x01\x00\x40\x01\x00\x00\x3c" + rest) | st.binary(max_size=20))
def test_nonsense_is_waited_for_or_refused(data: bytes) -> None:
    try:
        assert server_name(data) is None or isinstance(server_name(data), str)
    except NotTls as reason:
        assert str(reason)


@pytest.mark.parametrize(
    ("target", "host", "seen"),
    [
        ("/a?b", "x", ("/a?b", "x")),
        ("*", "x", ("*", "x")),
        ("http://y/a?b", "x", ("/a?b", "y")),
        ("HTTP://y:80", "x", ("/", "y:80")),
        ("http://y?b=/", "x", ("/?b=/", "y")),
        ("ftp://y/a", "x", ("ftp://y/a", "x")),
    ],
)
def test_targets_in_absolute_form(target: str, host: str, seen: tuple[str, str]) -> None:
    assert origin_form(target, host) == seen


def test_what_belongs_to_the_connection_stays_on_it() -> None:
    headers = [("Connection", "close, X-Own"), ("X-Own", "1"), ("TE", "trailers"), ("Accept", "a"), ("Upgrade", "h2c")]
    assert end_to_end(headers) == [("Accept", "a")]
    assert tokens([("Connection", "a, B"), ("connection", "c")], "connection") == {"a", "b", "c"}


def test_what_a_client_claims_of_itself_is_replaced() -> None:
    made = forwarded([("x-forwarded-for", "9.9.9.9"), ("X-Forwarded-PORT", "1")], "10.0.0.1", "https", "a", 443)
    assert [value for _, value in made] == ["10.0.0.1", "https", "a", "443"]


def test_edits_cannot_change_how_a_message_is_framed() -> None:
    head = request_head(
        "POST", "/", "a", [("Content-Length", "9"), ("Host", "evil"), ("X", "1")], [("Content-Length", "1")]
    )
    assert head == b"POST / HTTP/1.1\r\nHost: a\r\nX: 1\r\nContent-Length: 1\r\n\r\n"


def test_answers_and_chunks() -> None:
    assert answer(404, "no", close=True).endswith(b"Content-Length: 2\r\nConnection: close\r\n\r\nno")
    assert answer(404, "no", close=False, body=False).endswith(b"Content-Length: 2\r\n\r\n")
    assert chunk(b"x" * 17) == b"11\r\n" + b"x" * 17 + b"\r\n"

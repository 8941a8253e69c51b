"""Lines become records again, whoever wrote them and however they ended."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from portway.accesslog import Http, Record
from portway.accesslog.lines import Reading, moment, read, record_of
from tests.unit.accesslog.builders import connection, denial, refusal, request

TEXT = st.text(max_size=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
NAMES = [field.encode_name for field in msgspec.structs.fields(Record)]


def line_of(record: Record, **changed: Any) -> bytes:
    return msgspec.json.encode(msgspec.to_builtins(record) | changed)


@pytest.mark.parametrize("record", [connection(), refusal(), denial(), request()])
def test_what_was_written_is_read(record: Record) -> None:
    assert record_of(msgspec.json.encode(record)) == record


@pytest.mark.parametrize(
    ("changed", "what_is_left_out"),
    [
        ({"hops": ["a", {"b": 1}]}, {}),
        ({"entry": "Tunnel"}, {"entry": ""}),
        ({"tcp_end": "migrated"}, {"tcp_end": ""}),
        ({"policy": {"rule": "seven"}}, {"policy": msgspec.convert({}, type(denial().policy))}),
        ({"policy": 7}, {"policy": None}),
        ({"frontend": {"ip": "10.0.0.1"}}, {"frontend": None}),
        ({"service": {"namespace": "shop", "name": "web", "port": "eighty"}}, {}),
        ({"http": {"trailers": [1], "status": 200}}, {"http": Http(status=200)}),
        ({"http": {"method": 7, "path": "/"}}, {"http": Http(path="/")}),
    ],
)
def test_what_a_newer_release_added_does_no_harm(changed: dict[str, Any], what_is_left_out: dict[str, Any]) -> None:
    record = denial()
    found = record_of(line_of(record, **changed))
    assert found is not None
    if "service" in changed:
        assert found.service is not None
        assert (found.service.name, found.service.port) == ("web", 0)
    else:
        assert found == msgspec.structs.replace(record, **what_is_left_out)


def test_a_client_of_an_unknown_kind_is_still_a_client() -> None:
    found = record_of(line_of(connection(), client={"ip": "10.0.0.1", "kind": "satellite"}))
    assert found is not None
    assert (found.client.ip, found.client.kind) == ("10.0.0.1", "")


@pytest.mark.parametrize(
    "line",
    [
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b"not json",
        b'{"ts_start": 1e999}',
        b"[" * 100_000,
        line_of(connection())[:-1],
        line_of(connection(), verdict="MAYBE"),
        line_of(connection(), client=None),
        line_of(connection(), client={"port": 7}),
        line_of(connection(), ts_start="noon"),
        line_of(connection(), ts_start=-1),
        line_of(connection(), ts_end=1e300),
        line_of(connection(), bytes_in=-1),
        line_of(connection(), attempts=0),
    ],
)
def test_what_is_no_record_is_none(line: bytes) -> None:
    assert record_of(line) is None


def test_lines_that_are_none_are_counted_and_blank_ones_are_not() -> None:
    reading = Reading()
    lines = [line_of(connection()), b"\n", b"half", b"", line_of(refusal()) + b"\n"]
    assert [entry.record for entry in reading.entries(lines)] == [connection(), refusal()]
    assert reading.unreadable == 1


def test_a_line_behind_half_a_line_is_found() -> None:
    entry, whole = read(line_of(connection())[:50] + line_of(refusal()))
    assert entry is not None
    assert (entry.record, entry.line, whole) == (refusal(), line_of(refusal()), False)


@given(st.binary(max_size=60))
def test_no_bytes_raise(line: bytes) -> None:
    read(line)


@given(st.dictionaries(st.sampled_from(NAMES), JSON, max_size=4))
def test_no_field_raises(changed: dict[str, Any]) -> None:
    """What is read can be encoded again and is then read as the same."""
    found = record_of(line_of(denial(), **changed))
    if found is not None:
        assert record_of(msgspec.json.encode(found)) == found
        assert moment(found) >= 0


@given(st.integers(0, 2000))
def test_a_torn_line_is_a_record_or_counted(cut: int) -> None:
    line = line_of(denial())
    entry, whole = read(line[:cut]) if line[:cut] else (None, False)
    assert (entry is not None) == whole == (cut >= len(line))

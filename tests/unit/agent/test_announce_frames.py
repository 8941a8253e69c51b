"""ARP and NDP frames: questions that are read, answers that are right to the last bit."""

import struct
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portway.agent.announce import frames
from portway.agent.announce.frames import Claim, Question

ME, YOU = b"\x02\x00\x00\x00\x00\x01", b"\x02\x00\x00\x00\x00\x02"
REQUEST = bytes.fromhex(
    "ffffffffffff 020000000002 0806 0001 0800 06 04 0001 020000000002 c0000209 000000000000 c0000264".replace(" ", "")
)
SOLICITATION = bytes.fromhex(
    "3333ff000100 020000000002 86dd 60000000 0020 3a ff 20010db8000000000000000000000009"
    "ff0200000000000000000001ff000100 87 00 0000 00000000 20010db8000000000000000000000100 0101 020000000002".replace(
        " ", ""
    )
)


def test_arp() -> None:
    question = frames.arp_question(REQUEST)
    assert question == Question("192.0.2.100", "192.0.2.9", YOU)
    answer = frames.arp_answer(question, ME)
    assert answer[:14] == YOU + ME + b"\x08\x06"
    assert answer[20:] == b"\x00\x02" + ME + bytes((192, 0, 2, 100)) + YOU + bytes((192, 0, 2, 9))
    assert frames.arp_question(answer) is None
    assert all(frames.arp_question(frame) is None for frame in frames.arp_announcements("192.0.2.100", ME))


def test_ndp() -> None:
    question = frames.ndp_question(SOLICITATION)
    assert question == Question("2001:db8::100", "2001:db8::9", YOU)
    answer = frames.ndp_answer(question, ME)
    assert answer[:14] == YOU + ME + b"\x86\xdd"
    assert (answer[20], answer[21], answer[54]) == (58, 255, 136)
    assert answer[58] == 0x60  # solicited, override
    assert answer[62:78] == SOLICITATION[62:78] and answer[78:] == b"\x02\x01" + ME
    assert _sums_up(answer)
    assert frames.solicited_node("2001:db8::100") == "ff02::1:ff00:100"


def test_who_looks_for_duplicates_is_told_with_everybody() -> None:
    answer = frames.ndp_answer(Question("2001:db8::100", "::", YOU), ME)
    assert answer[:6] == b"\x33\x33\x00\x00\x00\x01"
    assert answer[58] == 0x20
    assert _sums_up(answer)


@pytest.mark.parametrize("read", [frames.arp_question, frames.ndp_question])
@given(st.one_of(st.binary(max_size=120), st.integers(0, 85).map(lambda n: SOLICITATION[:n])))
def test_anything_may_come(read: Callable[[bytes], Question | None], data: bytes) -> None:
    assert read(data) is None or isinstance(read(data), Question)


def _sums_up(frame: bytes) -> bool:
    """With its pseudo-header, ICMPv6 adds up to ones (RFC 4443 2.3)."""
    body = frame[54:]
    data = frame[22:54] + struct.pack("!II", len(body), 58) + body
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total == 0xFFFF


def test_claims_are_answers_and_announcements_and_not_questions() -> None:
    for address, announced, read, probe in (
        ("192.0.2.100", frames.arp_announcements("192.0.2.100", YOU), frames.arp_claim, frames.arp_probe),
        ("2001:db8::100", [frames.ndp_announcement("2001:db8::100", YOU)], frames.ndp_claim, frames.ndp_probe),
    ):
        asked = probe(address, ME)
        question = frames.ndp_question(asked) if ":" in address else frames.arp_question(asked)
        assert question is not None and question.target == address
        assert question.asker in ("0.0.0.0", "::")  # no table learns from it
        answer = frames.ndp_answer(question, YOU) if ":" in address else frames.arp_answer(question, YOU)
        assert [read(frame) for frame in (*announced, answer)] == [Claim(address, YOU)] * (len(announced) + 1)
        assert read(asked) is None and read(asked[:40]) is None
    assert _sums_up(frames.ndp_probe("2001:db8::100", ME))

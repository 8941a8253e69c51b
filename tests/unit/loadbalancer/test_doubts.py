"""What a node says that keeps clients from its addresses, and where it says nothing."""

import pytest

from portway.loadbalancer.doubts import Face, doubts

PLAIN = Face("eth0", way_out=("eth0",))


@pytest.mark.parametrize(
    ("face", "code", "words"),
    [
        (PLAIN, "", ""),
        (Face("wlan0", wireless=True, way_out=("wlan0",)), "LB_WIRELESS", "ip link set wlan0 promisc on"),
        (Face("eth0", rp_filter=1, way_out=("eth1",)), "LB_RP_FILTER", "net.ipv4.conf.eth0.rp_filter=2"),
        # strict, and the way back is the way in; no way out at all; loose; off
        (Face("eth0", rp_filter=1, way_out=("eth0",)), "", ""),
        (Face("eth0", rp_filter=1, way_out=("eth1", "eth0")), "", ""),
        (Face("eth0", rp_filter=1), "", ""),
        (Face("eth0", rp_filter=2, way_out=("eth1",)), "", ""),
        (Face("eth0", rp_filter=0, way_out=("eth1",)), "", ""),
    ],
)
def test_of_an_interface(face: Face, code: str, words: str) -> None:
    found = doubts([face], {})
    assert [doubt.code for doubt in found] == ([code] if code else [])
    assert all(words in doubt.message and doubt.address == "" for doubt in found)


def test_who_else_answers_is_said_of_the_address() -> None:
    found = doubts([PLAIN], {"192.0.2.7": {"02:00:00:00:00:09", "02:00:00:00:00:08"}, "192.0.2.8": ()})
    assert [(doubt.code, doubt.address) for doubt in found] == [("LB_TWO_ANSWER", "192.0.2.7")]
    assert found[0].message.startswith("02:00:00:00:00:08, 02:00:00:00:00:09 also says")

"""Routers that there is no session with: what is known of it, and what to look at."""

import pytest
from msgspec.structs import replace

from portway.loadbalancer.peers import NO_SESSION, RefusedPeer, Session, doubt_of, without_session
from portway.model.loadbalancer import BgpPeer, Doubt

ROUTER = BgpPeer("router", "192.0.2.11", 64512, 64513)
SIGNED = replace(ROUTER, password="secret", port=1179)
BROKEN = "peer reset, message (closing connection) error(Broken TCP connection)"
SENT = "peer reset, message (notification sent (2,2)) error(OPEN message error / Bad Peer AS.)"


@pytest.mark.parametrize(
    ("peer", "session", "words"),
    [
        (ROUTER, Session(), "192.0.2.11 port 179 takes no TCP connection: nobody is there (spec.peerAddress,"),
        (ROUTER, Session(), "or it wants a password (spec.passwordSecret)"),
        (SIGNED, Session(), "192.0.2.11 port 1179 takes no TCP connection"),
        (SIGNED, Session(), "or it has another password, or none"),
        (ROUTER, Session(reached=True, reason=SENT), "is not AS 64513, or expects another than AS 64512: spec.peerASN"),
        (ROUTER, Session(reached=True, reason="hold timer (4,0)"), "no session comes about: hold timer (4,0)"),
        (
            ROUTER,
            Session(reached=True, reason=BROKEN),
            "refuses connections, or ends them at once: nothing listens there",
        ),
        (ROUTER, Session(reached=True), "answers, and no session comes about: its own log says why"),
        (ROUTER, Session(reason="exabgp is not installed on the node"), "is not asked: exabgp is not installed"),
    ],
)
def test_what_is_said_of_a_session_that_does_not_come_about(peer: BgpPeer, session: Session, words: str) -> None:
    found = without_session(peer, session)
    assert (found.peer, found.reason) == (peer, NO_SESSION)
    assert words in found.message and "secret" not in found.message.replace("Secret", "")


def test_what_a_trace_is_told_tells_both_apart() -> None:
    assert doubt_of(without_session(ROUTER, Session())).code == "LB_BGP_NO_SESSION"
    refused = RefusedPeer(ROUTER, "BFDNotSupported", "no BFD")
    assert doubt_of(refused) == Doubt("LB_BGP_PEER_REFUSED", "no BFD", peer="router")

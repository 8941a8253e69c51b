"""Which BGPPeers can be spoken to as they ask, and why the others cannot."""

import base64

import pytest
from msgspec.structs import replace

from portway.kubeapi.decode_loadbalancer import bgp_peer, peer_secret
from portway.loadbalancer.peers import settled
from portway.model.loadbalancer import BgpPeer, PeerSecret

PEER = BgpPeer("router", "192.0.2.254", 64512, 64513, namespace="metallb-system")
ASKING = replace(PEER, password_secret="key")
BASIC = "kubernetes.io/basic-auth"


def _secret(kind: str = BASIC, password: bytes | None = b"s3cret") -> PeerSecret:
    data = {} if password is None else {"password": base64.b64encode(password).decode()}
    return peer_secret({"type": kind, "data": data, "metadata": {"name": "key"}})


def test_a_peer_gets_the_password_of_the_secret_beside_it() -> None:
    secrets = {("metallb-system", "key"): _secret(), ("other", "key"): _secret(password=b"no")}
    assert settled([PEER, ASKING], secrets) == ([PEER, replace(ASKING, password="s3cret")], [])


@pytest.mark.parametrize(
    ("peer", "secret", "reason", "words"),
    [
        (replace(PEER, bfd_profile="fast"), None, "BFDNotSupported", "'fast' cannot be had"),
        (replace(ASKING, password="x"), _secret(), "PasswordConflict", "leave one out"),
        (ASKING, None, "PasswordSecretMissing", "Secret metallb-system/key is not there"),
        (ASKING, _secret("Opaque"), "PasswordSecretInvalid", f"is of type Opaque, and must be of type {BASIC}"),
        (ASKING, _secret(password=None), "PasswordSecretInvalid", "data.password is missing or empty"),
        (ASKING, _secret(password=b"\xff"), "PasswordSecretInvalid", "no text in base64"),
        (ASKING, _secret(password=b'a"; }'), "PasswordSecretInvalid", "without quotes and backslashes"),
        (ASKING, _secret(password=b"a\nb"), "PasswordSecretInvalid", "printable"),
        (ASKING, _secret(password=b"x" * 81), "PasswordSecretInvalid", "up to 80"),
    ],
)
def test_who_cannot_be_spoken_to_as_it_asks_is_not_spoken_to(
    peer: BgpPeer, secret: PeerSecret | None, reason: str, words: str
) -> None:
    usable, [refused] = settled([peer], {("metallb-system", "key"): secret} if secret else {})
    assert not usable
    assert refused.reason == reason
    assert words in refused.message
    assert "s3cret" not in refused.message


def test_what_a_peer_asks_for_is_read() -> None:
    spec = {"peerAddress": "192.0.2.254", "myASN": 64512, "peerASN": 64513}
    asking = spec | {"passwordSecret": {"name": "key"}, "bfdProfile": "fast"}
    meta = {"name": "router", "namespace": "metallb-system"}
    assert bgp_peer({"metadata": meta, "spec": spec}) == PEER
    assert bgp_peer({"metadata": meta, "spec": asking}) == replace(ASKING, bfd_profile="fast")

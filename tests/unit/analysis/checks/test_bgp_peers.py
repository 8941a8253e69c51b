"""PW-B05 beyond its examples: what cannot be known is not said."""

import pytest

from portway.analysis.check import Settings
from portway.analysis.checks import built_in
from portway.analysis.lint import lint
from portway.testing.checks import bundle_of

(CHECK,) = [one for one in built_in() if one.code == "PW-B05"]
PEER = """\
apiVersion: metallb.io/v1beta2
kind: BGPPeer
metadata: {name: router, namespace: metallb-system}
spec: {myASN: 64512, peerASN: 64513, peerAddress: 192.0.2.1, MORE}
"""
SECRET = "apiVersion: v1\nkind: Secret\nmetadata: {name: NAME, namespace: metallb-system}\ntype: TYPE\ndata: DATA\n"
OF = "passwordSecret: {name: key}"


def _secret(name: str = "key", kind: str = "kubernetes.io/basic-auth", data: str = "{password: c2VjcmV0}") -> str:
    return SECRET.replace("NAME", name).replace("TYPE", kind).replace("DATA", data)


@pytest.mark.parametrize(
    ("more", "secrets", "said"),
    [
        ("", [_secret()], ""),
        (OF, [_secret()], ""),
        (OF, [_secret(data="{password: ''}")], ""),  # of a live cluster the values are not read
        (OF, [], ""),
        (OF, [_secret("other")], "Secret metallb-system/key is not there"),
        (OF, [_secret(kind="Opaque")], "Secret metallb-system/key is of type Opaque"),
        (OF, [_secret(data="{username: c2VjcmV0}")], "Secret metallb-system/key has no password"),
        (f"password: a, {OF}", [_secret()], "spec.password and spec.passwordSecret exclude each other"),
        ("bfdProfile: fast", [], "asks for BFD (bfdProfile fast)"),
        ("peerPort: none", [], ""),
    ],
)
def test_what_is_known(more: str, secrets: list[str], said: str) -> None:
    text = "---\n".join([PEER.replace("MORE", more or "holdTime: 9s"), *secrets])
    found = lint(bundle_of(text), [CHECK], Settings()).findings
    assert [said in one.message for one in found] == ([True] if said else [])
    assert all(one.severity == ("info" if "BFD" in said else "error") for one in found)

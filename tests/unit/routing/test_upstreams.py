"""How HAProxy is told to speak with servers: nothing that has a policy is left unverified or in the clear."""

import pytest
from msgspec.structs import replace

from portway.routing.haproxy.place import Place
from portway.routing.haproxy.upstreams import Escorted, escorts, server, speech
from portway.routing.table import BackendTls, Endpoint, Pool, UpstreamProtocol

PLACE = Place("/run/door", ("0.0.0.0",))
ONE = Endpoint("10.0.0.1", 8443)
TLS = BackendTls("web.example")
CA = "certs/ca-384fb9a44fabe158be2757b9b8d8f670.pem"
NAMED = replace(TLS, names=(("URI", "spiffe://a/b"),))


def said(protocol: UpstreamProtocol, tls: BackendTls | None, place: Place = PLACE) -> str:
    return server(ONE, speech(Pool("shop", "web", 443, protocol=protocol, tls=tls), place))


@pytest.mark.parametrize(
    ("protocol", "tls", "words"),
    [
        ("http", None, ""),
        ("tls", None, ""),
        ("h2c", None, " proto h2"),
        ("https", None, " ssl verify none sni req.hdr(host),field(1,:)"),
        (
            "https",
            BackendTls(certificate="a/b"),
            " ssl verify none sni req.hdr(host),field(1,:) crt /run/door/certs/a.b.pem",
        ),
        ("https", TLS, " ssl verify required ca-file @system-ca sni str(web.example) verifyhost web.example"),
        (
            "https",
            replace(TLS, authorities="PEM", certificate="a/b"),
            f" ssl verify required ca-file /run/door/{CA} sni str(web.example) verifyhost web.example"
            " crt /run/door/certs/a.b.pem",
        ),
        (
            "h2",
            TLS,
            " ssl alpn h2 verify required ca-file @system-ca sni str(web.example) verifyhost web.example proto h2",
        ),
    ],
)
def test_words(protocol: UpstreamProtocol, tls: BackendTls | None, words: str) -> None:
    assert said(protocol, tls) == f"10.0.0.1_8443 10.0.0.1:8443{words}"


def test_other_names_are_an_escorts() -> None:
    """A worker that is shut in sees its sockets at the root."""
    spoken = speech(Pool("shop", "web", 443, protocol="https", tls=NAMED), PLACE)
    ((path, what),) = escorts({"section": (ONE,)}, {"section": spoken}).items()
    assert what == Escorted(ONE, NAMED)
    assert said("https", NAMED) == f"10.0.0.1_8443 unix@{path}"
    inside = path.removeprefix(PLACE.sockets)
    assert said("https", NAMED, replace(PLACE, user=1)) == f"10.0.0.1_8443 unix@{inside}"
    assert said("h2", NAMED).endswith(".sock proto h2")


@pytest.mark.parametrize(
    "other",
    [
        replace(NAMED, hostname="other.example"),
        replace(NAMED, authorities="PEM"),
        replace(NAMED, certificate="a/b"),
        replace(NAMED, names=(("Hostname", "spiffe://a/b"),)),
    ],
)
def test_what_is_demanded_otherwise_is_another_socket(other: BackendTls) -> None:
    assert said("https", other) != said("https", NAMED)

"""BGPPeers with the passwords that their Secrets have, and those that nothing can be told, with the reason.

Source: MetalLB 0.15 internal/config (passwordSecret and password exclude each other; the Secret's type and key) and
internal/config/validation.go (without FRR, BFD profiles are refused). A peer is refused rather than spoken to in
another way than it asks for: without a password anybody could be the router, and without BFD the router keeps sending
to a node that is dead until the hold time ends.
"""

from collections.abc import Iterable, Mapping

from msgspec import Struct
from msgspec.structs import replace

from portway.model.loadbalancer import BgpPeer, Doubt, PeerSecret

NO_SESSION = "NoSession"
"""The peer can be spoken to as it asks, and there is no session with it."""
BASIC_AUTH = "kubernetes.io/basic-auth"
MISSING = "PasswordSecretMissing"
Secrets = Mapping[tuple[str, str], PeerSecret]
"""By namespace and name."""


class RefusedPeer(Struct, frozen=True):
    """A BGPPeer that is told nothing."""

    peer: BgpPeer
    reason: str
    """`BFDNotSupported`, `PasswordConflict`, `PasswordSecretMissing` or `PasswordSecretInvalid`; or `NoSession`."""
    message: str


class Session(Struct, frozen=True):
    """What is known of a session with a router that is not up."""

    reached: bool = False
    """Whether the router took a TCP connection lately."""
    reason: str = ""
    """Why the last one ended, as the speaker of this node tells it ("notification received (2,2) …"), or why none is
    tried.
    """


_BAD_AS = "(2,2)"
"""RFC 4271 6.2: OPEN Message Error, Bad Peer AS."""
_BROKEN = "closing connection"
"""ExaBGP's words of a connection that is refused or closed without a notification."""


def without_session(peer: BgpPeer, session: Session) -> RefusedPeer:
    """A peer that is told nothing as there is no session with it, with what is to be looked at."""
    return RefusedPeer(peer, NO_SESSION, f"{peer.address} port {peer.port} {_why(peer, session)}")


def _why(peer: BgpPeer, session: Session) -> str:
    if _BAD_AS in session.reason:
        return f"is not AS {peer.peer_asn}, or expects another than AS {peer.my_asn}: spec.peerASN, spec.myASN"
    if _BROKEN in session.reason:
        return (
            "refuses connections, or ends them at once: nothing listens there (spec.peerPort), or this node is no "
            "neighbor that it knows"
        )
    if session.reached:
        return f"answers, and no session comes about: {session.reason or 'its own log says why'}"
    if session.reason:
        return f"is not asked: {session.reason}"
    signed = "has another password, or none" if peer.password else "wants a password (spec.passwordSecret)"
    return f"takes no TCP connection: nobody is there (spec.peerAddress, spec.peerPort), or it {signed}"


def doubt_of(refused: RefusedPeer) -> Doubt:
    """The same for who traces a packet."""
    code = "LB_BGP_NO_SESSION" if refused.reason == NO_SESSION else "LB_BGP_PEER_REFUSED"
    return Doubt(code, refused.message, peer=refused.peer.name)


def settled(peers: Iterable[BgpPeer], secrets: Secrets) -> tuple[list[BgpPeer], list[RefusedPeer]]:
    """Those that can be spoken to as they ask, and the others."""
    found = [_settled(peer, secrets) for peer in peers]
    refused = [one for one in found if isinstance(one, RefusedPeer)]
    return [one for one in found if isinstance(one, BgpPeer)], refused


def _settled(peer: BgpPeer, secrets: Secrets) -> BgpPeer | RefusedPeer:
    if peer.bfd_profile:
        message = (
            f"spec.bfdProfile: {peer.bfd_profile!r} cannot be had: ExaBGP, which speaks for this node, has no BFD. "
            "Without bfdProfile, a dead node is noticed after spec.holdTime (3s at least)"
        )
        return RefusedPeer(peer, "BFDNotSupported", message)
    if not peer.password_secret:
        return peer
    if peer.password:
        message = "spec.password and spec.passwordSecret exclude each other: leave one out"
        return RefusedPeer(peer, "PasswordConflict", message)
    return _with_password(peer, secrets.get((peer.namespace, peer.password_secret)))


def _with_password(peer: BgpPeer, secret: PeerSecret | None) -> BgpPeer | RefusedPeer:
    named = f"spec.passwordSecret: Secret {peer.namespace}/{peer.password_secret}"
    if secret is None:
        return RefusedPeer(peer, MISSING, f"{named} is not there, or may not be read from here")
    if secret.type != BASIC_AUTH:
        message = f"{named} is of type {secret.type or 'Opaque'}, and must be of type {BASIC_AUTH}"
        return RefusedPeer(peer, "PasswordSecretInvalid", message)
    if secret.fault:
        return RefusedPeer(peer, "PasswordSecretInvalid", f"{named}: {secret.fault}")
    return replace(peer, password=secret.password)

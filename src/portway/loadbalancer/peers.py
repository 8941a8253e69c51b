"""BGPPeers with the passwords that their Secrets have, and those that nothing can be told, with the reason.

Source: MetalLB 0.15 internal/config (passwordSecret and password exclude each other; the Secret's type and key) and
internal/config/validation.go (without FRR, BFD profiles are refused). A peer is refused rather than spoken to in
another way than it asks for: without a password anybody could be the router, and without BFD the router keeps sending
to a node that is dead until the hold time ends.
"""

from collections.abc import Iterable, Mapping

from msgspec import Struct
from msgspec.structs import replace

from portway.model.loadbalancer import BgpPeer, PeerSecret

BASIC_AUTH = "kubernetes.io/basic-auth"
MISSING = "PasswordSecretMissing"
Secrets = Mapping[tuple[str, str], PeerSecret]
"""By namespace and name."""


class RefusedPeer(Struct, frozen=True):
    """A BGPPeer that is told nothing."""

    peer: BgpPeer
    reason: str
    """`BFDNotSupported`, `PasswordConflict`, `PasswordSecretMissing` or `PasswordSecretInvalid`."""
    message: str


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

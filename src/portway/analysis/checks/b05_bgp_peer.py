"""PW-B05: a BGPPeer that nobody can speak to as it asks."""

from collections.abc import Iterator

from portway.analysis import examples
from portway.analysis.balancers import peer_items
from portway.analysis.bundle import Bundle, Item, strings
from portway.analysis.check import Check, Settings
from portway.analysis.finding import Finding
from portway.loadbalancer.peers import BASIC_AUTH
from portway.model.loadbalancer import BgpPeer

_TOLD_NOTHING = "the router is told nothing, and has no way to the addresses"


def _run(bundle: Bundle, settings: Settings) -> Iterator[Finding]:
    for item, peer in peer_items(bundle):
        if wrong := _password_fault(bundle, peer):
            yield Finding(
                "PW-B05",
                "error",
                f"{item.named}: {wrong}",
                item.where("spec.passwordSecret"),
                confidence="certain" if bundle.complete else "likely",
                hop="door",
                seen=peer.password_secret,
                expected=f"a Secret of type {BASIC_AUTH} with a password",
                effect=_TOLD_NOTHING,
            )
        if peer.bfd_profile:
            yield _no_bfd(item, peer)


def _password_fault(bundle: Bundle, peer: BgpPeer) -> str:
    """What is wrong with where the password comes from; empty: nothing, or nothing that is known."""
    if not peer.password_secret:
        return ""
    if peer.password:
        return "spec.password and spec.passwordSecret exclude each other"
    named = f"Secret {peer.namespace}/{peer.password_secret}"
    secret = bundle.find("Secret", peer.namespace, peer.password_secret)
    if secret is None:
        return f"{named} is not there" if bundle.in_scope("Secret", peer.namespace) else ""
    if secret.get("type") != BASIC_AUTH:
        return f"{named} is of type {secret.get('type') or 'Opaque'}"
    written = strings(secret.get("data")).keys() | strings(secret.get("stringData")).keys()
    return "" if "password" in written else f"{named} has no password"


def _no_bfd(item: Item, peer: BgpPeer) -> Finding:
    return Finding(
        "PW-B05",
        "info",
        f"{item.named} asks for BFD (bfdProfile {peer.bfd_profile}), which MetalLB has with FRR only, and Portway not",
        item.where("spec.bfdProfile"),
        confidence="hint",
        hop="door",
        seen=peer.bfd_profile,
        effect=f"where they announce, {_TOLD_NOTHING}",
    )


def _peer(more: str) -> str:
    spec = f"myASN: 64512\npeerASN: 64513\npeerAddress: 192.0.2.1\n{more}"
    return examples.pool(spec, kind="BGPPeer", name="router").replace("v1beta1", "v1beta2")


def _secret(kind: str) -> str:
    return (
        "apiVersion: v1\nkind: Secret\nmetadata: {name: router, namespace: metallb-system}\n"
        f"type: {kind}\nstringData: {{password: secret}}\n"
    )


CHECK = Check(
    code="PW-B05",
    title="router (BGPPeer) that nobody can speak to as it asks",
    severity="error",
    hop="door",
    run=_run,
    cause="Without the password that a BGPPeer names, or without BFD where it asks for that, it is told nothing rather "
    "than spoken to in another way. `portway trace` says LB_BGP_PEER_REFUSED.",
    mend=f"Name a Secret of type {BASIC_AUTH} in the peer's namespace; leave bfdProfile out where nothing has BFD.",
    rule="MetalLB: BGPPeer.spec.passwordSecret, password, bfdProfile",
    fails=examples.together(_peer("passwordSecret: {name: router}"), _secret("Opaque")),
    passes=examples.together(_peer("passwordSecret: {name: router}"), _secret(BASIC_AUTH)),
)

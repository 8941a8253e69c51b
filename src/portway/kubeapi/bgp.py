"""BGPPeer and BGPAdvertisement in the API: what their definitions take and refuse."""

import re
from collections.abc import Iterator

from portway.kubeapi import fault
from portway.kubeapi.errors import Doc, FieldError
from portway.kubeapi.ip import parse_exactly
from portway.kubeapi.metadata import validate_label_selector

is_community = re.compile(r"\d{1,5}:\d{1,5}").fullmatch
is_password = re.compile(r'[^"\\\x00-\x1f\x7f]*').fullmatch
_is_hold_time = re.compile(r"\d{1,5}s").fullmatch
_ASN = (1, (1 << 32) - 1)
_NUMBERS = (
    ("BGPPeer", "myASN", _ASN, True),
    ("BGPPeer", "peerASN", _ASN, True),
    ("BGPPeer", "peerPort", (1, 65535), False),
    ("BGPAdvertisement", "aggregationLength", (1, 32), False),
    ("BGPAdvertisement", "aggregationLengthV6", (1, 128), False),
    ("BGPAdvertisement", "localPref", (0, _ASN[1]), False),
)
_ADDRESSES = (("peerAddress", True), ("sourceAddress", False), ("routerID", False))


def default(document: Doc) -> None:
    """Kind hook: an advertisement without a spec is for every pool, node and peer."""
    if document.get("kind") == "BGPAdvertisement":
        document.setdefault("spec", {})


def validate(document: Doc, old: Doc | None) -> list[FieldError]:
    """Kind hook, of both."""
    spec = document.get("spec")
    return [fault.required("spec")] if spec is None else list(_spec(document.get("kind") or "", spec))


def _spec(kind: str, spec: Doc) -> Iterator[FieldError]:
    for of, name, (least, most), needed in _NUMBERS:
        value = spec.get(name)
        if of == kind and value is None and needed:
            yield fault.required(f"spec.{name}")
        elif of == kind and value is not None and not least <= value <= most:
            yield fault.invalid(f"spec.{name}", value, f"must be between {least} and {most}, inclusive")
    for name in ("nodeSelectors", "ipAddressPoolSelectors"):
        for index, selector in enumerate(spec.get(name) or ()):
            yield from validate_label_selector(f"spec.{name}[{index}]", selector)
    if kind == "BGPPeer":
        yield from _peer(spec)
    for index, text in enumerate(spec.get("communities") or ()):
        if not is_community(text):
            yield fault.invalid(f"spec.communities[{index}]", text, "must be two numbers, e.g. 64512:100")


def _password_secret(spec: Doc) -> Iterator[FieldError]:
    if (reference := spec.get("passwordSecret")) is None:
        return
    if not reference.get("name"):
        yield fault.required("spec.passwordSecret.name")
    if spec.get("password"):
        yield fault.invalid("spec.passwordSecret", reference.get("name"), "may not be set when `password` is set")


def _peer(spec: Doc) -> Iterator[FieldError]:
    for name, needed in _ADDRESSES:
        text = spec.get(name)
        if not text:
            if needed:
                yield fault.required(f"spec.{name}")
        elif parse_exactly(text) is None:
            yield fault.invalid(f"spec.{name}", text, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)")
    if not is_password(spec.get("password") or ""):
        yield fault.invalid("spec.password", "…", "must be printable, without quotes and backslashes")
    yield from _password_secret(spec)
    if spec.get("holdTime") and not _is_hold_time(spec["holdTime"]):
        yield fault.invalid("spec.holdTime", spec["holdTime"], "must be whole seconds, e.g. 90s")

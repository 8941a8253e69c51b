"""The life of an L2Advertisement in the API: hooks of its Kind."""

from collections.abc import Iterator

from portway.kubeapi import fault
from portway.kubeapi.errors import Doc, FieldError
from portway.kubeapi.metadata import validate_label_selector

_LONGEST_INTERFACE = 15
_SELECTORS = ("ipAddressPoolSelectors", "nodeSelectors", "serviceSelectors")


def prepare_create(advertisement: Doc) -> None:
    """Kind hook: a new one has no status."""
    advertisement.pop("status", None)


def default(advertisement: Doc) -> None:
    """Kind hook: without a spec it is for every pool and every node."""
    advertisement.setdefault("spec", {})


def validate(advertisement: Doc, old: Doc | None) -> list[FieldError]:
    """Kind hook."""
    return list(_spec(advertisement.get("spec") or {}))


def _spec(spec: Doc) -> Iterator[FieldError]:
    for name in _SELECTORS:
        for index, selector in enumerate(spec.get(name) or ()):
            yield from validate_label_selector(f"spec.{name}[{index}]", selector)
    for index, name in enumerate(spec.get("interfaces") or ()):
        if not 0 < len(name.encode()) <= _LONGEST_INTERFACE or "/" in name or any(map(str.isspace, name)):
            detail = f"must be an interface's name: at most {_LONGEST_INTERFACE} bytes, without spaces and slashes"
            yield fault.invalid(f"spec.interfaces[{index}]", name, detail)
    for field in ("ipAddressPools", "interfaces"):
        names = spec.get(field) or []
        for index, name in enumerate(names):
            if name in names[:index]:
                yield fault.duplicate(f"spec.{field}[{index}]", name)

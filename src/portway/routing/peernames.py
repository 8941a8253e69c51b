"""Whether a backend's certificate has a name that its policy asks for."""

from collections.abc import Iterable

from portway.routing.hosts import covers
from portway.routing.table import BackendTls

_TYPES = {"Hostname": "DNS", "URI": "URI"}


def has_name(tls: BackendTls, shown: Iterable[tuple[str, str]]) -> bool:
    """`shown`: the certificate's subjectAltNames as `ssl` has them, such as ("DNS", "*.shop.example").

    One of `tls.names` has to be there. A wildcard stands for one label, whoever writes it; URIs are compared whole.
    """
    found = list(shown)
    return any(
        _is_same(type_, wanted, name) for type_, wanted in tls.names for kind, name in found if kind == _TYPES[type_]
    )


def _is_same(type_: str, wanted: str, name: str) -> bool:
    if type_ == "URI" or not wanted:
        return name == wanted != ""
    wanted, name = wanted.lower(), name.lower()
    return wanted == name or any(
        pattern.startswith("*.") and not other.startswith("*.") and covers(pattern, other, one_label=True)
        for pattern, other in ((wanted, name), (name, wanted))
    )

"""Domains that others than the host's resolvers are asked for: kube-dns's ConfigMap.

Source: Kubernetes' "Customizing DNS Service": ConfigMap kube-system/kube-dns with `stubDomains`, a JSON object of
domain to a list of ADDRESS or ADDRESS:PORT, and `upstreamNameservers`, such a list for everything else.
"""

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

import msgspec
from msgspec import Struct

from portway.dns.name import Name, from_text, lower
from portway.kubeapi.errors import Doc

Address = tuple[str, int]
"""(IP address, port)."""
_PORT = 53
T = TypeVar("T")


class Stubs(Struct, frozen=True):
    """Who is asked for what."""

    domains: Mapping[Name, tuple[Address, ...]] = {}
    upstream: tuple[Address, ...] = ()
    """For all other names; empty: the host's resolvers."""

    def servers(self, name: Name) -> Sequence[Address]:
        """Those for a lower-case name, by the longest domain that it is in; empty: the host's resolvers."""
        for cut in range(len(name)):
            if found := self.domains.get(name[cut:]):
                return found
        return self.upstream


def stubs(config_map: Doc) -> tuple[Stubs, list[str]]:
    """What a ConfigMap document says, and what of it cannot be used, and why."""
    said = config_map.get("data")
    data = said if isinstance(said, dict) else {}
    problems = list[str]()
    domains: dict[Name, tuple[Address, ...]] = {}
    for domain, servers in _json(data, "stubDomains", dict[str, list[str]], {}, problems).items():
        try:
            domains[lower(from_text(domain))] = tuple(_addresses(f"stubDomains[{domain}]", servers, problems))
        except ValueError as error:
            problems.append(f"stubDomains[{domain}]: {error}")
    upstream = _json(data, "upstreamNameservers", list[str], [], problems)
    return Stubs(domains, tuple(_addresses("upstreamNameservers", upstream, problems))), problems


def _json(data: Doc, key: str, shape: type[T], nothing: T, problems: list[str]) -> T:
    text = data.get(key)
    if text is None:
        return nothing
    try:
        return msgspec.json.decode(str(text), type=shape)
    except msgspec.MsgspecError as error:
        example = '{"acme.local": ["10.96.7.7"]}' if shape is not list[str] else '["10.96.7.7"]'
        problems.append(f"{key}: {error}; it must be JSON like {example}")
        return nothing


def _addresses(path: str, servers: Sequence[str], problems: list[str]) -> Iterator[Address]:
    for text in servers:
        try:
            yield _address(text)
        except ValueError:
            problems.append(f"{path}: {text!r} is no address; write ADDRESS or ADDRESS:PORT")


def _address(text: str) -> Address:
    """`10.0.0.1`, `10.0.0.1:5353`, `fd00::1`, `[fd00::1]:5353`."""
    host, port = text, str(_PORT)
    if text.startswith("["):
        host, _, port = text[1:].partition("]:")
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise ValueError(text)
    return str(ipaddress.ip_address(host)), int(port)

"""IP addresses and CIDRs in API fields: what is accepted, what is refused, what is only warned about.

Three degrees, as in Kubernetes 1.36 (KEP-4858; k8s.io/apimachinery pkg/util/validation/ip.go): **sloppy** parsing
takes leading zeros and IPv4-mapped IPv6, as Go before 1.17 did; **legacy** fields take what is sloppy only where
the old object had it already; **strict** fields of new APIs want the canonical text.
"""

import ipaddress
import re
from collections.abc import Collection, Sequence
from functools import lru_cache

from msgspec import Struct

from portway.kubeapi import fault
from portway.kubeapi.errors import FieldError
from portway.model import Family

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_BAD_IP = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
_BAD_CIDR = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
_LOCAL_MULTICAST = {4: ipaddress.ip_network("224.0.0.0/24"), 6: ipaddress.ip_network("ff02::/16")}


def _without_zeros(text: str) -> str:
    """Drops the leading zeros of IPv4 octets and of overlong IPv6 groups: `010.1.1.1`, `00001::`."""
    return re.sub(r"(?<![0-9a-fA-F])0+(?=[0-9a-fA-F])", "", text)


@lru_cache(maxsize=65536)
def parse_exactly(text: str) -> Address | None:
    """What Go's netip takes: no leading zeros; None when it is no address. Zones are no addresses here."""
    if "%" in text:
        return None
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


@lru_cache(maxsize=65536)
def parse(text: str) -> Address | None:
    """Sloppy: leading zeros are decimal, an IPv4-mapped IPv6 address is the IPv4 one; None when it is neither."""
    address = parse_exactly(_without_zeros(text))
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def is_ipv6(text: str) -> bool:
    """Whether it parses (sloppily) as an IPv6 address that is not a mapped IPv4 one."""
    return isinstance(parse(text), ipaddress.IPv6Address)


def family(text: str) -> Family:
    """The IP family in the API's words; text that is no address counts as IPv4, as upstream has it."""
    return "IPv6" if is_ipv6(text) else "IPv4"


def canonical(text: str) -> str:
    """The address as Go prints it; the text itself when it is none."""
    address = parse(text)
    return str(address) if address else text


def _is_mapped(text: str) -> bool:
    address = parse_exactly(text)
    return isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None


def _strictness(text: str) -> list[str]:
    """What a sloppily valid address breaks of the strict rules."""
    if parse_exactly(text) is None:
        return ["must not have leading 0s"]
    return ["must not be an IPv4-mapped IPv6 address"] if _is_mapped(text) else []


def validate_legacy(field: str, text: str, old: Collection[str] = (), *, strict: bool = True) -> list[FieldError]:
    """A field that once took sloppy addresses: `old` values stay valid. `strict`: gate StrictIPCIDRValidation."""
    if text in old:
        return []
    if parse(text) is None:
        return [fault.invalid(field, text, _BAD_IP)]
    return fault.invalid_each(field, text, _strictness(text) if strict else [])


def validate_strict(field: str, text: str) -> list[FieldError]:
    """A field of a new API: valid, and written canonically."""
    found = validate_legacy(field, text)
    if found or canonical(text) == text:
        return found
    return [fault.invalid(field, text, f"must be in canonical form ({fault.quoted(canonical(text))})")]


def validate_endpoint(field: str, text: str) -> list[FieldError]:
    """Addresses of Endpoints and EndpointSlices, and externalIPs: not unspecified, loopback or link-local."""
    address = parse(text)
    if address is None:
        return [fault.invalid(field, text, "must be a valid IP address")]
    checks = (
        (address.is_unspecified, f"may not be unspecified ({text})"),
        (address.is_loopback, "may not be in the loopback range (127.0.0.0/8, ::1/128)"),
        (address.is_link_local, "may not be in the link-local range (169.254.0.0/16, fe80::/10)"),
        (
            address in _LOCAL_MULTICAST[address.version],
            "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)",
        ),
    )
    return fault.invalid_each(field, text, [message for failed, message in checks if failed])


def warnings(field: str, text: str) -> list[str]:
    """About an address that is accepted but should be written otherwise."""
    address = parse(text)
    if address is None:
        return []
    good = fault.quoted(str(address))
    if _strictness(text):
        return [f"{field}: non-standard IP address {fault.quoted(text)} is invalid: use {good}"]
    if address.version == 6 and str(address) != text:
        return [f"{field}: IPv6 address {fault.quoted(text)} should be in RFC 5952 canonical format ({good})"]
    return []


class Cidr(Struct, frozen=True):
    """A sloppily parsed CIDR."""

    address: str
    """The address part, canonical."""
    network: str
    """Canonical, host bits cleared."""
    bits: int
    """32 or 128: the length of the address as it was written."""

    def strictly_contains(self, other: "Cidr") -> bool:
        """Whether the other network lies in this one and is smaller."""
        inner, outer = ipaddress.ip_network(other.network), ipaddress.ip_network(self.network)
        same_family = inner.version == outer.version
        return same_family and inner.network_address in outer and inner.prefixlen > outer.prefixlen

    @property
    def has_host_bits(self) -> bool:
        """Whether the address is not the network's own."""
        return self.network.partition("/")[0] != self.address


def _network_text(address: Address, length: int) -> str:
    """Go prints the network of a mapped address as IPv4 when its prefix reaches that far."""
    network = ipaddress.ip_network(f"{address}/{length}", strict=False)
    if isinstance(network, ipaddress.IPv6Network) and (mapped := network.network_address.ipv4_mapped):
        return f"{mapped}/{length - 96}"
    return str(network)


def parse_cidr(text: str) -> Cidr | None:
    """Sloppy, like `parse`; None when it is no CIDR."""
    host, slash, digits = text.partition("/")
    address = parse_exactly(_without_zeros(host))
    if not slash or address is None or not re.fullmatch("[0-9]{1,9}", digits):
        return None
    if int(digits) > address.max_prefixlen:
        return None
    return Cidr(canonical(host), _network_text(address, int(digits)), address.max_prefixlen)


def _cidr_is_exact(text: str) -> bool:
    host, _, digits = text.partition("/")
    return parse_exactly(host) is not None and str(int(digits)) == digits


def _cidr_strictness(text: str, cidr: Cidr) -> list[str]:
    if not _cidr_is_exact(text):
        return ["must not have leading 0s in IP or prefix length"]
    if _is_mapped(text.partition("/")[0]):
        return ["must not have an IPv4-mapped IPv6 address"]
    return ["must not have bits set beyond the prefix length"] if cidr.has_host_bits else []


def validate_legacy_cidr(field: str, text: str, old: Collection[str] = (), *, strict: bool = True) -> list[FieldError]:
    """A CIDR field that once took sloppy values; see `validate_legacy`."""
    if text in old:
        return []
    cidr = parse_cidr(text)
    if cidr is None:
        return [fault.invalid(field, text, _BAD_CIDR)]
    return fault.invalid_each(field, text, _cidr_strictness(text, cidr) if strict else [])


def validate_strict_cidr(field: str, text: str) -> list[FieldError]:
    """A CIDR field of a new API: valid, and written canonically."""
    found = validate_legacy_cidr(field, text)
    cidr = parse_cidr(text)
    if found or cidr is None or cidr.network == text:
        return found
    return [fault.invalid(field, text, f"must be in canonical form ({fault.quoted(cidr.network)})")]


def cidr_warnings(field: str, text: str) -> list[str]:
    """About a CIDR that is accepted but ambiguous or should be written otherwise."""
    cidr = parse_cidr(text)
    if cidr is None:
        return []
    given, network = fault.quoted(text), fault.quoted(cidr.network)
    found = []
    if cidr.has_host_bits:
        single = fault.quoted(f"{cidr.address}/{cidr.bits}")
        found.append(f"{field}: CIDR value {given} is ambiguous in this context (should be {network} or {single}?)")
    if not _cidr_is_exact(text) or _is_mapped(text.partition("/")[0]):
        found.append(f"{field}: non-standard CIDR value {given} is invalid: use {network}")
    if not found and cidr.bits == 128 and cidr.network != text:
        found.append(f"{field}: IPv6 CIDR value {given} should be in RFC 5952 canonical format ({network})")
    return found


def is_dual_stack(addresses: Sequence[str]) -> bool:
    """Both families are among the addresses."""
    return {family(address) for address in addresses} == {"IPv4", "IPv6"}

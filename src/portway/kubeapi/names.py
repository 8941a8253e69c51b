"""What names, labels and keys may look like: each rule returns its messages, an empty list when all is well.

Source: k8s.io/apimachinery pkg/util/validation (validation.go) and pkg/api/validate/content. Lengths count UTF-8
bytes. Patterns must match the whole value.
"""

import re
from collections.abc import Callable

from msgspec import Struct

NameRule = Callable[[str], list[str]]

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_UNDERSCORED = "_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
_KEY = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_PATH = r"[A-Za-z0-9/\-._~%!$&'()*+,;=:]+"


class _Pattern(Struct, frozen=True):
    """A regular expression with the message that explains it."""

    regex: str
    what: str
    examples: tuple[str, ...] = ()

    def accepts(self, value: str) -> bool:
        return re.fullmatch(self.regex, value) is not None

    @property
    def message(self) -> str:
        eg = " or ".join(f"'{example}', " for example in self.examples)
        head = f"(e.g. {eg}" if eg else "("
        return f"{self.what} {head}regex used for validation is '{self.regex}')"

    def check(self, value: str) -> list[str]:
        return [] if self.accepts(value) else [self.message]


_ALNUM_ENDS = "and must start and end with an alphanumeric character"
_DNS1123_LABEL = _Pattern(
    _LABEL,
    f"a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', {_ALNUM_ENDS}",
    ("my-name", "123-abc"),
)
_DNS1123_SUBDOMAIN = _Pattern(
    _SUBDOMAIN,
    f"a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', {_ALNUM_ENDS}",
    ("example.com",),
)
_DNS1123_UNDERSCORED = _Pattern(
    rf"{_UNDERSCORED}(\.{_UNDERSCORED})*",
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', "
    f"{_ALNUM_ENDS}",
    ("example.com",),
)
_WILDCARD = _Pattern(
    rf"\*\.{_SUBDOMAIN}",
    "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of "
    "lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character",
    ("*.example.com",),
)
_DNS1035_LABEL = _Pattern(
    "[a-z]([-a-z0-9]*[a-z0-9])?",
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, "
    "and end with an alphanumeric character",
    ("my-name", "abc-123"),
)
_KEY_CHARACTERS = f"must consist of alphanumeric characters, '-', '_' or '.', {_ALNUM_ENDS}"
_KEY_EXAMPLES = ("MyName", "my.name", "123-abc")
_LABEL_KEY = _Pattern(_KEY, f"a valid label key {_KEY_CHARACTERS}", _KEY_EXAMPLES)
_KEY_NAME = _Pattern(_KEY, f"name part {_KEY_CHARACTERS}", _KEY_EXAMPLES)
_LABEL_VALUE = _Pattern(
    f"({_KEY})?",
    f"a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', {_ALNUM_ENDS}",
    ("MyValue", "my_value", "12345"),
)
_HTTP_HEADER = _Pattern(
    "[-A-Za-z0-9]+",
    "a valid HTTP header must consist of alphanumeric characters or '-'",
    ("X-Header-Name",),
)
_CONFIG_KEY = _Pattern(
    "[-._a-zA-Z0-9]+",
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
    ("key.name", "KEY_NAME", "key-name"),
)
_PERCENT = _Pattern(
    "[0-9]+%",
    "a valid percent string must be a numeric string followed by an ending '%'",
    ("1%", "93%"),
)
_C_IDENTIFIER = _Pattern(
    "[A-Za-z_][A-Za-z0-9_]*",
    "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric "
    "characters or '_'",
    ("my_name", "MY_NAME", "MyName"),
)
_ENV_NAME = _Pattern(
    "[-._a-zA-Z][-._a-zA-Z0-9]*",
    "a valid environment variable name must consist of alphabetic characters, digits, '_', '-', or '.', and must not "
    "start with a digit",
    ("my.env-name", "MY_ENV.NAME", "MyEnvName1"),
)
_HTTP_PATH = _Pattern(_PATH, "Invalid path")


def _longer(value: str, limit: int) -> bool:
    return len(value.encode(errors="replace")) > limit


def _at_most(value: str, limit: int, unit: str = "characters") -> list[str]:
    return [f"must be no more than {limit} {unit}"] if _longer(value, limit) else []


def is_dns1123_label(value: str) -> list[str]:
    """A Namespace's or (since 1.36) a Service's name, a port's name in a Service: at most 63."""
    found = _at_most(value, 63)
    if _DNS1123_LABEL.accepts(value):
        return found
    dotted = _DNS1123_SUBDOMAIN.accepts(value)
    return [*found, "must not contain dots" if dotted else _DNS1123_LABEL.message]


def is_dns1123_subdomain(value: str) -> list[str]:
    """Most objects' names: at most 253."""
    return _at_most(value, 253) + _DNS1123_SUBDOMAIN.check(value)


def is_dns1123_subdomain_with_underscore(value: str) -> list[str]:
    """A subdomain whose labels may also hold `_`, as DNS search paths do."""
    return _at_most(value, 253) + _DNS1123_UNDERSCORED.check(value)


def is_wildcard_dns1123_subdomain(value: str) -> list[str]:
    """An Ingress host like `*.example.com`."""
    return _at_most(value, 253) + _WILDCARD.check(value)


def is_dns1035_label(value: str) -> list[str]:
    """A Service's name before 1.36: begins with a letter, at most 63."""
    return _at_most(value, 63) + _DNS1035_LABEL.check(value)


def _prefix_messages(prefix: str) -> list[str]:
    if not prefix:
        return ["prefix part must be non-empty"]
    found = _at_most(prefix, 253, "bytes") + _DNS1123_SUBDOMAIN.check(prefix)
    return [f"prefix part {message}" for message in found]


def is_qualified_name(value: str) -> list[str]:
    """A label key, finalizer, appProtocol or loadBalancerClass: `name` or `dns.sub.domain/name`."""
    *prefix, name = value.split("/")
    if len(prefix) > 1:
        return [f"{_LABEL_KEY.message} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"]
    found = [message for part in prefix for message in _prefix_messages(part)]
    found += ["name part must be non-empty"] if not name else []
    found += [f"name part {message}" for message in _at_most(name, 63, "bytes")]
    return found + _KEY_NAME.check(name)


def is_valid_label_value(value: str) -> list[str]:
    """Empty, or at most 63 of letters, digits, `-`, `_` and `.` between alphanumeric ends."""
    return _at_most(value, 63, "bytes") + _LABEL_VALUE.check(value)


def is_valid_port_name(value: str) -> list[str]:
    """IANA_SVC_NAME: a named targetPort or container port; each failure has its own message."""
    hyphens = "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)"
    checks = (
        (_longer(value, 15), "must be no more than 15 characters"),
        (not re.fullmatch("[-a-z0-9]+", value), hyphens),
        (not re.search("[a-z]", value), "must contain at least one letter (a-z)"),
        ("--" in value, "must not contain consecutive hyphens"),
        (value.startswith("-") or value.endswith("-"), "must not begin or end with a hyphen"),
    )
    return [message for failed, message in checks if failed]


def in_range(value: int, low: int, high: int) -> list[str]:
    """`low <= value <= high`."""
    return [] if low <= value <= high else [f"must be between {low} and {high}, inclusive"]


def is_valid_port_num(value: int) -> list[str]:
    """1 to 65535."""
    return in_range(value, 1, 65535)


def is_valid_user_id(value: int) -> list[str]:
    """A UID: 0 to 2^31 - 1. Group ids have the same range."""
    return in_range(value, 0, 2**31 - 1)


is_valid_group_id = is_valid_user_id


def is_http_header_name(value: str) -> list[str]:
    """A header of an HTTP probe."""
    return _HTTP_HEADER.check(value)


def is_valid_percent(value: str) -> list[str]:
    """`25%`, as maxSurge takes it."""
    return _PERCENT.check(value)


def is_c_identifier(value: str) -> list[str]:
    """Letters, digits and `_`, not beginning with a digit."""
    return _C_IDENTIFIER.check(value)


def _climbs(value: str) -> list[str]:
    if value in (".", ".."):
        return [f"must not be '{value}'"]
    return ["must not start with '..'"] if value.startswith("..") else []


def is_config_map_key(value: str) -> list[str]:
    """A key of a ConfigMap's or Secret's data: a safe file name."""
    return _at_most(value, 253) + _CONFIG_KEY.check(value) + _climbs(value)


def is_env_var_name(value: str) -> list[str]:
    """The strict rule for environment variables (before RelaxedEnvironmentVariableValidation)."""
    return _ENV_NAME.check(value) + _climbs(value)


def is_relaxed_env_var_name(value: str) -> list[str]:
    """The rule of today: printable ASCII without `=`."""
    if not value:
        return ["environment variable name must be non-empty"]
    if all(" " <= char <= "~" and char != "=" for char in value):
        return []
    return ["a valid environment variable name must consist only of printable ASCII characters other than '='"]


def is_fully_qualified_name(value: str) -> list[str]:
    """A subdomain of at least three segments."""
    found = is_dns1123_subdomain(value)
    if found or value.count(".") >= 2:
        return found
    return ["should be a domain with at least three segments separated by dots"]


def is_fully_qualified_domain_name(value: str) -> list[str]:
    """A domain of at least two labels, each at most 63; one trailing dot is allowed."""
    domain = value.removesuffix(".")
    found = is_dns1123_subdomain(domain)
    if found:
        return [",".join(found)]
    if "." not in domain:
        return ["should be a domain with at least two segments separated by dots"]
    faulty = (is_dns1123_label(label) for label in domain.split("."))
    return next((messages for messages in faulty if messages), [])


def is_http_path(value: str) -> list[str]:
    """The characters that RFC 3986 allows in a path."""
    return _HTTP_PATH.check(value)


def is_domain_prefixed_path(value: str) -> list[str]:
    """`acme.io/foo`: what controller names, such as an IngressClass's, look like."""
    host, _, path = value.partition("/")
    if not host or not path:
        return ['must be a domain-prefixed path (such as "acme.io/foo")']
    return is_dns1123_subdomain(host) + is_http_path(path)


def is_path_segment_name(value: str) -> list[str]:
    """Names that need only fit into a URL: ConfigMap-like objects of some kinds, RBAC roles."""
    if value in (".", ".."):
        return [f"may not be '{value}'"]
    return [f"may not contain '{part}'" for part in ("/", "%") if part in value]


def masked(rule: NameRule) -> NameRule:
    """`rule` for generateName: a trailing `-` stands for what will be appended."""

    def check(value: str) -> list[str]:
        return rule(value[:-2] + "a" if len(value) > 1 and value.endswith("-") else value)

    return check

"""Label and field selectors: the text of a query, the LabelSelector of a document, and what they match.

Source: k8s.io/apimachinery pkg/labels/selector.go, pkg/fields/selector.go, pkg/apis/meta/v1/helpers.go; the words
of the errors are theirs.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from msgspec import Struct

from portway.kubeapi.errors import ApiError, Doc, bad_request
from portway.kubeapi.kinds import Kind
from portway.kubeapi.names import is_qualified_name, is_valid_label_value
from portway.model.selector import Labels, LabelSelector, Requirement, integer

_BINARY = ("=", "==", "in", "notin", "!=", ">", "<")
_EXPECTED_OPERATORS = "=, !=, ==, in, notin, >, <"


def parse_labels(text: str) -> LabelSelector:
    """The selector of a `labelSelector` query. Raises ApiError 400 with the API server's words."""
    try:
        return _selector(_Parser(text).parse())
    except ValueError as error:
        raise bad_request(str(error)) from None


def from_document(selector: Doc | None) -> LabelSelector:
    """The selector of a document's LabelSelector: None selects nothing, `{}` everything.

    Raises ApiError 400 when it is not well formed; validation has refused such a document before.
    """
    if selector is None:
        return LabelSelector(nothing=True)
    try:
        requirements = [Requirement(key, "=", (value,)) for key, value in (selector.get("matchLabels") or {}).items()]
        requirements += [_expression(item) for item in selector.get("matchExpressions") or ()]
    except (KeyError, AttributeError, TypeError) as error:
        raise bad_request(f"not a label selector: {error}") from None
    return _selector(requirements)


def from_labels(labels: Labels | None) -> LabelSelector:
    """The selector of a plain map (Service.spec.selector, ReplicationController.spec.selector): empty is everything."""
    return _selector([Requirement(key, "=", (value,)) for key, value in (labels or {}).items()])


_DOCUMENT_OPERATORS = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "!"}


def _expression(item: Doc) -> Requirement:
    operator = _DOCUMENT_OPERATORS.get(item["operator"])
    if operator is None:
        raise bad_request(f'"{item["operator"]}" is not a valid label selector operator')
    return Requirement(item["key"], operator, tuple(item.get("values") or ()))


def _selector(requirements: Sequence[Requirement]) -> LabelSelector:
    return LabelSelector(tuple(sorted(requirements, key=lambda requirement: requirement.key)))


_TOKEN = re.compile(r"[ \t\r\n]*(==|!=|[=!(),<>]|[^=!(),<> \t\r\n]+|$)")
_SYMBOLS = frozenset(("==", "!=", *"=!(),<>"))


def _tokens(text: str) -> list[str]:
    """The words and symbols of the text, ended by ""."""
    found = [match.group(1) for match in _TOKEN.finditer(text)]
    return [token for token in found if token] + [""]


def _is_identifier(token: str) -> bool:
    return bool(token) and token not in _SYMBOLS


class _Parser:
    """Recursive descent over the tokens; ValueError carries the message."""

    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._position = 0

    def _peek(self) -> str:
        return self._tokens[self._position]

    def _next(self) -> str:
        token = self._tokens[self._position]
        self._position = min(self._position + 1, len(self._tokens) - 1)
        return token

    def parse(self) -> list[Requirement]:
        requirements = []
        while token := self._peek():
            if not (_is_identifier(token) or token == "!"):
                raise ValueError(f"found '{token}', expected: !, identifier, or 'end of string'")
            requirements.append(self._parsed_requirement())
            self._end_of_requirement()
        return requirements

    def _end_of_requirement(self) -> None:
        token = self._next()
        if token not in ("", ","):
            raise ValueError(f"found '{token}', expected: ',' or 'end of string'")
        following = self._peek()
        if token == "," and not (_is_identifier(following) or following == "!"):
            raise ValueError(f"found '{following}', expected: identifier after ','")

    def _parsed_requirement(self) -> Requirement:
        try:
            return self._requirement()
        except ValueError as error:
            raise ValueError(f"unable to parse requirement: {error}") from None

    def _requirement(self) -> Requirement:
        key = self._next()
        absent = key == "!"
        if absent:
            key = self._next()
        if not _is_identifier(key):
            raise ValueError(f"found '{key}', expected: identifier")
        _refuse("<nil>", key, is_qualified_name(key))
        if absent or self._peek() in ("", ","):
            return Requirement(key, "!" if absent else "exists")
        return self._comparison(key)

    def _comparison(self, key: str) -> Requirement:
        operator = self._next()
        if operator not in _BINARY:
            raise ValueError(f"found '{operator}', expected: {_EXPECTED_OPERATORS}")
        values = self._set() if operator in ("in", "notin") else [self._exact()]
        for index, value in enumerate(sorted(set(values))):
            if operator in ("<", ">") and integer(value) is None:
                complaint = "for 'Gt', 'Lt' operators, the value must be an integer"
                raise ValueError(f'values[{index}]: Invalid value: "{value}": {complaint}')
            _refuse(f"values[{index}][{key}]", value, is_valid_label_value(value))
        return Requirement(key, operator, tuple(sorted(set(values))))

    def _exact(self) -> str:
        if self._peek() in ("", ","):
            return ""
        token = self._next()
        if not _is_identifier(token):
            raise ValueError(f"found '{token}', expected: identifier")
        return token

    def _set(self) -> list[str]:
        """`(a,b)`; an empty place between commas, or in `()`, is the empty string."""
        token = self._next()
        if token != "(":
            raise ValueError(f"found '{token}' expected: '('")
        if not _is_identifier(self._peek()) and self._peek() not in (",", ")"):
            raise ValueError(f"found '{self._peek()}', expected: ',', ')' or identifier")
        values = [self._place()]
        while (token := self._next()) == ",":
            values.append(self._place())
        if token != ")":
            raise ValueError(f"found '{token}', expected: ',' or ')'")
        return values

    def _place(self) -> str:
        if self._peek() in (",", ")"):
            return ""
        token = self._next()
        if not _is_identifier(token):
            raise ValueError(f"found '{token}', expected: ',', or identifier")
        return token


def _refuse(path: str, value: str, complaints: Sequence[str]) -> None:
    if complaints:
        raise ValueError(f'{path}: Invalid value: "{value}": {"; ".join(complaints)}')


class FieldTerm(Struct, frozen=True):
    """`path=value` or `path!=value`."""

    path: str
    value: str
    equal: bool
    get: Callable[[Doc], str]


class FieldSelector(Struct, frozen=True):
    """Conditions on fields that must all hold."""

    terms: tuple[FieldTerm, ...] = ()

    def matches(self, doc: Doc) -> bool:
        """A field that is absent counts as the empty string."""
        return all((term.get(doc) == term.value) == term.equal for term in self.terms)

    def exact(self, path: str) -> str | None:
        """The value that `path` must have, if the selector says one: a list can become a single get."""
        return next((term.value for term in self.terms if term.path == path and term.equal), None)

    def __str__(self) -> str:
        return ",".join(f"{term.path}{'=' if term.equal else '!='}{term.value}" for term in self.terms)


def parse_fields(text: str, kind: Kind) -> FieldSelector:
    """The selector of a `fieldSelector` query on documents of this kind. Raises ApiError 400."""
    terms = (_field_term(text, term, kind) for term in _unescaped_split(text) if term)
    return FieldSelector(tuple(terms))


def _field_term(text: str, term: str, kind: Kind) -> FieldTerm:
    match = re.fullmatch(r"((?:[^\\=!]|\\.|!(?!=))*)(!=|==|=)(.*)", term, re.DOTALL)
    if not match:
        raise bad_request(f"invalid selector: '{text}'; can't understand '{term}'")
    path, operator, value = match.groups()
    getter = _METADATA.get(path) or kind.fields.get(path)
    if getter is None:
        raise _unknown_field(path, kind)
    return FieldTerm(path, _unescaped(value), operator != "!=", getter)


def _unknown_field(path: str, kind: Kind) -> ApiError:
    if kind.fields:
        return bad_request(f"field label not supported: {path}")
    return bad_request(f'"{path}" is not a known field selector: only "metadata.name", "metadata.namespace"')


_METADATA: Mapping[str, Callable[[Doc], str]] = {
    "metadata.name": lambda doc: str(doc.get("metadata", {}).get("name") or ""),
    "metadata.namespace": lambda doc: str(doc.get("metadata", {}).get("namespace") or ""),
}


def _unescaped_split(text: str) -> Iterator[str]:
    """At commas that no backslash escapes."""
    yield from re.findall(r"((?:[^\\,]|\\.|\\$)*)(?:,|$)", text)


def _unescaped(value: str) -> str:
    """fields.UnescapeValue: only a backslash, a comma and an equals sign may be escaped, and the last two must be."""
    if re.search(r"\\(?![\\,=])", value.replace("\\\\", "")):
        raise bad_request(f'invalid field selector: invalid escape sequence in "{value}"')
    return re.sub(r"\\([\\,=])", r"\1", value)

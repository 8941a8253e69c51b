"""Label selectors as values.

Source: k8s.io/apimachinery pkg/labels/selector.go.
"""

import re
from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

Labels = Mapping[str, str]


class Requirement(Struct, frozen=True):
    """One condition on one label."""

    key: str
    operator: str
    """"=", "==", "!=", "in", "notin", "exists", "!", ">", "<"."""
    values: tuple[str, ...] = ()

    def matches(self, labels: Labels) -> bool:
        """A label that is absent fulfils "!", "!=" and "notin" and nothing else."""
        value = labels.get(self.key)
        if value is None:
            return self.operator in ("!", "!=", "notin")
        return _PRESENT[self.operator](value, self.values)

    def __str__(self) -> str:
        if self.operator == "exists":
            return self.key
        if self.operator == "!":
            return f"!{self.key}"
        if self.operator in ("in", "notin"):
            return f"{self.key} {self.operator} ({','.join(sorted(self.values))})"
        return f"{self.key}{self.operator}{self.values[0]}"


def integer(value: str) -> int | None:
    """The number that a label's value says, if it says one."""
    return int(value) if re.fullmatch(r"[+-]?[0-9]+", value) else None


def _compares(value: str, values: Sequence[str], holds: Callable[[int, int], bool]) -> bool:
    left, right = integer(value), integer(values[0])
    return left is not None and right is not None and holds(left, right)


_PRESENT: Mapping[str, Callable[[str, Sequence[str]], bool]] = {
    "=": lambda value, values: value in values,
    "==": lambda value, values: value in values,
    "in": lambda value, values: value in values,
    "!=": lambda value, values: value not in values,
    "notin": lambda value, values: value not in values,
    "exists": lambda value, values: True,
    "!": lambda value, values: False,
    ">": lambda value, values: _compares(value, values, int.__gt__),
    "<": lambda value, values: _compares(value, values, int.__lt__),
}


class LabelSelector(Struct, frozen=True):
    """Requirements that must all hold. Without any it matches everything, unless it is `nothing`."""

    requirements: tuple[Requirement, ...] = ()
    nothing: bool = False
    """Made from an absent selector: matches no object."""

    def matches(self, labels: Labels | None) -> bool:
        """Whether an object with these labels (None: no labels) is selected."""
        return not self.nothing and all(requirement.matches(labels or {}) for requirement in self.requirements)

    @property
    def empty(self) -> bool:
        """Matches everything."""
        return not self.requirements and not self.nothing

    def __str__(self) -> str:
        """The query text, as scale.status.selector carries it: `app=web,tier in (a,b)`."""
        return ",".join(map(str, self.requirements))

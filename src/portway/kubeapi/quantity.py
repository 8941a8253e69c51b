"""Kubernetes quantities: `100m`, `1.5Gi`, `2e3`.

A **quantity** is an exact decimal number with the notation it was written in; its canonical text keeps the notation
(binary, decimal, exponent), has no fraction, and the largest suffix that allows that. Precision below one nano
(10⁻⁹) is rounded up; numbers above 2⁶³-1 are capped there.

Source: k8s.io/apimachinery pkg/api/resource (quantity.go, suffix.go).
"""

import re
from decimal import Decimal
from fractions import Fraction
from functools import total_ordering

from msgspec import Struct

BINARY, DECIMAL, EXPONENT = "BinarySI", "DecimalSI", "DecimalExponent"
_DECIMALS = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARIES = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_DECIMAL_OF = {power: suffix for suffix, power in _DECIMALS.items()}
_BINARY_OF = {power: suffix for suffix, power in _BINARIES.items()}
_SHAPE = re.compile(r"([+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+))([eE][+-]?[0-9]+|[KMGTPE]i|[numkMGTPE]?)")
_NANO = 10**9
_MOST = 2**63 - 1
BAD = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"


@total_ordering
class Quantity(Struct, frozen=True):
    """An amount, exact to the nano; quantities compare by amount alone."""

    nanos: int
    """The amount times 10⁹."""
    format: str = DECIMAL

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Quantity) and self.nanos == other.nanos

    def __lt__(self, other: "Quantity") -> bool:
        return self.nanos < other.nanos

    def __hash__(self) -> int:
        return hash(self.nanos)

    def __add__(self, other: "Quantity") -> "Quantity":
        return Quantity(self.nanos + other.nanos, self.format if self.nanos else other.format)

    @property
    def value(self) -> int:
        """Whole units, rounded up."""
        return -(-self.nanos // _NANO)

    @property
    def milli_value(self) -> int:
        """Thousandths, rounded up: CPU's millicores."""
        return -(-self.nanos // 10**6)

    def __str__(self) -> str:
        """The canonical text: `1500m`, `1536Mi`, `2e3`."""
        if self.nanos == 0:
            return "0"
        whole = self.nanos % _NANO == 0
        if self.format == BINARY and whole and abs(self.nanos) >= 1024 * _NANO:
            return _in_binary(self.nanos // _NANO)
        number, power = _in_thousands(self.nanos)
        if self.format == EXPONENT:
            return f"{number}e{power}" if power else str(number)
        return f"{number}{_DECIMAL_OF[power]}"


def _in_binary(amount: int) -> str:
    power = 0
    while amount % 1024 == 0 and power < 60:
        amount, power = amount // 1024, power + 10
    return f"{amount}{_BINARY_OF.get(power, '')}"


def _in_thousands(nanos: int) -> tuple[int, int]:
    power = -9
    while nanos % 1000 == 0 and power < 18:
        nanos, power = nanos // 1000, power + 3
    return nanos, power


def parse(text: str | int | float) -> Quantity:
    """The quantity that a document holds: text, or a bare JSON number. Raises ValueError with Kubernetes' words."""
    text = _number_text(text) if isinstance(text, int | float) else text
    match = _SHAPE.fullmatch(text)
    if not match:
        raise ValueError(BAD)
    number, suffix = match.groups()
    if suffix[:1] in ("e", "E") and suffix[1:].lstrip("+-").isdigit():
        return _made(Fraction(number) * _power_of_ten(int(suffix[1:])), EXPONENT)
    if suffix in _BINARIES:
        return _made(Fraction(number) * 2 ** _BINARIES[suffix], BINARY)
    return _made(Fraction(number) * _power_of_ten(_DECIMALS[suffix]), DECIMAL)


def _power_of_ten(power: int) -> Fraction:
    """Beyond these bounds every amount is capped or rounds to one nano anyway."""
    return Fraction(10) ** max(-40, min(40, power))


def _number_text(number: int | float) -> str:
    if isinstance(number, bool):
        raise ValueError(BAD)
    return str(number) if isinstance(number, int) else format(Decimal(repr(number)), "f")


def _made(amount: Fraction, notation: str) -> Quantity:
    scaled = amount * _NANO
    nanos = scaled.numerator if scaled.denominator == 1 else _away(scaled)
    bounded = max(-_MOST * _NANO, min(_MOST * _NANO, nanos))
    return Quantity(bounded, notation)


def _away(scaled: Fraction) -> int:
    """Rounded away from zero: a limit is never made stricter than what was asked for."""
    whole = abs(scaled.numerator) // scaled.denominator + 1
    return whole if scaled > 0 else -whole


def canonical(text: str | int | float) -> str:
    """The canonical text of a quantity. Raises ValueError as `parse` does."""
    return str(parse(text))

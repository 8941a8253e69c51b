"""Flags as kube-proxy writes them: click callbacks that turn text into values."""

import click

from portway.agent import doors
from portway.cli import units
from portway.model.address import canonical_address, canonical_cidr


def duration(ctx: click.Context, param: click.Parameter, text: str) -> float:
    """A duration as Go writes it; seconds."""
    try:
        return units.seconds_of(text)
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, param) from None


def cidrs(ctx: click.Context, param: click.Parameter, text: str) -> tuple[str, ...]:
    """CIDRs with commas in between."""
    found = []
    for part in filter(None, map(str.strip, text.split(","))):
        cidr = canonical_cidr(part)
        if not cidr:
            raise click.BadParameter(f"{part!r} is not a CIDR like 10.244.0.0/16", ctx, param)
        found.append(cidr)
    return tuple(found)


def cidrs_or_primary(ctx: click.Context, param: click.Parameter, text: str) -> tuple[str, ...] | str:
    """The same, or the word "primary"; nothing is "primary", as in kube-proxy's nftables mode."""
    return "primary" if text == "primary" else cidrs(ctx, param, text) or "primary"


def healthz_address(ctx: click.Context, param: click.Parameter, text: str) -> str:
    """IP:PORT; an IP alone gets kube-proxy's port; empty for none."""
    return _bind_address(ctx, param, text, 10256)


def metrics_address(ctx: click.Context, param: click.Parameter, text: str) -> str:
    """The same with the port of metrics."""
    return _bind_address(ctx, param, text, 10249)


def _bind_address(ctx: click.Context, param: click.Parameter, text: str, port: int) -> str:
    bare = text.removeprefix("[").removesuffix("]")
    if canonical_address(bare):
        text = f"[{bare}]:{port}" if ":" in bare else f"{bare}:{port}"
    try:
        if text:
            doors.door_at(text, "")
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, param) from None
    return text


def port_range(ctx: click.Context, param: click.Parameter, text: str) -> tuple[int, int]:
    """FIRST-LAST, both ends included."""
    first, _, last = text.partition("-")
    if not all(part.isascii() and part.isdecimal() and len(part) < 6 for part in (first, last)):
        raise click.BadParameter(f"{text!r}: must be FIRST-LAST, e.g. 30000-32767", ctx, param)
    if not 1 <= int(first) <= int(last) <= 65535:
        raise click.BadParameter(f"{text!r}: both between 1 and 65535, the first not above the last", ctx, param)
    return int(first), int(last)

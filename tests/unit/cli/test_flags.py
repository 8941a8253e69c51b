"""Flags as kube-proxy writes them."""

from collections.abc import Callable
from typing import Any

import click
import pytest

from portway.cli import flags

Reader = Callable[[click.Context, click.Parameter, str], Any]
CONTEXT, OPTION = click.Context(click.Command("serve")), click.Option(["--flag"])


@pytest.mark.parametrize(
    ("read", "text", "value"),
    [
        (flags.duration, "0", 0.0),
        (flags.duration, "0s", 0.0),
        (flags.duration, "500ms", 0.5),
        (flags.duration, "1h0m2.5s", 3602.5),
        (flags.duration, "3µs", 3e-6),
        (flags.cidrs, "", ()),
        (flags.cidrs, "10.244.0.0/16, fd00:244::/48", ("10.244.0.0/16", "fd00:244::/48")),
        (flags.cidrs_or_primary, "primary", "primary"),
        (flags.cidrs_or_primary, "", "primary"),
        (flags.cidrs_or_primary, "0.0.0.0/0", ("0.0.0.0/0",)),
        (flags.healthz_address, "", ""),
        (flags.healthz_address, "0.0.0.0", "0.0.0.0:10256"),
        (flags.healthz_address, "::", "[::]:10256"),
        (flags.healthz_address, "[::1]:5", "[::1]:5"),
        (flags.metrics_address, "127.0.0.1", "127.0.0.1:10249"),
        (flags.port_range, "30000-32767", (30000, 32767)),
        (flags.port_range, "1-1", (1, 1)),
    ],
)
def test_values(read: Reader, text: str, value: Any) -> None:
    assert read(CONTEXT, OPTION, text) == (pytest.approx(value) if isinstance(value, float) else value)


@pytest.mark.parametrize(
    ("read", "text", "complaint"),
    [
        (flags.duration, "1", "'1' is not a duration"),
        (flags.duration, "", "'' is not a duration"),
        (flags.duration, "1s later", "'1s later' is not a duration"),
        (flags.duration, "-1s", "'-1s' is not a duration"),
        (flags.cidrs, "10.244.0.0", "'10.244.0.0' is not a CIDR"),
        (flags.cidrs, "10.0.0.0/8,all", "'all' is not a CIDR"),
        (flags.cidrs_or_primary, "secondary", "'secondary' is not a CIDR"),
        (flags.healthz_address, "localhost:80", "must be IP:PORT"),
        (flags.metrics_address, "127.0.0.1:0", "must be IP:PORT"),
    ],
)
def test_what_is_refused(read: Reader, text: str, complaint: str) -> None:
    with pytest.raises(click.BadParameter, match=complaint):
        read(CONTEXT, OPTION, text)

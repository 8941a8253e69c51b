"""The flags of `portway serve` that say how an access log is kept, in the words of kube-apiserver's audit log."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from portway import agent
from portway.cli import flags


def access_log_flags(command: Callable[..., Any]) -> Callable[..., Any]:
    """All of them."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def log_config(
    access_log: str, access_log_maxsize: int, access_log_maxbackup: int, access_log_maxage: float, **_: Any
) -> agent.LogConfig | None:
    """None when nobody asked for a log."""
    if not access_log:
        return None
    retention = agent.Retention(access_log_maxsize << 20, access_log_maxbackup, access_log_maxage)
    return agent.LogConfig(access_log, retention)


def _log_path(ctx: click.Context, param: click.Parameter, text: str) -> str:
    if text not in ("", "-") and Path(text).is_dir():
        raise click.BadParameter(f"{text!r} is a folder; name a file, or - for standard output", ctx, param)
    return text


_OPTIONS = (
    click.option(
        "--access-log", callback=_log_path, default="", metavar="FILE|-",
        help="One line of JSON for each connection through a Service and each refused; -: standard output.",
    ),
    click.option(
        "--access-log-maxsize", type=click.IntRange(1), default=64, show_default=True, metavar="MB",
        help="Of one file; then it is renamed FILE.1.",
    ),
    click.option(
        "--access-log-maxbackup", type=click.IntRange(0), default=4, show_default=True, metavar="N",
        help="Full files that are kept.",
    ),
    click.option(
        "--access-log-maxage", callback=flags.duration, default="24h", show_default=True,
        help="A file that was begun so long ago is full. 0: never.",
    ),
    click.option(
        "--service-node-port-range", callback=flags.port_range, default="30000-32767", show_default=True,
        help="The API server's; the access log tells what is refused there.",
    ),
)  # fmt: skip

"""`portway gateway`."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from portway.cli.failure import Failure

if TYPE_CHECKING:
    from portway.agent.logfile import LogFile

_DOOR = re.compile(r"ingress|gateway/[a-z0-9-]+/[a-z0-9.-]+")


_RIGHTS = {
    "builtin": ("NET_BIND_SERVICE",),
    "haproxy": ("NET_BIND_SERVICE", "CHOWN", "FOWNER", "SETGID", "SETUID", "SYS_CHROOT", "KILL", "SYS_RESOURCE"),
}
"""Of root's, what an engine needs: to have ports; HAProxy's master, to make workers that are not root, and end them."""
_FILES = ("DAC_OVERRIDE",)
"""Kubeconfigs and logs that a user names may be anybody's."""


def _door(ctx: click.Context, param: click.Parameter, door: str) -> str:
    if not _DOOR.fullmatch(door):
        raise click.BadParameter(f"{door!r} is neither `ingress` nor `gateway/NAMESPACE/NAME`", ctx, param)
    return door


@click.command()
@click.argument("door", callback=_door)
@click.option("--api-socket", default="", metavar="FILE", help="A fleet's API server. Default: by the kubeconfig.")
@click.option("--kubeconfig", default="", metavar="FILE", help="Default: as kubectl, else the cluster this pod is in.")
@click.option(
    "--engine",
    type=click.Choice(["auto", "haproxy", "builtin"]),
    default="auto",
    show_default=True,
    help="auto: HAProxy where it is installed, else the built-in router.",
)
@click.option("--access-log", default="", metavar="FILE", help="Default: in a fleet, beside its nodes' logs.")
@click.option("--healthz-port", type=click.IntRange(0, 65535), default=10254, show_default=True, help="0: none.")
def command(door: str, api_socket: str, kubeconfig: str, engine: str, access_log: str, healthz_port: int) -> None:
    """Run a DOOR: `ingress`, or `gateway/NAMESPACE/NAME`, until SIGTERM.

    A fleet runs this in a pod for its Ingresses and for each Gateway. It listens at the ports that the door's
    listeners have and answers /healthz and /metrics.
    """
    from portway import rights
    from portway.client import Api, BadKubeconfig
    from portway.gateway.run import GatewayConfig, chosen, run

    try:
        agents = Path(api_socket).parent / "agents" if api_socket else None
        config = GatewayConfig(door=door, engine=chosen(engine), healthz=("0.0.0.0", healthz_port), agents=agents)
        in_fleet = bool(api_socket) and not access_log
        rights.keep(
            _RIGHTS[config.engine] + (() if in_fleet else _FILES), Path(api_socket).parent if in_fleet else Path("/")
        )
        lines = _lines(door, api_socket, access_log)
        run(config, lambda: Api.unix(api_socket) if api_socket else Api.from_kubeconfig(kubeconfig or None), lines)
    except (OSError, BadKubeconfig) as error:
        raise Failure(str(error)) from None


def _lines(door: str, api_socket: str, access_log: str) -> "LogFile | None":
    import time

    from portway.agent.logfile import LogFile, Retention

    folder = Path(api_socket).parent / "access"
    if access_log:
        return LogFile(Path(access_log), Retention(), time.time)
    if api_socket and folder.is_dir():
        return LogFile(folder / f"{log_name(door)}.jsonl", Retention(), time.time)
    return None


def log_name(door: str) -> str:
    """The access log's name, beside those of nodes: `gateway-ingress`, `gateway-NAMESPACE-NAME`."""
    return "gateway-" + door.removeprefix("gateway/").replace("/", "-")

"""The `portway` command: one command a module; the only place that wires rooms together.

Exit codes, the same for every command: 0 done, 1 it did not work (stderr says why), or `lint`, `audit`, `diff` or
`assert` found what they were told to fail on, 2 wrong usage, 3 (`trace`) the packet does not arrive, (`snapshot`,
`lint`, `audit`, `diff`, `assert`) a part of the input could not be read, 4 (`trace --probe`) a real packet disagrees.
stdout carries data, stderr everything else.
"""

import importlib
import os

import click

from portway import __version__

_COMMANDS = {
    "up": "Start a fleet, or apply files to a running one.",
    "down": "Stop a fleet and remove all of it.",
    "demo": "Start examples/shop, try every door, take it down.",
    "status": "Nodes, addresses, pods and the API server of a fleet.",
    "ports": "Every Service port: where it leads and who stands behind it.",
    "trace": "Which way a packet takes, and where and why it ends.",
    "lint": "Find what is wrong in manifests, a fleet or a cluster.",
    "audit": "What can be reached from where, and who limits it.",
    "diff": "What a change newly exposes, takes away, or breaks.",
    "assert": "Hold a cluster or files to expectations of who reaches what.",
    "explain": "What a code means, and what to do.",
    "snapshot": "Write what a cluster has, for lint, audit and diff.",
    "logs": "Who came: connections through Services, and what was not let in.",
    "top": "What every Service port has to do right now.",
    "report": "Who used what, peaks, new clients, scans, closed doors.",
    "exec": "Run a command on a node, in a pod, or outside.",
    "kubeconfig": "Print a fleet's kubeconfig.",
    "gateway": "Be the door of Ingresses, or of a Gateway.",
    "serve": "Be a real cluster's node proxy, in kube-proxy's place.",
    "cleanup": "Remove Portway's nftables table from this network namespace.",
}


_MODULES = {"assert": "expectations"}
"""Where a command's name is no name for a module."""


class _Commands(click.Group):
    """Loads a command's module only when it is run: `portway --help` stays quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"portway.cli.{_MODULES.get(cmd_name, cmd_name)}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="portway")
def portway() -> None:
    """Kubernetes Services with real packets, on one machine: no root, no images, no cluster.

    \b
    portway up -f examples/shop     three nodes, an API server, your manifests
    portway ports -A                what leads where
    portway trace node-1:32100      the way of one packet
    portway down                    nothing stays behind
    """


def main() -> None:
    """Entry point of the console script: known failures become one line and exit code 1."""
    from portway.cli.failure import told

    with told():
        # click colours on a terminal; it does not know of no-color.org
        portway(prog_name="portway", color=False if os.environ.get("NO_COLOR") else None)

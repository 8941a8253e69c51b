"""`portway serve`: its flags, and what its guide and its manifest say about them."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from portway.agent import watches
from portway.agent.announce import objects
from portway.agent.metrics import Tally, exposition
from portway.cli.serve import command
from portway.kubeapi import announcing
from portway.kubeapi.kinds import Resource
from portway.reconcile import servicestatuses

ROOT = Path(__file__).parents[3]
GUIDE = (ROOT / "docs/guides/serve.md").read_text()
MANIFEST = (ROOT / "deploy/portway-agent.yaml").read_text()
PASSWORDS = (ROOT / "deploy/portway-agent-bgp-secrets.yaml").read_text()
FLAGS = {name for parameter in command.params for name in parameter.opts} | {"--help"}


@pytest.mark.parametrize("text", [GUIDE, MANIFEST], ids=["guide", "manifest"])
def test_flags_that_are_named_exist(text: str) -> None:
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text))
    assert named
    assert named <= FLAGS


def test_metrics_that_are_named_exist() -> None:
    text, _ = exposition(Tally())
    named = set(re.findall(r"\b(?:kubeproxy|process)_\w+", GUIDE))
    assert len(named) > 8
    assert {name for name in named if f"# TYPE {name} " not in text} == set()


def _watchable(kind: str, manifest: str) -> set[tuple[str, str]]:
    """What the one role of this kind lets its holder list and watch."""
    documents: list[dict[str, Any]] = list(yaml.safe_load_all(manifest))
    (role,) = (document for document in documents if document["kind"] == kind)
    return {
        (group, resource)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        if {"list", "watch"} <= set(rule["verbs"])
    }


def test_the_roles_allow_what_the_agent_watches() -> None:
    modules = (watches, objects, announcing, servicestatuses)
    watched = [value for module in modules for value in vars(module).values() if isinstance(value, Resource)]
    everywhere, secrets = _watchable("ClusterRole", MANIFEST), _watchable("Role", PASSWORDS)
    assert secrets == {("", "secrets")} and not secrets & everywhere, "a whole cluster's Secrets are nobody's business"
    assert {(resource.group, resource.plural) for resource in watched} == everywhere | secrets


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--detect-local-mode", "BridgeInterface"], "--detect-local-mode needs --pod-bridge-interface"),
        (["--detect-local-mode", "InterfaceNamePrefix"], "--detect-local-mode needs --pod-interface-name-prefix"),
        (["--cluster-cidr", "10.244.0.0"], "'10.244.0.0' is not a CIDR"),
        (["--config", "/does/not/exist"], "does not exist"),
    ],
)
def test_wrong_usage(arguments: list[str], complaint: str) -> None:
    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == 2
    assert complaint in result.output


def test_a_bad_configuration_file_is_named_with_its_field(tmp_path: Path) -> None:
    file = tmp_path / "config.conf"
    file.write_text("apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\nmodes: nftables\n")
    result = CliRunner().invoke(command, ["--config", str(file)])
    assert result.exit_code == 2
    assert f"{file}: KubeProxyConfiguration: Object contains unknown field modes" in result.output

"""Kubeconfigs: what they come to, and what is said when they are wrong."""

import base64
import os
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from portway.client import BadKubeconfig
from portway.client.access import Access, from_kubeconfig
from portway.client.credential import ExecPlugin, Identity, TokenFile


def config(**user: Any) -> dict[str, Any]:
    return {
        "current-context": "here",
        "clusters": [{"name": "c", "cluster": {"server": "https://10.0.0.1:6443/", "tls-server-name": "kube"}}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u", "namespace": "shop"}}],
    }


def read(tmp_path: Path, document: Any, context: str | None = None) -> Access:
    file = tmp_path / "config"
    file.write_text(document if isinstance(document, str) else yaml.safe_dump(document))
    return from_kubeconfig(file, context)


async def test_a_whole_one(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text("KEY")
    user = {
        "client-certificate-data": base64.b64encode(b"CERT").decode(),
        "client-key": "key.pem",
        "as": "ann",
        "as-groups": ["a", "b"],
    }
    access = read(tmp_path, config(**user))
    assert (access.server, access.server_name, access.namespace) == ("https://10.0.0.1:6443", "kube", "shop")
    assert access.headers == (("Impersonate-User", "ann"), ("Impersonate-Group", "a"), ("Impersonate-Group", "b"))
    assert await access.credential.identity() == Identity(certificate="CERT", key="KEY")


def other_cluster(name: str) -> dict[str, Any]:
    document = config()
    document["contexts"][0]["context"]["cluster"] = name
    return document


WRONG: list[tuple[str, Any, str | None, str]] = [
    ("not yaml", "a: [", None, "is not YAML"),
    ("a list", "- a", None, "is not a Config document"),
    ("broken lists", {"users": [{"user": {}}]}, None, "users must be a list of {name, user}"),
    ("no context", {}, None, "sets no current-context"),
    ("unknown context", config(), "there", "no context 'there'; it has: here"),
    ("unknown cluster", other_cluster("x"), None, "no cluster 'x' that context 'here' names; it has: c"),
    ("no server", config() | {"clusters": [{"name": "c"}]}, None, "cluster 'c' has no server"),
    ("missing key file", config(**{"client-key": "nowhere"}), None, "cannot read client-key"),
    ("bad base64", config(**{"client-key-data": "*"}), None, "client-key-data is not base64"),
    ("plugin without command", config(exec={"args": []}), None, "exec has no command"),
]


@pytest.mark.parametrize(("document", "context", "message"), [w[1:] for w in WRONG], ids=[w[0] for w in WRONG])
def test_wrong(tmp_path: Path, document: Any, context: str | None, message: str) -> None:
    with pytest.raises(BadKubeconfig, match=message.replace("{", r"\{")) as caught:
        read(tmp_path, document, context)
    assert "\n" not in str(caught.value)


def test_the_first_file_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_text(yaml.safe_dump({"current-context": "here", "users": [{"name": "u", "user": {"as": "first"}}]}))
    second.write_text(yaml.safe_dump(config(**{"as": "second"}) | {"current-context": "there"}))
    monkeypatch.setenv("KUBECONFIG", f"{first}{os.pathsep}{second}{os.pathsep}{tmp_path / 'missing'}")
    assert from_kubeconfig().headers == (("Impersonate-User", "first"),)


def test_nothing_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(BadKubeconfig, match="portway up"):
        from_kubeconfig()


async def test_a_token_file_is_read_again(tmp_path: Path) -> None:
    now = 0.0
    file = tmp_path / "token"
    file.write_text("one\n")
    credential = TokenFile(file, lambda: now)
    assert await credential.identity() == Identity("one")
    file.write_text("two")
    assert await credential.identity() == Identity("one")
    assert await credential.identity(refused=True) == Identity("two")
    file.write_text("three")
    now = 61.0
    assert await credential.identity() == Identity("three")


PLUGIN = """
import json, os, pathlib, sys
runs = pathlib.Path(sys.argv[1]); runs.write_text(runs.read_text() + "x" if runs.exists() else "x")
info = json.loads(os.environ["KUBERNETES_EXEC_INFO"])
token = f"{info['kind']}-{len(runs.read_text())}-{os.environ['MORE']}"
print(json.dumps({"status": {"token": token, "expirationTimestamp": "1970-01-01T00:10:00Z"}}))
"""


async def test_an_exec_plugin_is_asked_when_its_answer_expires_or_is_refused(tmp_path: Path) -> None:
    now = 0.0
    runs = tmp_path / "runs"
    plugin = ExecPlugin(sys.executable, ["-c", PLUGIN, str(runs)], {"MORE": "m"}, clock=lambda: now)
    assert await plugin.identity() == Identity("ExecCredential-1-m")
    assert await plugin.identity() == Identity("ExecCredential-1-m")
    assert await plugin.identity(refused=True) == Identity("ExecCredential-2-m")
    now = 595.0
    assert await plugin.identity() == Identity("ExecCredential-3-m")


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["/nowhere/plugin"], "cannot run .*/nowhere/plugin.*install it"),
        ([sys.executable, "-c", "raise SystemExit(3)"], "exit code 3"),
        ([sys.executable, "-c", "print('hello')"], "printed no ExecCredential"),
        ([sys.executable, "-c", "print('{}')"], "neither a token nor"),
    ],
)
async def test_an_exec_plugin_that_fails(argv: list[str], message: str) -> None:
    with pytest.raises(BadKubeconfig, match=message):
        await ExecPlugin(argv[0], argv[1:], install_hint="install it").identity()

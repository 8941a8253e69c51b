"""Where an API server is and who we are there: from a kubeconfig, a pod's mounted token, or a Unix socket."""

import base64
import binascii
import os
from pathlib import Path
from typing import Any

import yaml
from msgspec import Struct, field

from portway.client.credential import Credential, ExecPlugin, Identity, Static, TokenFile
from portway.client.failure import BadKubeconfig

_IN_CLUSTER = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class Access(Struct, frozen=True):
    """One API server, as a client sees it."""

    server: str
    """The base URL without a slash at its end."""
    unix_path: str = ""
    """Non-empty: connect to this Unix socket, whatever `server` says."""
    ca: str = ""
    """PEM; empty: the system's authorities."""
    server_name: str = ""
    """The name that the server's certificate must have, when it is not the URL's."""
    insecure: bool = False
    proxy: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    """Sent with every request (impersonation)."""
    credential: Credential = field(default_factory=Static)
    namespace: str = "default"
    """The context's namespace."""

    @classmethod
    def unix(cls, path: str | Path) -> "Access":
        """A server that listens on a Unix socket and trusts whoever may open it."""
        return cls("http://localhost", unix_path=str(path))


def from_kubeconfig(path: str | Path | None = None, context: str | None = None) -> Access:
    """The kubeconfig at `path`, else $KUBECONFIG's files merged, else ~/.kube/config, else the pod we run in.

    Raises BadKubeconfig with a line that names the file and the field.
    """
    files = _files(path)
    if not files:
        return _in_cluster()
    config = _Kubeconfig.merged([_read(file) for file in files])
    return config.access(context or config.current)


def _files(path: str | Path | None) -> list[Path]:
    if path is not None:
        return [Path(path)]
    listed = [Path(p) for p in os.environ.get("KUBECONFIG", "").split(os.pathsep) if p]
    if listed:
        found = [p for p in listed if p.exists()]
        if not found:
            raise BadKubeconfig(f"none of the files in $KUBECONFIG exists: {', '.join(map(str, listed))}")
        return found
    home = Path.home() / ".kube" / "config"
    return [home] if home.exists() else []


def _in_cluster() -> Access:
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST", ""), os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    if not host or not (_IN_CLUSTER / "token").exists():
        raise BadKubeconfig(
            "no kubeconfig: $KUBECONFIG is not set, ~/.kube/config does not exist and this is not a pod; "
            "start a fleet with `portway up` or name one with --kubeconfig"
        )
    bracketed = f"[{host}]" if ":" in host else host
    return Access(
        f"https://{bracketed}:{port}",
        ca=(_IN_CLUSTER / "ca.crt").read_text(),
        credential=TokenFile(_IN_CLUSTER / "token"),
        namespace=(_IN_CLUSTER / "namespace").read_text().strip(),
    )


def _read(file: Path) -> "_Kubeconfig":
    try:
        document = yaml.safe_load(file.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise BadKubeconfig(f"cannot read the kubeconfig {file}: {error}") from error
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise BadKubeconfig(f"the kubeconfig {file} is not YAML: {reason}") from error
    if not isinstance(document, dict):
        raise BadKubeconfig(f"the kubeconfig {file} is not a Config document")
    return _Kubeconfig.parsed(document, file)


class _Kubeconfig(Struct):
    """The named parts of one or several files; each part remembers its file, for paths relative to it."""

    current: str
    parts: dict[str, dict[str, tuple[dict[str, Any], Path]]]
    """"cluster" | "user" | "context" → name → (its fields, its file)."""

    @classmethod
    def parsed(cls, document: dict[str, Any], file: Path) -> "_Kubeconfig":
        parts: dict[str, dict[str, tuple[dict[str, Any], Path]]] = {}
        for kind in ("cluster", "user", "context"):
            entries = document.get(f"{kind}s") or []
            try:
                parts[kind] = {entry["name"]: (entry.get(kind) or {}, file) for entry in entries}
            except (TypeError, KeyError, AttributeError) as error:
                raise BadKubeconfig(f"{file}: {kind}s must be a list of {{name, {kind}}}") from error
        return cls(document.get("current-context") or "", parts)

    @classmethod
    def merged(cls, configs: list["_Kubeconfig"]) -> "_Kubeconfig":
        """The first file to set a value or a name wins, as in kubectl."""
        result = cls("", {"cluster": {}, "user": {}, "context": {}})
        for config in configs:
            result.current = result.current or config.current
            for kind, named in config.parts.items():
                result.parts[kind] = named | result.parts[kind]
        return result

    def access(self, context: str) -> Access:
        if not context:
            raise BadKubeconfig("the kubeconfig sets no current-context; name one with --context")
        chosen, _ = self._part("context", context, "")
        cluster, cluster_file = self._part("cluster", chosen.get("cluster") or "", f"context {context!r}")
        user: dict[str, Any] = {}
        user_file = cluster_file
        if chosen.get("user"):
            user, user_file = self._part("user", chosen["user"], f"context {context!r}")
        server = cluster.get("server")
        if not server:
            raise BadKubeconfig(f"{cluster_file}: cluster {chosen['cluster']!r} has no server")
        return Access(
            str(server).rstrip("/"),
            ca=_pem(cluster, "certificate-authority", cluster_file),
            server_name=cluster.get("tls-server-name") or "",
            insecure=bool(cluster.get("insecure-skip-tls-verify")),
            proxy=cluster.get("proxy-url") or "",
            headers=_impersonation(user),
            credential=_credential(user, user_file, cluster),
            namespace=chosen.get("namespace") or "default",
        )

    def _part(self, kind: str, name: str, wanted_by: str) -> tuple[dict[str, Any], Path]:
        if name not in self.parts[kind]:
            there = ", ".join(self.parts[kind]) or "none"
            by = f" that {wanted_by} names" if wanted_by else ""
            raise BadKubeconfig(f"the kubeconfig has no {kind} {name!r}{by}; it has: {there}")
        return self.parts[kind][name]


def _pem(fields: dict[str, Any], name: str, file: Path) -> str:
    """`NAME-data` (base64) or the content of the file that `NAME` points to; empty when neither is there."""
    data, path = fields.get(f"{name}-data"), fields.get(name)
    try:
        if data:
            return base64.b64decode("".join(data.split()), validate=True).decode()
        return (file.parent / path).read_text() if path else ""
    except (binascii.Error, UnicodeDecodeError, TypeError, AttributeError) as error:
        raise BadKubeconfig(f"{file}: {name}-data is not base64 of a PEM text") from error
    except OSError as error:
        raise BadKubeconfig(f"{file}: cannot read {name}: {error}") from error


def _credential(user: dict[str, Any], file: Path, cluster: dict[str, Any]) -> Credential:
    if user.get("tokenFile") and not user.get("token"):
        return TokenFile(file.parent / user["tokenFile"])
    if user.get("exec"):
        return _exec_plugin(user["exec"], file, cluster)
    certificate, key = _pem(user, "client-certificate", file), _pem(user, "client-key", file)
    return Static(Identity(user.get("token") or "", certificate, key))


def _exec_plugin(spec: dict[str, Any], file: Path, cluster: dict[str, Any]) -> ExecPlugin:
    command = spec.get("command")
    if not command:
        raise BadKubeconfig(f"{file}: users[].user.exec has no command")
    # client-go: a command with a slash is relative to the kubeconfig, one without is looked up on the PATH
    path = str(file.parent / command) if os.sep in command else command
    return ExecPlugin(
        path,
        [str(a) for a in spec.get("args") or []],
        {e["name"]: str(e["value"]) for e in spec.get("env") or []},
        api_version=spec.get("apiVersion") or "client.authentication.k8s.io/v1",
        cluster=_cluster_info(cluster) if spec.get("provideClusterInfo") else None,
        install_hint=spec.get("installHint") or "",
    )


def _cluster_info(cluster: dict[str, Any]) -> dict[str, Any]:
    names = ("server", "tls-server-name", "insecure-skip-tls-verify", "certificate-authority-data", "proxy-url")
    return {name: cluster[name] for name in names if name in cluster}


def _impersonation(user: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    groups = [("Impersonate-Group", group) for group in user.get("as-groups") or []]
    named = [("Impersonate-User", user.get("as")), ("Impersonate-Uid", user.get("as-uid")), *groups]
    return tuple((name, str(value)) for name, value in named if value)

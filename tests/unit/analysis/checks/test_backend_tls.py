"""PW-R10 beyond its examples: what cannot be known is not said."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from portway.analysis import examples
from portway.cli.lint import command

POLICY = """\
apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: {name: shop}
spec:
  targetRefs: [{group: "", kind: Service, name: shop}]
  validation: {hostname: shop.internal, caCertificateRefs: [{group: "", kind: ConfigMap, name: ca}]}
"""
SHOP = examples.service("{port: 443}")
OTHER = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: other}\ndata: {a: b}\n"
EMPTY = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ca}\ndata: {a: b}\n"
BUNDLE = "apiVersion: trust.cert-manager.io/v1alpha1\nkind: Bundle\nmetadata: {name: ca}\nspec: {}\n"


@pytest.mark.parametrize(
    ("documents", "said"),
    [
        ([SHOP, POLICY], ""),
        ([POLICY], ""),
        ([examples.service("{port: 80}", name="other"), POLICY], "Service default/shop is not there"),
        ([SHOP, POLICY, OTHER], "ConfigMap default/ca is not there"),
        ([SHOP, POLICY, OTHER, BUNDLE], ""),
        ([SHOP, POLICY, EMPTY], "ConfigMap default/ca has no ca.crt"),
    ],
)
def test_what_is_known(tmp_path: Path, documents: list[str], said: str) -> None:
    (tmp_path / "all.yaml").write_text(examples.together(*documents))
    run = CliRunner().invoke(command, ["-f", str(tmp_path)])
    assert run.exit_code in (0, 1)
    assert (f"BackendTLSPolicy default/shop: {said}" in run.stdout) == bool(said), run.output
    assert ("PW-R10" in run.stdout) == bool(said)

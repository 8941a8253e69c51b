"""What starting costs, and who may read what it leaves."""

import ssl
import subprocess
import sys
from pathlib import Path

import yaml

from portway.apiserver import pki


def test_serving_does_not_load_what_only_certificates_need() -> None:
    code = "import sys, portway.apiserver; print([m for m in ('cryptography', 'yaml', 'click') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_keys_are_ours_alone_and_fit_their_certificates(tmp_path: Path) -> None:
    folder = tmp_path / "pki"
    pki.create(folder, ["10.96.0.1"])
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    for name in ("server", "admin"):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / f"{name}.crt", folder / f"{name}.key")
        context.load_verify_locations(folder / "ca.crt")
    before = (folder / "ca.crt").read_bytes()
    pki.create(folder)
    assert (folder / "ca.crt").read_bytes() == before, "a filled folder is left alone"


def test_a_half_filled_folder_is_filled_again(tmp_path: Path) -> None:
    pki.create(tmp_path)
    (tmp_path / "admin.key").unlink()
    pki.create(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_cert_chain(tmp_path / "admin.crt", tmp_path / "admin.key")


def test_the_kubeconfig_names_its_fleet(tmp_path: Path) -> None:
    pki.create(tmp_path)
    config = yaml.safe_load(pki.kubeconfig(tmp_path, "https://127.0.0.1:1", "shop"))
    assert config["current-context"] == "shop"
    assert config["contexts"][0]["context"] == {"cluster": "shop", "user": "shop-admin"}
    assert config["clusters"][0]["cluster"]["server"] == "https://127.0.0.1:1"

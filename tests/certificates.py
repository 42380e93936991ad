"""Certificates for tests, made by the openssl command: an authority and those it signs."""

import shutil
import ssl
import subprocess
from pathlib import Path

import pytest

CONFIG = """
[ca]
default_ca = here
[here]
database = index.txt
new_certs_dir = .
serial = serial
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
"""
AGES = {"expired": ("20200101000000Z", "20200201000000Z")}


def authority(folder: Path, name: str = "ca") -> Path:
    """Make an authority in *folder*; gives its certificate."""
    _openssl(
        folder,
        "req", "-x509", *_key(name), "-days", "2", "-out", f"{name}.pem", "-subj", f"/CN={name}",
    )  # fmt: skip
    (folder / "index.txt").touch()
    (folder / "serial").write_text("01")
    (folder / "ca.cnf").write_text(CONFIG)
    return folder / f"{name}.pem"


def signed(folder: Path, name: str, alternative: str = "IP:127.0.0.1") -> Path:
    """Make a certificate signed by the authority `ca`; gives it. `expired` was good in 2020."""
    _openssl(folder, "req", "-new", *_key(name), "-out", f"{name}.csr", "-subj", f"/CN={name}")
    (folder / f"{name}.ext").write_text(f"subjectAltName={alternative}\n")
    start, end = AGES.get(name, ("20250101000000Z", "20990101000000Z"))
    _openssl(
        folder,
        "ca", "-batch", "-config", "ca.cnf", "-cert", "ca.pem", "-keyfile", "ca.key",
        "-startdate", start, "-enddate", end, "-in", f"{name}.csr", "-out", f"{name}.pem",
        "-extfile", f"{name}.ext", "-notext",
    )  # fmt: skip
    return folder / f"{name}.pem"


def serving(folder: Path, name: str, clients: Path | None = None) -> ssl.SSLContext:
    """A server's context; it demands certificates that *clients* signed, when given."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")
    if clients is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(clients)
    return context


def _key(name: str) -> list[str]:
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    return [*kind, "-keyout", f"{name}.key"]


def _openssl(folder: Path, *words: str) -> None:
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("no openssl here to make certificates with")
    subprocess.run([program, *words], cwd=folder, check=True, capture_output=True)

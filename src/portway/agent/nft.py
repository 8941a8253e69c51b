"""The nft program: for the structure, which changes rarely."""

import subprocess

from portway.nftables import TABLE
from portway.nftables.statement import HasSocket


class NftMissing(Exception):
    """There is no nft here."""


class NftError(Exception):
    """nft refused; the text is its first complaint, on one line."""


def run(commands: str) -> None:
    """Carry out nft commands in one transaction. Raises NftError or NftMissing."""
    output("-f", "-", commands=commands)


def output(*arguments: str, commands: str = "") -> str:
    """What nft says to these arguments. Raises NftError or NftMissing."""
    try:
        done = subprocess.run(["nft", *arguments], input=commands, text=True, capture_output=True, check=False)
    except FileNotFoundError:
        raise NftMissing("nft is not installed (Debian, Ubuntu: apt-get install nftables)") from None
    if done.returncode:
        raise NftError(_first_complaint(done.stderr))
    return done.stdout


def finds_sockets() -> bool:
    """Whether the kernel's rules can ask for the machine's own sockets (nft_socket). Raises NftMissing."""
    try:
        output("-c", "-f", "-", commands=f"table inet {TABLE}-asks {{ chain asks {{ {HasSocket()}; }}; }}\n")
    except NftError:
        return False
    return True


def _first_complaint(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip(" ^~\n")]
    complaint = next((line.partition("Error: ")[2] for line in lines if "Error: " in line), "nft failed without a word")
    about = next((line for line in lines if line.startswith(("add ", "flush ", "delete "))), "")
    return f"{complaint}: {about[:160]}" if about else complaint


def delete_table() -> bool:
    """Delete our table, if it is there. Raises NftError or NftMissing."""
    try:
        run(f"delete table inet {TABLE}\n")
    except NftError as error:
        if "No such file" in str(error):
            return False
        raise
    return True

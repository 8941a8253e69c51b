"""The runtime API: a Unix socket that takes commands."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

_PROMPT = b"\n> "
_SECONDS = 10.0
_MASTER_SECONDS = 1.0
"""Who asks while it starts may never be answered, and has to ask again."""
_GOOD = (
    *("New server registered.", "Server deleted.", "New version created", "New empty certificate"),
    *("Transaction", "Committing", "Success!", "Inserting", "Entry", "Certificate"),
)


class Refused(OSError):
    """HAProxy did not do what a command says."""


async def ask(path: Path, commands: Sequence[str]) -> list[str]:
    """The answer to each, over one connection; "" where there is nothing to say. Raises OSError."""
    if not commands:
        return []
    async with asyncio.timeout(_SECONDS):
        reader, writer = await asyncio.open_unix_connection(path, limit=1 << 26)
        try:
            writer.write(b"prompt\n")
            await reader.readuntil(_PROMPT)
            sending = asyncio.get_running_loop().create_task(_send(writer, commands))
            answers = [_answer(await reader.readuntil(_PROMPT)) for _ in commands]
            await sending
            return answers
        except asyncio.IncompleteReadError as error:
            raise ConnectionError("HAProxy closed its runtime API") from error
        finally:
            writer.close()


async def do(path: Path, commands: Sequence[str]) -> None:
    """All of these have to work. Raises OSError (Refused: what the first of them was told)."""
    for command, answer in zip(commands, await ask(path, commands), strict=True):
        if answer and (not answer.startswith(_GOOD) or "Failed" in answer):
            raise Refused(f"{command.partition('<<')[0].strip()}: {' '.join(answer.split())}")


async def ask_master(path: Path, command: str, seconds: float = _MASTER_SECONDS) -> str:
    """How the master's answer begins; "" when it closes the connection, as it does when it reloads. Raises OSError."""
    async with asyncio.timeout(seconds):
        reader, writer = await asyncio.open_unix_connection(path)
        try:
            writer.write(f"{command}\n".encode())
            return (await reader.read(1 << 16)).decode(errors="replace")
        finally:
            writer.close()


async def worker(path: Path) -> int:
    """The process id of the worker that answers; 0: none does."""
    try:
        info = (await ask(path, ["show info"]))[0]
    except OSError:
        return 0
    found = [line.removeprefix("Pid: ") for line in info.splitlines() if line.startswith("Pid: ")]
    return int(found[0]) if found else 0


async def _send(writer: asyncio.StreamWriter, commands: Sequence[str]) -> None:
    for number, command in enumerate(commands):
        writer.write(f"{command}\n".encode())
        if number % 64 == 63:
            await writer.drain()
    await writer.drain()


def _answer(text: bytes) -> str:
    return text.removesuffix(_PROMPT).decode(errors="replace").replace("+ ", "").strip("+ \n")

"""Running the machine's `nft` and `ip`: text in, text out, one error."""

import asyncio
from collections.abc import Sequence

TIMEOUT = 60.0


class CommandFailed(Exception):
    """A program could not be run or ended badly; the message has its name and what it said first."""


async def run(argv: Sequence[str], text: str = "", timeout: float = TIMEOUT) -> bytes:
    """The program's output, given `text` as input. Raises CommandFailed."""
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    except OSError as error:
        raise CommandFailed(f"{argv[0]}: {error.strerror}") from error
    try:
        async with asyncio.timeout(timeout):
            output, errors = await process.communicate(text.encode())
    except TimeoutError as error:
        raise CommandFailed(f"{' '.join(argv)}: no answer within {timeout:g} s") from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        said = errors.decode(errors="replace").strip().splitlines()
        raise CommandFailed(f"{' '.join(argv)}: {said[0] if said else f'exit code {process.returncode}'}")
    return output

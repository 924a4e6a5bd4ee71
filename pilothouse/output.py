"""How commands print what they list: a table for people, JSON for scripts."""

from collections.abc import Mapping, Sequence
from typing import Any

import click
import msgspec

output_option = click.option(
    "--output", "-o", type=click.Choice(["table", "json"]), default="table", show_default=True, help="How to print."
)


def print_listing(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], output: str) -> None:
    """Print `rows`; a table shows `columns`, JSON all there is."""
    if output == "json":
        click.echo(msgspec.json.format(msgspec.json.encode(rows)).decode())
        return
    cells = [[c.upper() for c in columns], *[[str(row.get(c, "")) for c in columns] for row in rows]]
    widths = [max(len(line[i]) for line in cells) for i in range(len(columns))]
    for line in cells:
        click.echo("   ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())

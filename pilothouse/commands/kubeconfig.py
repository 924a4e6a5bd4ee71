"""`pilothouse kubeconfig`: print the local engine's kubeconfig, or merge it into the user's on request."""

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import click
import yaml

from pilothouse import datadir


@click.command()
@click.option("--merge", is_flag=True, help="Add it to your kubeconfig, which is backed up first.")
@click.option("--path", "only_path", is_flag=True, help="Print where the file is.")
@click.pass_obj
def kubeconfig(data_dir: Path, merge: bool, only_path: bool) -> None:
    """Print the local engine's kubeconfig."""
    source = datadir.kubeconfig(data_dir)
    if not source.exists():
        raise click.ClickException(f"no engine has run on {data_dir} yet; start one with: pilothouse engine start")
    if only_path:
        click.echo(source)
    elif merge:
        target = merge_target()
        merge_into(target, source)
        click.echo(f"merged into {target}; use it with: kubectl --context pilothouse get nodes")
    else:
        click.echo(source.read_text(encoding="utf-8"), nl=False)


def merge_target() -> Path:
    listed = [p for p in os.environ.get("KUBECONFIG", "").split(os.pathsep) if p]
    return Path(listed[0]) if listed else Path.home() / ".kube" / "config"


def merge_into(target: Path, source: Path) -> None:
    """Put the entries of `source` into `target`, replacing those of the same name; the rest stays as it is.

    The old file is kept beside it as `.bak`; the new one replaces it in one step. The current context changes only
    when there was none.
    """
    ours = yaml.safe_load(source.read_text(encoding="utf-8"))
    theirs: dict[str, Any] = {"apiVersion": "v1", "kind": "Config"}
    if target.exists():
        loaded = yaml.safe_load(target.read_text(encoding="utf-8"))
        if loaded is not None and not isinstance(loaded, dict):
            raise click.ClickException(f"{target} is not a kubeconfig; nothing was changed")
        theirs = loaded or theirs
        shutil.copy2(target, target.with_name(target.name + ".bak"))
    for section in ("clusters", "users", "contexts"):
        new = {entry["name"]: entry for entry in ours.get(section) or ()}
        kept = [entry for entry in theirs.get(section) or () if entry.get("name") not in new]
        theirs[section] = [*kept, *new.values()]
    theirs["current-context"] = theirs.get("current-context") or ours.get("current-context")
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        yaml.safe_dump(theirs, file, sort_keys=False)
        file.flush()
        os.fsync(file.fileno())
    Path(name).replace(target)

"""The options of `pilothouse engine` that say where objects live, and how they are handed on to a new process."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, TypeVar

import click
import msgspec

F = TypeVar("F", bound=Callable[..., Any])
FILE = click.Path(path_type=Path, dir_okay=False)
FOLDER = click.Path(path_type=Path, file_okay=False)


class StoreOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Named as in engine.config.EngineConfig."""

    store: Literal["sqlite", "etcd"] = "sqlite"
    etcd_endpoints: tuple[str, ...] = ()
    etcd_ca_file: Path | None = None
    etcd_cert_file: Path | None = None
    etcd_key_file: Path | None = None
    etcd_user: str = ""
    etcd_password_file: Path | None = None
    pki_dir: Path | None = None

    def arguments(self) -> list[str]:
        """As words of a command line."""
        words = {
            "--store": self.store,
            "--etcd-endpoints": ",".join(self.etcd_endpoints),
            "--etcd-cafile": self.etcd_ca_file,
            "--etcd-certfile": self.etcd_cert_file,
            "--etcd-keyfile": self.etcd_key_file,
            "--etcd-user": self.etcd_user,
            "--etcd-password-file": self.etcd_password_file,
            "--pki-dir": self.pki_dir,
        }
        return [
            word
            for option, value in words.items()
            if value
            for word in (option, str(value.absolute() if isinstance(value, Path) else value))
        ]


def split_endpoints(_ctx: click.Context, _param: click.Parameter, value: str) -> tuple[str, ...]:
    return tuple(endpoint.strip() for endpoint in value.split(",") if endpoint.strip())


_OPTIONS = (
    click.option("--store", type=click.Choice(["sqlite", "etcd"]), default="sqlite", show_default=True,
                 help="Where objects live."),
    click.option("--etcd-endpoints", callback=split_endpoints, default="", metavar="URL,...",
                 help="Members of the etcd cluster, such as https://10.0.0.1:2379."),
    click.option("--etcd-cafile", "etcd_ca_file", type=FILE, help="Who signed etcd's certificates."),
    click.option("--etcd-certfile", "etcd_cert_file", type=FILE, help="Our certificate for etcd."),
    click.option("--etcd-keyfile", "etcd_key_file", type=FILE, help="Its key."),
    click.option("--etcd-user", default="", help="etcd's user; the password is PILOTHOUSE_ETCD_PASSWORD or in a file."),
    click.option("--etcd-password-file", type=FILE, help="A file with the password of etcd's user."),
    click.option("--pki-dir", type=FOLDER, help="Keys and certificates that several engines share."),
)  # fmt: skip


def store_options(command: F) -> F:
    """Adds the options; the command gets them as keyword arguments, ready for `stored_in`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def stored_in(**given: Any) -> StoreOptions:
    """Raises UsageError for words that do not go together."""
    options = StoreOptions(**given)
    if options.store == "etcd" and not options.etcd_endpoints:
        raise click.UsageError("--store etcd needs --etcd-endpoints")
    if options.store == "sqlite" and options.etcd_endpoints:
        raise click.UsageError("--etcd-endpoints needs --store etcd")
    if bool(options.etcd_cert_file) != bool(options.etcd_key_file):
        raise click.UsageError("--etcd-certfile and --etcd-keyfile go together")
    return options

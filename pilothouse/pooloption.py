"""The option that names the addresses for Services of type LoadBalancer, read the same way by every command."""

import click


def split_pool(_ctx: click.Context, _param: click.Parameter, value: str) -> tuple[str, ...]:
    """Networks and ranges, set apart by commas. Raises BadParameter."""
    parts = tuple(part.strip() for part in value.split(",") if part.strip())
    if parts:
        from engine.controllers.loadbalancer import Pool

        try:
            Pool.parse(parts)
        except ValueError as error:
            raise click.BadParameter(str(error)) from error
    return parts


pool_option = click.option(
    "--loadbalancer-pool", callback=split_pool, default="", metavar="CIDR,...",
    help="Addresses for Services of type LoadBalancer, such as 192.168.1.240/28 or 192.168.1.10-192.168.1.20.",
)  # fmt: skip

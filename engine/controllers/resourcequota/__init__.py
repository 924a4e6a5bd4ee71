"""ResourceQuotas: what a namespace uses of what it may. Pure, but for `controller`."""

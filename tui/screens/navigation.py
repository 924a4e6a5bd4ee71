"""Which screen shows a target. Screens load when they are first needed: the first table must not wait for them."""

from importlib import import_module

from tui.screens.base import ClusterScreen
from tui.target import Target, View

_SCREENS: dict[View, tuple[str, str]] = {
    View.TABLE: ("browse", "BrowseScreen"),
    View.CONTAINERS: ("containers", "ContainersScreen"),
    View.DESCRIBE: ("describe", "DescribeScreen"),
    View.YAML: ("yaml", "YamlScreen"),
    View.LOGS: ("logs", "LogsScreen"),
    View.ROLLOUT: ("rollout", "RolloutScreen"),
    View.WHY: ("why", "WhyScreen"),
    View.XRAY: ("xray", "XrayScreen"),
    View.FORWARDS: ("forwards", "ForwardsScreen"),
    View.PULSES: ("pulses", "PulsesScreen"),
    View.CONTEXTS: ("contexts", "ContextsScreen"),
    View.HELM: ("helm", "HelmScreen"),
    View.CAN: ("access", "CanScreen"),
    View.WHATIF: ("whatif", "WhatIfScreen"),
    View.PAST: ("past", "PastScreen"),
    View.WHO: ("access", "WhoScreen"),
    View.ALIASES: ("aliases", "AliasesScreen"),
    View.DUMPS: ("dumps", "DumpsScreen"),
    View.WORKLOADS: ("workloads", "WorkloadsScreen"),
    View.USERS: ("access", "SubjectsScreen"),
    View.GROUPS: ("access", "SubjectsScreen"),
    View.HEALTH: ("health", "HealthScreen"),
    View.FOLDER: ("folder", "FolderScreen"),
    View.USAGE: ("machineusage", "MachineUsageScreen"),
}
"""Module of this package, and its class."""


def screen_for(target: Target) -> ClusterScreen:
    several = bool(target.clusters) and target.view is View.TABLE
    module, name = ("clusters", "ClustersScreen") if several else _SCREENS[target.view]
    return getattr(import_module(f"tui.screens.{module}"), name)(target)

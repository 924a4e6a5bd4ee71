"""Which screen shows a target. Screens load when they are first needed: the first table must not wait for them."""

from tui.screens.base import ClusterScreen
from tui.target import Target, View


def screen_for(target: Target) -> ClusterScreen:
    match target.view:
        case View.TABLE:
            from tui.screens.browse import BrowseScreen

            return BrowseScreen(target)
        case View.CONTAINERS:
            from tui.screens.containers import ContainersScreen

            return ContainersScreen(target)
        case View.DESCRIBE:
            from tui.screens.describe import DescribeScreen

            return DescribeScreen(target)
        case View.YAML:
            from tui.screens.yaml import YamlScreen

            return YamlScreen(target)
        case View.LOGS:
            from tui.screens.logs import LogsScreen

            return LogsScreen(target)
        case View.ROLLOUT:
            from tui.screens.rollout import RolloutScreen

            return RolloutScreen(target)
        case View.WHY:
            from tui.screens.why import WhyScreen

            return WhyScreen(target)
        case View.CONTEXTS:
            from tui.screens.contexts import ContextsScreen

            return ContextsScreen(target)
        case View.PULSES:
            from tui.screens.pulses import PulsesScreen

            return PulsesScreen(target)
        case View.FORWARDS:
            from tui.screens.forwards import ForwardsScreen

            return ForwardsScreen(target)
        case View.XRAY:
            from tui.screens.xray import XrayScreen

            return XrayScreen(target)

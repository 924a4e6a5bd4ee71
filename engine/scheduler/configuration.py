"""KubeSchedulerConfiguration (kubescheduler.config.k8s.io/v1): the file from which profiles are read.

Source: pkg/scheduler/apis/config/v1 and its validation. What only steers how fast upstream's scheduler works
(parallelism, percentageOfNodesToScore, client and leader-election settings) is judged and has no effect here.
"""

from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import msgspec

from engine.scheduler.profile import (
    DEFAULT_PROFILE,
    DEFAULT_WEIGHTS,
    FILTER_PLUGINS,
    OTHER_PLUGINS,
    SYSTEM_SPREAD,
    DefaultSpread,
    Profile,
    Strategy,
)
from engine.scheduler.queue import FIRST_BACKOFF, LAST_BACKOFF
from engine.scheduler.terms import node_term, node_terms, says_something
from engine.scheduler.views import NodeAffinity

API_VERSION = "kubescheduler.config.k8s.io/v1"
KIND = "KubeSchedulerConfiguration"
Json = dict[str, Any]
T = TypeVar("T", bound=msgspec.Struct)


class ConfigurationError(Exception):
    """The message names the field and what is wrong with it."""


class _Strict(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A field that nobody knows is an error."""


class Plugin(_Strict, frozen=True):
    name: str
    weight: int = 0


class PluginSet(_Strict, frozen=True):
    enabled: tuple[Plugin, ...] = ()
    disabled: tuple[Plugin, ...] = ()


class Plugins(_Strict, frozen=True):
    pre_enqueue: PluginSet = PluginSet()
    queue_sort: PluginSet = PluginSet()
    pre_filter: PluginSet = PluginSet()
    filter: PluginSet = PluginSet()
    post_filter: PluginSet = PluginSet()
    pre_score: PluginSet = PluginSet()
    score: PluginSet = PluginSet()
    reserve: PluginSet = PluginSet()
    permit: PluginSet = PluginSet()
    pre_bind: PluginSet = PluginSet()
    bind: PluginSet = PluginSet()
    post_bind: PluginSet = PluginSet()
    multi_point: PluginSet = PluginSet()


class PluginConfig(_Strict, frozen=True):
    name: str
    args: Json = {}


class WrittenProfile(_Strict, frozen=True):
    scheduler_name: str = "default-scheduler"
    percentage_of_nodes_to_score: int | None = None
    plugins: Plugins = Plugins()
    plugin_config: tuple[PluginConfig, ...] = ()


class Written(_Strict, frozen=True):
    api_version: str = ""
    kind: str = ""
    parallelism: int = 16
    leader_election: Json = {}
    client_connection: Json = {}
    enable_profiling: bool = True
    enable_contention_profiling: bool = True
    delay_cache_until_active: bool = False
    percentage_of_nodes_to_score: int | None = None
    pod_initial_backoff_seconds: float = FIRST_BACKOFF
    pod_max_backoff_seconds: float = LAST_BACKOFF
    profiles: tuple[WrittenProfile, ...] = ()
    extenders: tuple[Json, ...] = ()


class Weighted(_Strict, frozen=True):
    name: str
    weight: int = 1


class ShapePoint(_Strict, frozen=True):
    utilization: int = 0
    score: int = 0


class Ratio(_Strict, frozen=True):
    shape: tuple[ShapePoint, ...] = ()


class ScoringStrategy(_Strict, frozen=True):
    type: str = "LeastAllocated"
    resources: tuple[Weighted, ...] = (Weighted("cpu"), Weighted("memory"))
    requested_to_capacity_ratio: Ratio | None = None


class _Args(_Strict, frozen=True):
    api_version: str = ""
    kind: str = ""


class FitArgs(_Args, frozen=True):
    ignored_resources: tuple[str, ...] = ()
    ignored_resource_groups: tuple[str, ...] = ()
    scoring_strategy: ScoringStrategy = ScoringStrategy()


class BalancedArgs(_Args, frozen=True):
    resources: tuple[Weighted, ...] = (Weighted("cpu"), Weighted("memory"))


class InterPodAffinityArgs(_Args, frozen=True):
    hard_pod_affinity_weight: int = 1
    ignore_preferred_terms_of_existing_pods: bool = False


class NodeAffinityArgs(_Args, frozen=True):
    added_affinity: NodeAffinity | None = None


class DefaultConstraint(_Strict, frozen=True):
    topology_key: str = ""
    max_skew: int = 0
    when_unsatisfiable: str = ""


class SpreadArgs(_Args, frozen=True):
    default_constraints: tuple[DefaultConstraint, ...] = ()
    defaulting_type: Literal["System", "List"] = "System"


class PreemptionArgs(_Args, frozen=True):
    min_candidate_nodes_percentage: int = 10
    min_candidate_nodes_absolute: int = 100


class VolumeBindingArgs(_Args, frozen=True):
    bind_timeout_seconds: int = 600
    shape: tuple[ShapePoint, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerConfig:
    """`profiles` by the schedulerName of the pods that they care for; all other pods are left alone."""

    profiles: dict[str, Profile]
    first_backoff: float = FIRST_BACKOFF
    last_backoff: float = LAST_BACKOFF


DEFAULTS = SchedulerConfig(profiles={DEFAULT_PROFILE.name: DEFAULT_PROFILE})


def read(document: object) -> SchedulerConfig:
    """From the parsed file. Raises ConfigurationError."""
    written = _convert(document, Written, "")
    if written.api_version != API_VERSION or written.kind != KIND:
        raise ConfigurationError(
            f'no kind "{written.kind}" is registered for version "{written.api_version}": '
            f"apiVersion must be {API_VERSION} and kind {KIND}"
        )
    if written.parallelism <= 0:
        raise _invalid("parallelism", written.parallelism, "should be an integer value greater than zero")
    _judge_percentage(written.percentage_of_nodes_to_score, "percentageOfNodesToScore")
    first, last = written.pod_initial_backoff_seconds, written.pod_max_backoff_seconds
    if first <= 0:
        raise _invalid("podInitialBackoffSeconds", first, "must be greater than 0")
    if last < first:
        raise _invalid("podMaxBackoffSeconds", last, "must be greater than or equal to PodInitialBackoffSeconds")
    if written.extenders:
        raise ConfigurationError("extenders: Forbidden: extenders are not supported")
    profiles: dict[str, Profile] = {}
    for number, one in enumerate(written.profiles or (WrittenProfile(),)):
        path = f"profiles[{number}]"
        if not one.scheduler_name:
            raise ConfigurationError(f"{path}.schedulerName: Required value")
        if one.scheduler_name in profiles:
            raise ConfigurationError(f'{path}.schedulerName: Duplicate value: "{one.scheduler_name}"')
        profiles[one.scheduler_name] = _profile(one, path)
    return SchedulerConfig(profiles=profiles, first_backoff=first, last_backoff=last)


def _profile(written: WrittenProfile, path: str) -> Profile:
    _judge_percentage(written.percentage_of_nodes_to_score, f"{path}.percentageOfNodesToScore")
    plugins = written.plugins
    _judge_names(plugins, f"{path}.plugins")
    filters = _switched(dict.fromkeys(FILTER_PLUGINS, 1), plugins.multi_point)
    filters = _switched(_switched(filters, plugins.filter), plugins.pre_filter)
    weights = _switched(dict(DEFAULT_WEIGHTS), plugins.multi_point)
    weights = _switched(weights, plugins.score)
    others = _switched(dict.fromkeys(OTHER_PLUGINS, 1), plugins.multi_point)
    preempts = "DefaultPreemption" in _switched(others, plugins.post_filter)
    args = _arguments(written.plugin_config, f"{path}.pluginConfig")
    fit, spread = args[FitArgs], args[SpreadArgs]
    affinity, preemption, nodes = (
        args[InterPodAffinityArgs],
        args[PreemptionArgs],
        args[NodeAffinityArgs].added_affinity,
    )
    wishes = nodes.preferred if nodes is not None else ()
    listed = tuple(
        DefaultSpread(one.topology_key, one.max_skew, hard=one.when_unsatisfiable == "DoNotSchedule")
        for one in spread.default_constraints
    )
    strategy = fit.scoring_strategy
    ratio = strategy.requested_to_capacity_ratio
    return Profile(
        name=written.scheduler_name,
        disabled_filters=frozenset(FILTER_PLUGINS) - filters.keys(),
        weights={name: weights[name] for name in DEFAULT_WEIGHTS if weights.get(name)},
        preempts=preempts,
        strategy=_strategy(strategy.type),
        resources=tuple((one.name, one.weight) for one in strategy.resources),
        balanced=tuple(one.name for one in args[BalancedArgs].resources),
        ratio=tuple((point.utilization, point.score) for point in ratio.shape) if ratio is not None else (),
        ignored_resources=frozenset(fit.ignored_resources),
        ignored_groups=frozenset(fit.ignored_resource_groups),
        added_required=node_terms(nodes.required) if nodes is not None else None,
        added_preferred=tuple((w.weight, node_term(w.preference)) for w in wishes if says_something(w.preference)),
        spread=listed if spread.defaulting_type == "List" else SYSTEM_SPREAD,
        system_spread=spread.defaulting_type == "System",
        hard_affinity_weight=affinity.hard_pod_affinity_weight,
        ignore_others_wishes=affinity.ignore_preferred_terms_of_existing_pods,
        candidates_percent=preemption.min_candidate_nodes_percentage,
        candidates_least=preemption.min_candidate_nodes_absolute,
        bind_timeout=float(args[VolumeBindingArgs].bind_timeout_seconds),
    )


def _switched(present: dict[str, int], switches: PluginSet) -> dict[str, int]:
    """What is disabled goes, what is enabled comes with its weight, or with the one that it has by default."""
    gone = {one.name for one in switches.disabled}
    kept = {} if "*" in gone else {name: weight for name, weight in present.items() if name not in gone}
    return kept | {one.name: one.weight or DEFAULT_WEIGHTS.get(one.name, 1) for one in switches.enabled}


_KNOWN = frozenset((*FILTER_PLUGINS, *DEFAULT_WEIGHTS, *OTHER_PLUGINS))


def _judge_names(plugins: Plugins, path: str) -> None:
    for point, name in zip(plugins.__struct_fields__, plugins.__struct_encode_fields__, strict=True):
        switches: PluginSet = getattr(plugins, point)
        for how, listed in (("enabled", switches.enabled), ("disabled", switches.disabled)):
            for number, one in enumerate(listed):
                here = f"{path}.{name}.{how}[{number}]"
                if one.name not in _KNOWN and not (how == "disabled" and one.name == "*"):
                    raise ConfigurationError(f'{here}.name: Invalid value: "{one.name}": plugin does not exist')
                if not 0 <= one.weight <= 2**31:
                    raise _invalid(f"{here}.weight", one.weight, "must not be negative or overflow")
    for name in ("PrioritySort", "DefaultBinder"):
        point, switches = ("queueSort", plugins.queue_sort) if name == "PrioritySort" else ("bind", plugins.bind)
        gone = {one.name for one in switches.disabled}
        if gone & {name, "*"} and name not in {one.name for one in switches.enabled}:
            raise ConfigurationError(f"{path}.{point}: Required value: no {point} plugin is enabled")


_ARGUMENTS: dict[str, type[_Args]] = {
    "NodeResourcesFit": FitArgs,
    "NodeResourcesBalancedAllocation": BalancedArgs,
    "InterPodAffinity": InterPodAffinityArgs,
    "NodeAffinity": NodeAffinityArgs,
    "PodTopologySpread": SpreadArgs,
    "DefaultPreemption": PreemptionArgs,
    "VolumeBinding": VolumeBindingArgs,
}


class _Arguments:
    def __init__(self) -> None:
        self._given: dict[type[_Args], _Args] = {}

    def __getitem__(self, kind: "type[T]") -> T:
        given = self._given.get(kind)  # pyright: ignore[reportArgumentType, reportCallIssue]
        return given if isinstance(given, kind) else kind()

    def __setitem__(self, kind: type[_Args], given: _Args) -> None:
        self._given[kind] = given


def _arguments(configs: tuple[PluginConfig, ...], path: str) -> _Arguments:
    found = _Arguments()
    seen: set[str] = set()
    for number, config in enumerate(configs):
        here = f"{path}[{number}]"
        if config.name in seen:
            raise ConfigurationError(f'{here}.name: Duplicate value: "{config.name}"')
        seen.add(config.name)
        kind = _ARGUMENTS.get(config.name)
        if kind is None:
            raise ConfigurationError(f'{here}.name: Invalid value: "{config.name}": plugin takes no arguments')
        args = _convert(config.args, kind, f"{here}.args")
        _judge_arguments(args, f"{here}.args")
        found[kind] = args
    return found


def _judge_arguments(args: _Args, path: str) -> None:
    match args:
        case FitArgs():
            _judge_strategy(args.scoring_strategy, f"{path}.scoringStrategy")
        case BalancedArgs():
            for number, one in enumerate(args.resources):
                if one.weight != 1:
                    raise _invalid(f"{path}.resources[{number}].weight", one.weight, "must be 1")
        case InterPodAffinityArgs() if not 0 <= args.hard_pod_affinity_weight <= 100:
            raise _invalid(
                f"{path}.hardPodAffinityWeight", args.hard_pod_affinity_weight, "not in valid range [0, 100]"
            )
        case SpreadArgs():
            _judge_spread(args, path)
        case PreemptionArgs():
            _judge_preemption(args, path)
        case VolumeBindingArgs() if args.bind_timeout_seconds < 0:
            detail = "invalid BindTimeoutSeconds, should not be a negative value"
            raise _invalid(f"{path}.bindTimeoutSeconds", args.bind_timeout_seconds, detail)
        case _:
            pass


def _judge_strategy(strategy: ScoringStrategy, path: str) -> None:
    _strategy(strategy.type, f"{path}.type")
    for number, one in enumerate(strategy.resources):
        if not 1 <= one.weight <= 100:
            weight = f"{path}.resources[{number}].weight"
            raise _invalid(weight, one.weight, f"resource weight of {one.name} not in valid range [1, 100]")
    if strategy.type != "RequestedToCapacityRatio":
        return
    ratio = strategy.requested_to_capacity_ratio
    here = f"{path}.requestedToCapacityRatio.shape"
    if ratio is None or not ratio.shape:
        raise ConfigurationError(f"{here}: Required value: at least one point must be specified")
    for number, point in enumerate(ratio.shape):
        if not 0 <= point.utilization <= 100:
            raise _invalid(f"{here}[{number}].utilization", point.utilization, "not in valid range [0, 100]")
        if number and point.utilization <= ratio.shape[number - 1].utilization:
            detail = "utilization values must be sorted in increasing order"
            raise _invalid(f"{here}[{number}].utilization", point.utilization, detail)
        if not 0 <= point.score <= 10:
            raise _invalid(f"{here}[{number}].score", point.score, "not in valid range [0, 10]")


def _judge_spread(args: SpreadArgs, path: str) -> None:
    if args.defaulting_type == "System" and args.default_constraints:
        shown = msgspec.json.encode(args.default_constraints).decode()
        detail = f"when .defaultConstraints are not empty: {shown}"
        raise _invalid(f"{path}.defaultingType", '"System"', detail)
    for number, one in enumerate(args.default_constraints):
        here = f"{path}.defaultConstraints[{number}]"
        if one.max_skew <= 0:
            raise _invalid(f"{here}.maxSkew", one.max_skew, "not in valid range (0, inf)")
        if not one.topology_key:
            raise ConfigurationError(f"{here}.topologyKey: Required value: can not be empty")
        if one.when_unsatisfiable not in ("DoNotSchedule", "ScheduleAnyway"):
            raise _unsupported(f"{here}.whenUnsatisfiable", one.when_unsatisfiable, ("DoNotSchedule", "ScheduleAnyway"))


def _judge_preemption(args: PreemptionArgs, path: str) -> None:
    percent, least = args.min_candidate_nodes_percentage, args.min_candidate_nodes_absolute
    if not 0 <= percent <= 100:
        raise _invalid(f"{path}.minCandidateNodesPercentage", percent, "not in valid range [0, 100]")
    if least < 0:
        raise _invalid(f"{path}.minCandidateNodesAbsolute", least, "not in valid range [0, inf)")
    if percent == 0 and least == 0:
        both = "both minCandidateNodesPercentage and minCandidateNodesAbsolute cannot be zero"
        raise ConfigurationError(f"{path}: Invalid value: {both}")


_STRATEGIES: dict[str, Strategy] = {
    "LeastAllocated": "LeastAllocated",
    "MostAllocated": "MostAllocated",
    "RequestedToCapacityRatio": "RequestedToCapacityRatio",
}


def _strategy(name: str, path: str = "") -> Strategy:
    found = _STRATEGIES.get(name)
    if found is None:
        raise _unsupported(path, name, tuple(_STRATEGIES))
    return found


def _judge_percentage(percentage: int | None, path: str) -> None:
    if percentage is not None and not 0 <= percentage <= 100:
        raise _invalid(path, percentage, "not in valid range [0-100]")


def _convert(document: object, kind: type[T], path: str) -> T:
    try:
        return msgspec.convert(document, kind)
    except msgspec.ValidationError as error:
        text, _, where = str(error).partition(" - at `$")
        place = f"{path}{where.rstrip('`')}".lstrip(".")
        raise ConfigurationError(f"{place}: {text}" if place else text) from error


def _invalid(path: str, value: object, detail: str) -> ConfigurationError:
    return ConfigurationError(f"{path}: Invalid value: {value}: {detail}")


def _unsupported(path: str, value: str, supported: tuple[str, ...]) -> ConfigurationError:
    listed = ", ".join(f'"{one}"' for one in supported)
    return ConfigurationError(f'{path}: Unsupported value: "{value}": supported values: {listed}')

"""KubeSchedulerConfiguration: what it says is done, and what it says wrong is named."""

from typing import Any

import pytest
import yaml

from engine.scheduler.configuration import ConfigurationError, SchedulerConfig, read
from engine.scheduler.profile import DEFAULT_WEIGHTS, SYSTEM_SPREAD, DefaultSpread

Json = dict[str, Any]
HEAD: Json = {"apiVersion": "kubescheduler.config.k8s.io/v1", "kind": "KubeSchedulerConfiguration"}


def profiles(*written: Json) -> SchedulerConfig:
    return read({**HEAD, "profiles": list(written)})


def args(plugin: str, **values: Any) -> Json:
    return {"pluginConfig": [{"name": plugin, "args": values}]}


def test_nothing_said_is_the_default_profile() -> None:
    config = read(HEAD)
    assert list(config.profiles) == ["default-scheduler"]
    profile = config.profiles["default-scheduler"]
    assert profile.weights == DEFAULT_WEIGHTS
    assert profile.spread == SYSTEM_SPREAD
    assert (config.first_backoff, config.last_backoff) == (1.0, 10.0)


DOCUMENTED = """
apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
podMaxBackoffSeconds: 20
profiles:
  - schedulerName: default-scheduler
  - schedulerName: no-scoring-scheduler
    plugins:
      preScore:
        disabled:
        - name: '*'
      score:
        disabled:
        - name: '*'
  - schedulerName: heavy
    plugins:
      multiPoint:
        disabled:
        - name: ImageLocality
        - name: NodePorts
      score:
        enabled:
        - name: NodeAffinity
          weight: 5
      postFilter:
        disabled:
        - name: DefaultPreemption
    pluginConfig:
    - name: NodeResourcesFit
      args:
        scoringStrategy:
          type: RequestedToCapacityRatio
          resources:
          - name: intel.com/foo
            weight: 3
          requestedToCapacityRatio:
            shape:
            - utilization: 0
              score: 0
            - utilization: 100
              score: 10
    - name: PodTopologySpread
      args:
        defaultConstraints:
          - maxSkew: 1
            topologyKey: topology.kubernetes.io/zone
            whenUnsatisfiable: ScheduleAnyway
        defaultingType: List
    - name: InterPodAffinity
      args:
        hardPodAffinityWeight: 7
    - name: NodeAffinity
      args:
        addedAffinity:
          requiredDuringSchedulingIgnoredDuringExecution:
            nodeSelectorTerms:
            - matchExpressions:
              - key: scheduler-profile
                operator: In
                values: [foo]
"""


def test_profiles_as_the_documentation_writes_them() -> None:
    config = read(yaml.safe_load(DOCUMENTED))
    assert list(config.profiles) == ["default-scheduler", "no-scoring-scheduler", "heavy"]
    assert config.last_backoff == 20
    assert config.profiles["no-scoring-scheduler"].weights == {}
    heavy = config.profiles["heavy"]
    assert heavy.weights["NodeAffinity"] == 5
    assert "ImageLocality" not in heavy.weights
    assert heavy.disabled_filters == {"NodePorts"}
    assert not heavy.preempts
    assert (heavy.strategy, heavy.resources, heavy.ratio) == (
        "RequestedToCapacityRatio", (("intel.com/foo", 3),), ((0, 0), (100, 10)),
    )  # fmt: skip
    assert heavy.spread == (DefaultSpread("topology.kubernetes.io/zone", 1),)
    assert not heavy.system_spread
    assert heavy.hard_affinity_weight == 7
    assert heavy.added_required is not None
    assert heavy.added_required[0].matches({"scheduler-profile": "foo"}, "m1")


@pytest.mark.parametrize(
    ("document", "message"),
    [
        pytest.param("text", "Expected `object`, got `str`", id="no object"),
        pytest.param(
            {"apiVersion": "v1", "kind": "Pod"},
            'no kind "Pod" is registered for version "v1": apiVersion must be kubescheduler.config.k8s.io/v1 and kind '
            "KubeSchedulerConfiguration",
            id="another kind",
        ),
        pytest.param({**HEAD, "profile": []}, "Object contains unknown field `profile`", id="unknown field"),
        pytest.param(
            {**HEAD, "profiles": [{"schedulerNam": "x"}]},
            "profiles[0]: Object contains unknown field `schedulerNam`",
            id="unknown field inside",
        ),
        pytest.param(
            {**HEAD, "profiles": [{"schedulerName": 5}]},
            "profiles[0].schedulerName: Expected `str`, got `int`",
            id="wrong type",
        ),
        pytest.param(
            {**HEAD, "profiles": [{"schedulerName": "a"}, {"schedulerName": "a"}]},
            'profiles[1].schedulerName: Duplicate value: "a"',
            id="one name twice",
        ),
        pytest.param(
            {**HEAD, "profiles": [{"schedulerName": ""}]}, "profiles[0].schedulerName: Required value", id="no name"
        ),
        pytest.param(
            {**HEAD, "profiles": [{"plugins": {"score": {"enabled": [{"name": "Nonsense"}]}}}]},
            'profiles[0].plugins.score.enabled[0].name: Invalid value: "Nonsense": plugin does not exist',
            id="unknown plugin",
        ),
        pytest.param(
            {**HEAD, "profiles": [{"plugins": {"bind": {"disabled": [{"name": "*"}]}}}]},
            "profiles[0].plugins.bind: Required value: no bind plugin is enabled",
            id="nobody binds",
        ),
        pytest.param(
            {**HEAD, "profiles": [args("NodeResourcesFit", scoringStrategy={"type": "Most"})]},
            'profiles[0].pluginConfig[0].args.scoringStrategy.type: Unsupported value: "Most": supported values: '
            '"LeastAllocated", "MostAllocated", "RequestedToCapacityRatio"',
            id="unknown strategy",
        ),
        pytest.param(
            {**HEAD, "profiles": [args("NodeResourcesFit", scoringStrategy={"type": "RequestedToCapacityRatio"})]},
            "profiles[0].pluginConfig[0].args.scoringStrategy.requestedToCapacityRatio.shape: Required value: "
            "at least one point must be specified",
            id="no curve",
        ),
        pytest.param(
            {**HEAD, "profiles": [args("InterPodAffinity", hardPodAffinityWeight=101)]},
            "profiles[0].pluginConfig[0].args.hardPodAffinityWeight: Invalid value: 101: not in valid range [0, 100]",
            id="too heavy",
        ),
        pytest.param(
            {**HEAD, "profiles": [args("PodTopologySpread", defaultConstraints=[{"maxSkew": 1}])]},
            'profiles[0].pluginConfig[0].args.defaultingType: Invalid value: "System": when .defaultConstraints are not '
            'empty: [{"topologyKey":"","maxSkew":1,"whenUnsatisfiable":""}]',
            id="constraints without List",
        ),
        pytest.param(
            {**HEAD, "podInitialBackoffSeconds": 5, "podMaxBackoffSeconds": 1},
            "podMaxBackoffSeconds: Invalid value: 1.0: must be greater than or equal to PodInitialBackoffSeconds",
            id="back-off",
        ),
        pytest.param({**HEAD, "percentageOfNodesToScore": 101},
                     "percentageOfNodesToScore: Invalid value: 101: not in valid range [0-100]", id="percentage"),
        pytest.param({**HEAD, "extenders": [{"urlPrefix": "http://x"}]},
                     "extenders: Forbidden: extenders are not supported", id="extenders"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(document: Any, message: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        read(document)
    assert str(error.value) == message

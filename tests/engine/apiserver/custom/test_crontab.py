"""The tutorial of the Kubernetes documentation: a CronTab, from its definition to its end, with the real kubectl."""

from __future__ import annotations

import asyncio
import json

from tests.engine.apiserver.custom.manifests import CRONTABS, DEFINITION, OBJECT
from tests.engine.conftest import RunningEngine


async def define(engine: RunningEngine, manifest: str = DEFINITION, name: str = CRONTABS) -> None:
    await engine.kubectl("apply", "-f", "-", stdin=manifest)
    await engine.kubectl("wait", "--for=condition=Established", f"crd/{name}", "--timeout=10s")


async def test_tutorial_runs_from_definition_to_its_end(engine: RunningEngine) -> None:
    created = await engine.kubectl("apply", "-f", "-", stdin=DEFINITION)
    assert created.out == "customresourcedefinition.apiextensions.k8s.io/crontabs.stable.example.com created\n"
    await engine.kubectl("wait", "--for=condition=Established", f"crd/{CRONTABS}", "--timeout=10s")
    assert (await engine.kubectl("apply", "-f", "-", stdin=OBJECT)).out == (
        "crontab.stable.example.com/my-new-cron-object created\n"
    )
    rows = (await engine.kubectl("get", "ct")).out.splitlines()
    assert rows[0].split() == ["NAME", "SPEC", "REPLICAS", "AGE"]
    assert rows[1].split()[:-1] == ["my-new-cron-object", "*", "*", "*", "*", "*/5", "1"]
    assert "my-new-cron-object" in (await engine.kubectl("get", "all")).out
    shown = json.loads((await engine.kubectl("get", "crontab", "my-new-cron-object", "-o", "json")).out)
    assert (shown["metadata"]["generation"], shown["spec"]["replicas"]) == (1, 1)
    resources = (await engine.kubectl("api-resources", "--api-group=stable.example.com")).out
    assert resources.splitlines()[1].split() == ["crontabs", "ct", "stable.example.com/v1", "true", "CronTab"]
    assert "When to run" in (await engine.kubectl("explain", "crontab.spec.cronSpec")).out
    await engine.kubectl("delete", "crd", CRONTABS)
    assert "crontabs" not in (await engine.kubectl("api-resources")).out
    await define(engine)
    assert (await engine.kubectl("get", "crontabs")).err == "No resources found in default namespace.\n"


async def test_scale_and_status_have_doors_of_their_own(engine: RunningEngine) -> None:
    await define(engine)
    await engine.kubectl("create", "-f", "-", stdin=OBJECT)
    await engine.kubectl("scale", "crontabs/my-new-cron-object", "--replicas=5")
    assert (await engine.kubectl("get", "ct", "-o", "jsonpath={.items[0].spec.replicas}")).out == "5"
    await engine.kubectl("patch", "ct", "my-new-cron-object", "--type=merge", "-p", '{"status":{"replicas":3}}')
    assert (await engine.kubectl("get", "ct", "-o", "jsonpath={.items[0].status}")).out == ""
    await engine.kubectl(
        "patch", "ct", "my-new-cron-object", "--subresource=status", "--type=merge",
        "-p", '{"status":{"replicas":3},"spec":{"image":"other"}}',
    )  # fmt: skip
    shown = json.loads((await engine.kubectl("get", "ct", "my-new-cron-object", "-o", "json")).out)
    assert (shown["status"], shown["spec"]["image"]) == ({"replicas": 3}, "my-awesome-cron-image")
    assert shown["metadata"]["generation"] == 2


async def test_what_does_not_fit_is_refused_in_upstreams_words(engine: RunningEngine) -> None:
    await define(engine)
    bad = OBJECT.replace('"* * * * */5"', '"* * * *"').replace("my-awesome-cron-image", "x\n  replicas: 15")
    ran = await engine.kubectl("create", "-f", "-", stdin=bad, check=False)
    assert ran.err == (
        'The CronTab "my-new-cron-object" is invalid: \n'
        '* spec.cronSpec: Invalid value: "* * * *": spec.cronSpec in body should match '
        "'^(\\d+|\\*)(/\\d+)?(\\s+(\\d+|\\*)(/\\d+)?){4}$'\n"
        "* spec.replicas: Invalid value: 15: spec.replicas in body should be less than or equal to 10\n"
    )
    ran = await engine.kubectl("create", "-f", "-", stdin=OBJECT + "  imag: y\n", check=False)
    assert (
        'CronTab in version "v1" cannot be handled as a CronTab: strict decoding error: unknown field "spec.imag"'
        in ran.err
    )
    await engine.kubectl("create", "--validate=false", "-f", "-", stdin=OBJECT + "  imag: y\n")
    assert (await engine.kubectl("get", "ct", "-o", "jsonpath={.items[0].spec.imag}")).out == ""
    patch = ("patch", "ct", "my-new-cron-object", "-p")
    ran = await engine.kubectl(*patch, '{"spec":{"replicas":"two"}}', "--type=merge", check=False)
    assert 'spec.replicas: Invalid value: "string": spec.replicas in body must be of type integer: "string"' in ran.err
    ran = await engine.kubectl(*patch, '{"spec":{"cronSpec":null}}', "--type=merge", check=False)
    assert "spec.cronSpec: Required value" in ran.err


async def test_watch_follows_a_custom_object(engine: RunningEngine) -> None:
    await define(engine)
    watching = asyncio.ensure_future(engine.kubectl("get", "ct", "--watch", "--request-timeout=4s", check=False))
    await asyncio.sleep(1.5)
    await engine.kubectl("create", "-f", "-", stdin=OBJECT)
    assert "my-new-cron-object" in (await watching).out

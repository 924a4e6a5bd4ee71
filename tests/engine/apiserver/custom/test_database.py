"""A Database kind as an operator would ship it: rules in CEL, conditions as columns, and a chart that brings it."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from tests.clients import find_client
from tests.engine.conftest import RunningEngine

DEFINITION = """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: databases.data.example.org
spec:
  group: data.example.org
  scope: Namespaced
  names: {plural: databases, singular: database, kind: Database, shortNames: [db]}
  versions:
  - name: v1beta1
    served: true
    storage: true
    selectableFields:
    - jsonPath: .spec.engine
    additionalPrinterColumns:
    - {name: Engine, type: string, jsonPath: .spec.engine}
    - {name: Size, type: string, jsonPath: .spec.storage, priority: 1}
    - {name: Ready, type: string, jsonPath: '.status.conditions[?(@.type=="Ready")].status'}
    subresources: {status: {}}
    schema:
      openAPIV3Schema:
        type: object
        required: [spec]
        properties:
          spec:
            type: object
            required: [engine]
            x-kubernetes-validations:
            - rule: self.replicas <= self.maxReplicas
              messageExpression: "'at most ' + string(self.maxReplicas) + ' replicas'"
              fieldPath: .replicas
            properties:
              engine:
                type: string
                enum: [postgres, mysql]
                x-kubernetes-validations:
                - {rule: self == oldSelf, message: the engine of a database stays}
              replicas: {type: integer, default: 1}
              maxReplicas: {type: integer, default: 3}
              storage:
                x-kubernetes-int-or-string: true
                default: 1Gi
                x-kubernetes-validations:
                - {rule: "quantity(string(self)).isGreaterThan(quantity('0'))"}
          status:
            type: object
            x-kubernetes-preserve-unknown-fields: true
"""
OBJECT = """\
apiVersion: data.example.org/v1beta1
kind: Database
metadata: {name: orders}
spec: {engine: postgres}
"""


async def test_rules_hold_at_the_door(engine: RunningEngine) -> None:
    await engine.kubectl("apply", "-f", "-", stdin=DEFINITION)
    await engine.kubectl("wait", "--for=condition=Established", "crd/databases.data.example.org", "--timeout=10s")
    many = OBJECT.replace("postgres}", "postgres, replicas: 5}")
    ran = await engine.kubectl("create", "-f", "-", stdin=many, check=False)
    assert ran.err == ('The Database "orders" is invalid: spec.replicas: Invalid value: "object": at most 3 replicas\n')
    ran = await engine.kubectl("create", "-f", "-", stdin=OBJECT.replace("postgres", "oracle"), check=False)
    assert 'spec.engine: Unsupported value: "oracle": supported values: "mysql", "postgres"' in ran.err
    await engine.kubectl("create", "-f", "-", stdin=OBJECT)
    ran = await engine.kubectl("apply", "-f", "-", stdin=OBJECT.replace("postgres", "mysql"), check=False)
    assert 'spec.engine: Invalid value: "mysql": the engine of a database stays' in ran.err
    status = '{"status":{"conditions":[{"type":"Ready","status":"True"}],"anything":1}}'
    await engine.kubectl("patch", "db", "orders", "--subresource=status", "--type=merge", "-p", status)
    rows = (await engine.kubectl("get", "db", "-o", "wide")).out.splitlines()
    assert [row.split() for row in rows] == [
        ["NAME", "ENGINE", "SIZE", "READY"],
        ["orders", "postgres", "1Gi", "True"],
    ]
    assert (await engine.kubectl("get", "db", "--field-selector=spec.engine=mysql", "-o", "name")).out == ""
    assert (await engine.kubectl("get", "db", "--field-selector=spec.engine=postgres", "-o", "name")).out != ""


async def test_rule_that_is_no_cel_is_refused_with_the_definition(engine: RunningEngine) -> None:
    bad = DEFINITION.replace("self.replicas <= self.maxReplicas", "self.replicas <=")
    ran = await engine.kubectl("create", "-f", "-", stdin=bad, check=False)
    assert "x-kubernetes-validations[0].rule" in ran.err
    assert "compilation failed: ERROR: <input>:1:17: Syntax error" in ran.err


async def test_chart_brings_its_kinds_along(engine: RunningEngine, tmp_path: Path) -> None:
    chart = tmp_path / "databases"
    (chart / "crds").mkdir(parents=True)
    (chart / "templates").mkdir()
    (chart / "Chart.yaml").write_text("apiVersion: v2\nname: databases\nversion: 0.1.0\n")
    (chart / "crds" / "database.yaml").write_text(DEFINITION)
    (chart / "templates" / "orders.yaml").write_text(OBJECT.replace("orders", "{{ .Release.Name }}"))
    await helm(engine, "install", "shop", str(chart), "--wait", "--timeout=30s")
    assert (await engine.kubectl("get", "db", "-o", "name")).out == "database.data.example.org/shop\n"
    await helm(engine, "uninstall", "shop", "--wait", "--timeout=30s")
    assert (await engine.kubectl("get", "db", "-o", "name")).out == ""


async def helm(engine: RunningEngine, *arguments: str) -> None:
    process = await asyncio.create_subprocess_exec(
        find_client("helm"),
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={"PATH": os.environ["PATH"], "KUBECONFIG": str(engine.kubeconfig), "HOME": str(engine.data_dir)},
    )
    out, _ = await process.communicate()
    assert process.returncode == 0, out.decode()

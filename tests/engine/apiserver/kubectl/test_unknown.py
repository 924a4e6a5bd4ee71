"""Kinds and fields that nobody knows: what kubectl says of them is what it says to Kubernetes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engine.apiserver.kubectl.conftest import Kubectl

pytestmark = pytest.mark.asyncio(loop_scope="module")

WIDGET = "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: a}\n"


@pytest.mark.parametrize(
    "command",
    [
        pytest.param("create", id="create"),
        pytest.param("apply", id="apply"),
        pytest.param("apply --validate=strict", id="apply-strict"),
        pytest.param("apply --server-side", id="server-side"),
        pytest.param("replace", id="replace"),
        pytest.param("delete", id="delete"),
        pytest.param("diff", id="diff"),
    ],
)
async def test_a_kind_that_nobody_knows_is_named(kubectl: Kubectl, tmp_path: Path, command: str) -> None:
    manifest = tmp_path / "widget.yaml"
    manifest.write_text(WIDGET)
    said = await kubectl.fails(*command.split(), "-f", str(manifest))
    assert said == (
        f'error: resource mapping not found for name: "a" namespace: "" from "{manifest}": '
        'no matches for kind "Widget" in version "example.com/v1"\n'
        "ensure CRDs are installed first\n"
    )


async def test_fields_are_explained_from_the_older_document_too(kubectl: Kubectl) -> None:
    said = await kubectl("explain", "pod.spec.containers", "--output", "plaintext-openapiv2")
    assert said.startswith("KIND:     Pod\nVERSION:  v1\n\nRESOURCE: containers <[]Object>\n")
    assert "   image\t<string>\n" in said
    assert (await kubectl("explain", "deployment.spec.replicas")).startswith(
        "GROUP:      apps\nKIND:       Deployment\nVERSION:    v1\n\nFIELD: replicas <integer>\n"
    )

"""CustomResourceDefinitions: Enter leads to the objects of the kind."""

from apimachinery.objects.resources import Resource
from tui.kinds.generic import describe
from tui.kinds.lens import JSON, Lens
from tui.kinds.words import general_tone
from tui.target import Target

DEFINITIONS = Resource(
    "apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", namespaced=False
)


def objects_of(obj: JSON) -> Target | None:
    """By the version that is stored; None for one that serves none."""
    spec = obj.get("spec") or {}
    names, versions = spec.get("names") or {}, [one for one in spec.get("versions") or () if one.get("served")]
    if not versions or not names.get("plural"):
        return None
    stored = next((one for one in versions if one.get("storage")), versions[0])
    resource = Resource(
        spec.get("group", ""), stored["name"], names["plural"], names.get("kind", ""),
        namespaced=spec.get("scope") != "Cluster", singular=names.get("singular", ""),
    )  # fmt: skip
    return Target(resource=resource)


LENS = Lens(
    resource=DEFINITIONS, tone=general_tone, describe=describe, drill_object=objects_of, enter_word="its objects"
)

"""Volumes that are folders of one machine: what the engine and the machine's agent tell each other on objects.

The engine makes the PersistentVolume and names the machine; the machine's agent makes the folder when it first sees
the volume, and removes it when the volume goes. The finalizer holds the volume until the agent has done its part.
"""

from typing import Final

CLASS: Final = "local-path"
PROVISIONER: Final = "pilothouse.dev/local-path"
PREFIX: Final = "local-path.pilothouse.dev/"
MACHINE: Final = f"{PREFIX}machine"
"""Label of a volume: the machine whose folder it is."""
FINALIZER: Final = f"{PREFIX}folder"
MADE: Final = f"{PREFIX}made"
"""Annotation that the agent puts on a volume once its folder was made: it is never made a second time."""
ROOT: Final = f"{PREFIX}root"
"""Annotation of a Node: the folder in which its agent keeps the volumes."""
CAPACITY: Final = f"{PREFIX}capacity"
"""Annotation of a Node: the size of the file system that holds them."""
DEFAULT_ROOT: Final = "/var/lib/pilothouse/volumes"
PROVISIONED_BY: Final = "pv.kubernetes.io/provisioned-by"

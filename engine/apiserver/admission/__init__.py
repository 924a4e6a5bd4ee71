"""Rules about new and changed objects that no single kind owns, as upstream's built-in admission plugins have them.

`lifecycle` looks at every request, `limitranges` and `quotas` at what a namespace may hold. Used by the verbs that
write.
"""

from engine.apiserver.admission.lifecycle import check_delete, check_namespace

__all__ = ["check_delete", "check_namespace"]

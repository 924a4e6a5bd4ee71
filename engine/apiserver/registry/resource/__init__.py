"""Kinds of the group resource.k8s.io: devices that pods may claim. Kept and judged; nothing allocates them yet."""

"""Who owns which field: metadata.managedFields and server-side apply.

Pure: objects, types and owners in, objects and owners out. May import the schema and the registry's kinds; knows
neither requests nor the store. Semantics: sigs.k8s.io/structured-merge-diff/v6 and apimachinery's managedfields.
"""

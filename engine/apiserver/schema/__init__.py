"""The structure of kinds, from the published OpenAPI definitions: decoding, merge keys, documents about the API.

May be imported by the rest of engine.apiserver; knows the registry's kinds. It answers "which fields are there and of
what type", never "is this value allowed": that is the kind's own validation.
"""

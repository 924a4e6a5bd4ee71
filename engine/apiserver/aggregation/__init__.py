"""Groups and versions of the API that servers in the cluster serve, registered as APIServices.

`table.py` follows the APIServices, `serving.py` passes requests on, `availability.py` looks whether they would be
answered, `registration.py` keeps the APIServices of what we serve ourselves; `discovery.py` and `openapi.py` put the
documents of all together. May be imported by `engine.apiserver.server` and `pipe`.
"""

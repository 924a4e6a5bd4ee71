"""Small OCI images made out of this computer's Debian packages, without a network and without a container engine.

`oci` writes the format, `debian` gathers files, `catalog` lists what can be built, `build` builds it once; each image
is a file of its own. Used by the lab and by scripts/images; imports nothing of the machines.
"""

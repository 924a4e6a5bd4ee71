"""What losing or draining machines would do: which pods go and where they fit, which Services and volumes suffer.

Pure: what is observed comes in, what would be comes out. Nobody is asked to change anything.
"""

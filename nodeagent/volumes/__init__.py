"""Volumes of pods as folders and mounts on this machine."""

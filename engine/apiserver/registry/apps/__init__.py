"""Kinds of the apps group, one file each, and what workloads share."""

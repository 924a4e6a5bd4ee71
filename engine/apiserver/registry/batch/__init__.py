"""Kinds of the batch group, one file each, and what their specs share."""

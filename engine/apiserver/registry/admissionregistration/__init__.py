"""Kinds of admissionregistration.k8s.io, one file each, and what they share."""

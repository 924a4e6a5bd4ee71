"""Addresses of balanced Services on the network at hand: one machine of the cluster answers for each of them."""

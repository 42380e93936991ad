"""Vectorised statistics in numpy and scipy: baselines, robust scale, change points, peers.

Knows nothing of GPUs or tokens: arrays in, arrays out, no I/O, no clock.
"""

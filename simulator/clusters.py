"""Clusters that drills know by name."""

from collections.abc import Mapping

from simulator.cluster import DEMO, ClusterSpec

CLUSTERS: Mapping[str, ClusterSpec] = {"demo": DEMO}
"""By name. The published drill runs one that nothing was tuned on beside the demo's."""

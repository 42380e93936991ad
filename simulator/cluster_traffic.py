"""All that asks in a cluster: the streams of its tenants, and their agents."""

from simulator.agent_runs import agent_source
from simulator.cluster import ClusterSpec, longest_prompts
from simulator.traffic import Traffic, open_traffic


def traffic_of(spec: ClusterSpec, seed: int) -> Traffic:
    """The traffic of *spec*, beginning where *seed* says."""
    longest = longest_prompts(spec)
    traffic = open_traffic(seed, spec.tenants, spec.streams, longest)
    tenants = {one.name: one for one in spec.tenants}
    for index, use in enumerate(spec.agents, len(spec.streams)):
        tenant, most = tenants[use.tenant], longest[use.pool]
        traffic.sources.append(agent_source(use, tenant, most, traffic.spans, seed, index))
    return traffic

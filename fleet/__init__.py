"""What the fleet is: identity, topology, replica states, change feed, load models.

Read by detectors, incidents and metering; filled by service. Fetches nothing itself.
"""

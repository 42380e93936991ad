"""One file an action card: each proposes a plan as data for an incident it answers.

Nothing here acts, and nothing here talks to a cluster.
"""

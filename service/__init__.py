"""The composition root: CLI, configuration, agent and server loops, HTTP API, receivers.

The only room that knows all rooms. Glue lives here; statistics, words and rules do not.
"""

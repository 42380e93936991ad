"""Agents read what people read: a Model Context Protocol server over our own HTTP API.

Every tool is a GET of that API with the caller's own rights, so nothing here can write, approve or
execute, and nothing is seen that the API would not show. What telemetry said is fenced as data.
"""

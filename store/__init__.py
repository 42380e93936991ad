"""Asking for series and keeping records: the embedded store, Prometheus backends, SQLite.

Knows how signals are evaluated and rendered, and nothing of what a good or a bad value is.
"""

"""Doing what a person approved, and nothing else: off unless switched on, never by itself."""

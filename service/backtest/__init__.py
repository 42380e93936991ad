"""Stored history through the live path, and what it would have said; nothing of it is sent."""

"""Findings become incidents: correlation, causes, impact, life cycle, notification.

Decides what a person hears and when. Detects nothing and executes nothing.
"""

"""Whom we tell directly, one file a kind: each renders a message for its medium and hands it over.

What is told, when and how often is decided by incidents/courier.py and never here; secrets come
out of files at the moment of sending and are kept nowhere.
"""

"""One file a source: each reads it and says what it saw in the vocabulary's words.

Upstream spellings live here and nowhere else. No detection, no storage, no configuration files.
"""

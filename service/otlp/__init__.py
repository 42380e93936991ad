"""OTLP's two doors (HTTP and gRPC) and what is kept of what comes in.

Metrics become samples of our vocabulary, GenAI spans become usage, our agent's logs become changes.
Nothing else is kept: no prompt, no answer, no attribute that is not on the list.
"""

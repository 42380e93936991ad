"""A simulated GPU cluster that says it is one; everything downstream of it is the real pipeline.

Faults go into parameters, never onto plots. It answers through the real doors alone.
"""

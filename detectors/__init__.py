"""One file a failure mode: each looks at a scene and states findings with evidence.

No I/O, no state, no thresholds borrowed from another detector.
"""

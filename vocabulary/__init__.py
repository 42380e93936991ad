"""The words every other room speaks: metrics, signals, findings, incidents, actions, contracts.

Nothing here does anything: no I/O, no clock, no state. Imports the standard library, and numpy
for arrays, alone. A sentence that needs a GPU driver, a socket or a file belongs elsewhere.
"""

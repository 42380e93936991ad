"""The drill: faults and benign look-alikes in the simulator, and a score for the whole chain."""

"""What moves in the fleet without anybody having said what to look for: the live engine, wired."""

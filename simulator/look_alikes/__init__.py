"""One file each harmless thing that looks like a fault: nobody must be paged for it."""

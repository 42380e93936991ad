"""One file each thing that can go wrong on purpose; none of them touches a page."""

"""The lines every Python server prints about its own process."""

from simulator.pages.text import Rows

CPU_CORES = 0.4
"""What an event loop with its threads takes anyhow. Our judgement."""
START_CPU_SECONDS = 30.0
"""What imports and start-up took."""


def process_rows(
    started: float, now: float, resident_bytes: float, *, busy_seconds: float = 0.0
) -> dict[str, Rows]:
    """Rows of the `python_*` and `process_*` families of a process up since *started*.

    *busy_seconds* of a core were used beyond what an event loop takes anyhow.
    """
    age = max(0.0, now - started)
    used = START_CPU_SECONDS + CPU_CORES * age + busy_seconds
    generations = ("0", "1", "2")
    return {
        "python_gc_objects_collected_total": [
            ((one,), float(int(age * share)))
            for one, share in zip(generations, (90.0, 20.0, 1.0), strict=True)
        ],
        "python_gc_objects_uncollectable_total": [((one,), 0.0) for one in generations],
        "python_gc_collections_total": [
            ((one,), float(int(age * share)))
            for one, share in zip(generations, (0.5, 0.05, 0.005), strict=True)
        ],
        "python_info": [(("CPython", "3", "12", "11", "3.12.11"), 1.0)],
        "process_virtual_memory_bytes": [((), resident_bytes * 4)],
        "process_resident_memory_bytes": [((), resident_bytes)],
        "process_start_time_seconds": [((), started)],
        "process_cpu_seconds_total": [((), round(used, 2))],
        "process_open_fds": [((), 97.0)],
        "process_max_fds": [((), 1048576.0)],
    }

"""What an odd row is: the settings of the live engine, one configuration for everything.

A series is split into bands by exponential averages; every band is measured in its own usual
size. Two statistics follow: the root mean square of the bands, and their length after whitening
with the covariance the bands have shown so far, which sees a shape that no single band shows.
Each becomes comparable across series by its own tail, and the two are added. A row counts for as
much as its predecessor does, where rows are close: one odd sample is no event. A series that has
lately been as odd as this surprises less: a share of the highest score of the last days, which
fades, is taken off. Everything at a row uses that row and the rows before it.
"""

from dataclasses import dataclass

DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class PointAnomaly:
    """How rows are scored."""

    half_lives: tuple[float, ...] = (1.0, 3.0, 8.0, 24.0, 72.0, 256.0, 1440.0)
    """Samples: from the next sample's noise to a day at minute steps, three times longer each."""
    memory_days: float = 30.0
    """Half-life of what a band's usual size, shape and tail are learnt over."""
    warm_up: int = 50
    """Samples without a score: the bands and their sizes are guesses before."""
    warm_up_with_kin: int = 20
    """The same for a series that began with what its kin had learnt; at 15 s it is five minutes."""
    block: int = 64
    """Samples between two looks at the covariance and the tail, at first; later a fiftieth of what
    has been seen: both change slowly."""
    habit: float = 0.2
    """Share of the record, beyond what one row in twenty reaches, that is taken off: our choice
    between ranking within a series (better without) and across series (better with more)."""
    fade_per_day: float = 0.4
    """By how much a record fades in a day: an oddity is forgotten within a week or two."""
    pace: float = 0.5
    """Added per tenfold of the distance of rows beyond a minute: a day of rare rows has fewer
    chances of a false alarm, so that a lower score costs as much."""
    stale: int = 256
    """Missing samples after which a series is taken up where it is found: nobody saw how it got
    there. Our judgement: four hours of minutes."""
    alarm: float = 4.65
    """Score from which a row belongs to an event: it gave about 0.05 false alarms per series and
    day on public operations series (NAB, Microsoft cloud, SMD, AIOps KPI)."""

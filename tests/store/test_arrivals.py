"""What came since somebody looked is never said to be newer than it is."""

from hypothesis import given
from hypothesis import strategies as st

from store.arrivals import EVER, Arrivals

NAMES = ("a", "b", "c")
batches = st.lists(
    st.tuples(st.sets(st.sampled_from(NAMES), min_size=1), st.integers(0, 100_000)), max_size=60
)


@given(come=batches, asked=st.sets(st.sampled_from(NAMES), min_size=1), data=st.data())
def test_the_oldest_is_right_to_the_second(
    come: list[tuple[set[str], int]], asked: set[str], data: st.DataObject
) -> None:
    arrivals = Arrivals()
    for names, oldest in come:
        arrivals.note(names, oldest)
    since = data.draw(st.integers(0, len(come)))
    after = [oldest for names, oldest in come[since:] if names & asked]
    found = arrivals.since(since, asked)
    assert (found is None) == (not after)
    if found is not None:
        assert min(after) - 1000 < found <= min(after)


def test_a_sample_right_after_a_whole_second_leaves_that_second_alone() -> None:
    arrivals = Arrivals()
    arrivals.note(["a"], 15_001)
    assert arrivals.since(0, ["a"]) == 15_001


def test_of_much_that_came_long_ago_the_answer_is_early_but_never_late() -> None:
    arrivals = Arrivals()
    for number in range(20_000):
        arrivals.note(["a"], 15_000 * number)
    for since in range(20_000):
        found = arrivals.since(since, ["a"])
        assert found is not None
        assert found <= 15_000 * since
        assert since < 19_900 or found > 15_000 * since - 1000, "lately it is exact"
    assert len(arrivals._counts["a"]) < 300


def test_who_is_unsure_says_that_anything_may_have_come() -> None:
    arrivals = Arrivals()
    arrivals.note(["a"], 5000)
    before = arrivals.count
    arrivals.unsure()
    assert arrivals.since(before, ["b"]) == EVER
    assert arrivals.since(arrivals.count, ["b"]) is None

"""What was acknowledged survives a kill, damage is said aloud, a full disk stops nobody."""

import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pytest

from store import memory
from store.acknowledged import Acknowledged
from store.embedded import FILE, SIDE_FILE, EmbeddedStore
from vocabulary import metrics as m
from vocabulary.errors import StoreError
from vocabulary.expressions import Last, Signal
from vocabulary.samples import Sample, Series, labels_of

ROOT = Path(__file__).resolve().parents[2]
T0 = 1_750_000_000.0
REPLICAS = 20
NEWEST_VALUE = Signal("x", "1", "", Last(m.OUTPUT_TOKENS))


def scrape(n: int) -> list[Sample]:
    """The *n*th scrape: every replica's value is its number."""
    return [
        Sample(Series(m.OUTPUT_TOKENS.name, labels_of({"replica": str(r)})), float(n), T0 + n)
        for r in range(REPLICAS)
    ]


def intact(store: EmbeddedStore, count: int) -> bool:
    """Whether the first *count* scrapes are there, every sample of them."""
    frame = store.evaluate(NEWEST_VALUE, T0, T0 + count - 1, 1.0)
    return frame.values.shape == (REPLICAS, count) and bool(
        np.all(frame.values == np.arange(count))
    )


WRITER = """
import sys
from pathlib import Path
sys.path[:0] = [sys.argv[2], sys.argv[2] + "/tests/store"]
from store import memory
memory.SEAL_SAMPLES = 700
from store.embedded import EmbeddedStore
from test_durability import T0, scrape
store = EmbeddedStore(Path(sys.argv[1]))
assert not store.alarms, store.alarms
newest = store.newest()
n = 0 if newest is None else round(newest - T0) + 1
while True:
    store.append(scrape(n))
    print(n, flush=True)
    n += 1
"""


def test_no_acknowledged_sample_is_lost_to_sigkill(tmp_path: Path) -> None:
    rng = random.Random(1)
    acknowledged = -1
    for _ in range(12):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, tmp_path, ROOT], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        first = writer.stdout.readline()  # it is at work
        time.sleep(rng.uniform(0, 0.2))
        writer.send_signal(signal.SIGKILL)
        rest = writer.stdout.read()
        writer.stdout.close()
        assert writer.wait() == -signal.SIGKILL
        acknowledged = int((first + rest).split()[-1])
        with closing(EmbeddedStore(tmp_path)) as store:
            assert store.alarms == ()
            assert intact(store, acknowledged + 1)
    assert acknowledged > 100, "a writer that writes nothing proves nothing"


@pytest.fixture
def killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder as a kill leaves it: chunks in the file, the newest batches in SQLite's log."""
    monkeypatch.setattr(memory, "SEAL_SAMPLES", 400)
    with closing(EmbeddedStore(tmp_path / "live")) as store:
        for n in range(50):
            store.append(scrape(n))
        shutil.copytree(
            tmp_path / "live", tmp_path / "killed", ignore=shutil.ignore_patterns("*-shm")
        )
    return tmp_path / "killed"


def opened_damaged(folder: Path) -> str:
    """What a reader of the samples experiences: `intact`, `alarm` or `error`."""
    try:
        with closing(EmbeddedStore(folder)) as store:
            whole = intact(store, 50)
            store.append(scrape(60))
            assert store.newest() == T0 + 60, "life goes on"
            return "alarm" if store.alarms else "intact" if whole else "silent loss"
    except StoreError:
        return "error"


def test_a_log_that_was_cut_is_an_alarm(killed: Path, tmp_path: Path) -> None:
    rng = random.Random(2)
    seen: set[str] = set()
    size = (killed / f"{FILE}-wal").stat().st_size
    for number in range(25):
        folder = tmp_path / str(number)
        shutil.copytree(killed, folder)
        os.truncate(folder / f"{FILE}-wal", size if number == 0 else rng.randrange(size))
        seen.add(opened_damaged(folder))
        shutil.rmtree(folder)
    assert "intact" in seen
    assert "alarm" in seen
    assert "silent loss" not in seen


def test_a_flipped_bit_in_the_log_is_an_alarm(killed: Path, tmp_path: Path) -> None:
    rng = random.Random(3)
    outcomes = []
    for number in range(25):
        folder = tmp_path / str(number)
        shutil.copytree(killed, folder)
        _flip(folder / f"{FILE}-wal", rng.randrange((folder / f"{FILE}-wal").stat().st_size), rng)
        outcomes.append(opened_damaged(folder))
        shutil.rmtree(folder)
    assert "alarm" in outcomes
    assert "silent loss" not in outcomes


def test_a_flipped_bit_in_a_chunk_is_an_alarm_and_the_rest_stays(
    killed: Path, tmp_path: Path
) -> None:
    with closing(EmbeddedStore(killed)) as store:
        bodies = [bytes(row[0]) for row in store._reading._rows("SELECT body FROM chunk")]
    rng = random.Random(4)
    for body in rng.sample(bodies, 5):
        folder = tmp_path / "flipped"
        shutil.copytree(killed, folder)
        data = (folder / FILE).read_bytes()
        _flip(folder / FILE, data.index(body) + rng.randrange(len(body)), rng)
        with closing(EmbeddedStore(folder)) as store:
            frame = store.evaluate(NEWEST_VALUE, T0, T0 + 49, 1.0)
            assert any("damaged" in alarm for alarm in store.alarms)
            assert np.count_nonzero(np.all(frame.values == np.arange(50), axis=1)) == REPLICAS - 1
        shutil.rmtree(folder)


def _flip(path: Path, at: int, rng: random.Random) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 1 << rng.randrange(8)]))


def test_a_loss_stays_an_alarm_after_the_next_start(killed: Path) -> None:
    os.truncate(killed / f"{FILE}-wal", 100)
    for _ in range(2):
        with closing(EmbeddedStore(killed)) as store:
            assert any("missing" in alarm for alarm in store.alarms)
            store.append(scrape(99))


def test_a_file_that_is_no_database_is_refused_with_its_name(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"not a database at all" * 100)
    with pytest.raises(StoreError, match=FILE):
        EmbeddedStore(tmp_path)


def test_the_side_file_survives_a_torn_write(tmp_path: Path) -> None:
    side = Acknowledged(tmp_path / SIDE_FILE)
    for number in (7, 8):
        side.write(number)
    side.close()
    with (tmp_path / SIDE_FILE).open("r+b") as file:
        file.write(b"\xff\xff\xff")  # the slot of 8
    side = Acknowledged(tmp_path / SIDE_FILE)
    assert side.last == 7
    side.close()


# -- a full disk -----------------------------------------------------------------------------------


@contextmanager
def full_disk(folder: Path) -> Iterator[None]:
    """No file may grow beyond the largest there is now, as far as this process is concerned."""
    largest = max(path.stat().st_size for path in folder.iterdir())
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def fill(store: EmbeddedStore, first: int, last: int) -> None:
    for n in range(first, last):
        assert store.append(scrape(n)) == REPLICAS


def test_a_full_disk_degrades_to_memory_says_so_and_recovers(tmp_path: Path) -> None:
    with closing(EmbeddedStore(tmp_path)) as store:
        fill(store, 0, 5)
        assert store.degraded == ""
        with full_disk(tmp_path):
            fill(store, 5, 40)
            assert "memory only" in store.degraded
            assert intact(store, 40)
        fill(store, 40, 41)
        assert store.degraded == ""
    with closing(EmbeddedStore(tmp_path)) as store:
        assert store.alarms == ()
        assert intact(store, 41)


def test_a_disk_that_stays_full_costs_bounded_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "SEAL_SAMPLES", 200)
    monkeypatch.setattr(memory, "_MOST_PENDING", 300)
    with closing(EmbeddedStore(tmp_path)) as store:
        fill(store, 0, 2)
        with full_disk(tmp_path):
            fill(store, 2, 200)
            assert store.dropped["memory"] >= 198 * REPLICAS - 5 * 220
            assert store.dropped["disk"] >= 198 * REPLICAS - 400
            assert len(store._memory._pending) <= 15
            newest = store.evaluate(NEWEST_VALUE, T0 + 170, T0 + 199, 1.0)
            assert newest.values.tolist() == [[float(n) for n in range(170, 200)]] * REPLICAS
            noise = np.random.default_rng(0).random(50_000)
            with pytest.raises(StoreError, match="not loaded"):
                store.append_columns([(scrape(0)[0].series, np.arange(50_000.0), noise)])
        fill(store, 200, 230)
        assert store.degraded == ""
    with closing(EmbeddedStore(tmp_path)) as store:
        newest = store.evaluate(NEWEST_VALUE, T0 + 200, T0 + 229, 1.0)
        assert newest.values.tolist() == [[float(n) for n in range(200, 230)]] * REPLICAS

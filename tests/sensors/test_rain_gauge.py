"""The rain gauge on the simulated chip: each tip once, whatever happens to the process."""

import asyncio
import datetime as dt
import itertools
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes import NOON_MS, FakeClock, recording_log, settle
from weatherd.errors import Chattering, LineUnavailable
from weatherd.happenings import Happenings
from weatherd.model import Event, Measurement, Observation, Station
from weatherd.processing.derivation import Derivation
from weatherd.processing.documents import Document, DocumentEncoder
from weatherd.processing.thinning import thin
from weatherd.queueing import BoundedQueue
from weatherd.sampling.asked import AskedSampler
from weatherd.sampling.condition import Condition
from weatherd.sampling.forming import Former
from weatherd.sensors.rain_gauge import RainGauge
from weatherd.sensors.tally import TallyFile
from weatherd.testing.gpio import SimulatedGpio

LINE = 17
MIDNIGHT_MS = NOON_MS + 12 * 3_600_000


class Bench:
    """A gauge with 0.25 mm a tip, its chip, and what survives a process: the file and the documents."""

    def __init__(self, folder: Path, *, now_ms: int = NOON_MS) -> None:
        self.clock = FakeClock(now_ms)
        self.chip = SimulatedGpio(monotonic_ns=self.monotonic_ns)
        self.folder = folder
        self.boot_id = "b0070001"
        self.documents: list[bytes] = []
        self.log, self.lines = recording_log()
        self.queue: BoundedQueue[Observation | Event] = BoundedQueue(1000)
        self.gauge = self.new_gauge()
        self.task: asyncio.Task[None] | None = None
        self.sampler: AskedSampler | None = None

    def monotonic_ns(self) -> int:
        return round(self.clock.boottime_s() * 1e9)

    def new_gauge(self) -> RainGauge:
        return RainGauge(
            self.chip,
            "rain",
            LINE,
            mm_per_tip=0.25,
            debounce_s=0.02,
            time_zone=dt.UTC,
            file=TallyFile(self.folder / "rain.tally", self.boot_id),
            clock=self.clock,
            log=self.log,
            monotonic_ns=self.monotonic_ns,
        )

    async def tip(self, count: int = 1, every_s: float = 2.0) -> None:
        """Let the bucket tip, and the loop read it."""
        for _ in range(count):
            await self.clock.advance(every_s)
            self.chip.pulse(LINE, width_s=0.05, bounces=20, bounce_s=0.01)
            await read()

    async def start(self) -> None:
        """Start the process: what the journal knows is recalled, then sampling begins."""
        self.gauge = self.new_gauge()
        for document in self.decoded():
            self.gauge.recall(document)
        self.sampler = sampler = AskedSampler(
            self.gauge,
            self.clock,
            self.queue,
            Former("rain", self.gauge.model, Derivation(Station("here")), self.clock, {}),
            Condition("rain", self.clock, Happenings(self.queue, self.clock, self.log)),
            sample_period_s=10.0,
            report_period_s=10.0,
            delays=lambda: itertools.repeat(1.0),
            totals=self.gauge.totals,
        )
        self.task = asyncio.create_task(sampler.run())
        await settle()

    async def kill(self, *, unrecorded: int = 0) -> None:
        """End the process at once; so many of its newest observations have not reached the journal."""
        assert self.task is not None
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        self.gauge._release()
        self.record(unrecorded)

    async def stop(self) -> None:
        """End the process in good order."""
        assert self.task is not None
        assert self.sampler is not None
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        await self.sampler.finish()
        self.record()

    def record(self, unrecorded: int = 0) -> None:
        """Take what is in the queue into the journal, but for the newest."""
        entries = [entry for entry in self.queue.take(1000) if isinstance(entry, Observation)]
        encoder = DocumentEncoder(Station("here"), "5eed0001")
        kept = entries[: len(entries) - unrecorded]
        self.documents += [encoder.encode(entry, len(self.documents) + n) for n, entry in enumerate(kept, 1)]

    def decoded(self) -> list[Document]:
        return [msgspec.json.decode(document, type=Document) for document in self.documents]

    def amount(self) -> float:
        """Return what all documents say together."""
        return sum((document.weather or {}).get("rainfall_amount", 0.0) for document in self.decoded())


async def read() -> None:
    """Let the event loop see what is readable."""
    for _ in range(3):
        await asyncio.sleep(0)


@pytest.fixture
async def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


async def opened(bench: Bench) -> RainGauge:
    await bench.gauge.open()
    await bench.clock.advance(1.0)
    return bench.gauge


async def test_no_rain_is_a_measurement(bench: Bench) -> None:
    """A dry gauge says zero, not nothing."""
    gauge = await opened(bench)
    assert await gauge.measure() == {"rainfall_amount": 0.0, "rainfall_rate": 0.0, "rainfall_amount_of_day": 0.0}
    assert gauge.totals() == {"rainfall_amount": 0}
    await gauge.close()


async def test_each_measurement_tells_what_came_since_the_last(bench: Bench) -> None:
    """Amounts add up; the day's does so by itself; the total is of all tips ever."""
    gauge = await opened(bench)
    await bench.tip(3, every_s=9.0)
    first = await gauge.measure()
    await bench.tip(1, every_s=9.0)
    second = await gauge.measure()
    assert [one["rainfall_amount"] for one in (first, second)] == [0.75, 0.25]
    assert [one["rainfall_amount_of_day"] for one in (first, second)] == [0.75, 1.0]
    assert [one["rainfall_rate"] for one in (first, second)] == [pytest.approx(100.0)] * 2
    assert gauge.totals() == {"rainfall_amount": 4}
    await gauge.close()


async def test_the_event_loop_reads_the_line_by_itself(bench: Bench) -> None:
    """A tip is in the file as soon as the loop comes round, long before anybody asks for a measurement."""
    gauge = await opened(bench)
    bench.chip.pulse(LINE)
    await read()
    tally = TallyFile(bench.folder / "rain.tally", bench.boot_id).read()
    assert tally is not None
    assert (tally.total, tally.given, tally.day_amount) == (1, 0, 0.25)
    await gauge.close()


async def test_what_came_while_the_loop_was_busy_is_in_the_measurement(bench: Bench) -> None:
    """Edges that nobody has read yet belong to the time before."""
    gauge = await opened(bench)
    bench.chip.pulse(LINE)
    assert (await gauge.measure())["rainfall_amount"] == 0.25
    await gauge.close()


async def test_edges_lost_in_the_kernel_are_counted_and_cost_no_tip(bench: Bench) -> None:
    """A loop that was held up finds the last sixteen of a hundred edges: one tip, and how many were lost."""
    bench.chip = SimulatedGpio(monotonic_ns=bench.monotonic_ns, events_max=70)
    bench.gauge = bench.new_gauge()
    gauge = await opened(bench)
    bench.chip.pulse(LINE, bounces=50, bounce_s=0.02)
    assert (await gauge.measure())["rainfall_amount"] == 0.25
    assert gauge.lost_edges_count == 32
    await gauge.close()


async def test_a_line_of_another_is_unavailable_until_he_lets_go(bench: Bench) -> None:
    """The error names him; later the line is ours."""
    other = bench.chip.request(LINE, "pigpiod")
    with pytest.raises(LineUnavailable, match="line 17 of the simulated chip is taken by pigpiod") as raised:
        await bench.gauge.open()
    assert "gpioinfo" in raised.value.hint
    other.release()
    await bench.gauge.open()
    assert bench.chip.consumer(LINE) == "weatherd rain"
    await bench.gauge.close()


async def test_a_chip_that_goes_is_told_and_its_tips_are_kept(bench: Bench) -> None:
    """What had been counted before comes with the first measurement after it is back."""
    gauge = await opened(bench)
    await bench.tip(2)
    bench.chip.unplug()
    await read()
    with pytest.raises(LineUnavailable, match="No such device"):
        await gauge.measure()
    with pytest.raises(LineUnavailable) as raised:
        await gauge.open()
    assert "gpiodetect" in raised.value.hint
    bench.chip.plug_in()
    await gauge.open()
    assert (await gauge.measure())["rainfall_amount"] == 0.5
    await gauge.close()


async def test_a_contact_that_chatters_makes_no_rain(bench: Bench) -> None:
    """80 mm in a minute are no measurement: what was not told yet is taken back, and the gauge goes on."""
    gauge = await opened(bench)
    await bench.tip(1)
    await gauge.measure()
    await bench.tip(320, every_s=60 / 320)
    with pytest.raises(Chattering, match="closed 320 times, more than a rain of 2000 mm/h") as raised:
        await gauge.measure()
    assert raised.value.reason == "chattering"
    await bench.clock.advance(60.0)
    quiet = await gauge.measure()
    assert (quiet["rainfall_amount"], quiet["rainfall_amount_of_day"]) == (0.0, 0.25)
    assert gauge.totals() == {"rainfall_amount": 1}
    await bench.tip(1)
    assert (await gauge.measure())["rainfall_amount"] == 0.25
    await gauge.close()


async def test_a_chatter_of_a_kilohertz_is_one_closure(bench: Bench) -> None:
    """A loose wire that makes contact a thousand times a second never is open long enough to close again."""
    gauge = await opened(bench)
    await bench.clock.advance(1.0)
    bench.chip.pulse(LINE, width_s=0.5, bounces=500, bounce_s=0.499)
    assert (await gauge.measure())["rainfall_amount"] == 0.25
    await gauge.close()


async def test_midnight_ends_the_day(tmp_path: Path) -> None:
    """The measurement at midnight tells of the whole day, the next one of the new."""
    bench = Bench(tmp_path, now_ms=MIDNIGHT_MS - 11_000)
    gauge = await opened(bench)
    await bench.tip(2)
    await bench.clock.advance(6.0)
    at_midnight = await gauge.measure()
    await bench.tip(1)
    after = await gauge.measure()
    assert (at_midnight["rainfall_amount_of_day"], after["rainfall_amount_of_day"]) == (0.5, 0.25)
    await gauge.close()


async def test_a_file_that_cannot_be_written_is_told_once_and_stops_nothing(tmp_path: Path) -> None:
    """Without the runtime folder the gauge goes on; only a kill takes its newest tips."""
    bench = Bench(tmp_path / "missing")
    gauge = await opened(bench)
    await bench.tip(2)
    assert (await gauge.measure())["rainfall_amount"] == 0.5
    assert [line["event"] for line in bench.lines] == ["rain_gauge.not_kept"]
    bench.folder.mkdir()
    await bench.tip(1)
    assert (bench.folder / "rain.tally").exists()
    await gauge.close()


async def test_the_document_carries_the_total(bench: Bench) -> None:
    """What a start goes on from, and what shows that nothing is missing."""
    await bench.start()
    await bench.tip(3)
    await bench.clock.advance(14.0)
    await bench.kill()
    first, second = bench.decoded()
    assert first.weather is not None
    assert first.weather["rainfall_amount"] == 0.75
    assert msgspec.to_builtins(first.statistics["rainfall_amount"]) == {"count": 1, "total": 3}
    assert msgspec.to_builtins(second.statistics["rainfall_amount"]) == {"count": 1, "total": 3}
    assert b'"rainfall_amount":{"count":1,"total":3}' in bench.documents[0]


async def test_a_thinned_document_keeps_the_greatest_total_and_the_whole_amount(bench: Bench) -> None:
    """A long outage costs no rain."""
    await bench.start()
    await bench.tip(20)
    await bench.clock.advance(20.0)
    await bench.kill()
    ((_, reduced),) = thin(list(enumerate(bench.documents, 1)), "x-")
    document = msgspec.json.decode(reduced, type=Document)
    assert document.weather is not None
    assert document.weather["rainfall_amount"] == document.weather["rainfall_amount_of_day"] == 5.0
    assert document.statistics["rainfall_amount"].total == 20


async def test_what_a_killed_process_had_not_told_is_told_after(bench: Bench) -> None:
    """In the middle of a report period, with one observation on the way to the journal."""
    await bench.start()
    await bench.tip(7)
    await bench.kill(unrecorded=1)
    assert bench.amount() == 0.0
    await bench.start()
    await bench.clock.advance(10.0)
    await bench.kill()
    assert bench.amount() == 1.75
    assert (bench.decoded()[-1].weather or {})["rainfall_amount_of_day"] == 1.75


async def test_what_is_in_the_journal_is_not_told_again(bench: Bench) -> None:
    """However often the process is started anew, also when it never came to an observation."""
    await bench.start()
    await bench.tip(4)
    await bench.clock.advance(10.0)
    for _ in range(3):
        await bench.kill()
        await bench.start()
    await bench.clock.advance(10.0)
    await bench.kill()
    assert bench.amount() == 1.0


async def test_after_a_power_cut_the_gauge_goes_on_from_the_journal(bench: Bench) -> None:
    """The file is of another boot: only what was not told yet is gone, and the day's amount goes on."""
    await bench.start()
    await bench.tip(4)
    await bench.clock.advance(10.0)
    await bench.tip(2, every_s=0.5)
    await bench.kill()
    bench.boot_id = "b0070002"
    await bench.start()
    await bench.tip(1)
    await bench.clock.advance(10.0)
    await bench.kill()
    last = bench.decoded()[-1]
    assert bench.amount() == 1.25
    assert last.statistics["rainfall_amount"].total == 5
    assert (last.weather or {})["rainfall_amount_of_day"] == 1.25


async def test_a_gauge_that_was_lost_tells_nothing_again(bench: Bench) -> None:
    """What was recalled at the start counts once, however often the line is opened."""
    await bench.start()
    await bench.tip(2)
    await bench.clock.advance(10.0)
    await bench.kill()
    await bench.start()
    await bench.tip(3)
    await bench.clock.advance(10.0)
    bench.chip.unplug()
    await bench.clock.advance(20.0)
    bench.chip.plug_in()
    await bench.clock.advance(20.0)
    await bench.kill()
    assert bench.amount() == 1.25
    assert bench.decoded()[-1].statistics["rainfall_amount"].total == 5


async def test_a_stop_in_the_middle_of_a_period_tells_what_has_been_counted(bench: Bench) -> None:
    """The machine may be shut down next, and the file in its memory with it: the tips are in the journal by then."""
    await bench.start()
    await bench.clock.advance(10.0)
    await bench.tip(2)
    await bench.stop()
    assert bench.amount() == 0.5
    bench.boot_id = "b0070002"
    await bench.start()
    await bench.tip(1)
    await bench.clock.advance(10.0)
    await bench.stop()
    assert bench.amount() == 0.75
    assert bench.decoded()[-1].statistics["rainfall_amount"].total == 3


async def test_a_gauge_without_its_line_stops_in_good_order(bench: Bench) -> None:
    """Be it that the line was never there, or that it has gone: there is nothing to ask for once more."""
    bench.chip.unplug()
    await bench.start()
    await bench.stop()
    bench.chip.plug_in()
    await bench.start()
    await bench.tip(1)
    await bench.clock.advance(10.0)
    bench.chip.unplug()
    await bench.clock.advance(10.0)
    await bench.stop()
    assert bench.amount() == 0.25


async def test_yesterdays_amount_does_not_go_on(tmp_path: Path) -> None:
    """A station that was off over midnight begins a new day; the tips ever go on."""
    bench = Bench(tmp_path, now_ms=MIDNIGHT_MS - 30_000)
    await bench.start()
    await bench.tip(4)
    await bench.clock.advance(12.0)
    await bench.kill()
    await bench.clock.advance(3600.0)
    await bench.start()
    await bench.clock.advance(10.0)
    await bench.kill()
    last = bench.decoded()[-1]
    assert (last.weather or {})["rainfall_amount_of_day"] == 0.0
    assert last.statistics["rainfall_amount"].total == 4


async def test_a_journal_that_is_gone_does_not_make_old_rain_new(bench: Bench) -> None:
    """The file knows what was told by the last but one measurement."""
    await bench.start()
    await bench.tip(4)
    await bench.clock.advance(30.0)
    await bench.kill()
    bench.documents.clear()
    await bench.start()
    await bench.clock.advance(10.0)
    await bench.kill()
    assert bench.amount() == 0.0


async def test_a_gauge_that_is_exchanged_hands_its_tips_over(bench: Bench) -> None:
    """After a reload nothing is recalled: what the one before had told is not told again, and the rest is."""
    gauge = await opened(bench)
    await bench.tip(3)
    await gauge.measure()
    await bench.tip(2)
    await gauge.close()
    other = bench.new_gauge()
    await other.open()
    assert await other.measure() == {
        "rainfall_amount": 0.5,
        "rainfall_rate": 0.0,
        "rainfall_amount_of_day": 1.25,
    }
    await other.close()


async def test_the_documents_of_others_are_not_recalled(bench: Bench) -> None:
    """Neither those of another sensor, nor those without an amount."""
    await bench.start()
    await bench.tip(2)
    await bench.clock.advance(10.0)
    await bench.kill()
    told, *_ = bench.decoded()
    gauge = bench.new_gauge()
    for document in (
        msgspec.structs.replace(told, sensor=None),
        msgspec.structs.replace(told, sensor=msgspec.convert({"name": "roof"}, type(told.sensor))),
        msgspec.structs.replace(told, weather=None, statistics={}),
    ):
        gauge.recall(document)
    assert gauge._recalled is None
    gauge.recall(told)
    assert gauge._recalled is not None


_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("tip"), st.integers(1, 5)),
        st.tuples(st.just("wait"), st.integers(1, 25)),
        st.tuples(st.just("kill"), st.integers(0, 2)),
    ),
    max_size=40,
)


@settings(max_examples=60)
@given(steps=_STEPS)
def test_any_life_tells_each_tip_once(tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]) -> None:
    """Tips, pauses, and kills that take up to two observations on their way to the journal, in any order."""

    async def live() -> tuple[float, float, Measurement]:
        bench = Bench(tmp_path_factory.mktemp("life"))
        tips = 0
        await bench.start()
        await bench.clock.advance(10.0)
        bench.record()  # a journal without any document would say nothing of what was told
        for action, number in steps:
            if action == "tip":
                await bench.tip(number, every_s=1.0)
                tips += number
            elif action == "wait":
                await bench.clock.advance(number)
            else:
                await bench.kill(unrecorded=min(number, bench.queue.depth))
                await bench.start()
        await bench.clock.advance(25.0)
        await bench.kill()
        return bench.amount(), tips * 0.25, bench.decoded()[-1].weather or {}

    amount, tipped, last = asyncio.run(live())
    assert amount == pytest.approx(tipped)
    assert last["rainfall_amount_of_day"] == pytest.approx(tipped)

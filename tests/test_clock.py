import asyncio
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fakes import NOON_MS
from weatherd.clock import RELEASE_MS, Step, SystemClock

SYNCHRONIZED, UNSYNCHRONIZED, FORBIDDEN = 0, 5, -1
EPOCH_MS = 0
YEAR_MS = 365 * 86_400_000
MS_NS = 1_000_000


class Kernel:
    """
    A kernel that does what it is told to.

    Attributes:
        state: What adjtimex answers.
        asked_count: How often it did.
        waits_ms: So long the process does not run before each of the next readings of the wall clock.
        when_asked: Is called before adjtimex answers.
    """

    def __init__(self, wall_ms: int, state: int) -> None:
        self.state = state
        self.asked_count = 0
        self.waits_ms: deque[int] = deque()
        self.when_asked: Callable[[], None] = lambda: None
        self._boot_ns = 100_000 * MS_NS
        self._offset_ns = wall_ms * MS_NS - self._boot_ns

    @property
    def wall_ms(self) -> int:
        return (self._boot_ns + self._offset_ns) // MS_NS

    @property
    def boot_ms(self) -> int:
        return self._boot_ns // MS_NS

    def clock(self) -> SystemClock:
        return SystemClock(boottime_ns=lambda: self._boot_ns, wall_ns=self._read_wall, adjtimex=self._adjtimex)

    def run(self, duration_ms: int = 1000) -> None:
        """Let time pass; after a second the kernel may be asked again."""
        self._boot_ns += duration_ms * MS_NS

    def step(self, step_ms: int, state: int) -> None:
        """Let the wall clock be set."""
        self._offset_ns += step_ms * MS_NS
        self.state = state

    def _read_wall(self) -> int:
        if self.waits_ms:
            self.run(self.waits_ms.popleft())
        return self._boot_ns + self._offset_ns

    def _adjtimex(self) -> int:
        self.asked_count += 1
        self.when_asked()
        return self.state


def kernel_and_clock(wall_ms: int = NOON_MS, state: int = UNSYNCHRONIZED) -> tuple[Kernel, SystemClock]:
    kernel = Kernel(wall_ms, state)
    return kernel, kernel.clock()


def formerly_synchronized() -> tuple[Kernel, SystemClock]:
    """Return a kernel that has said once that the wall clock is synchronised, and does not any more."""
    kernel, clock = kernel_and_clock(state=SYNCHRONIZED)
    kernel.state = UNSYNCHRONIZED
    kernel.run()
    assert not clock.synchronized()
    return kernel, clock


# While it is synchronised -------------------------------------------------------------------------------------------


def test_a_synchronised_clock_is_the_wall_clock_and_no_estimate() -> None:
    """What the kernel vouches for is final."""
    kernel, clock = kernel_and_clock(state=SYNCHRONIZED)
    kernel.run(1234)
    assert clock.now_ms() == NOON_MS + 1234
    assert clock.synchronized()
    assert clock.offset_ms() is None
    assert clock.known_offset_ms() == kernel.wall_ms - kernel.boot_ms


def test_small_changes_of_a_synchronised_clock_are_followed_and_are_no_steps() -> None:
    """However far they lead together, each is half a second or less."""
    kernel, clock = kernel_and_clock(state=SYNCHRONIZED)
    for _ in range(4):
        kernel.step(500, SYNCHRONIZED)
        assert clock.now_ms() == kernel.wall_ms
    assert clock.known_offset_ms() == kernel.wall_ms - kernel.boot_ms
    assert clock.steps() == ()


@pytest.mark.parametrize("step_ms", [501, -501, YEAR_MS // 4, -YEAR_MS // 4])
def test_a_step_of_a_synchronised_clock_is_adopted_and_remembered(step_ms: int) -> None:
    """More than half a second, forward or back, is a step."""
    kernel, clock = kernel_and_clock(state=SYNCHRONIZED)
    kernel.step(step_ms, SYNCHRONIZED)
    assert clock.now_ms() == NOON_MS + step_ms
    assert clock.steps() == (Step(step_ms, True, True, NOON_MS + step_ms),)


def test_a_wall_clock_before_this_release_is_not_believed_whatever_the_kernel_says() -> None:
    """A time daemon cannot have set it to a year that is long over."""
    kernel, clock = kernel_and_clock(RELEASE_MS - 1000, SYNCHRONIZED)
    assert not clock.synchronized()
    assert clock.offset_ms() == clock.known_offset_ms() == RELEASE_MS - 1000 - kernel.boot_ms
    kernel.run(999)
    assert not clock.synchronized()
    kernel.run(1)
    assert clock.synchronized()


def test_the_release_is_of_this_year() -> None:
    """The constant is what its comment says."""
    assert time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(RELEASE_MS / 1000)) == "2026-01-01 00:00:00"


# Before it was ever synchronised ------------------------------------------------------------------------------------


def test_until_the_first_synchronisation_the_offset_of_the_start_is_kept_and_is_an_estimate() -> None:
    """What is no step is not followed, so that all estimates of a boot can be corrected alike."""
    kernel, clock = kernel_and_clock()
    offset_ms = NOON_MS - kernel.boot_ms
    kernel.run()
    kernel.step(-500, UNSYNCHRONIZED)
    assert clock.now_ms() == NOON_MS + 1000
    assert not clock.synchronized()
    assert clock.offset_ms() == clock.known_offset_ms() == offset_ms
    assert clock.steps() == ()


def test_small_changes_before_the_first_synchronisation_are_followed_when_together_they_are_a_step() -> None:
    """An estimate is never more than half a second from the wall clock, if that is to be followed at all."""
    kernel, clock = kernel_and_clock()
    kernel.step(300, UNSYNCHRONIZED)
    assert clock.now_ms() == NOON_MS
    kernel.step(300, UNSYNCHRONIZED)
    assert clock.now_ms() == NOON_MS + 600


def test_a_clock_that_is_set_by_hand_is_followed_and_stays_an_estimate() -> None:
    """Who sets the clock of a station without a network means it; but nobody vouches for it."""
    kernel, clock = kernel_and_clock(EPOCH_MS)
    kernel.step(NOON_MS, UNSYNCHRONIZED)
    assert clock.now_ms() == NOON_MS
    assert clock.offset_ms() == NOON_MS - kernel.boot_ms
    assert clock.steps() == (Step(NOON_MS, True, False, NOON_MS),)
    kernel.step(-1000, UNSYNCHRONIZED)
    assert clock.now_ms() == NOON_MS - 1000, "back is as good as forward"


def test_a_step_to_before_this_release_is_refused_until_the_clock_is_set_right() -> None:
    """The station keeps its time, says once that it did, and follows the next step that can be right."""
    kernel, clock = kernel_and_clock()
    kernel.step(RELEASE_MS - 1 - NOON_MS, UNSYNCHRONIZED)
    for _ in range(3):
        assert clock.now_ms() == NOON_MS
    assert clock.steps() == (Step(RELEASE_MS - 1 - NOON_MS, False, False, NOON_MS),)
    kernel.step(NOON_MS + 5000 - kernel.wall_ms, UNSYNCHRONIZED)
    assert clock.now_ms() == NOON_MS + 5000
    assert clock.steps() == (Step(5000, True, False, NOON_MS + 5000),)


def test_a_step_to_the_beginning_of_this_release_is_followed() -> None:
    """The limit itself can be right."""
    kernel, clock = kernel_and_clock()
    kernel.step(RELEASE_MS - NOON_MS, UNSYNCHRONIZED)
    assert clock.now_ms() == RELEASE_MS


def test_the_first_synchronisation_is_final_for_the_rest_of_the_boot() -> None:
    """From then on no stamp is an estimate, even if the kernel changes its mind; corrections have their offset."""
    kernel, clock = kernel_and_clock(EPOCH_MS)
    kernel.step(NOON_MS, SYNCHRONIZED)
    assert clock.now_ms() == NOON_MS
    assert clock.synchronized()
    assert clock.offset_ms() is None
    assert clock.known_offset_ms() == NOON_MS - kernel.boot_ms
    assert clock.steps() == (Step(NOON_MS, True, True, NOON_MS),)
    kernel.state = UNSYNCHRONIZED
    kernel.run()
    assert not clock.synchronized()
    assert clock.offset_ms() is None


def test_a_first_synchronisation_without_a_step_takes_over_the_wall_clock() -> None:
    """What lay between estimate and truth, and was too little to follow, is known from then on."""
    kernel, clock = kernel_and_clock()
    kernel.step(400, SYNCHRONIZED)
    kernel.run()
    assert clock.now_ms() == NOON_MS + 1400
    assert clock.known_offset_ms() == NOON_MS + 400 - (kernel.boot_ms - 1000)
    assert clock.steps() == ()


def test_who_may_not_ask_the_kernel_goes_by_the_rules_for_estimates() -> None:
    """In a sandbox nobody knows, so nobody says that the clock is right; a step is followed all the same."""
    kernel, clock = kernel_and_clock(state=FORBIDDEN)
    assert not clock.synchronized()
    kernel.step(5000, FORBIDDEN)
    assert clock.now_ms() == NOON_MS + 5000
    assert clock.offset_ms() == NOON_MS + 5000 - kernel.boot_ms


# The journal's newest time ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wall_ms", [EPOCH_MS, NOON_MS - 1])
def test_a_start_before_what_is_in_the_journal_goes_on_a_second_after_it(wall_ms: int) -> None:
    """Without a clock battery and a network, the order is kept, and the stamps are estimates."""
    kernel, clock = kernel_and_clock(wall_ms)
    clock.not_before(NOON_MS)
    assert clock.now_ms() == NOON_MS + 1000
    assert clock.offset_ms() == NOON_MS + 1000 - kernel.boot_ms
    assert clock.steps() == (Step(NOON_MS + 1000 - wall_ms, True, False, NOON_MS + 1000),)
    kernel.run()
    assert clock.now_ms() == NOON_MS + 2000
    assert clock.steps() == ()


def test_a_start_at_or_after_what_is_in_the_journal_is_left_alone() -> None:
    """Nothing is to be put in order."""
    _, clock = kernel_and_clock()
    clock.not_before(NOON_MS)
    clock.not_before(NOON_MS - YEAR_MS)
    assert clock.now_ms() == NOON_MS
    assert clock.steps() == ()


@pytest.mark.parametrize("start", [lambda: kernel_and_clock(state=SYNCHRONIZED), formerly_synchronized])
def test_a_clock_that_was_synchronised_is_left_alone(start: Callable[[], tuple[Kernel, SystemClock]]) -> None:
    """A journal that knows a later time is wrong, or was, when a time daemon has spoken."""
    kernel, clock = start()
    clock.not_before(NOON_MS + YEAR_MS)
    assert clock.now_ms() == kernel.wall_ms
    kernel.step(1000, SYNCHRONIZED)
    assert clock.now_ms() == kernel.wall_ms


def test_a_synchronisation_that_is_not_noticed_yet_counts_for_the_journals_time() -> None:
    """The kernel is asked before the time is moved."""
    kernel, clock = kernel_and_clock()
    kernel.state = SYNCHRONIZED
    kernel.run()
    clock.not_before(NOON_MS + YEAR_MS)
    assert clock.now_ms() == kernel.wall_ms
    assert clock.steps() == ()


def test_a_step_to_before_what_is_in_the_journal_is_refused() -> None:
    """A clock that is set wrong by hand does not break the order; one that is set right is followed."""
    kernel, clock = kernel_and_clock(NOON_MS + 60_000)
    clock.not_before(NOON_MS)
    kernel.step(-60_001, UNSYNCHRONIZED)
    assert clock.now_ms() == NOON_MS + 60_000
    assert clock.steps() == (Step(-60_001, False, False, NOON_MS + 60_000),)
    kernel.step(1001, UNSYNCHRONIZED)
    assert clock.now_ms() == NOON_MS + 1000


def test_a_time_in_the_journal_from_before_this_release_allows_no_step_before_the_release() -> None:
    """Of the two limits, the later one holds."""
    kernel, clock = kernel_and_clock()
    clock.not_before(EPOCH_MS)
    kernel.step(RELEASE_MS - 1 - NOON_MS, UNSYNCHRONIZED)
    assert clock.now_ms() == NOON_MS


def test_the_kernels_word_is_above_the_journals() -> None:
    """A synchronised clock that is before what is in the journal is right: what is there were estimates."""
    kernel, clock = kernel_and_clock(EPOCH_MS)
    clock.not_before(NOON_MS + YEAR_MS)
    clock.steps()
    kernel.step(NOON_MS, SYNCHRONIZED)
    assert clock.now_ms() == NOON_MS
    assert clock.steps() == (Step(-YEAR_MS - 1000, True, True, NOON_MS),)


# After it was synchronised ------------------------------------------------------------------------------------------


def test_a_clock_that_is_no_longer_synchronised_is_followed_while_it_does_not_step() -> None:
    """Without a network the kernel takes back its word after some hours; the clock is as good as any, and says so."""
    kernel, clock = formerly_synchronized()
    for _ in range(4):
        kernel.step(500, UNSYNCHRONIZED)
        assert clock.now_ms() == kernel.wall_ms
    assert not clock.synchronized()
    assert clock.offset_ms() is None
    assert clock.steps() == ()


@pytest.mark.parametrize("step_ms", [501, -501, 3_600_000])
def test_a_step_of_a_clock_that_is_no_longer_synchronised_is_refused_and_told_once(step_ms: int) -> None:
    """The boot clock goes on being true; what somebody does to the wall clock is not."""
    kernel, clock = formerly_synchronized()
    before_ms = kernel.wall_ms
    kernel.step(step_ms, UNSYNCHRONIZED)
    for number in range(1, 4):
        kernel.run()
        assert clock.now_ms() == before_ms + number * 1000
    assert not clock.synchronized()
    assert clock.offset_ms() is None
    assert clock.steps() == (Step(step_ms, False, False, before_ms + 1000),)


def test_a_refused_step_is_adopted_when_the_kernel_vouches_for_it() -> None:
    """A time daemon may step the clock first, and say that it is right a moment later."""
    kernel, clock = formerly_synchronized()
    kernel.step(5000, UNSYNCHRONIZED)
    clock.now_ms()
    clock.steps()
    kernel.state = SYNCHRONIZED
    kernel.run()
    assert clock.now_ms() == kernel.wall_ms
    assert clock.synchronized()
    assert clock.steps() == (Step(5000, True, True, kernel.wall_ms),)


def test_a_refused_step_that_is_taken_back_is_forgotten() -> None:
    """The wall clock is where the station's is: it is followed again, and nothing is told twice."""
    kernel, clock = formerly_synchronized()
    kernel.step(5000, UNSYNCHRONIZED)
    clock.now_ms()
    clock.steps()
    kernel.step(-4900, UNSYNCHRONIZED)
    assert clock.now_ms() == kernel.wall_ms
    assert clock.steps() == ()


def test_a_synchronised_clock_that_is_set_to_long_ago_is_refused_whatever_the_kernel_says() -> None:
    """The boot clock knows better than a time daemon that has gone mad."""
    kernel, clock = kernel_and_clock(state=SYNCHRONIZED)
    kernel.step(EPOCH_MS - NOON_MS, SYNCHRONIZED)
    assert clock.now_ms() == NOON_MS
    assert not clock.synchronized()
    assert clock.steps() == (Step(EPOCH_MS - NOON_MS, False, False, NOON_MS),)


# Asking the kernel, and reading its clocks ----------------------------------------------------------------------------


def test_the_kernel_is_asked_once_a_second() -> None:
    """Every observation asks us; the kernel need not hear of it."""
    kernel, clock = kernel_and_clock()
    assert kernel.asked_count == 1
    for _ in range(10):
        kernel.run(100)
        clock.now_ms()
        clock.synchronized()
    assert kernel.asked_count == 2


def test_at_a_step_the_kernel_is_asked_anew() -> None:
    """Who sets a synchronised clock by hand takes its synchronisation away with the same call: no second is lost."""
    kernel, clock = kernel_and_clock(state=SYNCHRONIZED)
    kernel.run(10)
    kernel.step(3_600_000, UNSYNCHRONIZED)
    assert clock.now_ms() == NOON_MS + 10
    assert not clock.synchronized()


def test_a_clock_that_is_set_while_the_kernel_is_asked_is_read_after_it() -> None:
    """The kernel's word is never taken for a time that was read before it."""
    kernel, clock = kernel_and_clock(NOON_MS - YEAR_MS // 4)
    kernel.when_asked = lambda: kernel.step(NOON_MS - kernel.wall_ms, SYNCHRONIZED)
    kernel.run()
    assert clock.now_ms() == NOON_MS
    assert clock.offset_ms() is None

    kernel, clock = kernel_and_clock(NOON_MS - YEAR_MS // 4)
    kernel.when_asked = lambda: kernel.step(NOON_MS - kernel.wall_ms, SYNCHRONIZED)
    kernel.step(5000, UNSYNCHRONIZED)
    assert clock.now_ms() == NOON_MS, "also when it is asked because of a step"
    assert clock.offset_ms() is None


def test_a_step_that_is_taken_back_while_the_kernel_is_asked_is_none() -> None:
    """Nothing has changed, so nothing is adopted: an estimate that was put after the journal's time stays there."""
    kernel, clock = kernel_and_clock(NOON_MS - 10_000)
    clock.not_before(NOON_MS)
    clock.steps()
    kernel.run(20_000)
    clock.now_ms()
    kernel.when_asked = lambda: kernel.step(-5000, UNSYNCHRONIZED)
    kernel.step(5000, UNSYNCHRONIZED)
    assert clock.now_ms() == NOON_MS + 21_000
    assert clock.steps() == ()


def test_the_offset_is_that_of_the_stamp_before_it() -> None:
    """Between a stamp and the question for its offset nothing changes, whatever the clocks do."""
    kernel, clock = kernel_and_clock()
    stamp_ms = clock.now_ms()
    kernel.run()
    kernel.step(5000, SYNCHRONIZED)
    assert clock.offset_ms() == clock.known_offset_ms() == stamp_ms - (kernel.boot_ms - 1000)
    clock.now_ms()
    assert clock.offset_ms() is None


@pytest.mark.parametrize("waits_ms", [[60_000], [60_000, 5000], [60_000, 5000, 20], [60_000, 20, 5000], [20, 600, 700]])
def test_a_process_that_had_to_wait_between_two_readings_sees_no_step(waits_ms: list[int]) -> None:
    """The clocks are read again, three times at most, and the readings that lie closest together count."""
    kernel, clock = kernel_and_clock(state=SYNCHRONIZED)
    kernel.waits_ms.extend(waits_ms)
    if len(waits_ms) == 3:
        kernel.waits_ms.append(90_000)
    now_ms = clock.now_ms()
    assert NOON_MS <= now_ms <= kernel.wall_ms
    assert abs(clock.known_offset_ms() - (NOON_MS - 100_000)) <= 10
    assert list(kernel.waits_ms) == [90_000] * (len(waits_ms) == 3), "no step, so no reason to read once more"
    assert clock.steps() == ()


def test_the_clocks_are_read_again_only_where_they_lie_apart() -> None:
    """A millisecond is close enough, and after three readings it is enough."""
    kernel, clock = kernel_and_clock(state=SYNCHRONIZED)
    kernel.waits_ms.extend([1, 10])
    clock.now_ms()
    assert list(kernel.waits_ms) == [10]
    kernel.waits_ms.extend([10, 10, 10])
    clock.now_ms()
    assert list(kernel.waits_ms) == [10]


# Steps --------------------------------------------------------------------------------------------------------------


def test_steps_are_handed_over_once_the_oldest_first_and_the_newest_are_kept() -> None:
    """Of a clock that steps again and again nobody needs to know more."""
    kernel, clock = kernel_and_clock(state=SYNCHRONIZED)
    for number in range(1, 19):
        kernel.step(number * 1000, SYNCHRONIZED)
        clock.synchronized()
    assert [step.step_ms for step in clock.steps()] == [number * 1000 for number in range(3, 19)]
    assert clock.steps() == ()


# The real kernel ------------------------------------------------------------------------------------------------------


def test_the_boot_clock_goes_on() -> None:
    """Seconds since boot, never less than before."""
    clock = SystemClock()
    before_s = clock.boottime_s()
    assert 0 < before_s <= clock.boottime_s() <= time.clock_gettime(time.CLOCK_BOOTTIME)


def test_time_is_in_milliseconds_and_is_the_systems() -> None:
    """Between two readings of the system's clock, or next to them: an estimate is rounded twice."""
    before_ms = time.time_ns() // 1_000_000
    assert before_ms - 1 <= SystemClock().now_ms() <= time.time_ns() // 1_000_000 + 1


def test_the_kernel_is_asked_whether_the_clock_is_synchronised() -> None:
    """The answer is that of adjtimex, asked another way, and what is not synchronised is an estimate."""
    program = "import ctypes; print(ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(512)))"
    state = int(subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout)
    clock = SystemClock()
    assert clock.synchronized() is (clock.offset_ms() is None) is (0 <= state < 5)


def test_the_clocks_of_a_quiet_system_do_not_step() -> None:
    """However often they are read, the real clocks stay together."""
    clock = SystemClock()
    stamps_ms = [clock.now_ms() for _ in range(10_000)]
    assert stamps_ms == sorted(stamps_ms)
    assert clock.steps() == ()


def test_the_boot_has_the_kernels_name() -> None:
    """Eight hex digits, the same for every process of a boot."""
    name = SystemClock().boot_id()
    assert Path("/proc/sys/kernel/random/boot_id").read_text().startswith(name)
    assert len(name) == len(f"{int(name, 16):08x}") == 8


def test_a_boot_without_a_name_has_an_empty_one(tmp_path: Path) -> None:
    """Where the kernel does not tell, there is nothing to compare with."""
    assert SystemClock(boot_id=tmp_path / "boot_id").boot_id() == ""
    (tmp_path / "boot_id").write_bytes(b"\xff" * 20)
    assert SystemClock(boot_id=tmp_path / "boot_id").boot_id() == ""


async def test_sleep_waits_at_least_so_long() -> None:
    """A sleeper does not wake early."""
    clock = SystemClock()
    before_s = clock.boottime_s()
    await clock.sleep(0.01)
    assert clock.boottime_s() - before_s >= 0.0099


async def test_a_sleep_ends_with_an_event_or_after_its_time() -> None:
    """Whichever comes first, and the event is set then; one that is there already leaves nothing to wait for."""
    clock, event = SystemClock(), asyncio.Event()
    before_s = clock.boottime_s()
    await clock.sleep_unless(event, 0.01)
    assert clock.boottime_s() - before_s >= 0.0099
    assert event.is_set()
    event.clear()
    asyncio.get_running_loop().call_soon(event.set)
    await clock.sleep_unless(event, 60.0)
    await clock.sleep_unless(event, 60.0)
    event.clear()
    await clock.sleep_unless(event, -1.0)
    assert clock.boottime_s() - before_s < 60.0

import msgspec
import pytest

from tests.fakes import NOON_MS, FakeClock
from weatherd.model import Arrival, Observation, Quality, Station
from weatherd.processing.derivation import Derivation
from weatherd.processing.documents import Document, DocumentEncoder
from weatherd.processing.quality import QualityControl
from weatherd.processing.reduction import Reducer
from weatherd.sampling.forming import Former
from weatherd.sampling.stamps import Stamp, stamp

STEP_MS = 3_600_000


class TurningClock(FakeClock):
    """
    A clock that is synchronised while it is asked, with a step of an hour.

    Attributes:
        turns: With which question: `now_ms` or `synchronized`; nothing yet.
    """

    def __init__(self) -> None:
        super().__init__(NOON_MS, synchronized=False)
        self.turns = ""

    def now_ms(self) -> int:
        if self.turns == "now_ms":
            self.turns = ""
            self.synchronize(STEP_MS / 1000)
        return super().now_ms()

    def synchronized(self) -> bool:
        if self.turns == "synchronized":
            self.turns = ""
            self.synchronize(STEP_MS / 1000)
        return super().synchronized()


def passed_on(former: Former, arrival: Arrival) -> Observation:
    """Form the observation of one arrival."""
    [observation] = former.passed_on([arrival])
    return observation


def form(turns: str, *, reduced: bool) -> Observation:
    clock = TurningClock()
    ended = stamp(clock)
    clock.turns = turns
    former = Former("garden", "FAKE", Derivation(Station("here")), clock, {})
    if not reduced:
        return passed_on(former, Arrival({"air_temperature": 20.0}))
    reducer = Reducer()
    reducer.add({"air_temperature": 20.0})
    return former.reduced(reducer.reduce(), ended, {})


@pytest.mark.parametrize("reduced", [True, False])
def test_a_time_that_becomes_known_with_the_stamp_is_final_and_new(reduced: bool) -> None:  # noqa: FBT001  -- a parameter
    """All times of the observation are by the new offset."""
    observation = form("now_ms", reduced=reduced)
    assert observation.clock_offset_ms is None
    assert observation.observed_at_ms == observation.recorded_at_ms == NOON_MS + STEP_MS


@pytest.mark.parametrize("reduced", [True, False])
def test_a_time_that_becomes_known_after_the_stamp_leaves_an_estimate(reduced: bool) -> None:  # noqa: FBT001  -- a parameter
    """Else it would be taken for final, and be wrong for ever."""
    observation = form("synchronized", reduced=reduced)
    assert observation.clock_offset_ms == NOON_MS - 1_000_000
    assert observation.observed_at_ms == observation.recorded_at_ms == NOON_MS


@pytest.mark.parametrize("reduced", [True, False])
def test_a_document_names_its_calibration_and_what_was_left_out(reduced: bool) -> None:  # noqa: FBT001  -- a parameter
    """The version is that of the sensor, and the reason that of the derivation."""
    clock = FakeClock()
    derivation = Derivation(Station("here", elevation_m=760.0))
    former = Former("roof", "FAKE", derivation, clock, {}, calibration_version="85ca0be3")
    measurement = {"air_temperature": 20.0, "air_pressure": 927.3}
    reducer = Reducer()
    reducer.add(measurement)
    observation = (
        former.reduced(reducer.reduce(), stamp(clock), {}) if reduced else passed_on(former, Arrival(measurement))
    )
    assert observation.calibration == "85ca0be3"
    assert observation.quality_reasons == {"air_pressure_at_mean_sea_level": "short_history"}


@pytest.mark.parametrize("own_time", [True, False])
def test_the_past_is_told_which_times_are_estimates(own_time: bool) -> None:  # noqa: FBT001  -- a parameter
    """When the clock is set, what it had dated is no past any more, and what the source had dated is."""
    clock = FakeClock(NOON_MS, synchronized=False)
    former = Former("roof", "FAKE", Derivation(Station("here")), clock, {})
    passed_on(former, Arrival({"air_pressure": 900.0}, {}, NOON_MS if own_time else None))
    clock.synchronize(3 * 3600)
    observation = passed_on(former, Arrival({"air_pressure": 901.0}))
    assert ("tendency_of_air_pressure" in observation.values) is own_time


@pytest.mark.parametrize(
    ("synchronized", "own_time", "flag"),
    [(True, False, Quality.ERRONEOUS), (False, False, Quality.GOOD), (False, True, Quality.ERRONEOUS)],
)
@pytest.mark.parametrize("reduced", [True, False])
def test_what_was_recalled_counts_only_where_the_time_is_known(
    reduced: bool,  # noqa: FBT001  -- a parameter
    synchronized: bool,  # noqa: FBT001  -- a parameter
    own_time: bool,  # noqa: FBT001  -- a parameter
    flag: Quality,
) -> None:
    """By our clock, while it is synchronised; by a source's own time, always."""
    control, clock = QualityControl(), FakeClock(synchronized=synchronized)
    former = Former("garden", "FAKE", Derivation(Station("here")), clock, {}, quality_control=control)
    before = Observation("garden", "FAKE", NOON_MS, NOON_MS, {"air_temperature": 20.0}, {}, clock_synchronized=True)
    encoded = DocumentEncoder(Station("here"), "3f9c2a71").encode(before, 1)
    control.recall(msgspec.json.decode(encoded, type=Document))
    if reduced:
        reducer = former.reducer()
        reducer.add({"air_temperature": 40.0})
        observation = former.reduced(reducer.reduce(), Stamp(NOON_MS, None) if own_time else stamp(clock), {})
    else:
        observation = passed_on(former, Arrival({"air_temperature": 40.0}, {}, NOON_MS if own_time else None))
    assert observation.quality == {"air_temperature": flag}

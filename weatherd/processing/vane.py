"""Wind vanes of switches and resistors: which direction a voltage is. Pure."""

from collections.abc import Sequence

from weatherd.errors import NoPosition

VANE_OHMS = (
    *(33_000.0, 6_570.0, 8_200.0, 891.0, 1_000.0, 688.0, 2_200.0, 1_410.0),
    *(3_900.0, 3_140.0, 16_000.0, 14_120.0, 120_000.0, 42_120.0, 64_900.0, 21_880.0),
)
"""Of the usual vane, from north clockwise (Argent Data Systems 80422, SparkFun SEN-15901: data sheet, wind vane)."""

_CABLE = "check the cable of the vane, its plug, and the pull-up resistor; supply_v and pull_up_ohm in weatherd.toml"


def divided(ohm: float, pull_up_ohm: float, supply_v: float) -> float:
    """Return the voltage above a resistance to ground, whose other end is pulled up to the supply."""
    return supply_v * ohm / (ohm + pull_up_ohm)


class Positions:
    """
    The positions of a vane by their voltages.

    The nearest one counts. With an open cable the voltage is the supply, with a short one it is zero: these are
    positions, too, that are none.

    Args:
        ohms: The resistances, from north clockwise, at equal steps.
        pull_up_ohm: Between the supply and the vane, whose other end is ground.
        supply_v: Above the pull-up.
    """

    def __init__(self, ohms: Sequence[float], pull_up_ohm: float, supply_v: float) -> None:
        self._by_volt: dict[float, float | None] = {
            divided(ohm, pull_up_ohm, supply_v): index * 360 / len(ohms) for index, ohm in enumerate(ohms)
        }
        self._by_volt |= {0.0: None, supply_v: None}

    def direction(self, volt: float) -> float:
        """
        Return the direction of a voltage in degrees from the vane's own north clockwise, 0 to less than 360.

        Raises:
            NoPosition: If the cable is open or short. Transient: between two positions a worn vane is open.
        """
        direction = self._by_volt[min(self._by_volt, key=lambda of_position: abs(of_position - volt))]
        if direction is None:
            raise NoPosition(f"{volt:.3f} V is no position of the vane", _CABLE)
        return direction

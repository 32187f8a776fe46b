"""
Units that programs and transmitters speak, and how each becomes the unit of a quantity.

Every conversion here is a straight line: ``wanted = slope * found + offset``.

Source:
    NIST Special Publication 811 (2008), appendix B.8: degree Fahrenheit, mile (0.3048 m * 5280), knot
    (1852 m/h), inch (25.4 mm). An inch of mercury is the conventional one of WMO-No. 8, volume I, chapter 3:
    25.4 mm of mercury of 13.5951 g/cm3 under a standard gravity of 9.80665 m/s2.
"""

from collections.abc import Mapping, Sequence

from weatherd.processing.calibration import Line

SAME = Line()
"""What is in the wanted unit already stays as it is."""

CONVERSIONS: Mapping[tuple[str, str], Line] = {
    ("degF", "degC"): Line(slope=5 / 9, offset=-32 * 5 / 9),
    ("K", "degC"): Line(offset=-273.15),
    ("km/h", "m/s"): Line(slope=1 / 3.6),
    ("mi/h", "m/s"): Line(slope=0.44704),
    ("kt", "m/s"): Line(slope=1852 / 3600),
    ("cm", "mm"): Line(slope=10.0),
    ("in", "mm"): Line(slope=25.4),
    ("in/h", "mm/h"): Line(slope=25.4),
    ("Pa", "hPa"): Line(slope=0.01),
    ("kPa", "hPa"): Line(slope=10.0),
    ("inHg", "hPa"): Line(slope=25.4 * 13.5951 * 9.80665 / 100),
    ("mbar", "hPa"): SAME,
}
"""Found unit and wanted unit to the line between them. A unit into itself is not listed: see `conversion`."""


def convertible(wanted: str) -> Sequence[str]:
    """Return every unit that can become the wanted one, itself first."""
    return (wanted, *(found for found, into in CONVERSIONS if into == wanted))


def conversion(found: str, wanted: str) -> Line:
    """
    Return the line from one unit to another.

    Raises:
        ValueError: If the one cannot become the other: a configuration that was not checked.
    """
    if found == wanted:
        return SAME
    try:
        return CONVERSIONS[found, wanted]
    except KeyError:
        raise ValueError(f"{found} does not become {wanted}") from None

from collections.abc import Mapping

import pytest

from weatherd.model import QUANTITIES
from weatherd.sinks.mqtt.faces import FACES, face_of, written

_PRESSURES = {"mPa", "Pa", "hPa", "kPa", "bar", "cbar", "mbar", "mmHg", "inHg", "inH₂O", "psi"}
_SPEEDS = {"m/s", "km/h", "mph", "kn", "ft/s", "in/s", "m/min", "mm/s", "Beaufort"}
_FLUXES = {"mm/h", "mm/d", "in/h", "in/d"}
ACCEPTED: Mapping[str, tuple[set[str], set[str]]] = {
    # Source: Home Assistant, homeassistant/components/sensor/const.py (DEVICE_CLASS_UNITS and
    # DEVICE_CLASS_STATE_CLASSES) with homeassistant/const.py (how units are spelled), as of 2026.11.
    "temperature": ({"°C", "°F", "K"}, {"measurement"}),
    "humidity": ({"%"}, {"measurement"}),
    "atmospheric_pressure": (_PRESSURES, {"measurement"}),
    "illuminance": ({"lx"}, {"measurement"}),
    "irradiance": ({"W/m²", "BTU/(h⋅ft²)"}, {"measurement"}),
    "precipitation": ({"cm", "mm", "in"}, {"measurement", "total", "total_increasing"}),
    "precipitation_intensity": (_FLUXES, {"measurement"}),
    "wind_speed": (_SPEEDS, {"measurement"}),
    "wind_direction": ({"°"}, {"measurement_angle"}),
}

OURS = {"degC": "°C", "deg": "°", "W/m2": "W/m²", "g/m3": "g/m³", "1": ""}
"""Units of the model that Home Assistant spells in another way."""


def test_every_quantity_has_a_face_and_no_other_has() -> None:
    """A quantity that is added to the model is not forgotten here."""
    assert FACES.keys() == QUANTITIES.keys()


@pytest.mark.parametrize("quantity", QUANTITIES)
def test_unit_and_class_are_a_pair_that_home_assistant_accepts(quantity: str) -> None:
    """It refuses the whole entity for a unit, or a state class, that does not belong to the device class."""
    face = FACES[quantity]
    if face.device_class:
        units, state_classes = ACCEPTED[face.device_class]
        assert face.unit in units
        assert face.state_class in state_classes
    else:
        assert face.state_class in {"", "measurement"}
        assert face.icon, "nothing else would tell what it is"


@pytest.mark.parametrize("quantity", QUANTITIES)
def test_the_unit_is_that_of_the_model(quantity: str) -> None:
    """Only its spelling differs: nothing is converted on the way."""
    unit = QUANTITIES[quantity].unit
    assert FACES[quantity].unit == OURS.get(unit, unit)


@pytest.mark.parametrize("quantity", QUANTITIES)
def test_no_more_digits_are_shown_than_are_sent(quantity: str) -> None:
    """Digits behind those that a document has would be made up."""
    assert 0 <= FACES[quantity].digits <= QUANTITIES[quantity].decimals


def test_a_code_has_no_statistics() -> None:
    """A mean of codes means nothing, so there is no state class that asks for one."""
    assert {quantity for quantity, face in FACES.items() if not face.state_class} == {
        "characteristic_of_pressure_tendency",
        "zambretti_indication",
    }


@pytest.mark.parametrize(
    ("quantity", "value", "text"),
    [
        ("air_pressure", 1012.3, "1012.30"),
        ("air_temperature", -0.004, "0.00"),
        ("air_temperature", -0.006, "-0.01"),
        ("wind_from_direction", 270.0, "270.0"),
        ("zambretti_indication", 5.0, "5"),
        ("illuminance", 200_000.0, "200000.00"),
        ("of_another_version", 1.25, "1.25"),
    ],
)
def test_a_value_is_written_with_the_decimals_of_its_quantity(quantity: str, value: float, text: str) -> None:
    """A point and no thousands, no exponent, and no minus before a zero."""
    assert written(quantity, value) == text


def test_an_unknown_quantity_is_plain() -> None:
    """One of another version is told without a unit or a class that might be wrong."""
    face = face_of("soil_moisture")
    assert (face.name, face.unit, face.device_class, face.state_class) == ("soil moisture", "", "", "")

"""The views of the weather: now, over the day, and of the wind's directions."""

from lens import Columns, Lens, Series, by_query, by_time, chart, count, tile
from texts import Say
from values import extreme, last_of, of, trusted

BLUE, GREY, RED, GREEN, ORANGE = "#6092C0", "#69707D", "#CC5642", "#54B399", "#DA8B45"

SECTORS = ("north", "north_east", "east", "south_east", "south", "south_west", "west", "north_west")


def now(say: Say, quantity: str) -> Lens:
    """Show the last value, large."""
    return tile(f"now-{quantity}", last_of(say, quantity))


def day(say: Say, quantity: str) -> Lens:
    """
    Show the curve with its extremes.

    A quantity that is derived has no statistics of its own: its extremes are those of its values.
    """
    has_statistics = quantity != "dew_point_temperature"
    columns: Columns = {
        "x": by_time(say("time")),
        "average": of("average", quantity, say("average")),
        "min": extreme(say, "min", quantity) if has_statistics else of("min", quantity, say("min")),
        "max": extreme(say, "max", quantity) if has_statistics else of("max", quantity, say("max")),
    }
    series = Series("curve", "line", columns, {"average": GREY, "min": BLUE, "max": RED})
    return chart(f"day-{quantity}", say(quantity), [series])


def pressure(say: Say) -> Lens:
    """Show the pressure at mean sea level as a curve, and its tendency as bars behind it."""
    sea_level, tendency = "air_pressure_at_mean_sea_level", "tendency_of_air_pressure"
    curve = {"x": by_time(say("time")), "pressure": of("average", sea_level, say(sea_level))}
    bars = {"x": by_time(say("time")), "tendency": of("average", tendency, say(tendency))}
    series = [
        Series("pressure", "line", curve, {"pressure": BLUE}),
        Series("tendency", "bar", bars, {"tendency": ORANGE}, "right"),
    ]
    return chart("pressure", say("pressure_title"), series)


def rain(say: Say) -> Lens:
    """Show what fell in each hour as bars, and the day's total as a curve."""
    bars = {"x": by_time(say("time"), "1h"), "hour": of("sum", "rainfall_amount", say("rain_per_hour"))}
    total = {
        "x": by_time(say("time"), "1h"),
        "day": of("max", "rainfall_amount_of_day", say("rainfall_amount_of_day")),
    }
    series = [
        Series("hours", "bar", bars, {"hour": BLUE}),
        Series("total", "line", total, {"day": GREY}),
    ]
    return chart("rain", say("rain_title"), series)


def wind(say: Say) -> Lens:
    """Show mean speed and strongest gust."""
    columns = {
        "x": by_time(say("time")),
        "speed": of("average", "wind_speed", say("wind_speed")),
        "gust": of("max", "wind_speed_of_gust", say("wind_speed_of_gust")),
    }
    series = Series("wind", "line", columns, {"speed": GREEN, "gust": RED})
    return chart("wind", say("wind_title"), [series])


def rose(say: Say) -> Lens:
    """Show how often the wind came from each of eight directions; angles cannot be averaged as numbers are."""
    columns = {
        "x": by_query(say("wind_from_direction"), {say(of): sector(place) for place, of in enumerate(SECTORS)}),
        "observations": count(say("observations"), where=trusted("wind_from_direction")),
    }
    return chart("rose", say("rose_title"), [Series("rose", "bar", columns, {"observations": GREEN})])


def light(say: Say) -> Lens:
    """Show illuminance, and beside it what a pyranometer says."""
    lux, watt = "illuminance", "surface_downwelling_shortwave_flux_in_air"
    area = {"x": by_time(say("time")), "lux": of("average", lux, say(lux))}
    curve = {"x": by_time(say("time")), "watt": of("average", watt, say(watt))}
    series = [
        Series("lux", "area", area, {"lux": ORANGE}),
        Series("watt", "line", curve, {"watt": RED}, "right"),
    ]
    return chart("light", say("light_title"), series)


def sector(place: int) -> str:
    """Return KQL for one of the eight directions, 0 north, 2 east: 45 degrees around it."""
    field, middle = "weather.wind_from_direction", place * 45
    first, end = (middle - 22.5) % 360, middle + 22.5
    joined = "or" if first > end else "and"
    return f"{field} >= {first} {joined} {field} < {end}"

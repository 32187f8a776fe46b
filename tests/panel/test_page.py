import csv
import datetime as dt
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver import ActionChains

from tests.panel.browsing import CHROMEDRIVER, CHROMIUM, STATION, Browser, Station, browser
from weatherd.processing.zambretti import WORDS

SCREENSHOTS = Path("build/screenshots")
AXE = Path("tests/panel/vendor/axe.min.js")

TRANSFER_SIZE_MAX = 150_000
"""Bytes until the page shows everything, curves included."""


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Start one browser for all."""
    if not (CHROMIUM.exists() and CHROMEDRIVER.exists()):
        pytest.skip("Debian's chromium and chromium-driver are not installed")
    with browser(tmp_path_factory.mktemp("downloads")) as one:
        yield one


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    """Run one station, with a day behind it, for those who only look."""
    with Station(tmp_path_factory.mktemp("station")) as one:
        one.live_through_a_day()
        yield one


@pytest.fixture
def own_station(tmp_path: Path) -> Iterator[Station]:
    """Run a station of one's own, for those who do something to it."""
    with Station(tmp_path) as one:
        yield one


@pytest.fixture
def page(chromium: Browser) -> Iterator[Browser]:
    """Look at the console when a test is done: a mistake there is a mistake of the page."""
    yield chromium
    assert chromium.complaints() == []


def test_values_appear_and_change(page: Browser, station: Station) -> None:
    """Values are shown with unit, quality and age, and follow what is observed without a question or a reload."""
    page.open(station.url)
    page.until(lambda: re.fullmatch(r"[\d,]+\.\d\shPa", page.text("[data-card='pressure'] .figure")))
    assert re.match("good|doubtful", page.text("[data-card='pressure'] footer"))
    page.until_text("[data-card='pressure'] .age", "just now")
    page.run(
        "window.asked = []; const ask = fetch; window.fetch = (...all) => { asked.push(all[0]); return ask(...all); };"
    )
    for speed, shown in ((17.34, "17.3"), (4.06, "4.1")):
        station.tell_wind(speed, 90.0)
        page.until(lambda shown=shown: page.text("[data-card='wind'] .value") == shown)
        page.until_text("[data-card='wind'] dl", "from E (90°)")
    assert "/api/v1/history" not in str(page.run("return asked"))


def test_a_sensor_that_is_unplugged_says_so(page: Browser, own_station: Station) -> None:
    """Its card has no value and tells why, the list of sensors tells what to do; both recover."""
    page.open(own_station.url)
    page.until_text("[data-card='humidity']", "%")
    own_station.unplug_hygrometer()
    page.until_text("[data-card='humidity'] .quality", "missing: the sensor does not answer")
    assert page.text("[data-card='humidity'] .value") == "\N{EN DASH}"
    page.until_text("#sensors [data-id='hygrometer']", "Look at its plug and its cable.")
    assert page.count("#sensors [data-id='hygrometer'][data-level='erroneous']") == 1
    page.until(lambda: re.search(r"[1-9] things? needs? attention\.", page.text("#summary")))
    page.until_text("#events", "hygrometer stopped giving values")
    page.until(lambda: "stopped giving values" in page.run("return document.getElementById('said').textContent"))
    own_station.plug_hygrometer()
    page.until_text("[data-card='humidity']", "%")
    page.until_text("#events", "hygrometer is back")


def test_rain_is_that_of_the_day(page: Browser, own_station: Station) -> None:
    """A sensor that tells only what fell since it told last is summed up from the midnight of whoever looks."""
    page.command("Emulation.setTimezoneOverride", timezoneId="Asia/Kolkata")
    page.open(own_station.url)
    midnight = page.run("return new Date().setHours(0, 0, 0, 0)") / 1000
    now = time.time()
    own_station.tell({"time": midnight - 60, "rain": 5.0}, {"time": now - 2, "rain": 1.5})
    page.until_text("[data-card='rain'] h3", "Rain of the day")
    page.until_text("[data-card='rain'] .figure", "1.5")
    own_station.tell({"time": now - 1, "rain": 0.7}, {"time": now, "rain": 0.0})
    page.until_text("[data-card='rain'] .figure", "2.2")
    page.command("Emulation.setTimezoneOverride", timezoneId="")


MAST_ALONE = re.sub(r"\[\[sensors]]\nname = \"(barometer|hygrometer)\"\n(?:\w.*\n)+", "", STATION)


def test_a_station_that_has_just_begun(page: Browser, tmp_path: Path) -> None:
    """Before the first observation there is neither an empty table nor an empty chart; then both come by themselves."""
    with Station(tmp_path, text=MAST_ALONE) as one:
        page.open(one.url)
        assert page.text("#cards") == "No observation yet."
        assert page.run("return ['all', 'curves'].map((id) => document.getElementById(id).hidden)") == [True, True]
        one.tell({"time": time.time(), "wind_speed": 3.0})
        page.until_text("[data-card='wind'] .figure", "3.0")
        page.until(lambda: page.count("[data-chart='wind'] canvas") == 1)
        assert page.run("return document.querySelector('[data-chart=wind] canvas').clientWidth") > 300
        assert not page.run("return document.getElementById('all').hidden")


def test_words_follow_the_sink(page: Browser, own_station: Station) -> None:
    """While Logstash is away the page tells that observations are safe, and how many; then that all is delivered."""
    page.open(own_station.url)
    page.until_text("#sinks", "Logstash receives everything.")
    own_station.unplug_sink()
    page.until_text("#sinks", "Logstash has not answered for")
    page.until(lambda: re.search(r"[2-9] observations are safe here and will be sent\.", page.text("#sinks")))
    assert page.text("#sinks summary") == "For the technician"
    assert "Logstash has not answered" in page.run("return document.getElementById('said').textContent")
    page.choose("#language", "pt-BR")
    assert re.search(r"Logstash não responde há \d+ s\.", page.text("#sinks"))
    assert "observações estão guardadas aqui e serão enviadas." in page.text("#sinks")
    own_station.plug_sink()
    page.until_text("#sinks", "Logstash recebe tudo.")


@pytest.mark.parametrize(
    ("wanted", "found", "title", "number"),
    [
        ("pt-PT,pt,en", "pt-BR", "Pressão ao nível médio do mar", ","),
        ("de,en-US", "en", "Pressure at mean sea level", "."),
    ],
)
def test_the_browsers_language_is_spoken(  # noqa: PLR0917  -- what is wanted, and what comes of it
    page: Browser, station: Station, wanted: str, found: str, title: str, number: str
) -> None:
    """Texts, decimal points and thousands are those of the first language that the page speaks."""
    page.open(station.url, language=wanted)
    assert page.run("return document.documentElement.lang") == found
    assert title in page.text("[data-card='pressure']")
    assert page.text("[data-card='pressure'] .value")[-2] == number


def test_a_chosen_language_is_remembered(page: Browser, station: Station) -> None:
    """Everything changes at once, and stays so after a reload."""
    page.open(station.url)
    page.choose("#language", "pt-BR")
    assert page.text("#now-title") == "Agora"
    assert page.text("[data-chart='rain'] h3") == "Chuva"
    page.reload()
    assert page.text("#now-title") == "Agora"


def test_the_configuration_chooses_the_language(page: Browser, tmp_path: Path) -> None:
    """A school whose panel speaks Portuguese shows it to an English browser as well."""
    with Station(tmp_path, language="pt-BR") as one:
        page.open(one.url, language="en-US")
        assert page.text("#now-title") == "Agora"


def test_a_lost_connection_is_told(page: Browser, own_station: Station) -> None:
    """Values turn grey and count their age on; when the station is back, all is live without a reload."""
    page.open(own_station.url)
    page.until_text("[data-card='pressure'] .age", "just now")
    own_station.stop()
    page.until_text("#live", "Not live")
    page.until_text("#notice", "may no longer be true")
    assert page.count(".card:not(.old)") == 0
    assert page.count(".trend") == 0
    assert page.run("return document.getElementById('summary').hidden")
    assert "last known" in page.text("[data-card='pressure'] .age")
    before = _age_s(page)
    page.until(lambda: _age_s(page) >= before + 2)
    own_station.start()
    page.until_text("#live", "Live", timeout_s=30)
    page.until(lambda: page.count(".card.old") == 0)
    assert page.run("return document.getElementById('notice').hidden")
    lost = ("ERR_CONNECTION_REFUSED", "ERR_INCOMPLETE_CHUNKED", "ERR_EMPTY_RESPONSE", "ERR_CONNECTION_RESET")
    assert [one for one in page.complaints() if not any(kind in one for kind in lost)] == []


def _age_s(page: Browser) -> int:
    found = re.search(r"(\d+) sec", page.text("[data-card='pressure'] .age"))
    return int(found[1]) if found else 0


def test_values_of_a_line_that_went_dead_are_not_fresh(page: Browser, station: Station) -> None:
    """A stream that says nothing more counts as lost as soon as the station does not answer a question either."""
    page.open(station.url)
    page.run(
        "window.fetch = () => Promise.reject(new TypeError('nobody there'));"
        "window.EventSource = class { addEventListener() {} close() {} };"
        "const before = performance.now.bind(performance); performance.now = () => before() + 40000;"
    )
    page.until_text("#live", "Not live")
    assert page.count(".card:not(.old)") == 0


def test_a_page_that_nobody_looks_at_lets_go(page: Browser, station: Station) -> None:
    """A hidden tab holds no connection; when it is seen again it counts nothing as fresh until the station answers."""
    page.open(station.url)
    hide = (
        "Object.defineProperty(document, 'hidden', { configurable: true, get: () => arguments[0] });"
        "document.dispatchEvent(new Event('visibilitychange'));"
        "return document.querySelectorAll('.card:not(.old)').length"
    )
    page.run(hide.replace("arguments[0]", "true"))
    page.run("const before = performance.now.bind(performance); performance.now = () => before() + 10000;")
    page.until(lambda: (_age_s(page) or 0) >= 3)
    assert page.run(hide.replace("arguments[0]", "false")) == 0
    page.until_text("#live", "Live")
    page.until(lambda: (_age_s(page) or 0) < 3 and page.count(".card:not(.old)") > 0)


def test_curves_can_be_looked_at_closely(page: Browser, station: Station) -> None:
    """Dragging shows that stretch in all charts, with a finer step; a button, or Escape, shows all of it again."""
    page.open(station.url)
    assert _span_s(page) == 86_400
    assert page.run("return document.getElementById('reset').hidden")
    _drag(page, "wind", 0.25, 0.5)
    page.until(lambda: 20_000 < _span_s(page) < 23_000)
    assert _span_s(page, "air_pressure_at_mean_sea_level") == _span_s(page)
    page.click("#reset")
    page.until(lambda: _span_s(page) == 86_400)
    page.run("document.querySelector('[data-chart=wind] .plot').focus()")
    for key in ("ArrowLeft", "+"):
        _press(page, key)
    page.until(lambda: _span_s(page) == 43_200)
    _press(page, "Escape")
    page.until(lambda: _span_s(page) == 86_400)
    page.click("input[value='604800']")
    page.until(lambda: _span_s(page) == 604_800)


def _span_s(page: Browser, quantity: str = "wind_speed") -> int:
    """Return how long a stretch was asked for last, to the nearest minute."""
    name = page.run(
        "return performance.getEntriesByType('resource').map((one) => one.name)"
        ".filter((one) => one.includes(`quantity=${arguments[0]}&`)).at(-1)",
        quantity,
    )
    text = page.run(
        "const all = new URL(arguments[0]).searchParams; return [all.get('from'), all.get('to'), all.get('step')]", name
    )
    begin, end = (dt.datetime.fromisoformat(one) for one in text[:2])
    step_s = int(text[2])
    span_s = (end - begin).total_seconds()
    return round((span_s - 0.5 * step_s) / step_s) * step_s if span_s % step_s else int(span_s)


def _drag(page: Browser, chart: str, begin: float, end: float) -> None:
    """Drag the mouse over two parts of a chart's width."""
    over = page.driver.find_element("css selector", f"[data-chart='{chart}'] .u-over")
    page.driver.execute_script("arguments[0].scrollIntoView({ block: 'center' })", over)
    width = over.size["width"]
    mouse = ActionChains(page.driver).move_to_element_with_offset(over, int((begin - 0.5) * width), 0).click_and_hold()
    mouse.move_by_offset(int((end - begin) * width), 0).release().perform()


def _press(page: Browser, key: str) -> None:
    page.run(
        "document.activeElement.dispatchEvent(new KeyboardEvent('keydown', { key: arguments[0], bubbles: true }))", key
    )


def test_one_crosshair_for_all_charts(page: Browser, station: Station) -> None:
    """Pointing at a moment in one chart reads the same moment in the others."""
    page.open(station.url)
    page.run("document.querySelector('[data-chart=wind] .plot').focus()")
    for _ in range(20):
        _press(page, "ArrowLeft")
    reading = page.text("[data-chart='wind'] .reading")
    assert re.search(r"\d\d:\d\d · .*\sm/s", reading)
    assert re.search(r"\d\d:\d\d · .*\smm", page.text("[data-chart='rain'] .reading"))


def test_what_is_shown_can_be_taken_along(page: Browser, station: Station) -> None:
    """The CSV has a column for each curve with its unit, ISO times, and decimal points in Portuguese, too."""
    page.open(station.url, language="pt-BR")
    page.click("#csv")
    page.until(lambda: list(page.downloads.glob("school_*.csv")))
    path = next(page.downloads.glob("school_*.csv"))
    page.until(lambda: path.stat().st_size > 0)
    with path.open(newline="") as file:
        names, *rows = csv.reader(file)
    assert names[0] == "time"
    assert {"wind_speed mast mean (m/s)", "wind_speed mast max (m/s)", "rainfall_amount mast sum (mm)"} <= set(names)
    assert all(dt.datetime.fromisoformat(row[0]).tzinfo is not None for row in rows)
    rain = [float(row[names.index("rainfall_amount mast sum (mm)")] or 0) for row in rows]
    told = page.text("[data-chart='rain'] .reading")
    assert told.startswith(f"{sum(rain):.1f}".replace(".", ","))
    assert sum(rain) > 1


def test_charts_say_what_their_numbers_are(page: Browser, station: Station) -> None:
    """The unit stands at the axis, and above the chart from where to where each of its curves goes."""
    page.open(station.url)
    assert page.text("[data-chart='wind'] .axis-unit") == "m/s"
    ends = r"Air temperature: \S+ to \S+\s°C · Dew point: \S+ to \S+\s°C"
    assert re.fullmatch(ends, page.text("[data-chart='air_temperature'] .reading"))


def test_charts_have_tables(page: Browser, station: Station) -> None:
    """Who cannot see a curve reads the same numbers, the newest first."""
    page.open(station.url)
    page.click("[data-chart='wind'] summary")
    page.until(lambda: page.count("[data-chart='wind'] tbody tr") > 200)
    assert "Wind speed (m/s)" in page.text("[data-chart='wind'] thead")
    assert re.search(r"Most often from \w+, \d+% of the time", page.text("[data-chart='rose'] .reading"))


@pytest.mark.parametrize(
    ("width", "language", "scheme"),
    [
        (360, "pt-BR", "dark"),
        (768, "pt-BR", "light"),
        (1280, "en", "light"),
        (1920, "en", "dark"),
    ],
)
def test_everybody_can_use_it(page: Browser, station: Station, width: int, language: str, scheme: str) -> None:
    """From phone to wall, light and dark: axe finds nothing to mend, and nothing is wider than the screen."""
    page.open(station.url, language=language, scheme=scheme, width=width)
    for place in ("#all", "[data-chart='wind']", "[data-chart='rose']"):
        page.click(f"{place} summary")
    page.until_text("#values", "hPa")
    assert page.run("return document.documentElement.scrollWidth") <= width
    assert (
        page.run(
            "return [...document.querySelectorAll('.card')].filter((one) => one.scrollWidth > one.clientWidth).length"
        )
        == 0
    )
    page.run(AXE.read_text())
    found = page.run("return axe.run(document, { resultTypes: ['violations'] })")
    assert [f"{one['id']}: {node['html']}" for one in found["violations"] for node in one["nodes"]] == []
    page.run("for (const one of document.querySelectorAll('details')) one.open = false")
    page.shoot(SCREENSHOTS / f"panel-{width}-{scheme}-{language}.png")


@pytest.mark.parametrize("width", [360, 768, 1280, 1920])
def test_no_card_stands_alone(page: Browser, station: Station, width: int) -> None:
    """The cards of the usual quantities fill their rows at each width: no hole is left beside the last."""
    page.open(station.url, width=width)
    page.until(lambda: page.count(".card") == 7)
    rows = page.run(
        "const rows = {}; for (const one of document.querySelectorAll('.card')) {"
        "const { top, right } = one.getBoundingClientRect(); rows[top] = Math.max(rows[top] ?? 0, Math.round(right)); }"
        "return Object.values(rows)"
    )
    assert len(set(rows)) == 1


def test_letters_of_twice_the_size_fit_on_a_phone(page: Browser, station: Station) -> None:
    """Nobody has to scroll sideways to read on."""
    page.open(station.url, width=360)
    page.run("document.documentElement.style.fontSize = '200%'")
    assert page.run("return document.documentElement.scrollWidth") <= 360


def test_colours_of_ones_own_leave_the_legend(page: Browser, station: Station) -> None:
    """Where a device forces its colours on pages, the classes of the rose can still be told from each other."""
    page.open(station.url)
    page.command("Emulation.setEmulatedMedia", features=[{"name": "forced-colors", "value": "active"}])
    seen = page.run(
        "return [0, 1, 2, 3].map((one) => getComputedStyle("
        "document.querySelector(`.swatch-speed-${one}`), '::before').borderTopColor)"
    )
    page.command("Emulation.setEmulatedMedia", features=[])
    assert len(set(seen)) == 4


@pytest.mark.parametrize(
    ("name", "width", "height", "language", "scheme"),
    [("desk", 1280, 1400, "en", "light"), ("phone", 360, 1200, "pt-BR", "dark")],
)
def test_the_pictures_of_the_documentation(  # noqa: PLR0917  -- what a picture is taken with
    page: Browser, station: Station, name: str, width: int, height: int, language: str, scheme: str
) -> None:
    """A station of which all works; `make pictures` takes what this draws over into docs/."""
    page.open(station.url, language=language, scheme=scheme, width=width)
    station.tell_wind(3.4, 292.5)
    page.until(lambda: page.text("[data-card='wind'] .value")[::2] == "34")
    page.until(lambda: page.text("#summary") in {"Everything works.", "Tudo funciona."})
    page.until(lambda: page.count(".card") == 7)
    page.shoot(SCREENSHOTS / f"panel-{name}.png", height)


def test_an_appearance_can_be_chosen(page: Browser, station: Station) -> None:
    """Dark stays dark after a reload, whatever the device says."""
    page.open(station.url, scheme="light")
    background = "return getComputedStyle(document.body).backgroundColor"
    light = page.run(background)
    page.choose("#theme", "dark")
    dark = page.run(background)
    assert dark != light
    page.reload()
    assert page.run(background) == dark
    assert page.run("return document.getElementById('theme').value") == "dark"


def test_it_comes_whole_from_the_station(page: Browser, station: Station) -> None:
    """Nobody else is asked for anything, and the page with a day of curves is small."""
    page.command("Network.clearBrowserCache")
    page.open(station.url)
    size = page.run("return performance.getEntries().reduce((sum, one) => sum + (one.transferSize ?? 0), 0)")
    assert 30_000 < size < TRANSFER_SIZE_MAX
    asked = page.asked()
    assert len(asked) > 15
    assert [one for one in asked if not one.startswith(station.url)] == []


def test_texts_are_complete(page: Browser, station: Station) -> None:
    """Each text is there in both languages, with the same places to fill in and every plural."""
    page.be_at(station.url)
    texts = page.run("return import('/texts.js').then((module) => module.TEXTS)")
    assert len(texts) > 100
    for key, pair in texts.items():
        english, portuguese = (one if isinstance(one, dict) else {"": one} for one in pair)
        assert english.keys() == portuguese.keys(), key
        for form, text in english.items():
            assert text.strip(), key
            assert portuguese[form].strip(), key
            assert set(re.findall(r"{\w+}", text)) == set(re.findall(r"{\w+}", portuguese[form])), key
    said = page.run("return import('/texts.js').then((module) => module.ZAMBRETTI)")
    assert [tuple(one) for one in said] == list(zip(WORDS["en"], WORDS["pt-BR"], strict=True))


def test_names_of_others_are_no_markup(page: Browser, station: Station) -> None:
    """What a far end answers is shown as it is: nothing of it becomes part of the page."""
    page.be_at(station.url)
    page.run(
        "return Promise.all([import('/words.js'), import('/states.js')]).then(([words, states]) => states.showEvents("
        "new words.Words('en'), [{ seq: 99, time: '2026-01-01T00:00:00.000Z', action: 'x', sensor: '<b>s</b>',"
        "reason: '', message: '<img src=x onerror=alert(1)>' }]))"
    )
    assert "<img src=x onerror=alert(1)>" in page.text("#events")
    assert page.count("#events img") == 0


@pytest.mark.parametrize(("code", "said"), [("journal.full", "used up"), ("journal.unavailable", "takes nothing now")])
def test_a_full_journal_is_no_broken_card(page: Browser, station: Station, code: str, said: str) -> None:
    """Nobody buys a new card because the old one is full of what waits to be sent."""
    page.be_at(station.url)
    error = {"code": code, "message": "m", "hint": "h"}
    counts = dict.fromkeys(("dropped_count", "queue_dropped_count", "unreadable_count", "thinned_count", "size"), 0)
    told = page.run(
        "return Promise.all([import('/words.js'), import('/sentences.js')]).then(([words, sentences]) =>"
        "sentences.journalSentences(new words.Words('en'), arguments[0]))",
        {**counts, "size_max": 1, "holding": False, "error": error},
    )
    assert said in told["lines"][0]


def test_numbers_below_zero_have_a_minus(page: Browser, station: Station) -> None:
    """It is as wide as a plus, in both languages: a hyphen before a large figure is easily overlooked."""
    page.be_at(station.url)
    shown = page.run(
        "return import('/words.js').then(({ Words }) => ['en', 'pt-BR'].map((one) =>"
        "new Words(one).value('air_temperature', -3.26, 'degC')))"
    )
    assert shown == ["\N{MINUS SIGN}3.3\N{NO-BREAK SPACE}°C", "\N{MINUS SIGN}3,3\N{NO-BREAK SPACE}°C"]


def test_what_no_longer_holds_is_not_beside_what_does(page: Browser, station: Station) -> None:
    """In a calm there is no wind chill: the last one does not stay below the temperature of now."""
    page.be_at(station.url)
    one = {
        "sensor": "s",
        "unit": "degC",
        "value": 1.5,
        "quality": "good",
        "reason": None,
        "change_1h": None,
        "age_s": 1,
    }
    show = (
        "return Promise.all([import('/words.js'), import('/cards.js')]).then(([words, cards]) => {"
        "cards.showCards(new words.Words('en'), arguments[0], true);"
        "return document.querySelector(`[data-card='temperature']`).innerText })"
    )
    for is_stale in (False, True):
        chill = {**one, "quantity": "wind_chill_of_air_temperature", "stale": is_stale}
        shown = page.run(show, [{**one, "quantity": "air_temperature", "stale": False}, chill])
        assert ("Wind chill" in shown) is not is_stale


SINK = {
    "name": "logstash",
    "state": "lost",
    "since": "2026-01-01T00:00:00.000Z",
    "lag": 1240,
    "backlog": 1238,
    "delivered_count": 5,
    "quarantined_count": 0,
    "attempt_next_in_s": None,
    "error": {"code": "sink.unreachable", "message": "m", "hint": "h"},
}


@pytest.mark.parametrize(
    ("language", "changes", "lines"),
    [
        ("en", {}, ["Logstash has not answered for 12 min.", "1,240 observations are safe here and will be sent."]),
        ("pt-BR", {}, ["Logstash não responde há 12 min.", "1.240 observações estão guardadas aqui e serão enviadas."]),
        (
            "en",
            {"lag": 1, "attempt_next_in_s": 30.2},
            [
                "Logstash has not answered for 12 min.",
                "1 observation is safe here and will be sent.",
                "Next attempt in 30 sec.",
            ],
        ),
        (
            "pt-BR",
            {"state": "answers", "backlog": 1},
            [
                "Logstash responde. 1 observação guardada aqui está sendo enviada.",
            ],
        ),
        (
            "en",
            {"state": "answers", "backlog": 0, "quarantined_count": 1},
            [
                "Logstash receives everything.",
                "5 observations sent since the start.",
                "1 observation was refused for good; it is kept aside for somebody to look at.",
            ],
        ),
        (
            "en",
            {"error": {"code": "sink.unwelcome", "message": "m", "hint": "h"}, "lag": 0},
            [
                "Logstash has not let this station in for 12 min: somebody has to look at user name and password.",
            ],
        ),
    ],
)
def test_sentences_about_a_sink(
    page: Browser, station: Station, language: str, changes: dict[str, object], lines: list[str]
) -> None:
    """They count, in both languages, and say what it means for the observations."""
    page.be_at(station.url)
    told = page.run(
        "return Promise.all([import('/words.js'), import('/sentences.js')]).then(([words, sentences]) =>"
        "sentences.sinkSentences(new words.Words(arguments[0]), arguments[1], Date.parse('2026-01-01T00:12:00Z')))",
        language,
        {**SINK, **changes},
    )
    assert told["lines"] == lines


@pytest.mark.parametrize(
    ("language", "line"),
    [
        ("en", "works; keys of a remote control heard: 12."),
        ("pt-BR", "funciona; teclas de controle remoto ouvidas: 12."),
    ],
)
def test_a_receiver_of_infrared_is_not_told_to_observe_nothing(
    page: Browser, station: Station, language: str, line: str
) -> None:
    """It makes no observations: how many keys it has heard is told instead."""
    page.be_at(station.url)
    told = page.run(
        "return Promise.all([import('/words.js'), import('/sentences.js')]).then(([words, sentences]) =>"
        "sentences.sensorSentences(new words.Words(arguments[0]), arguments[1], Date.parse('2026-01-01T00:12:00Z')))",
        language,
        {"state": "working", "observed_at": None, "quality": {}, "error": None, "heard": {"keys": 12}},
    )
    assert (told["level"], told["lines"]) == ("good", [line])

/** The panel: it asks once, then listens, and says when it hears nothing. */

import { showCards, showValues } from "/cards.js";
import { Charts } from "/charts.js";
import { csv, download } from "/csv.js";
import { element, replace, say } from "/dom.js";
import { ask, StationClock, Stream } from "/live.js";
import { eventSentence } from "/sentences.js";
import { showEvents, showState } from "/states.js";
import { chooseLanguage, Words } from "/words.js";

/** Between two looks at everything: trends and what is too old are the station's to tell. Also notices a line gone dead. */
const LOOK_PERIOD_S = 30;

/** A page that has not counted for so long was asleep, and so was its clock. */
const ASLEEP_S = 5;

const EVENTS_MAX = 30;

const find = (id) => document.getElementById(id);

class Panel {
  constructor() {
    this.clock = new StationClock();
    this.station = null;
    this.values = [];
    this.state = null;
    this.events = [];
    this.isLive = null;
    this.isResting = false;
    this.heardMs = null;
    this.lookedAt = 0;
    this.drawnAt = 0;
    this.tickedMs = Date.now();
    this.words = new Words(chooseLanguage(recall("language"), null));
    this.charts = new Charts(find("charts"), ask, () => this.showTools());
    this.stream = new Stream({
      heard: (name, body) => this.hear(name, body),
      opened: () => this.lookAnew(),
      lost: () => this.lose(),
    });
  }

  start() {
    this.useWords();
    this.listen();
    this.stream.open();
    setInterval(() => this.tick(), 1000);
  }

  listen() {
    find("language").addEventListener("change", (event) => this.speak(event.target.value));
    find("theme").value = recall("theme") ?? "auto";
    find("theme").addEventListener("change", (event) => this.paint(event.target.value));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.charts.repaint());
    for (const one of document.getElementsByName("span")) {
      one.addEventListener("change", () => this.load(() => this.charts.show(Number(one.value))));
    }
    find("reset").addEventListener("click", () => this.load(() => this.charts.zoom()));
    find("csv").addEventListener("click", () => this.export());
    find("all").addEventListener("toggle", () => this.showWeather());
    addEventListener("pagehide", () => this.rest());
    addEventListener("pageshow", (event) => event.persisted && this.wake());
    document.addEventListener("visibilitychange", () => (document.hidden ? this.rest() : this.wake()));
  }

  /** Let go of the stream while nobody looks: a browser has six connections to a station, for all of its tabs together. */
  rest() {
    this.stream.close();
    this.isResting = true;
  }

  /** Somebody looks again; until the station has answered, nothing that is shown counts as of now. */
  wake() {
    if (!this.isResting) return;
    this.isResting = false;
    this.isLive = null;
    delete document.documentElement.dataset.live;
    this.showAll();
    this.stream.settle();
    this.stream.open();
  }

  /** Ask for everything, after the stream has opened: nothing is missed in between. */
  async lookAnew() {
    try {
      const [station, events] = await Promise.all([ask("/api/v1/station"), ask(`/api/v1/events?limit=${EVENTS_MAX}`)]);
      this.station = station;
      this.events = events;
      const language = chooseLanguage(recall("language"), station.language);
      if (language !== this.words.language) this.words = new Words(language);
      await this.look();
    } catch (error) {
      console.info("the station could not be asked:", error.message);
      if (!this.isResting) this.stream.fail();
      return;
    }
    if (this.isResting) return;
    this.stream.settle();
    this.become(true);
    this.useWords();
    await this.load(() => this.charts.load());
    document.documentElement.dataset.ready = "true";
    performance.mark("ready");
  }

  /** Look at the weather of now. */
  async look() {
    this.lookedAt = performance.now();
    const current = await ask("/api/v1/current");
    this.clock.set(current.now);
    this.heardMs = this.clock.nowMs;
    this.values = current.values.map((one) => ({ ...one, observedMs: Date.parse(one.observed_at) }));
    this.charts.know(this.words, this.values, this.clock.nowMs);
  }

  async lookAgain() {
    try {
      await this.look();
    } catch (error) {
      console.info("the station could not be asked:", error.message);
      if (!this.isResting) this.stream.fail();
    }
  }

  /** Load curves; what cannot be loaded is said, and tried again with the next look. */
  async load(loading) {
    if (this.station === null) return;
    this.drawnAt = performance.now();
    this.charts.know(this.words, this.values, this.clock.nowMs);
    try {
      await loading();
    } catch (error) {
      console.info("the curves could not be loaded:", error.message);
      this.drawnAt = -Infinity;
      say(find("window"), this.words.text("no_history"));
    }
  }

  hear(name, body) {
    this.heardMs = this.clock.nowMs;
    if (name === "observation") this.observe(body);
    if (name === "happened") {
      this.events = [body, ...this.events].slice(0, EVENTS_MAX);
      showEvents(this.words, this.events);
      say(find("said"), eventSentence(this.words, body));
    }
    if (name === "state") {
      this.state = body;
      this.clock.set(body.clock.now);
      this.showState();
    }
    if (name === "gap") this.lookAgain();
  }

  /** Take in an observation; of a quantity that is new here, everything is asked for again. */
  observe(observation) {
    const observedMs = Date.parse(observation.observed_at);
    for (const [quantity, told] of Object.entries(observation.values)) {
      const known = this.values.find((one) => one.sensor === observation.sensor && one.quantity === quantity);
      if (known === undefined) this.lookedAt = -Infinity;
      else if (observedMs >= known.observedMs) {
        const age_s = (this.clock.nowMs - observedMs) / 1000;
        Object.assign(known, told, { observed_at: observation.observed_at, observedMs, age_s, stale: known.stale && age_s > 60 });
      }
    }
    this.showWeather();
  }

  lose() {
    if (this.isLive !== false) this.become(false);
  }

  become(isLive) {
    const before = this.isLive;
    this.isLive = isLive;
    document.documentElement.dataset.live = isLive ? "yes" : "no";
    if (before !== null && before !== isLive) say(find("said"), this.words.text(isLive ? "live_said" : "lost_said"));
    this.showAll();
  }

  /** Count on: ages, durations, and what is due. */
  tick() {
    const asleep_s = (Date.now() - this.tickedMs) / 1000;
    this.tickedMs = Date.now();
    if (asleep_s > ASLEEP_S && !document.hidden) this.lookedAt = -Infinity;
    this.showAll();
    if (!this.isLive || this.isResting) return;
    const now = performance.now();
    if (now - this.lookedAt > LOOK_PERIOD_S * 1000) this.lookAgain();
    if (!document.hidden && now - this.drawnAt > this.charts.refresh_s * 1000) this.load(() => this.charts.load());
  }

  speak(language) {
    remember("language", language);
    this.words = new Words(language);
    this.charts.know(this.words, this.values, this.clock.nowMs);
    this.useWords();
    this.charts.draw();
  }

  paint(theme) {
    remember("theme", theme);
    if (theme === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    this.charts.repaint();
  }

  /** Say everything in the language of now. */
  useWords() {
    document.documentElement.lang = this.words.language;
    find("language").value = this.words.language;
    for (const one of document.querySelectorAll("[data-text]")) say(one, this.words.text(one.dataset.text));
    for (const one of document.querySelectorAll("[data-label]")) one.setAttribute("aria-label", this.words.text(one.dataset.label));
    this.showStation();
    showEvents(this.words, this.events);
    this.showAll();
  }

  showAll() {
    this.showConnection();
    this.showWeather();
    this.showState();
  }

  showConnection() {
    const key = this.isLive === null ? "connecting" : this.isLive ? "live" : "lost";
    replace(find("live"), key + this.words.language, element("span", { class: "dot" }), element("span", {}, this.words.text(key)));
    const notice = find("notice");
    notice.hidden = this.isLive !== false;
    if (notice.hidden) return;
    if (this.heardMs === null) say(notice, this.words.text("never_notice"));
    else {
      const duration = this.words.duration((this.clock.nowMs - this.heardMs) / 1000);
      say(notice, this.words.text("lost_notice", { duration, time: this.words.moment(this.heardMs) }));
    }
  }

  showWeather() {
    if (this.station === null) return;
    for (const one of this.values) one.age_s = Math.max(0, (this.clock.nowMs - one.observedMs) / 1000);
    showCards(this.words, this.values, this.isLive === true);
    if (find("all").open) showValues(this.words, this.values, this.isLive === true);
  }

  showState() {
    if (this.state !== null) showState(this.words, this.state, this.isLive ? this.clock.nowMs : this.heardMs);
  }

  showStation() {
    const { words, station } = this;
    const name = station ? station.name || station.id : "weatherd";
    say(find("station"), name);
    document.title = station ? `${name} · ${words.text("title")}` : words.text("title");
    say(find("version"), station ? `weatherd ${station.version}` : "weatherd");
    say(find("place"), station ? placeOf(words, station) : "");
  }

  showTools() {
    find("reset").hidden = !this.charts.isZoomed;
  }

  export() {
    const [from, to] = this.charts.window ?? [0, 0];
    const day = (at) => new Date(at * 1000).toISOString().slice(0, 16).replace(":", "");
    download(`${this.station?.id ?? "weatherd"}_${day(from)}_${day(to)}.csv`, csv(this.charts.curves));
  }
}

function placeOf(words, { latitude, longitude, elevation_m }) {
  const degrees = (value, positive, negative) =>
    words.text(value < 0 ? negative : positive, { degrees: words.number(Math.abs(value), 2) });
  const parts = [];
  if (latitude !== null && longitude !== null) {
    const texts = { latitude: degrees(latitude, "north_of", "south_of"), longitude: degrees(longitude, "east_of", "west_of") };
    parts.push(words.text("place", texts));
  }
  if (elevation_m !== null) parts.push(words.text("elevation", { elevation: words.number(elevation_m, 0) }));
  return parts.join(" · ");
}

/** Return what this browser was told before; null if nothing, or if it keeps nothing. */
function recall(name) {
  try {
    return localStorage.getItem(`weatherd.${name}`);
  } catch {
    return null;
  }
}

function remember(name, value) {
  try {
    localStorage.setItem(`weatherd.${name}`, value);
  } catch (error) {
    console.info("this browser keeps no choice:", error.message);
  }
}

new Panel().start();

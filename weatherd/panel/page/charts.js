/** All charts over one stretch of time, and what they are drawn from. */

import { Chart } from "/chart.js";
import { element, say } from "/dom.js";
import { CHARTS, speaker } from "/groups.js";
import { Rose } from "/rose.js";

/** Lengths of a step, in seconds, of which the shortest is taken that makes no more steps than can be seen. */
const STEPS_S = [60, 300, 900, 1800, 3600, 7200, 21_600, 86_400];
const BAR_STEPS_S = [60, 300, 600, 3600, 21_600, 86_400, 604_800];
const STEPS_MAX = 400;
const BARS_MAX = 60;

/** Nobody can look closer than this, in seconds. */
const SPAN_S_MIN = 600;

/** Least value of an axis, and the least span of it: so that noise does not look like weather. */
const LIMITS = {
  air_temperature: [-Infinity, 4],
  relative_humidity: [0, 10],
  pressure: [0, 4],
  rain: [0, 2],
  wind: [0, 4],
  light: [0, 100],
};

export class Charts {
  /** `ask` gets a path of the API and returns a promise of what it answers. */
  constructor(holder, ask, changed) {
    this.holder = holder;
    this.ask = ask;
    this.changed = changed;
    this.span = 86_400;
    this.zoomed = null;
    this.charts = CHARTS.map((one) => ({ ...one, chart: new Chart(one.name, (from, to) => this.zoom(from, to)), answers: [] }));
    this.rose = new Rose();
    this.asked = 0;
    this.window = null;
    this.drawn = [];
  }

  /** Show the last so many seconds. */
  show(span) {
    this.span = span;
    this.zoomed = null;
    return this.load();
  }

  /** Look closer; without moments, at all of it. */
  zoom(from, to) {
    if (from === undefined) this.zoomed = null;
    else {
      const room = Math.max(0, (SPAN_S_MIN - (to - from)) / 2);
      this.zoomed = [from - room, to + room];
    }
    return this.load();
  }

  get isZoomed() {
    return this.zoomed !== null;
  }

  /** Seconds until there is more to see: none where the end is in the past. */
  get refresh_s() {
    return this.isZoomed ? Infinity : Math.max(60, 0.4 * stepOf(this.span, STEPS_S, STEPS_MAX));
  }

  /** Know what there is now, and the time of the station; charts without a quantity are not shown. */
  know(words, values, nowMs) {
    this.words = words;
    this.values = values;
    this.nowMs = nowMs;
  }

  /** Ask for everything and draw it; an answer that was overtaken by another question is let go. */
  async load() {
    this.asked += 1;
    const mine = this.asked;
    const [from, to] = this.zoomed ?? [this.nowMs / 1000 - this.span, this.nowMs / 1000];
    const wanted = this.charts.map((one) => [one, this.quantitiesOf(one)]).filter(([, names]) => names.length);
    const loaded = await Promise.all([
      ...wanted.map(async ([one, names]) => ({ one, names, ...(await this.columns(names, from, to, one.bars)) })),
      this.windOf(from, to),
    ]);
    if (mine !== this.asked) return;
    this.wind = loaded.pop();
    this.loaded = loaded;
    this.window = [from, to];
    this.draw();
  }

  /** Draw what was loaded, in the words of now. */
  draw() {
    if (this.window === null) return;
    const { words } = this;
    const [from, to] = this.window;
    const roots = this.loaded.map(({ one, names, step, unit, curves }) => {
      const shown = curves.map((curve) => ({ ...curve, name: words.quantity(curve.quantity) }));
      const title = words.text(one.name in LIMITS && words.has(one.name) ? one.name : names[0]);
      one.chart.show(words, { title, unit, bars: Boolean(one.bars), from, to, step, curves: shown, limits: LIMITS[one.name] });
      return one.chart.root;
    });
    if (this.wind !== null) {
      this.rose.show(words, this.wind);
      roots.push(this.rose.root);
    }
    if (roots.some((one, index) => this.holder.children[index] !== one) || this.holder.children.length !== roots.length) {
      this.holder.replaceChildren(...roots);
      for (const { one } of this.loaded) one.chart.fit();
    }
    const texts = { from: words.moment(from * 1000), to: words.moment(to * 1000) };
    say(document.getElementById("window"), words.text("window", texts));
    this.changed();
  }

  repaint() {
    for (const { chart } of this.charts) chart.repaint();
  }

  quantitiesOf(chart) {
    const there = (names) => names.filter((name) => speaker(this.values, name));
    const names = there(chart.quantities);
    return names.length || !chart.instead ? names : there(chart.instead);
  }

  /** Return what several quantities were, on one grid of time. */
  async columns(names, from, to, bars) {
    const step = stepOf(to - from, bars ? BAR_STEPS_S : STEPS_S, bars ? BARS_MAX : STEPS_MAX);
    const start = Math.floor(from / step) * step;
    const answers = await Promise.all(names.map((name) => this.history(name, start, to, step)));
    const curves = answers.flatMap((answer) => answer.series.map((series) => gridded(answer, series, start, to, step)));
    return { step, unit: answers[0].unit, curves: curves.filter((one) => one.value.some((value) => value !== null)) };
  }

  history(name, from, to, step) {
    const query = new URLSearchParams({
      quantity: name,
      sensor: speaker(this.values, name).sensor,
      from: new Date(from * 1000).toISOString(),
      to: new Date(to * 1000).toISOString(),
      step,
    });
    return this.ask(`/api/v1/history?${query}`);
  }

  /** Return the wind's direction and speed side by side; null without a vane or an anemometer. */
  async windOf(from, to) {
    const names = ["wind_from_direction", "wind_speed"];
    if (names.some((name) => !speaker(this.values, name))) return null;
    const { curves } = await this.columns(names, from, to, false);
    const find = (name) => curves.find((one) => one.quantity === name);
    const [direction, speed] = names.map(find);
    if (!direction || !speed) return { direction: [], speed: [] };
    return { direction: direction.value, speed: speed.value };
  }

  /** Return every curve that is shown, for the export. */
  get curves() {
    return (this.loaded ?? []).flatMap(({ unit, curves }) => curves.map((one) => ({ ...one, unit })));
  }
}

/** Put a series on a grid without gaps, null where there is nothing: a pause is seen as a pause. */
function gridded(answer, series, start, to, step) {
  const count = Math.ceil((to - start) / step);
  const empty = () => new Array(count).fill(null);
  const curve = { quantity: answer.quantity, sensor: series.sensor, reduction: answer.reduction, time: empty(), value: empty(), min: empty(), max: empty() };
  curve.time = curve.time.map((_, index) => start + index * step);
  const hasSpread = answer.reduction === "mean" || answer.reduction === "max";
  series.time.forEach((at, row) => {
    const index = Math.round((at - start) / step);
    if (index < 0 || index >= count) return;
    curve.value[index] = series.value[row];
    if (!hasSpread) return;
    curve.min[index] = series.min[row];
    curve.max[index] = series.max[row];
  });
  return curve;
}

function stepOf(span, steps, countMax) {
  return steps.find((one) => span / one <= countMax) ?? steps.at(-1);
}

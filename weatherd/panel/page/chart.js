/** One chart: curves with a band from least to greatest, or bars; a reading of the crosshair; a table of the same. */

import { element, replace, say } from "/dom.js";

/** One crosshair for all charts of the page. */
const CROSSHAIR = uPlot.sync("weather");

const HOUR_S = 3600;
const DAY_S = 86_400;
const COLOURS = ["--line-1", "--line-2", "--line-3"];

/**
 * A chart that is shown by `show`.
 *
 * `zoom` is called with two moments (seconds since 1970) when somebody drags over it, and with nothing to show all.
 */
export class Chart {
  constructor(name, zoom) {
    this.name = name;
    this.zoom = zoom;
    this.plot = null;
    this.shown = null;
    this.title = element("h3", { id: `chart-${name}` });
    this.legend = element("ul", { class: "legend" });
    this.reading = element("p", { class: "reading" });
    this.field = element("div", { class: "plot", tabindex: "0", role: "group" });
    this.summary = element("summary");
    this.table = element("table");
    this.region = element("div", { class: "scroll", tabindex: "0", role: "region" }, this.table);
    this.details = element("details", { class: "as-table" }, this.summary, this.region);
    const top = element("div", { class: "top" }, this.title, this.legend);
    this.root = element("article", { class: "chart", "data-chart": name }, top, this.reading, this.field, this.details);
    this.details.addEventListener("toggle", () => this.fillTable());
    this.field.addEventListener("keydown", (event) => this.press(event));
    new ResizeObserver(() => this.fit()).observe(this.field);
  }

  /**
   * Show curves.
   *
   * `shown` is `{title, unit, bars, from, to, step, total, curves}`; a curve is `{name, quantity, reduction, time, value,
   * min, max, quality}`, with columns of one length and null where there is nothing.
   */
  show(words, shown) {
    this.words = words;
    this.shown = shown;
    say(this.title, shown.title);
    say(this.summary, words.text("as_table"));
    this.region.setAttribute("aria-label", `${shown.title}: ${words.text("as_table")}`);
    this.showLegend();
    this.drop();
    if (shown.curves.length) {
      this.field.replaceChildren();
      this.draw();
    } else {
      this.field.replaceChildren(element("p", { class: "empty quiet" }, words.text("nothing_here")));
    }
    this.field.setAttribute("aria-label", `${shown.title}: ${this.sum()}. ${words.text("keys")}`);
    this.read(null);
    this.fillTable();
  }

  /** Draw again, with the colours of now. */
  repaint() {
    this.plot?.redraw(false);
  }

  drop() {
    if (this.plot === null) return;
    CROSSHAIR.unsub(this.plot);
    this.plot.destroy();
    this.plot = null;
  }

  fit() {
    const { width, height } = this.size();
    if (this.plot !== null && width > 0) this.plot.setSize({ width, height });
  }

  size() {
    return { width: this.field.clientWidth, height: this.field.clientHeight };
  }

  draw() {
    const { from, to } = this.shown;
    const { columns, series, bands } = this.columns();
    const options = {
      ...this.size(),
      series,
      bands,
      legend: { show: false },
      scales: { x: { time: true, range: () => [from, to] }, y: { range: (_, least, greatest) => this.range(least, greatest) } },
      axes: [this.timeAxis(), this.valueAxis()],
      cursor: {
        sync: { key: CROSSHAIR.key, scales: ["x", null], setSeries: false, filters: { pub: (kind) => !/down|up/.test(kind) } },
        drag: { x: true, y: false, setScale: false },
        y: false,
        points: { show: !this.shown.bars, size: 7 },
      },
      hooks: { setCursor: [(plot) => this.read(plot.cursor.idx)], setSelect: [(plot) => this.select(plot)] },
      padding: [12, 24, 0, 0],
    };
    this.plot = new uPlot(options, columns, this.field);
    CROSSHAIR.sub(this.plot);
  }

  columns() {
    const { curves, bars } = this.shown;
    const columns = [curves[0].time];
    const series = [{}];
    const bands = [];
    curves.forEach((curve, index) => {
      columns.push(curve.value);
      series.push(bars ? barSeries() : lineSeries(COLOURS[index % COLOURS.length], index));
    });
    if (!bars && curves[0].min.some((one) => one !== null)) {
      columns.push(curves[0].min, curves[0].max);
      series.push(edge(), edge());
      bands.push({ series: [columns.length - 1, columns.length - 2], fill: () => colour("--band") });
    }
    return { columns, series, bands };
  }

  range(least, greatest) {
    if (least === null || greatest === null) return [0, 1];
    const [floor, span] = this.shown.limits;
    const room = Math.max(span, (greatest - least) * 1.15);
    const middle = (least + greatest) / 2;
    const low = Math.max(floor, middle - room / 2);
    return [this.shown.bars ? 0 : low, this.shown.bars ? Math.max(span, greatest * 1.1) : Math.max(middle + room / 2, low + room)];
  }

  timeAxis() {
    return {
      ...axis(),
      grid: { show: false },
      size: 16 + fontSize(),
      space: 80,
      values: (_, splits, __, ___, step) => splits.map((one) => this.timeLabel(one, step)),
    };
  }

  timeLabel(at, step) {
    const ms = at * 1000;
    if (step >= 27 * DAY_S) return this.words.date(ms, { month: "short", year: "2-digit" });
    if (step >= DAY_S || new Date(ms).getHours() + new Date(ms).getMinutes() === 0) {
      return this.words.date(ms, { day: "numeric", month: "short" });
    }
    return this.words.time(ms);
  }

  valueAxis() {
    return {
      ...axis(),
      size: (_, labels) => (labels === null ? 52 : Math.max(36, 10 + fontSize() * 0.62 * Math.max(...labels.map((one) => one.length)))),
      space: 36,
      values: (_, splits, __, ___, step) => splits.map((one) => this.words.number(one, Number.isInteger(step) ? 0 : 1)),
    };
  }

  select(plot) {
    const { left, width } = plot.select;
    if (width > 4) this.zoom(plot.posToVal(left, "x"), plot.posToVal(left + width, "x"));
    plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
  }

  /** Move the crosshair, look closer, or look at all of it, by the keyboard. */
  press(event) {
    if (this.plot === null) return;
    const { from, to, curves, step } = this.shown;
    const last = curves[0].time.length - 1;
    const index = this.plot.cursor.idx ?? last;
    if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
      const next = Math.min(last, Math.max(0, index + (event.key === "ArrowLeft" ? -1 : 1)));
      this.plot.setCursor({ left: this.plot.valToPos(curves[0].time[next], "x"), top: 10 }, true, true);
    } else if (event.key === "+" || event.key === "=") {
      const quarter = (to - from) / 4;
      const middle = Math.min(to - quarter, Math.max(from + quarter, curves[0].time[index] + step / 2));
      this.zoom(middle - quarter, middle + quarter);
    } else if (event.key === "-" || event.key === "Escape") this.zoom();
    else return;
    event.preventDefault();
  }

  showLegend() {
    const { curves, bars } = this.shown;
    const items = curves.map((curve, index) => element("li", { class: `swatch-${bars ? "bar" : index + 1}` }, curve.name));
    replace(this.legend, curves.map((one) => one.name).join("|"), ...(items.length > 1 ? items : []));
  }

  /** Tell what is under the crosshair; without one, what all of it comes to. */
  read(index) {
    const curves = this.shown?.curves ?? [];
    if (index === null || index === undefined || !curves.length) {
      say(this.reading, this.sum());
      return;
    }
    const parts = curves.filter((one) => one.value[index] !== null).map((one) => this.readOne(one, index));
    const at = this.words.moment(curves[0].time[index] * 1000);
    say(this.reading, [at, ...parts].join(" · "));
  }

  readOne(curve, index) {
    const { words } = this;
    const value = words.value(curve.quantity, curve.value[index], this.shown.unit);
    const name = this.shown.curves.length > 1 ? `${curve.name} ` : "";
    if (curve.min[index] === null || curve.min[index] === curve.max[index]) return name + value;
    return `${name}${value} (${words.bare(curve.quantity, curve.min[index])}–${words.bare(curve.quantity, curve.max[index])})`;
  }

  sum() {
    const { words, shown } = this;
    if (!shown.curves.length) return words.text("nothing_here");
    const [curve] = shown.curves;
    const values = (column, fallback) => column.map((one, index) => one ?? fallback[index]).filter((one) => one !== null);
    if (shown.bars) {
      const total = values(curve.value, curve.value).reduce((sum, one) => sum + one, 0);
      return words.text("chart_total", { total: words.value(curve.quantity, total, shown.unit) });
    }
    const least = values(curve.min, curve.value).reduce((one, other) => Math.min(one, other));
    const greatest = values(curve.max, curve.value).reduce((one, other) => Math.max(one, other));
    const texts = { least: words.value(curve.quantity, least, shown.unit), greatest: words.value(curve.quantity, greatest, shown.unit) };
    const range = words.text("chart_summary", texts);
    return shown.curves.length > 1 ? `${curve.name}: ${range}` : range;
  }

  fillTable() {
    if (!this.details.open || this.shown === null) return;
    const { words, shown } = this;
    const unit = words.unit(shown.unit);
    const named = (name) => `${name}${unit ? ` (${unit})` : ""}`;
    const head = [words.text("time")];
    for (const one of shown.curves) {
      head.push(named(one.name));
      if (!shown.bars) head.push(named(words.text("min")), named(words.text("max")));
    }
    const rows = [];
    (shown.curves[0]?.time ?? []).forEach((at, index) => {
      if (shown.curves.every((one) => one.value[index] === null)) return;
      const cells = shown.curves.flatMap((one) => (shown.bars ? [one.value] : [one.value, one.min, one.max]).map((column) => column[index]));
      const shownCells = cells.map((one) => (one === null ? "" : words.number(one, 1)));
      rows.push(element("tr", {}, element("th", { scope: "row" }, words.moment(at * 1000)), ...shownCells.map((one) => element("td", { class: "number" }, one))));
    });
    const headings = head.map((one) => element("th", { scope: "col" }, one));
    this.table.replaceChildren(element("thead", {}, element("tr", {}, ...headings)), element("tbody", {}, ...rows.reverse()));
  }
}

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** Pixels of a label's letters: they grow with the page. */
function fontSize() {
  return Math.round(0.75 * parseFloat(getComputedStyle(document.documentElement).fontSize));
}

function axis() {
  return {
    stroke: () => colour("--quiet"),
    font: `${fontSize()}px system-ui, sans-serif`,
    grid: { stroke: () => colour("--grid"), width: 1 },
    ticks: { show: false },
    border: { show: false },
    gap: 6,
  };
}

function lineSeries(name, index) {
  return {
    stroke: () => colour(name),
    width: 2,
    dash: index ? [6, 4] : undefined,
    spanGaps: false,
    points: { show: false, size: 5, filter: alone, fill: () => colour(name) },
  };
}

/** Where nothing is on either side there is no line to see: show a point there. */
function alone(plot, series, show) {
  const column = plot.data[series];
  if (show) return null;
  const indices = [];
  for (let index = 0; index < column.length; index += 1) {
    const isAlone = (column[index - 1] ?? null) === null && (column[index + 1] ?? null) === null;
    if (column[index] !== null && isAlone) indices.push(index);
  }
  return indices;
}

/** An edge of the band: it has no line of its own. */
function edge() {
  return { stroke: "transparent", width: 0, points: { show: false } };
}

function barSeries() {
  return {
    stroke: () => colour("--bar"),
    fill: () => colour("--bar"),
    width: 0,
    paths: uPlot.paths.bars({ align: 1, size: [0.8, 48], radius: 0.15 }),
    points: { show: false },
  };
}

/** The wind rose: from where the wind came how often, and how strong it was. */

import { drawn, element, say } from "/dom.js";

const SECTORS = 16;
const CALM_M_S = 0.5;

/** Where the classes of speed end, in m/s; near the ends of Beaufort 2, 3 and 4. */
const CLASSES_M_S = [3, 5.5, 8];

const SIZE = 240;
const CENTRE = SIZE / 2;
const RADIUS = 92;
const HUB = 12;

/** Count how often the wind came from each sector in each class; `calm` is what was too weak to have a direction. */
export function tally(direction, speed) {
  const counts = Array.from({ length: SECTORS }, () => new Array(CLASSES_M_S.length + 1).fill(0));
  let calm = 0;
  let total = 0;
  direction.forEach((degrees, index) => {
    const strength = speed[index] ?? null;
    if (degrees === null || strength === null) return;
    total += 1;
    if (strength < CALM_M_S) calm += 1;
    else {
      const sector = Math.round((degrees * SECTORS) / 360) % SECTORS;
      const place = CLASSES_M_S.findIndex((end) => strength < end);
      counts[sector][place < 0 ? CLASSES_M_S.length : place] += 1;
    }
  });
  return { counts, calm, total };
}

export class Rose {
  constructor() {
    this.title = element("h3", { id: "chart-rose" });
    this.reading = element("p", { class: "reading" });
    this.field = element("div", { class: "rose" });
    this.legend = element("ul", { class: "legend" });
    this.summary = element("summary");
    this.table = element("table");
    const region = element("div", { class: "scroll", tabindex: "0", role: "region", "aria-labelledby": "chart-rose" }, this.table);
    const details = element("details", { class: "as-table" }, this.summary, region);
    const top = element("div", { class: "top" }, this.title, this.legend);
    this.root = element("article", { class: "chart", "data-chart": "rose" }, top, this.reading, this.field, details);
  }

  /** Show a wind: two columns of one length, degrees and m/s. */
  show(words, { direction, speed }) {
    const told = tally(direction, speed);
    const names = words.text("compass").split(" ");
    const sums = told.counts.map((one) => one.reduce((sum, count) => sum + count, 0));
    say(this.title, words.text("rose"));
    say(this.summary, words.text("as_table"));
    const classes = classNames(words);
    this.legend.replaceChildren(...classes.map((name, place) => element("li", { class: `swatch-speed-${place}` }, name)));
    const isEmpty = told.total === 0;
    say(this.reading, isEmpty ? words.text("nothing_here") : sentence(words, told, sums, names));
    this.field.replaceChildren(drawing(told, sums, names, this.reading.textContent));
    this.fillTable(words, told, sums, names);
  }

  fillTable(words, told, sums, names) {
    const head = element("tr", {}, ...["direction", "share"].map((one) => element("th", { scope: "col" }, words.text(one))));
    const line = (name, count) =>
      element("tr", {}, element("th", { scope: "row" }, name), element("td", { class: "number" }, words.percent(count / Math.max(told.total, 1))));
    const rows = [...sums.map((count, sector) => line(names[sector], count)), line(words.text("calm"), told.calm)];
    this.table.replaceChildren(element("thead", {}, head), element("tbody", {}, ...rows));
  }
}

function sentence(words, told, sums, names) {
  const most = sums.indexOf(Math.max(...sums));
  const share = words.percent(sums[most] / told.total);
  return words.text("rose_summary", { compass: names[most], share, calm: words.percent(told.calm / told.total) });
}

function classNames(words) {
  const number = (value) => words.number(value, Number.isInteger(value) ? 0 : 1);
  return [
    words.text("speed_up_to", { speed: number(CLASSES_M_S[0]) }),
    ...CLASSES_M_S.slice(1).map((high, index) => words.text("speed_between", { low: number(CLASSES_M_S[index]), high: number(high) })),
    words.text("speed_from", { speed: number(CLASSES_M_S.at(-1)) }),
  ];
}

function drawing(told, sums, names, label) {
  const greatest = Math.max(...sums, 1);
  const shapes = [1, 2 / 3, 1 / 3].map((part) => drawn("circle", { cx: CENTRE, cy: CENTRE, r: HUB + part * (RADIUS - HUB), class: "ring" }));
  told.counts.forEach((classes, sector) => {
    let inner = 0;
    classes.forEach((count, place) => {
      if (count === 0) return;
      shapes.push(drawn("path", { d: wedge(sector, inner / greatest, (inner + count) / greatest), class: `speed-${place}` }));
      inner += count;
    });
  });
  for (let sector = 0; sector < SECTORS; sector += 2) {
    const [x, y] = at(sector, RADIUS + 14);
    shapes.push(drawn("text", { x, y, class: sector % 4 ? "minor" : "major" }, names[sector]));
  }
  return drawn("svg", { viewBox: `0 0 ${SIZE} ${SIZE}`, role: "img", "aria-label": label }, ...shapes);
}

function at(sector, radius) {
  const angle = (sector / SECTORS) * 2 * Math.PI;
  return [CENTRE + radius * Math.sin(angle), CENTRE - radius * Math.cos(angle)].map((one) => Math.round(one * 100) / 100);
}

function wedge(sector, inner, outer) {
  const [low, high] = [inner, outer].map((part) => HUB + part * (RADIUS - HUB));
  const [left, right] = [sector - 0.4, sector + 0.4];
  const arc = (radius, sweep, [x, y]) => `A${radius} ${radius} 0 0 ${sweep} ${x} ${y}`;
  return `M${at(left, low)}L${at(left, high)}${arc(high, 1, at(right, high))}L${at(right, low)}${arc(low, 0, at(left, low))}z`;
}

/** The weather now: a card for each kind of it, and a table of everything. */

import { element, icon, replace } from "/dom.js";
import { CARDS, speaker } from "/groups.js";

/** Below this age, in seconds, a value is of just now. */
const FRESH_S = 5;

const MORE_MAX = 3;

/** Show the newest values; `isLive` tells whether the station can be heard. */
export function showCards(words, values, isLive) {
  const holder = document.getElementById("cards");
  const known = new Map([...holder.children].map((one) => [one.dataset.card, one]));
  const cards = CARDS.map((card) => [card, card.main.map((name) => speaker(values, name)).find(Boolean)]);
  for (const [card, value] of cards.filter(([, one]) => one)) {
    const target = known.get(card.name) ?? holder.appendChild(element("article", { class: "card", "data-card": card.name }));
    known.delete(card.name);
    showCard(words, target, card, value, values, isLive);
  }
  for (const gone of known.values()) gone.remove();
  if (!holder.children.length) holder.append(element("p", { class: "quiet", "data-card": "" }, words.text("no_sensors_yet")));
}

function showCard(words, target, card, value, values, isLive) {
  target.classList.toggle("old", value.stale || !isLive);
  const parts = [heading(words, card, value), figure(words, value), trend(words, card, value, isLive)];
  if (card.hint) parts.push(element("p", { class: "hint" }, words.text(card.hint)));
  parts.push(more(words, card, value, values), footing(words, value, isLive));
  const key = parts.map((one) => one?.outerHTML ?? "").join("");
  replace(target, key, ...parts);
}

function heading(words, card, value) {
  const name = words.quantity(value.quantity);
  const title = element("h3", {}, words.text(card.name));
  if (name !== title.textContent) title.append(element("small", {}, name));
  return title;
}

function figure(words, value) {
  if (value.value === null) return element("p", { class: "figure nothing" }, element("span", { class: "value" }, "–"));
  const isText = value.quantity === "zambretti_indication";
  const shown = value.quantity === "wind_from_direction" ? words.compass(value.value) : words.bare(value.quantity, value.value);
  return element(
    "p",
    { class: isText ? "figure saying" : "figure" },
    element("span", { class: "value" }, shown),
    words.unit(value.unit) ? element("span", { class: "unit" }, `\u00a0${words.unit(value.unit)}`) : null,
  );
}

function trend(words, card, value, isLive) {
  if (!card.step || value.change_1h === null || value.value === null || value.stale || !isLive) return null;
  const way = Math.abs(value.change_1h) < card.step ? "steady" : value.change_1h > 0 ? "rising" : "falling";
  const change = words.change(value.quantity, value.change_1h, value.unit);
  return element("p", { class: "trend" }, icon(way), element("span", {}, words.text(way, { change })));
}

function more(words, card, value, values) {
  const told = card.more
    .filter((name) => name !== value.quantity)
    .map((name) => speaker(values, name))
    .filter((one) => one && one.value !== null)
    .slice(0, MORE_MAX);
  if (!told.length) return null;
  return element("dl", {}, ...told.map((one) => element("div", {}, element("dt", {}, words.quantity(one.quantity)), further(words, one))));
}

function further(words, value) {
  const flag = value.quality === "good" || value.quality === "unchecked" ? null : icon(value.quality);
  const arrow = value.quantity === "wind_from_direction" ? icon("arrow", Math.round(value.value + 180) % 360) : null;
  const text = words.value(value.quantity, value.value, value.unit);
  const said = flag ? element("span", { class: "unseen" }, ` (${words.text(value.quality)})`) : null;
  return element("dd", value.stale ? { class: "old" } : {}, flag, arrow, text, said);
}

function footing(words, value, isLive) {
  return element("footer", {}, quality(words, value), element("span", { class: "age" }, age(words, value, isLive)));
}

function quality(words, value) {
  const why = value.reason ? `: ${words.reason(value.reason)}` : "";
  return element("span", { class: `quality ${value.quality}` }, icon(value.quality), element("span", {}, words.text(value.quality) + why));
}

/** Say how old a value is, and never that it is of now when nobody knows. */
export function age(words, value, isLive) {
  const duration = words.duration(value.age_s);
  if (!isLive) return words.text("last_known", { duration });
  if (value.stale) return words.text("stale", { duration });
  return value.age_s < FRESH_S ? words.text("just_now") : words.text("ago", { duration });
}

/** Show everything, a line each. */
export function showValues(words, values, isLive) {
  const head = ["sensor", "quantity", "value", "quality", "age"].map((one) => element("th", { scope: "col" }, words.text(one)));
  const rows = values.map((one) =>
    element(
      "tr",
      { class: one.stale || !isLive ? "old" : null },
      element("th", { scope: "row" }, one.sensor),
      element("td", {}, words.quantity(one.quantity)),
      element("td", { class: "number" }, one.value === null ? "–" : words.value(one.quantity, one.value, one.unit)),
      element("td", {}, quality(words, one)),
      element("td", {}, age(words, one, isLive)),
    ),
  );
  const body = element("tbody", {}, ...rows);
  replace(document.getElementById("values"), words.language + body.outerHTML, element("thead", {}, element("tr", {}, ...head)), body);
}

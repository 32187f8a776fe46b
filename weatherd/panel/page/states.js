/** The part of the page that shows how the station is. */

import { element, icon, replace, say } from "/dom.js";
import { clockSentences, eventSentence, journalSentences, sensorSentences, sinkSentences } from "/sentences.js";

const EVENTS_MAX = 30;

/** Show a `State`; return what needs attention, a name each. */
export function showState(words, state, nowMs) {
  const told = [];
  const list = (id, entries) => {
    showList(words, document.getElementById(id), entries);
    told.push(...entries.filter((one) => one.level === "doubtful" || one.level === "erroneous"));
  };
  const sinks = state.sinks.map((one) => ({ name: "", id: one.name, ...sinkSentences(words, one, nowMs) }));
  if (!sinks.length) sinks.push({ name: "", id: "", level: "good", lines: [words.text("no_sinks")], technical: null });
  list("sinks", sinks);
  list("journal", [
    { name: "", id: "journal", ...journalSentences(words, state.journal) },
    { name: "", id: "clock", ...clockSentences(words, state.clock) },
  ]);
  list(
    "sensors",
    state.sensors.map((one) => ({ name: one.name, model: one.model, id: one.name, ...sensorSentences(words, one, nowMs) })),
  );
  const summary = document.getElementById("summary");
  const sentence = told.length ? words.text("attention", { count: told.length }) : words.text("all_well");
  summary.hidden = false;
  replace(summary, sentence, icon(told.length ? "doubtful" : "good"), element("span", {}, sentence));
  return told;
}

/** Show the newest events. */
export function showEvents(words, events) {
  const list = document.getElementById("events");
  const shown = events.slice(0, EVENTS_MAX);
  const key = `${words.language} ${shown.map((one) => one.seq)}`;
  if (!shown.length) {
    replace(list, key, element("li", { class: "quiet" }, words.text("no_events")));
    return;
  }
  replace(list, key, ...shown.map((one) => eventLine(words, one)));
}

function eventLine(words, event) {
  return element(
    "li",
    {},
    element("time", { datetime: event.time }, words.moment(Date.parse(event.time))),
    element(
      "div",
      {},
      element("span", {}, eventSentence(words, event)),
      element("small", { class: "quiet", lang: "en" }, event.message),
    ),
  );
}

/** Bring a list up to date, entry by entry: what is open stays open. */
function showList(words, list, entries) {
  const known = new Map([...list.children].map((one) => [one.dataset.id, one]));
  for (const entry of entries) {
    const line = known.get(entry.id) ?? list.appendChild(newLine(entry.id));
    known.delete(entry.id);
    fill(words, line, entry);
  }
  for (const gone of known.values()) gone.remove();
}

function newLine(id) {
  const details = element("details", { hidden: true }, element("summary"), element("p", { lang: "en" }));
  return element("li", { "data-id": id }, element("span", { class: "mark" }), element("div", { class: "told" }), details);
}

function fill(words, line, entry) {
  const [mark, told, details] = line.children;
  line.dataset.level = entry.level;
  replace(mark, entry.level, icon(entry.level));
  const [first, ...rest] = entry.lines;
  const name = entry.name ? element("strong", {}, entry.name) : null;
  const model = entry.model ? element("span", { class: "quiet" }, ` (${entry.model})`) : null;
  const sentence = element("p", {}, name, model, entry.name ? ` ${first}` : first);
  replace(told, JSON.stringify(entry), sentence, ...rest.map((one) => element("p", { class: "more" }, one)));
  details.hidden = entry.technical === null;
  say(details.firstChild, words.text("details"));
  say(details.lastChild, entry.technical ?? "");
}

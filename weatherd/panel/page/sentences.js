/** How the sensors, the journal, the clock and the sinks are, in sentences for people who do not know what these are. */

/** Return a sink's state: `{level, lines, technical}`; a level is good, doubtful, erroneous or busy. */
export function sinkSentences(words, sink, nowMs) {
  const name = sink.name.charAt(0).toUpperCase() + sink.name.slice(1);
  const duration = sink.since === null ? "" : words.duration((nowMs - Date.parse(sink.since)) / 1000);
  const lines = [];
  let level = "good";
  if (sink.state === "untried") {
    level = "busy";
    lines.push(words.text("sink_untried", { name }));
    if (sink.lag) lines.push(words.text("sink_safe", { count: sink.lag }));
  } else if (sink.state === "lost") {
    level = "doubtful";
    lines.push(words.text(lostKey(sink.error), { name, duration }));
    if (sink.lag) lines.push(words.text("sink_safe", { count: sink.lag }));
    if (sink.attempt_next_in_s >= 1) {
      lines.push(words.text("sink_next", { duration: words.duration(sink.attempt_next_in_s) }));
    }
  } else if (sink.backlog) {
    level = "busy";
    lines.push(words.text("sink_catching_up", { name, count: sink.backlog }));
  } else {
    lines.push(words.text("sink_answers", { name }));
    lines.push(words.text("sink_delivered", { count: sink.delivered_count }));
  }
  if (sink.quarantined_count) {
    if (level === "good") level = "doubtful";
    lines.push(words.text("sink_quarantined", { count: sink.quarantined_count }));
  }
  return { level, lines, technical: technical(sink.error) };
}

/** Return a sensor's state, as `sinkSentences` does a sink's. */
export function sensorSentences(words, sensor, nowMs) {
  const since = (time) => words.duration((nowMs - Date.parse(time)) / 1000);
  if (sensor.state === "starting") {
    return { level: "busy", lines: [words.text("sensor_starting")], technical: technical(sensor.error) };
  }
  if (sensor.state === "lost") {
    const reason = words.reason(sensor.error?.code ?? "failed");
    const lines = [words.text("sensor_lost", { duration: since(sensor.since), reason }), words.text("sensor_lost_help")];
    return { level: "erroneous", lines, technical: technical(sensor.error) };
  }
  const doubts = Object.entries(sensor.quality).filter(([, flag]) => flag !== "good" && flag !== "unchecked");
  if (doubts.length) {
    const lines = doubts.map(([quantity, flag]) => doubt(words, quantity, flag, sensor.quality_reasons[quantity]));
    return { level: "doubtful", lines: [words.text("sensor_doubted"), ...lines], technical: null };
  }
  if (sensor.heard) {
    return { level: "good", lines: [words.text("sensor_hears", { count: sensor.heard.keys })], technical: null };
  }
  const line =
    sensor.observed_at === null
      ? words.text("sensor_waiting")
      : words.text("sensor_working", { duration: since(sensor.observed_at) });
  return { level: "good", lines: [line], technical: null };
}

/** Return how well observations are kept. */
export function journalSentences(words, journal) {
  const lines = [];
  let level = "good";
  if (journal.error) {
    level = "erroneous";
    lines.push(words.text(journal.error.code === "journal.full" ? "journal_full" : "journal_error"));
  } else if (!journal.holding) lines.push(words.text("journal_well"));
  if (journal.holding) {
    if (level === "good") level = "busy";
    lines.push(words.text("journal_holding"));
  }
  const lost = journal.dropped_count + journal.queue_dropped_count + journal.unreadable_count;
  if (lost) {
    level = "erroneous";
    lines.push(words.text("journal_dropped", { count: lost }));
  }
  if (journal.thinned_count) lines.push(words.text("journal_thinned", { count: journal.thinned_count }));
  const sizes = { size: words.size(journal.size), size_max: words.size(journal.size_max) };
  lines.push(words.text("journal_size", sizes));
  return { level, lines, technical: technical(journal.error) };
}

/** Return how far the time can be trusted. */
export function clockSentences(words, clock) {
  const level = clock.synchronized ? "good" : "doubtful";
  return { level, lines: [words.text(clock.synchronized ? "clock_right" : "clock_unsure")], technical: null };
}

/** Return what an event says. */
export function eventSentence(words, event) {
  for (const key of [`event_${event.action}`, event.action]) {
    if (words.has(key)) return words.text(key, { sensor: event.sensor });
  }
  return event.action.replaceAll("_", " ");
}

/** Return a flag in words, with what it is about and why. */
export function doubt(words, quantity, flag, reason) {
  const why = reason ? ` (${words.reason(reason)})` : "";
  return `${words.quantity(quantity)}: ${words.text(flag)}${why}`;
}

function lostKey(error) {
  if (error?.code === "sink.unwelcome") return "sink_unwelcome";
  return error?.code === "sink.unreachable" || !error ? "sink_lost" : "sink_refused";
}

/** Return the error as the station's log has it, which is in English. */
function technical(error) {
  return error ? [error.message, error.hint].filter(Boolean).join("; ") : null;
}

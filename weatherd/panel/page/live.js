/** The connection to the station: what it answers, what it streams, and whether it can be heard at all. */

const ANSWER_S_MAX = 15;

/** Between two attempts to be heard again: doubled each time, and never the same for two pages. */
const DELAY_S_MIN = 1;
const DELAY_S_MAX = 20;

/** Ask the API; raises if it does not answer well within its time. */
export async function ask(path) {
  const answer = await fetch(path, { signal: AbortSignal.timeout(ANSWER_S_MAX * 1000), headers: { Accept: "application/json" } });
  if (answer.status === 401) location.assign("/login");
  if (!answer.ok) throw new Error(`${path} answers ${answer.status}`);
  return answer.json();
}

/**
 * A clock that agrees with the station's, whatever the browser's says.
 *
 * It is set by the station, and counts on by a clock of the browser that never jumps; so an age stays true when the
 * connection is gone.
 */
export class StationClock {
  constructor() {
    this.setAt = performance.now();
    this.then = Date.now();
  }

  set(time) {
    this.then = Date.parse(time);
    this.setAt = performance.now();
  }

  get nowMs() {
    return this.then + performance.now() - this.setAt;
  }
}

/**
 * The stream, opened again until it lasts.
 *
 * `heard` is called with the name and the body of each message, `opened` when it is open, `lost` when it is not.
 */
export class Stream {
  constructor({ heard, opened, lost }) {
    this.told = { heard, opened, lost };
    this.delay_s = DELAY_S_MIN;
    this.source = null;
    this.timer = null;
  }

  open() {
    this.close();
    this.source = new EventSource("/api/v1/stream");
    this.source.onopen = () => this.told.opened();
    this.source.onerror = () => this.fail();
    for (const name of ["observation", "happened", "state", "gap"]) {
      this.source.addEventListener(name, (event) => this.told.heard(name, JSON.parse(event.data)));
    }
  }

  /** The station can be heard, so the next loss is a new one. */
  settle() {
    this.delay_s = DELAY_S_MIN;
  }

  /** Give the connection up, and try again after a while. */
  fail() {
    this.close();
    this.told.lost();
    this.timer = setTimeout(() => this.open(), 1000 * this.delay_s * (0.5 + Math.random() / 2));
    this.delay_s = Math.min(DELAY_S_MAX, this.delay_s * 2);
  }

  close() {
    clearTimeout(this.timer);
    this.source?.close();
    this.source = null;
  }
}

/** Texts, numbers and times in the language of whoever looks. */

import { LANGUAGES, TEXTS, ZAMBRETTI } from "/texts.js";

/** How many decimals are shown; documents have more. */
const DECIMALS = {
  relative_humidity: 0,
  illuminance: 0,
  surface_downwelling_shortwave_flux_in_air: 0,
  wind_from_direction: 0,
  characteristic_of_pressure_tendency: 0,
  zambretti_indication: 0,
};
const UNITS = { degC: "°C", deg: "°", "W/m2": "W/m²", "g/m3": "g/m³", 1: "" };

const SECTORS = 16;

/** Choose the language: the one of before, the one of the configuration, or the first of the browser that we speak. */
export function chooseLanguage(remembered, configured) {
  for (const wanted of [remembered, configured]) if (LANGUAGES.includes(wanted)) return wanted;
  const first = navigator.languages.find((one) => /^(en|pt)\b/i.test(one)) ?? "en";
  return /^pt/i.test(first) ? "pt-BR" : "en";
}

/** Everything that depends on a language. */
export class Words {
  constructor(language) {
    this.language = language;
    this.place = LANGUAGES.indexOf(language);
    this.plurals = new Intl.PluralRules(language);
    this.numbers = new Map();
    this.dates = new Map();
  }

  /** Return a text; `{name}` becomes the value of that name, and `count` chooses the plural. */
  text(key, values = {}) {
    let text = TEXTS[key][this.place];
    if (typeof text !== "string") {
      const form = text[this.plurals.select(values.count)] ?? text.other;
      text = form.replace("{count}", this.number(values.count, 0));
    }
    return text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
  }

  has(key) {
    return key in TEXTS;
  }

  /** Return the name of a quantity; of one that has no text, the name that documents have. */
  quantity(name) {
    return this.has(name) ? this.text(name) : name.replaceAll("_", " ");
  }

  number(value, decimals, sign = "auto") {
    const key = `${decimals}${sign}`;
    if (!this.numbers.has(key)) {
      const options = { minimumFractionDigits: decimals, maximumFractionDigits: decimals, signDisplay: sign };
      this.numbers.set(key, new Intl.NumberFormat(this.language, options));
    }
    return this.numbers.get(key).format(Math.abs(value) < 0.5 * 10 ** -decimals ? 0 : value);
  }

  /** Return a value of a quantity as people read it, without its unit. */
  bare(quantity, value) {
    if (quantity === "zambretti_indication") return ZAMBRETTI[value - 1]?.[this.place] ?? "";
    return this.number(value, DECIMALS[quantity] ?? 1);
  }

  unit(unit) {
    return UNITS[unit] ?? unit;
  }

  /** Return a value of a quantity as people read it. */
  value(quantity, value, unit) {
    if (quantity === "wind_from_direction") return this.direction(value);
    if (quantity === "tendency_of_air_pressure") return this.change(quantity, value, unit);
    const suffix = this.unit(unit);
    return suffix ? `${this.bare(quantity, value)}\u00a0${suffix}` : this.bare(quantity, value);
  }

  change(quantity, value, unit) {
    return `${this.number(value, DECIMALS[quantity] ?? 1, "exceptZero")}\u00a0${this.unit(unit)}`;
  }

  compass(degrees) {
    return this.text("compass").split(" ")[Math.round((degrees * SECTORS) / 360) % SECTORS];
  }

  direction(degrees) {
    return this.text("from_direction", { compass: this.compass(degrees), degrees: this.number(degrees, 0) });
  }

  /** Return a number of seconds as people say it, in one or two units. */
  duration(seconds) {
    const whole = Math.max(0, Math.round(seconds));
    if (whole < 90) return this.amount(whole, "second");
    const minutes = Math.round(whole / 60);
    if (minutes < 60) return this.amount(minutes, "minute");
    const hours = Math.floor(minutes / 60);
    if (hours < 10 && minutes % 60) return `${this.amount(hours, "hour")} ${this.amount(minutes % 60, "minute")}`;
    if (hours < 48) return this.amount(Math.round(minutes / 60), "hour");
    return this.amount(Math.round(hours / 24), "day");
  }

  amount(count, unit) {
    const key = `unit ${unit}`;
    if (!this.numbers.has(key)) {
      const unitDisplay = unit === "day" ? "long" : "short";
      const options = { style: "unit", unit, unitDisplay, maximumFractionDigits: 0 };
      this.numbers.set(key, new Intl.NumberFormat(this.language, options));
    }
    return this.numbers.get(key).format(count);
  }

  percent(share) {
    return new Intl.NumberFormat(this.language, { style: "percent" }).format(share);
  }

  size(bytes) {
    const [divisor, unit] = bytes >= 1e9 ? [1e9, "GB"] : bytes >= 1e6 ? [1e6, "MB"] : [1e3, "kB"];
    return `${this.number(bytes / divisor, bytes / divisor < 10 ? 1 : 0)}\u00a0${unit}`;
  }

  /** Return a moment (milliseconds since 1970) in the browser's time zone. */
  date(ms, options) {
    const key = JSON.stringify(options);
    if (!this.dates.has(key)) this.dates.set(key, new Intl.DateTimeFormat(this.language, { hourCycle: "h23", ...options }));
    return this.dates.get(key).format(ms);
  }

  time(ms) {
    return this.date(ms, { hour: "2-digit", minute: "2-digit" });
  }

  moment(ms) {
    return this.date(ms, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
  }

  /** Return why a value is not good, or a sensor lost, from a test's name or an error's code. */
  reason(code) {
    const name = code.slice(code.lastIndexOf(".") + 1);
    const key = `reason_${name}`;
    return this.has(key) ? this.text(key) : name.replaceAll("_", " ");
  }
}

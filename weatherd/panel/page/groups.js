/** Which quantities stand together: on one card, and in one chart. */

/**
 * Cards, in their order. `main` is shown large: the first of them that the station tells; `more` are shown below it.
 * `step` is the change in an hour from which on a value rises or falls; without it there is no arrow.
 */
export const CARDS = [
  {
    name: "temperature",
    main: ["air_temperature"],
    more: ["dew_point_temperature", "heat_index_of_air_temperature", "wind_chill_of_air_temperature"],
    step: 0.3,
  },
  { name: "humidity", main: ["relative_humidity"], more: ["mass_concentration_of_water_vapor_in_air"], step: 2 },
  {
    name: "pressure",
    main: ["air_pressure_at_mean_sea_level", "air_pressure"],
    more: ["tendency_of_air_pressure", "air_pressure"],
    step: 0.3,
  },
  { name: "wind", main: ["wind_speed", "wind_from_direction"], more: ["wind_speed_of_gust", "wind_from_direction"] },
  { name: "rain", main: ["rainfall_amount_of_day", "rainfall_amount"], more: ["rainfall_rate"] },
  {
    name: "light",
    main: ["surface_downwelling_shortwave_flux_in_air", "illuminance"],
    more: ["illuminance"],
  },
  { name: "outlook", main: ["zambretti_indication"], more: [], hint: "outlook_hint" },
];

/** Charts, in their order; the first quantity has the band from least to greatest. `bars` are for amounts. */
export const CHARTS = [
  { name: "air_temperature", quantities: ["air_temperature", "dew_point_temperature"] },
  { name: "relative_humidity", quantities: ["relative_humidity"] },
  { name: "pressure", quantities: ["air_pressure_at_mean_sea_level"], instead: ["air_pressure"] },
  { name: "rain", quantities: ["rainfall_amount"], bars: true },
  { name: "light", quantities: ["surface_downwelling_shortwave_flux_in_air"], instead: ["illuminance"] },
  { name: "wind", quantities: ["wind_speed", "wind_speed_of_gust"] },
];

/** Return, of the sensors that tell a quantity, the one that speaks for the station: for temperature, one in free air. */
export function speaker(values, quantity) {
  const told = values.filter((one) => one.quantity === quantity);
  if (quantity !== "air_temperature" && quantity !== "dew_point_temperature") return told[0];
  const inAir = (one) => values.some((other) => other.sensor === one.sensor && other.quantity === "relative_humidity");
  return told.find(inAir) ?? told[0];
}

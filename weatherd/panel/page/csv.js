/** What is shown, as a file for a spreadsheet: a line for each time, UTC, with decimal points in every language. */

/** Return curves as CSV (RFC 4180); the first line names quantity, sensor and unit of each column. */
export function csv(curves) {
  const columns = curves.flatMap((one) => columnsOf(one));
  const rows = new Map();
  columns.forEach((column, place) => {
    column.time.forEach((at, index) => {
      if (column.values[index] === null) return;
      if (!rows.has(at)) rows.set(at, new Array(columns.length).fill(""));
      rows.get(at)[place] = String(column.values[index]);
    });
  });
  const lines = [...rows].sort(([one], [other]) => one - other).map(([at, cells]) => [new Date(at * 1000).toISOString(), ...cells]);
  const all = [["time", ...columns.map((one) => one.name)], ...lines];
  return all.map((cells) => `${cells.map(quoted).join(",")}\r\n`).join("");
}

/** Hand text over to the browser as a download. */
export function download(name, text) {
  const address = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

function columnsOf(curve) {
  const name = (what) => `${curve.quantity} ${curve.sensor} ${what} (${curve.unit})`;
  const columns = [{ name: name(curve.reduction), time: curve.time, values: curve.value }];
  if (curve.min.some((one) => one !== null)) {
    columns.push({ name: name("min"), time: curve.time, values: curve.min }, { name: name("max"), time: curve.time, values: curve.max });
  }
  return columns;
}

function quoted(cell) {
  // A spreadsheet takes a text that begins like this for a formula; numbers stay numbers.
  const text = /^[=+@\t]/.test(cell) || (cell.startsWith("-") && Number.isNaN(Number(cell))) ? `'${cell}` : cell;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

// Writes the description of the API, openapi.json, as a page.

const api = document.getElementById("api");

const element = (name, ...children) => {
  const made = document.createElement(name);
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
};

const paragraphs = (text) => (text ?? "").trim().split(/\n\s*\n/).filter(Boolean).map((part) => element("p", ...words(part)));

// Markdown's `code` is all that the description uses.
const words = (text) => text.split("`").map((part, index) => (index % 2 ? element("code", part) : part));

const nameOf = (reference) => reference.split("/").at(-1);

const linkTo = (name) => {
  const link = element("a", name);
  link.href = `#${name}`;
  return link;
};

const typeOf = (schema) => {
  if (schema === undefined) return [];
  if (schema.$ref) return [linkTo(nameOf(schema.$ref))];
  if (schema.enum) return [schema.enum.join(" | ")];
  if (schema.items) return ["list of ", ...typeOf(schema.items)];
  if (schema.additionalProperties) return ["by name: ", ...typeOf(schema.additionalProperties)];
  return [[schema.type].flat().join(" or "), schema.format ? ` (${schema.format})` : ""];
};

const limitsOf = (schema) => ["minimum", "maximum", "multipleOf", "minLength", "maxLength", "maxItems", "pattern", "default"]
  .filter((key) => schema?.[key] !== undefined)
  .map((key) => `${key} ${schema[key]}`)
  .join(", ");

const table = (heads, rows) => {
  const head = element("tr", ...heads.map((text) => {
    const cell = element("th", text);
    cell.scope = "col";
    return cell;
  }));
  return element("table", element("thead", head), element("tbody", ...rows));
};

const row = (...cells) => element("tr", ...cells.map((cell) => element("td", ...[cell].flat())));

const fields = (schema) => table(
  ["field", "type", "what it is"],
  Object.entries(schema.properties).map(([name, field]) => row(
    element("code", name),
    typeOf(field),
    [...words(field.description ?? ""), limitsOf(field) ? ` (${limitsOf(field)})` : ""],
  )),
);

const operation = (path, one) => element(
  "section",
  element("h2", element("code", `GET ${path}`)),
  ...paragraphs(one.summary),
  ...paragraphs(one.description),
  one.parameters ? table(["parameter", "in", "type", "what it is"], one.parameters.map((each) => row(
    [element("code", each.name), each.required ? " (required)" : ""],
    each.in,
    typeOf(each.schema),
    [...words(each.description ?? ""), limitsOf(each.schema) ? ` (${limitsOf(each.schema)})` : ""],
  ))) : null,
  element("p", "Answers: ", ...answers(one.responses)),
);

const answers = (responses) => Object.entries(responses).flatMap(([status, answer], index) => {
  const name = answer.$ref ? nameOf(answer.$ref) : null;
  return [index ? ", " : "", `${status} `, name ? shapeOf(name) : answer.description];
});

let description;

const shapeOf = (name) => {
  const [content] = Object.values(description.components.responses[name].content);
  return element("span", ...typeOf(content.schema));
};

const shape = (name, schema) => {
  const heading = element("h2", name);
  heading.id = name;
  return element(
    "section",
    heading,
    ...paragraphs(schema.description),
    schema.properties ? fields(schema) : element("p", ...typeOf(schema)),
  );
};

const show = async () => {
  const answer = await fetch("/openapi.json");
  if (!answer.ok) throw new Error(`openapi.json: ${answer.status}`);
  description = await answer.json();
  api.append(...paragraphs(description.info.description));
  for (const [path, methods] of Object.entries(description.paths)) api.append(operation(path, methods.get));
  for (const [name, schema] of Object.entries(description.components.schemas)) api.append(shape(name, schema));
  api.removeAttribute("aria-busy");
};

show().catch((error) => {
  api.append(element("p", `The description could not be read: ${error.message}`));
});

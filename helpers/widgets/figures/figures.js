// The figures of the lecture: a drawing, or a row of dots for each arm of an experiment, in HTML so that they scale,
// follow the theme and can be read aloud.

// The axis of a plot of dots: its ends, its ticks, and the share of its length at which a value lies.
function axis(values, log, reference) {
  const all = reference == null ? values : [...values, reference];
  const [least, most] = [Math.min(...all), Math.max(...all)];
  if (!log) {
    const step = 10 ** Math.floor(Math.log10(most || 1)) / 2;
    const high = Math.ceil((most * 1.05) / step) * step;
    const ticks = Array.from({ length: Math.round(high / step) + 1 }, (_, i) => Number((i * step).toPrecision(6)));
    return { ticks, share: (value) => value / high };
  }
  const [low, high] = [Math.floor(Math.log10(least)), Math.ceil(Math.log10(most))];
  const ticks = Array.from({ length: high - low + 1 }, (_, i) => Number((10 ** (low + i)).toPrecision(6)));
  return { ticks, share: (value) => (Math.log10(value) - low) / (high - low) };
}

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
const brief = (value) => String(Number(value.toPrecision(value < 1 ? 2 : 3)));

function dots({ label, log, rows, reference }) {
  const { ticks, share } = axis(rows.flatMap(([, values]) => values), log, reference);
  const at = (value) => `left:${(100 * share(value)).toFixed(2)}%`;
  const lines = () => [
    ...ticks.map((tick) => element("span", { class: "dl-tick", style: at(tick) })),
    ...(reference == null ? [] : [element("span", { class: "dl-reference", style: at(reference) })]),
  ];
  const row = ([name, values], index) =>
    element(
      "tr",
      {},
      element("th", { scope: "row" }, name),
      element(
        "td",
        { "aria-label": values.map(brief).join(", ") },
        element(
          "div",
          { class: "dl-strip", "aria-hidden": "true" },
          ...lines(),
          ...values.map((value) => element("span", { class: `dl-dot dl-dot-${index % 4}`, style: at(value) })),
          element("span", { class: "dl-average", style: at(mean(values)) }),
        ),
      ),
      element("td", {}, brief(mean(values))),
    );
  const scale = element(
    "tr",
    { "aria-hidden": "true" },
    element("td"),
    element("td", {}, element("div", { class: "dl-strip" }, ...ticks.map((tick) => element("span", { class: "dl-label", style: at(tick) }, String(tick))))),
    element("td"),
  );
  const heads = ["", label, "mean"].map((head) => element("th", { scope: "col" }, head));
  return element(
    "table",
    { class: "dl-dots" },
    element("thead", {}, element("tr", {}, ...heads)),
    element("tbody", {}, ...rows.map(row)),
    element("tfoot", {}, scale),
  );
}

function drawing({ svg, title }) {
  // As an image: a drawing can then run no script.
  return element("img", { class: "dl-drawing", alt: title, src: `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svg)}` });
}

function plain({ figures, figure }) {
  const { title, rows = [] } = figures[figure];
  return [title, ...rows.map(([name, values]) => `${name}: ${values.map(brief).join(", ")}`)].join("\n");
}

function build({ set, state }) {
  const { node, select } = choice("Figure", Object.keys(state.figures), (figure) => set({ figure }));
  const title = element("p", { class: "dl-figure-title" });
  const frame = element("div", { class: "dl-figure" });
  const draw = (now, changed) => {
    if (!changed.has("figure") && !changed.has("figures")) return;
    const shown = now.figures[now.figure];
    select.value = now.figure;
    setText(title, shown.title);
    frame.replaceChildren(shown.svg ? drawing(shown) : dots(shown));
  };
  return { nodes: [node, title, frame], plots: [], draw, summary: () => plain(state) };
}

const render = (context) => mount(context, { title: "Figures", names: ["figures", "figure"], build, plain });
export default { render, pure: { axis, plain } };

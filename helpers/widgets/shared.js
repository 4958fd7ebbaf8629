// Shared by all explorers: state synchronised with Python, drawing on a canvas, controls, tables and themes.
// Python prepends this file to each explorer's own, so there are no imports and only one export, the explorer's default.

// ------------------------------------------------------------------------------------------------------- distributions

// Writes the probabilities of logits at a temperature to `out`. Subtracting the largest prevents overflow.
function softmax(logits, temperature, out = new Float64Array(logits.length)) {
  let top = -Infinity;
  for (let i = 0; i < logits.length; i++) top = Math.max(top, logits[i] / temperature);
  let sum = 0;
  for (let i = 0; i < logits.length; i++) sum += out[i] = Math.exp(logits[i] / temperature - top);
  for (let i = 0; i < logits.length; i++) out[i] /= sum;
  return out;
}

function logSoftmax(logits, temperature) {
  const scaled = Array.from(logits, (logit) => logit / temperature);
  const top = Math.max(...scaled);
  const rest = top + Math.log(scaled.reduce((sum, value) => sum + Math.exp(value - top), 0));
  return scaled.map((value) => value - rest);
}

// Entropy in nats, where 0 log 0 = 0.
function entropy(probabilities) {
  let sum = 0;
  for (const p of probabilities) if (p > 0) sum -= p * Math.log(p);
  return sum;
}

// KL(p || q) in nats from two arrays of log-probabilities; where p is 0, the term is 0.
function divergence(logP, logQ) {
  let sum = 0;
  for (let i = 0; i < logP.length; i++) if (logP[i] > -Infinity) sum += Math.exp(logP[i]) * (logP[i] - logQ[i]);
  return sum;
}

// ------------------------------------------------------------------------------------------------------ state and time

// Says whether the browser has the features that the explorers draw with.
function canDraw() {
  const container = globalThis.CSS && CSS.supports && CSS.supports("container-type", "inline-size");
  return Boolean(container && globalThis.ResizeObserver && document.createElement("canvas").getContext);
}

// Keeps the traits `names` of the model in step with a local state, both ways. `draw(state, changed)` runs at most once a
// frame and Python is notified at most every 60 ms, so that dragging neither floods the kernel nor waits for it.
function syncState(model, names, draw) {
  const state = Object.fromEntries(names.map((name) => [name, model.get(name)]));
  const unsent = new Set();
  let changed = new Set(names);
  let frame = 0;
  let timer = 0;
  const request = (name) => {
    if (name) changed.add(name);
    if (!frame) frame = requestAnimationFrame(paint);
  };
  const paint = () => {
    const toDraw = changed;
    changed = new Set();
    frame = 0;
    draw(state, toDraw);
  };
  const send = () => {
    timer = 0;
    const toSend = [...unsent];
    unsent.clear();
    for (const name of toSend) model.set(name, state[name]);
    model.save_changes();
  };
  const listeners = names.map((name) => {
    const onChange = () => {
      if (unsent.has(name) || state[name] === model.get(name)) return; // the user's own change wins
      state[name] = model.get(name);
      request(name);
    };
    model.on(`change:${name}`, onChange);
    return () => model.off(`change:${name}`, onChange);
  });
  const set = (changes) => {
    for (const [name, value] of Object.entries(changes)) {
      state[name] = value;
      unsent.add(name);
      request(name);
    }
    if (!timer) timer = setTimeout(send, 60);
  };
  const stop = () => {
    listeners.forEach((off) => off());
    cancelAnimationFrame(frame);
    clearTimeout(timer);
    if (unsent.size) send();
  };
  return { state, set, request, paint, stop };
}

// Runs `act` once no call has come for `wait` ms, so that screen readers announce the end of a drag and not every step.
function debounce(act, wait) {
  let timer = 0;
  const debounced = () => {
    clearTimeout(timer);
    timer = setTimeout(act, wait);
  };
  debounced.stop = () => clearTimeout(timer);
  return debounced;
}

// Runs `act` at once, then at most every `wait` ms while calls keep coming; the last call always runs.
function throttle(act, wait) {
  let timer = 0;
  let pending = false;
  const tick = () => {
    timer = 0;
    if (!pending) return;
    pending = false;
    timer = setTimeout(tick, wait);
    act();
  };
  const throttled = () => {
    pending = true;
    if (!timer) tick();
  };
  throttled.stop = () => clearTimeout(timer);
  return throttled;
}

// ---------------------------------------------------------------------------------------------------- elements, controls

function element(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (value !== false && value != null) node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children);
  return node;
}

// Change a text or an attribute only if it differs: layout is the expensive part of a frame.
function setText(node, text) {
  if (node.firstChild && node.firstChild.nodeType === 3 && node.childNodes.length === 1) {
    if (node.firstChild.data !== text) node.firstChild.data = text;
  } else node.textContent = text;
}

function setAttribute(node, name, value) {
  if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
}

// Random, because every explorer on a page has its own copy of this module, and a counter would restart in each.
const uniqueId = (stem) => `distillab-${stem}-${Math.random().toString(36).slice(2, 12)}`;

// A labelled slider. `text(value)` is shown and read out; `setValue(value)` moves the thumb without an event.
function slider({ label, min, max, step, text, change, hint }) {
  const id = uniqueId("slider");
  const input = element("input", { type: "range", id, min, max, step, title: hint });
  const shown = element("output", { for: id, class: "dl-value", "aria-hidden": "true" });
  const node = element("div", { class: "dl-slider" }, element("label", { for: id }, label), input, shown);
  input.addEventListener("input", () => change(Number(input.value)));
  const setValue = (value) => {
    if (Number(input.value) !== value) input.value = value;
    setText(shown, text(value));
    setAttribute(input, "aria-valuetext", text(value));
  };
  return { node, input, setValue };
}

// The range of logits that are set by sliders and by dragging.
const MIN_LOGIT = -10;
const MAX_LOGIT = 10;

// The logits after token `index` was dragged to a probability: its own logit moves, the others stay.
function dragged(logits, index, target) {
  const p = Math.min(0.999, Math.max(0.001, target));
  const others = logits.filter((_, i) => i !== index);
  const top = Math.max(...others);
  const rest = top + Math.log(others.reduce((sum, logit) => sum + Math.exp(logit - top), 0));
  const moved = [...logits];
  moved[index] = Math.min(MAX_LOGIT, Math.max(MIN_LOGIT, Number((rest + Math.log(p / (1 - p))).toFixed(3))));
  return moved;
}

// Panels of sliders, one for each token of a list of logits in the state; `follow` moves their thumbs to other logits.
function logitPanels(state, set) {
  const logitSliders = {};
  const panel = (who, name) => {
    logitSliders[who] = state.words.map((word, index) =>
      slider({
        label: word,
        min: MIN_LOGIT,
        max: MAX_LOGIT,
        step: 0.1,
        text: (logit) => fixed(logit, 1),
        change: (logit) => set({ [who]: state[who].map((old, i) => (i === index ? logit : old)) }),
      }),
    );
    logitSliders[who].forEach(({ input }, index) =>
      input.setAttribute("aria-label", `${name}, ${state.words[index]}: logit`));
    const nodes = logitSliders[who].map(({ node }) => node);
    return element("fieldset", {}, element("legend", {}, `${name}: logits`), element("div", { class: "dl-sliders" }, ...nodes));
  };
  const follow = (who, logits) => logitSliders[who].forEach((control, i) => control.setValue(logits[i]));
  return { panel, follow };
}

// The slider's value is log10(T), for T from 0.1 to 20, so that T = 1 is exactly one of the steps.
const LOG_T_RANGE = { min: -1, max: 1.31, step: 0.01 };
const toTemperature = (exponent) => Math.min(20, Math.max(0.1, Number((10 ** exponent).toPrecision(3))));

function temperatureSlider(change) {
  let exact = 1;
  const control = slider({
    ...LOG_T_RANGE,
    label: "Temperature T",
    hint: "0.1 to 20, logarithmic",
    text: () => number(exact),
    change: (exponent) => change(toTemperature(exponent)),
  });
  return {
    ...control,
    setValue: (temperature) => {
      exact = temperature;
      const exponent = Number(control.input.value);
      // A slider that already shows this temperature stays where the user left it.
      control.setValue(toTemperature(exponent) === temperature ? exponent : Math.log10(temperature));
    },
  };
}

function choice(label, options, change) {
  const id = uniqueId("choice");
  const select = element("select", { id }, ...options.map((option) => element("option", { value: option }, option)));
  select.addEventListener("change", () => change(select.value));
  return { node: element("div", { class: "dl-field" }, element("label", { for: id }, label), select), select };
}

function button(label, press, attributes = {}) {
  return element("button", { type: "button", onclick: press, ...attributes }, label);
}

// A table that reuses its rows. `fill(lines)` takes an array of texts for each row; the first is the row's header.
function table(caption, heads, { name, className = "" } = {}) {
  const body = element("tbody");
  const headRow = element("tr", {}, ...heads.map((head) => element("th", { scope: "col" }, head)));
  const node = element(
    "div",
    { class: `dl-table ${className}`, role: "region", tabindex: "0", "aria-label": name || caption },
    element("table", {}, element("caption", {}, caption), element("thead", {}, headRow), body),
  );
  const rows = [];
  const fill = (texts) => {
    while (rows.length < texts.length) {
      const row = element("tr", {}, element("th", { scope: "row" }));
      for (let i = 1; i < heads.length; i++) row.append(element("td"));
      rows.push(row);
    }
    texts.forEach((line, index) => {
      const row = rows[index];
      if (!row.parentNode) body.append(row);
      line.forEach((text, column) => setText(row.children[column], text));
    });
    for (let index = texts.length; index < rows.length && rows[index].parentNode; index++) rows[index].remove();
  };
  return { node, fill };
}

// -------------------------------------------------------------------------------------------------------------- numbers

const MINUS = "−";
// About three significant digits: 0.10, 1.00, 12.3, 150.
function number(value) {
  const size = Math.abs(value);
  return value.toFixed(size >= 99.95 ? 0 : size >= 9.995 ? 1 : 2).replace("-", MINUS);
}
function fixed(value, digits) {
  const text = value.toFixed(digits);
  return (Number(text) === 0 ? text.replace("-", "") : text).replace("-", MINUS);
}
// Four decimals, but never 0.0000 for a probability above 0.
function probability(value) {
  return value > 0 && value < 0.00005 ? value.toExponential(0).replace("-", MINUS) : value.toFixed(4);
}

// ----------------------------------------------------------------------------------------------------- theme, drawing

// Okabe and Ito's colours. Series also differ in pattern, so that nothing depends on colour alone.
const SERIES = {
  light: ["#0072B2", "#E69F00", "#009E73", "#D55E00"],
  dark: ["#56B4E9", "#E69F00", "#009E73", "#D55E00"],
};
const PATTERNS = ["plain", "stripes", "dots", "crosses"];
const DASHES = [[], [8, 4], [2, 3], [10, 3, 2, 3]];

// Returns the theme of the page around the widget: as Jupyter, VS Code or Colab declare it, else by the background.
function hostTheme(node) {
  const { body, documentElement: root } = document;
  if (body.dataset.jpThemeLight) return body.dataset.jpThemeLight === "true" ? "light" : "dark";
  if (/\bvscode-(dark|high-contrast)\b(?!-light)/.test(body.className)) return "dark";
  if (/\bvscode-light\b/.test(body.className)) return "light";
  for (const declared of [root.dataset.theme, root.getAttribute("theme")]) {
    if (/^(light|dark)$/.test(declared)) return declared;
  }
  for (let parent = node.parentElement; parent; parent = parent.parentElement) {
    const parts = getComputedStyle(parent).backgroundColor.match(/[\d.]+/g);
    if (parts && (parts.length < 4 || Number(parts[3]) > 0.5)) {
      return 0.299 * parts[0] + 0.587 * parts[1] + 0.114 * parts[2] < 128 ? "dark" : "light";
    }
  }
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}

// Calls `change` when the host's theme may have changed. Returns a function that stops watching.
function watchTheme(change) {
  const query = matchMedia("(prefers-color-scheme: dark)");
  const observer = new MutationObserver(change);
  for (const node of [document.body, document.documentElement]) observer.observe(node, { attributes: true });
  query.addEventListener("change", change);
  return () => {
    observer.disconnect();
    query.removeEventListener("change", change);
  };
}

// A canvas that keeps its height, is sharp on high-density screens, and uses the widget's colours and font.
function createPlot(label, redraw) {
  const canvas = element("canvas", { role: "img", "aria-label": label });
  const frame = element("div", { class: "dl-plot" }, canvas);
  const context = canvas.getContext("2d");
  const fills = new Map();
  const plot = { node: frame, canvas, context, width: 0, height: 0, size: 13, ink: "#000", grid: "#ccc", colours: [] };
  const measure = () => {
    const ratio = window.devicePixelRatio || 1;
    const { clientWidth: width, clientHeight: height } = frame;
    if (!width || !height) return;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    Object.assign(plot, { width, height });
  };
  plot.restyle = (theme) => {
    const style = getComputedStyle(frame);
    plot.size = parseFloat(style.fontSize);
    plot.ink = style.color;
    plot.paper = style.getPropertyValue("--dl-paper").trim();
    plot.grid = style.getPropertyValue("--dl-line").trim();
    plot.font = `${plot.size}px ${style.fontFamily}`;
    plot.colours = SERIES[theme];
    fills.clear();
    measure();
  };
  // The fill of a series: its colour with its pattern, created once for each theme.
  plot.seriesFill = (series) => {
    if (!fills.has(series)) {
      fills.set(series, patternFill(context, plot.colours[series], PATTERNS[series], plot.paper));
    }
    return fills.get(series);
  };
  plot.clear = () => {
    context.clearRect(0, 0, plot.width, plot.height);
    context.font = plot.font;
    context.lineWidth = 1;
    context.setLineDash([]);
  };
  const observer = new ResizeObserver(() => {
    measure();
    redraw();
  });
  observer.observe(frame);
  plot.stop = () => observer.disconnect();
  return plot;
}

function patternFill(context, colour, pattern, paper) {
  if (pattern === "plain") return colour;
  const tile = document.createElement("canvas");
  tile.width = tile.height = 8;
  const pen = tile.getContext("2d");
  pen.fillStyle = colour;
  pen.fillRect(0, 0, 8, 8);
  pen.strokeStyle = pen.fillStyle = paper;
  pen.lineWidth = 1.6;
  pen.beginPath();
  if (pattern === "dots") pen.arc(4, 4, 1.7, 0, 7);
  for (const shift of pattern === "dots" ? [] : [-8, 0, 8]) {
    pen.moveTo(shift, 8);
    pen.lineTo(shift + 8, 0);
    if (pattern === "crosses") {
      pen.moveTo(shift, 0);
      pen.lineTo(shift + 8, 8);
    }
  }
  pattern === "dots" ? pen.fill() : pen.stroke();
  return context.createPattern(tile, "repeat");
}

// Horizontal bars: one row for each name and, within it, one bar for each series, from 0 to its value.
// series: [{fill, values, marks}], where marks[i] is a second value drawn as a thin line; low, high: range of the axis;
// value(amount, series, row): the text beside a bar. Returns the layout: {left, right, bottom, step, thick, toX, toValue}.
function paintBars(plot, { names, series, low = 0, high = 1, ticks, digits = 2, value }) {
  const { context: pen, width, height, size } = plot;
  plot.clear();
  const count = names.length;
  const left = Math.min(width * 0.3, 9.5 * size);
  const right = width - 4 * size;
  const bottom = height - 1.6 * size;
  const step = bottom / Math.max(1, count);
  const toX = (amount) => left + ((amount - low) / (high - low)) * (right - left);
  const toValue = (x) => low + ((x - left) / (right - left)) * (high - low);
  pen.textBaseline = "middle";
  pen.strokeStyle = plot.grid;
  pen.fillStyle = plot.ink;
  pen.textAlign = "center";
  for (const tick of ticks) {
    const x = Math.round(toX(tick)) + 0.5;
    line(pen, x, 0, x, bottom);
    pen.fillText(fixed(tick, digits).replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, ""), x, height - 0.7 * size);
  }
  const every = Math.ceil((1.15 * size) / step); // label only as many rows as fit
  const thick = Math.max(1, step * 0.84) / series.length;
  pen.strokeStyle = plot.ink;
  pen.lineWidth = step > 6 ? 1 : 0;
  for (let s = 0; s < series.length; s++) {
    pen.fillStyle = series[s].fill;
    for (let i = 0; i < count; i++) {
      const from = toX(0);
      const to = toX(Math.max(low, Math.min(high, series[s].values[i])));
      const y = i * step + step * 0.08 + s * thick;
      pen.fillRect(Math.min(from, to), y, Math.abs(to - from), thick);
      if (step > 6) pen.strokeRect(Math.min(from, to), y, Math.abs(to - from), thick);
    }
  }
  pen.fillStyle = plot.ink;
  pen.lineWidth = 3;
  for (let s = 0; s < series.length; s++) {
    for (let i = 0; series[s].marks && i < count; i++) {
      const x = toX(series[s].marks[i]);
      const y = i * step + step * 0.08 + s * thick;
      line(pen, x, y - 1, x, y + thick + 1);
    }
  }
  for (let i = 0; i < count; i += every) {
    const y = i * step + step / 2;
    pen.textAlign = "right";
    pen.fillText(shorten(pen, names[i], left - 0.6 * size), left - 0.4 * size, y);
    if (value && every === 1 && thick > 0.8 * size) {
      pen.textAlign = "left";
      for (let s = 0; s < series.length; s++) {
        const y = i * step + step * 0.08 + (s + 0.5) * thick;
        const end = Math.max(series[s].values[i], series[s].marks ? series[s].marks[i] : 0, 0);
        pen.fillText(value(series[s].values[i], s, i), toX(Math.min(high, end)) + 0.4 * size, y);
      }
    }
  }
  pen.strokeStyle = plot.ink;
  pen.lineWidth = 1;
  line(pen, Math.round(toX(0)) + 0.5, 0, Math.round(toX(0)) + 0.5, bottom);
  return { left, right, bottom, step, thick, toX, toValue };
}

function line(pen, x1, y1, x2, y2) {
  pen.beginPath();
  pen.moveTo(x1, y1);
  pen.lineTo(x2, y2);
  pen.stroke();
}

const shortened = new Map(); // measuring text is slow, and the names stay the same while a slider moves
function shorten(pen, text, maxWidth) {
  const key = `${pen.font} ${Math.round(maxWidth)} ${text}`;
  if (!shortened.has(key)) {
    if (shortened.size > 2000) shortened.clear();
    let short = text;
    while (short.length > 1 && pen.measureText(short).width > maxWidth) short = `${short.slice(0, -2)}…`;
    shortened.set(key, short);
  }
  return shortened.get(key);
}

// A legend in HTML, so that screen readers read it and it wraps on a phone.
function legend(entries) {
  return element(
    "ul",
    { class: "dl-legend", "aria-label": "Legend" },
    ...entries.map(([className, text]) =>
      element("li", {}, element("span", { class: `dl-key ${className}`, "aria-hidden": "true" }), text),
    ),
  );
}

// Handles dragging on a plot: start(x, y) returns true to accept the drag; then come move(x, y) and end().
function draggable(plot, { start, move, end }) {
  const { canvas } = plot;
  let dragging = false;
  const position = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  canvas.addEventListener("pointerdown", (event) => {
    dragging = start(...position(event));
    if (!dragging) return;
    canvas.setPointerCapture(event.pointerId);
    event.preventDefault();
  });
  canvas.addEventListener("pointermove", (event) => {
    if (dragging) move(...position(event));
  });
  for (const name of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(name, () => {
      dragging = false;
      if (end) end();
    });
  }
}

// ------------------------------------------------------------------------------------------------------ a whole widget

// Mounts a widget in `el`. `build(tools)` creates the elements and returns {nodes, plots, draw(state, changed), summary()}.
// Listeners on elements inside the widget disappear with them; the returned function stops everything else.
function mount({ model, el }, { title, names, build, plain }) {
  const root = element("section", { class: "distillab", "aria-label": title, "data-explorer": title });
  root.dataset.lmSuppressShortcuts = "true"; // so that JupyterLab leaves the keys to the widget
  root.addEventListener("keydown", (event) => event.stopPropagation()); // the same for the classic notebook
  if (!canDraw()) {
    const state = Object.fromEntries(names.map((name) => [name, model.get(name)]));
    root.append(element("p", {}, `${title}: this browser is too old for the plot; these are the numbers.`));
    root.append(element("pre", {}, plain(state)));
    el.append(root);
    return () => root.remove();
  }
  let view = null;
  const restyle = () => {
    const theme = model.get("theme");
    root.dataset.theme = theme === "auto" ? hostTheme(root) : theme;
    root.toggleAttribute("data-large", Boolean(model.get("large")));
    for (const plot of view.plots) plot.restyle(root.dataset.theme);
    sync.request("theme");
  };
  const live = element("p", { class: "dl-spoken", "aria-live": "polite", role: "status" });
  const announce = debounce(() => setText(live, view.summary()), 500);
  const sync = syncState(model, names, (state, changed) => {
    view.draw(state, changed);
    announce();
  });
  const { set, state, request } = sync;
  view = build({ set, state, redraw: () => request("size"), root });
  root.append(element("h3", { class: "dl-title" }, title), ...view.nodes, live);
  el.append(root);
  const stops = [watchTheme(restyle), sync.stop, announce.stop, ...view.plots.map((plot) => plot.stop)];
  stops.push(...(view.stops || []));
  for (const name of ["theme", "large"]) {
    model.on(`change:${name}`, restyle);
    stops.push(() => model.off(`change:${name}`, restyle));
  }
  // The presenter sets state with an event, which also works on a page without Python.
  root.addEventListener("distillab-set", ({ detail }) => {
    const { theme, large, ...state } = detail;
    for (const [name, value] of Object.entries({ theme, large })) if (value !== undefined) model.set(name, value);
    if (Object.keys(state).length) set(state);
    else model.save_changes();
  });
  restyle();
  return () => {
    stops.forEach((stop) => stop());
    root.remove();
  };
}

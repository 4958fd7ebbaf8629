// The temperature explorer: logits, a temperature slider, bars of the most likely tokens, and measures of spread.

const TYPED = "(typed logits)";
const MAX_BARS = 200;

// Probabilities and measures of spread of logits at a temperature. `probabilities` is overwritten, to save allocations.
function measures(logits, temperature, probabilities = new Float64Array(logits.length)) {
  softmax(logits, temperature, probabilities);
  const nats = entropy(probabilities);
  let largest = 0;
  for (let i = 1; i < logits.length; i++) if (probabilities[i] > probabilities[largest]) largest = i;
  return {
    probabilities,
    nats,
    bits: nats / Math.LN2,
    choices: Math.exp(nats),
    outside: 1 - probabilities[largest],
  };
}

// The end of the axis for bars of this height, so that they fill the plot at every temperature.
const axisEnd = (largest) => [0.04, 0.1, 0.2, 0.4].find((end) => largest <= end) || 1;

// Indices of the logits, the largest first; ties keep their order.
function ranked(logits) {
  return Array.from(logits, (_, index) => index).sort((a, b) => logits[b] - logits[a] || a - b);
}

// "5, 2, 0.5" → {logits: [5, 2, 0.5]}, or {error: what is wrong with the text}.
function readLogits(text) {
  const parts = text.replace(/[−–]/g, "-").split(/[\s,;]+/).filter(Boolean);
  const logits = parts.map(Number);
  const invalid = parts.find((part, index) => !Number.isFinite(logits[index]) || Math.abs(logits[index]) > 1e6);
  if (invalid !== undefined) return { error: `“${invalid}” is not a number from −1,000,000 to 1,000,000.` };
  if (logits.length < 2) return { error: "Enter at least two numbers. Example: 5, 2, 0.5" };
  if (logits.length > 1000) return { error: "Enter at most 1,000 numbers." };
  return { logits };
}

// A token without its leading space; tokens that are only spaces or line breaks become visible.
const visible = (token) => (token.trim() ? token.replace(/^ /, "") : token.replace(/ /g, "␣").replace(/\n/g, "↵"));

function plain(state) {
  const { probabilities, nats } = measures(state.logits, state.temperature);
  const rows = ranked(state.logits).slice(0, state.top_k);
  const lines = rows.map((i) => `${probability(probabilities[i])}  ${state.tokens[i]}`);
  return `T = ${number(state.temperature)}, entropy ${fixed(nats, 3)} nats\n${lines.join("\n")}`;
}

function build({ set, state, redraw }) {
  const prompts = Object.keys(state.prompts);
  const sentence = choice("Sentence", [...prompts, TYPED], (name) => {
    if (name === TYPED) set({ prompt: "" });
    else set({ prompt: name, ...structuredClone(state.prompts[name]) });
  });
  const note = element("p", { class: "dl-note", role: "status" });
  const logitsInput = element("input", { type: "text", id: uniqueId("logits"), autocomplete: "off", spellcheck: "false" });
  const useLogits = (logits) =>
    set({ prompt: "", logits, tokens: logits.map((_, index) => `token ${index + 1}`) });
  logitsInput.addEventListener("change", () => {
    const { logits, error } = readLogits(logitsInput.value);
    note.toggleAttribute("data-wrong", Boolean(error));
    setText(note, error || "");
    if (!error) useLogits(logits);
  });
  const temperatureControl = temperatureSlider((temperature) => set({ temperature }));
  const barCount = slider({
    label: "Bars",
    min: 2,
    max: MAX_BARS,
    step: 1,
    text: String,
    change: (top_k) => set({ top_k }),
  });
  const pin = button("Pin for comparison", () => {
    const { tokens, logits, temperature, prompt } = state;
    const current = { tokens: [...tokens], logits: [...logits], temperature, prompt };
    set({ pinned: state.pinned.logits ? {} : current });
  });
  pin.setAttribute("aria-pressed", "false");
  const controls = element(
    "div",
    { class: "dl-controls" },
    sentence.node,
    element("div", { class: "dl-field" }, element("label", { for: logitsInput.id }, "or type logits, then Enter"), logitsInput),
    button("5, 2, 0.5", () => useLogits([5, 2, 0.5]), { title: "Lab 01's example" }),
    pin,
  );
  const sliders = element("div", { class: "dl-controls" }, temperatureControl.node, barCount.node);
  const plot = createPlot("Bars of the most likely tokens", redraw);
  const legendNode = legend([
    ["dl-first", ""],
    ["dl-second", ""],
  ]);
  const [currentKey, pinnedKey] = legendNode.children;
  const spread = table("Spread", ["measure", "now", "pinned"], { name: "Spread of the distribution" });
  const list = table("Most likely tokens", ["token", "now", "pinned"], { className: "dl-scroll" });
  const side = element("div", {}, spread.node, element("div", { style: "height:0.6em" }), list.node);
  const body = element("div", { class: "dl-body" }, element("div", {}, legendNode, plot.node), side);

  let order = []; // indices of the tokens that have a bar, the most likely first
  let probabilities = new Float64Array(0);
  let current = null; // measures of the distribution on the screen
  let pinned = null; // {measures, indexOf: Map from token to index}
  let names = [];
  let values = [new Float64Array(0), new Float64Array(0)]; // of the bars: current, pinned (NaN if not listed)

  const pair = (measure, digits) =>
    [current[measure], pinned?.measures[measure]].map((value) => (value === undefined ? "–" : fixed(value, digits)));
  const fillSpread = () =>
    spread.fill([
      ["entropy, nats", ...pair("nats", 3)],
      ["entropy, bits", ...pair("bits", 3)],
      ["effective number of choices", ...pair("choices", 2)],
      ["mass outside the top token", ...pair("outside", 4)],
    ]);
  const fillList = () => {
    list.fill(
      names.map((name, row) => [
        name,
        probability(values[0][row]),
        !pinned ? "–" : Number.isNaN(values[1][row]) ? "not listed" : probability(values[1][row]),
      ]),
    );
    const described = names.slice(0, 10).map((name, row) => `${name} ${fixed(values[0][row], 2)}`);
    setAttribute(plot.canvas, "aria-label", `Bars of the ${names.length} most likely tokens: ${described.join(", ")}.`);
  };
  // Laying out up to 200 table rows during a drag would cost the bars a frame, so the list is updated less often.
  const tables = [throttle(fillSpread, 120), throttle(fillList, 500)];

  const updatePinned = (saved) => {
    const { logits, temperature, tokens, prompt } = saved;
    const indexOf = new Map((tokens || []).map((token, index) => [token, index]));
    pinned = logits ? { measures: measures(logits, temperature), indexOf } : null;
    setAttribute(pin, "aria-pressed", Boolean(pinned));
    setText(pin, pinned ? "Unpin" : "Pin for comparison");
    pinnedKey.hidden = !pinned;
    if (pinned) setText(pinnedKey.lastChild, `pinned: ${prompt || "typed logits"}, T = ${number(temperature)}`);
  };

  const draw = (now, changed) => {
    const { logits, tokens, temperature } = now;
    if (changed.has("logits") || changed.has("tokens") || changed.has("top_k")) {
      if (probabilities.length !== logits.length) probabilities = new Float64Array(logits.length);
      order = ranked(logits).slice(0, now.top_k);
      names = order.map((index) => visible(tokens[index] ?? `token ${index + 1}`));
      values = [new Float64Array(order.length), new Float64Array(order.length)];
    }
    if (changed.has("pinned")) updatePinned(now.pinned);
    current = measures(logits, temperature, probabilities);
    for (let row = 0; row < order.length; row++) {
      values[0][row] = probabilities[order[row]];
      const index = pinned?.indexOf.get(tokens[order[row]]);
      values[1][row] = index === undefined ? NaN : pinned.measures.probabilities[index];
    }
    if (changed.has("prompt")) sentence.select.value = now.prompt || TYPED;
    if (changed.has("logits") && document.activeElement !== logitsInput) {
      logitsInput.value = now.logits.length <= 12 ? now.logits.map((logit) => Number(logit.toPrecision(4))).join(", ") : "";
    }
    temperatureControl.setValue(temperature);
    setAttribute(barCount.input, "max", Math.min(MAX_BARS, logits.length));
    barCount.setValue(order.length);
    setText(currentKey.lastChild, `${now.prompt || "typed logits"}, T = ${number(temperature)}`);
    const series = [{ fill: plot.seriesFill(0), values: values[0] }];
    if (pinned) series.push({ fill: plot.seriesFill(1), values: values[1].map((value) => value || 0) });
    const label = (amount, s, row) => (s === 1 && Number.isNaN(values[1][row]) ? "not listed" : fixed(amount, 3));
    const high = axisEnd(Math.max(...series.flatMap((each) => Array.from(each.values))));
    const ticks = [0, 1, 2, 3, 4].map((quarter) => (quarter * high) / 4);
    paintBars(plot, { names, series, high, ticks, digits: 3, value: label });
    tables.forEach((fill) => fill());
  };
  const summary = () =>
    `T = ${number(state.temperature)}. Top token: ${names[0]}, ${fixed(values[0][0], 2)}. ` +
    `Entropy ${fixed(current.nats, 2)} nats, ${fixed(current.bits, 2)} bits. ` +
    `${fixed(current.choices, 1)} effective choices. ${fixed(current.outside, 2)} outside the top token.`;
  return { nodes: [controls, sliders, note, body], plots: [plot], draw, summary, stops: tables.map((fill) => fill.stop) };
}

const names = ["prompts", "prompt", "tokens", "logits", "temperature", "top_k", "pinned"];
const render = (context) => mount(context, { title: "Temperature explorer", names, build, plain });
const pure = { softmax, logSoftmax, entropy, divergence, measures, ranked, readLogits, toTemperature, axisEnd, plain };
export default { render, pure };

// The temperature explorer: logits in, a dial, bars of the most likely tokens, and how spread they are.

const TYPED = "(typed logits)";

// What the explorer shows of logits at a temperature. top: places of the `count` largest logits, the largest first.
function measures(logits, temperature, count, probabilities = softmax(logits, temperature)) {
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
    first: largest,
  };
}

function ranked(logits) {
  return Array.from(logits, (_, place) => place).sort((a, b) => logits[b] - logits[a] || a - b);
}

// "5, 2, 0.5" → [5, 2, 0.5], or what is wrong with it.
function readLogits(text) {
  const parts = text.replace(/[−–]/g, "-").split(/[\s,;]+/).filter(Boolean);
  const logits = parts.map(Number);
  const wrong = parts.find((part, place) => !Number.isFinite(logits[place]) || Math.abs(logits[place]) > 1e6);
  if (wrong !== undefined) return { error: `“${wrong}” is not a number. Write them like this: 5, 2, 0.5` };
  if (logits.length < 2) return { error: "Two numbers at least, like this: 5, 2, 0.5" };
  if (logits.length > 1000) return { error: "At most 1,000 numbers." };
  return { logits };
}

const bare = (token) => (token.trim() ? token.replace(/^ /, "") : token.replace(/ /g, "␣").replace(/\n/g, "↵"));

function plain(state) {
  const found = measures(state.logits, state.temperature);
  const rows = ranked(state.logits).slice(0, state.top_k);
  const lines = rows.map((i) => `${probability(found.probabilities[i])}  ${state.tokens[i]}`);
  return `T = ${number(state.temperature)}, entropy ${fixed(found.nats, 3)} nats\n${lines.join("\n")}`;
}

function build({ set, state, redraw }) {
  const prompts = Object.keys(state.prompts);
  const sentence = choice("Sentence", [...prompts, TYPED], (name) => {
    if (name === TYPED) set({ prompt: "" });
    else set({ prompt: name, ...structuredClone(state.prompts[name]) });
  });
  const note = element("p", { class: "dl-note", role: "status" });
  const typed = element("input", { type: "text", id: fresh("logits"), autocomplete: "off", spellcheck: "false" });
  const take = () => {
    const read = readLogits(typed.value);
    note.toggleAttribute("data-wrong", Boolean(read.error));
    say(note, read.error || "");
    if (!read.error) show(read.logits);
  };
  const show = (logits) =>
    set({ prompt: "", logits, tokens: logits.map((_, place) => `token ${place + 1}`) });
  typed.addEventListener("change", take);
  const dial = temperatureSlider((temperature) => set({ temperature }));
  const rows = slider({
    label: "Bars",
    min: 2,
    max: 200,
    step: 1,
    text: String,
    change: (top_k) => set({ top_k }),
  });
  const pin = button("Pin for comparison", () => {
    const { tokens, logits, temperature, prompt } = state;
    const kept = { tokens: [...tokens], logits: [...logits], temperature, prompt };
    set({ pinned: state.pinned.logits ? {} : kept });
  });
  pin.setAttribute("aria-pressed", "false");
  const controls = element(
    "div",
    { class: "dl-controls" },
    sentence.node,
    element("div", { class: "dl-field" }, element("label", { for: typed.id }, "or type logits, then Enter"), typed),
    button("5, 2, 0.5", () => show([5, 2, 0.5]), { title: "The chapter's example" }),
    pin,
  );
  const dials = element("div", { class: "dl-controls" }, dial.node, rows.node);
  const plot = surface("Bars of the most likely tokens", redraw);
  const keys = legend([
    ["dl-first", ""],
    ["dl-second", ""],
  ]);
  const [keyNow, keyPinned] = keys.children;
  const spread = table("How spread", ["measure", "now", "pinned"], { name: "How spread the distribution is" });
  const list = table("Most likely tokens", ["token", "now", "pinned"], { className: "dl-scroll" });
  const side = element("div", {}, spread.node, element("div", { style: "height:0.6em" }), list.node);
  const body = element("div", { class: "dl-body" }, element("div", {}, keys, plot.node), side);

  let order = [];
  let probabilities = new Float64Array(0);
  let found = null;
  let pinned = null; // {found, of: Map from token to place}
  let names = [];
  let values = [new Float64Array(0), new Float64Array(0)];

  const rowsOf = (which, digits) => {
    const past = pinned ? pinned.found[which] : null;
    return [fixed(found[which], digits), past === null ? "–" : fixed(past, digits)];
  };
  const fillSpread = () =>
    spread.fill([
      ["entropy, nats", ...rowsOf("nats", 3)],
      ["entropy, bits", ...rowsOf("bits", 3)],
      ["effective number of choices", ...rowsOf("choices", 2)],
      ["mass outside the top token", ...rowsOf("outside", 4)],
    ]);
  const fillList = () => {
    list.fill(
      names.map((name, place) => [
        name,
        probability(values[0][place]),
        !pinned ? "–" : Number.isNaN(values[1][place]) ? "not listed" : probability(values[1][place]),
      ]),
    );
    const told = names.slice(0, 10).map((name, place) => `${name} ${fixed(values[0][place], 2)}`);
    put(plot.canvas, "aria-label", `Bars of the ${names.length} most likely tokens: ${told.join(", ")}.`);
  };
  // Up to 200 rows: laid out while a hand is on the dial, they would cost the bars a frame. They wait a little longer.
  const tables = [spaced(fillSpread, 120), spaced(fillList, 500)];

  const draw = (now, changed) => {
    const { logits, tokens, temperature } = now;
    if (changed.has("logits") || changed.has("tokens") || changed.has("top_k")) {
      if (probabilities.length !== logits.length) probabilities = new Float64Array(logits.length);
      order = ranked(logits).slice(0, now.top_k);
      names = order.map((place) => bare(tokens[place] ?? `token ${place + 1}`));
      values = [new Float64Array(order.length), new Float64Array(order.length)];
    }
    if (changed.has("pinned")) {
      const { logits: past, temperature: at, tokens: words } = now.pinned;
      pinned = past ? { found: measures(past, at), of: new Map(words.map((word, place) => [word, place])) } : null;
      put(pin, "aria-pressed", Boolean(pinned));
      say(pin, pinned ? "Let the pinned one go" : "Pin for comparison");
      keyPinned.hidden = !pinned;
      if (pinned) say(keyPinned.lastChild, `pinned: ${now.pinned.prompt || "typed logits"}, T = ${number(at)}`);
    }
    found = measures(logits, temperature, now.top_k, probabilities);
    for (let i = 0; i < order.length; i++) {
      values[0][i] = probabilities[order[i]];
      const place = pinned ? pinned.of.get(tokens[order[i]]) : undefined;
      values[1][i] = place === undefined ? NaN : pinned.found.probabilities[place];
    }
    if (changed.has("prompt")) sentence.select.value = now.prompt || TYPED;
    if (changed.has("logits") && document.activeElement !== typed) {
      typed.value = now.logits.length <= 12 ? now.logits.map((logit) => Number(logit.toPrecision(4))).join(", ") : "";
    }
    dial.put(temperature);
    rows.put(Math.min(200, now.top_k));
    say(keyNow.lastChild, `${now.prompt || "typed logits"}, T = ${number(temperature)}`);
    const series = [{ fill: plot.filling(0), values: values[0] }];
    if (pinned) series.push({ fill: plot.filling(1), values: values[1].map((value) => value || 0) });
    paintBars(plot, { names, series, ticks: [0, 0.25, 0.5, 0.75, 1], value: (amount) => fixed(amount, 3) });
    tables.forEach((fill) => fill());
  };
  const summary = () =>
    `T = ${number(state.temperature)}. First: ${names[0]}, ${fixed(values[0][0], 2)}. ` +
    `Entropy ${fixed(found.nats, 2)} nats, ${fixed(found.bits, 2)} bits. ` +
    `${fixed(found.choices, 1)} effective choices. ${fixed(found.outside, 2)} outside the top token.`;
  return { nodes: [controls, dials, note, body], plots: [plot], draw, summary, stops: tables.map((fill) => fill.stop) };
}

const names = ["prompts", "prompt", "tokens", "logits", "temperature", "top_k", "pinned"];
const render = (context) => mount(context, { title: "Temperature explorer", names, build, plain });
const pure = { softmax, logSoftmax, entropy, divergence, measures, ranked, readLogits, toTemperature, plain };
export default { render, pure };

// The draft explorer: target and draft over a few tokens, both draggable; acceptance, residual and speed-up.

const MAX_GAMMA = 16;

// What a position of speculative decoding gives: acceptance Σ min(p, q), and the distribution of a replacement.
function agreement(p, q) {
  const accepted = p.map((value, i) => Math.min(value, q[i]));
  const acceptance = Math.min(1, accepted.reduce((sum, value) => sum + value, 0));
  const excess = p.map((value, i) => Math.max(value - q[i], 0));
  const total = excess.reduce((sum, value) => sum + value, 0);
  return { acceptance, accepted, residual: total > 1e-12 ? excess.map((value) => value / total) : [...p] };
}

// Expected tokens in a round of γ drafted tokens, each accepted with probability a: 1 + a + … + a^γ.
function expectedTokens(acceptance, gamma) {
  let [sum, power] = [0, 1];
  for (let n = 0; n <= gamma; n++, power *= acceptance) sum += power;
  return sum;
}

// Tokens in the time of one call of the target, a call of the draft taking `cost` of it.
const speedUp = (acceptance, gamma, cost) => expectedTokens(acceptance, gamma) / (1 + gamma * cost);

// The γ from 0 to MAX_GAMMA with the largest speed-up.
function bestGamma(acceptance, cost) {
  let best = 0;
  for (let gamma = 1; gamma <= MAX_GAMMA; gamma++) {
    if (speedUp(acceptance, gamma, cost) > speedUp(acceptance, best, cost) + 1e-12) best = gamma;
  }
  return best;
}

function logsumexp(values) {
  const top = Math.max(...values);
  return top + Math.log(values.reduce((sum, value) => sum + Math.exp(value - top), 0));
}

const distribution = (logits) => Array.from(softmax(logits, 1));

function plain(state) {
  const { acceptance } = agreement(distribution(state.target_logits), distribution(state.draft_logits));
  return [
    `acceptance ${fixed(acceptance, 4)} with γ = ${state.gamma} and a draft's call costing ${fixed(state.cost, 2)}`,
    `${fixed(expectedTokens(acceptance, state.gamma), 3)} tokens a round, ` +
      `speed-up ${fixed(speedUp(acceptance, state.gamma, state.cost), 3)}`,
    `best γ: ${bestGamma(acceptance, state.cost)}`,
  ].join("\n");
}

function build({ set, state, redraw }) {
  const start = structuredClone({ target_logits: state.target_logits, draft_logits: state.draft_logits });
  const gamma = slider({
    label: "γ, drafted tokens in a round",
    min: 0,
    max: MAX_GAMMA,
    step: 1,
    text: (value) => String(value),
    change: (value) => set({ gamma: value }),
  });
  const cost = slider({
    label: "Cost of a draft's call, in calls of the target",
    min: 0,
    max: 1,
    step: 0.01,
    text: (value) => fixed(value, 2),
    change: (value) => set({ cost: value }),
  });
  const same = button("Draft = target", () => set({ draft_logits: [...state.target_logits] }));
  const best = button("Best γ", () => set({ gamma: bestGamma(found.acceptance, state.cost) }));
  const reset = button("Reset", () => set(structuredClone(start)));
  const controls = element("div", { class: "dl-controls" }, gamma.node, cost.node, best, same, reset);

  const plot = createPlot("Bars of the target's and the draft's probabilities, and of the residual", redraw);
  plot.node.classList.add("dl-drag");
  const speeds = createPlot("Bars of the speed-up for each number of drafted tokens", redraw);
  const numbers = table("A round", ["", "value"], { name: "Acceptance and speed" });
  const perToken = table("Each token", ["token", "target p", "draft q", "accepted", "residual"], {
    name: "Probabilities of each token",
    className: "dl-detail",
  });
  const { panel, follow } = logitPanels(state, set);
  const nodes = [
    controls,
    element(
      "div",
      { class: "dl-body dl-even" },
      element(
        "div",
        {},
        legend([
          ["dl-first", "target p"],
          ["dl-second", "draft q"],
          ["dl-third", "residual: replaces a rejected token"],
        ]),
        plot.node,
        element("p", { class: "dl-note" }, "Drag the end of a bar of p or q, or use the sliders below."),
      ),
      element("div", {}, speeds.node, element("p", { class: "dl-note" }, "Speed-up for each γ. Below 1, plain generation is faster.")),
      numbers.node,
      perToken.node,
    ),
    element("div", { class: "dl-body dl-even" }, panel("target_logits", "Target"), panel("draft_logits", "Draft")),
  ];

  let found = { acceptance: 0, accepted: [], residual: [] };
  let [p, q] = [[], []];
  let layout = null; // as paintBars returned it
  let held = null; // the bar that is being dragged
  draggable(plot, {
    start: (x, y) => {
      const row = Math.floor(y / layout.step);
      const series = Math.floor((y - row * layout.step - layout.step * 0.08) / layout.thick);
      if (row < 0 || row >= state.words.length || x < layout.left - 12 || series > 1) return false;
      held = { row, which: series < 1 ? "target_logits" : "draft_logits" };
      set({ [held.which]: dragged(state[held.which], row, layout.toValue(x)) });
      return true;
    },
    move: (x) => set({ [held.which]: dragged(state[held.which], held.row, layout.toValue(x)) }),
  });

  const fillTables = () => {
    const speed = speedUp(found.acceptance, state.gamma, state.cost);
    numbers.fill([
      ["acceptance, Σ min(p, q)", fixed(found.acceptance, 3)],
      ["total variation", fixed(1 - found.acceptance, 3)],
      ["tokens a round", fixed(expectedTokens(found.acceptance, state.gamma), 2)],
      ["time of a round, in calls of the target", fixed(1 + state.gamma * state.cost, 2)],
      ["speed-up", fixed(speed, 2)],
      ["best γ", String(bestGamma(found.acceptance, state.cost))],
    ]);
    perToken.fill(
      state.words.map((word, i) => [word, ...[p[i], q[i], found.accepted[i], found.residual[i]].map((value) => fixed(value, 3))]),
    );
    const bars = state.words.map((word, i) => `${word} ${fixed(p[i], 2)} and ${fixed(q[i], 2)}`);
    setAttribute(plot.canvas, "aria-label", `Bars of probabilities, target and draft: ${bars.join(", ")}.`);
    setAttribute(speeds.canvas, "aria-label", `Bars of the speed-up, ${fixed(speed, 2)} at γ = ${state.gamma}.`);
  };
  const tables = throttle(fillTables, 120);

  const draw = (now) => {
    [p, q] = [distribution(now.target_logits), distribution(now.draft_logits)];
    found = agreement(p, q);
    gamma.setValue(now.gamma);
    cost.setValue(now.cost);
    for (const who of ["target_logits", "draft_logits"]) {
      follow(who, now[who]);
    }
    layout = paintBars(plot, {
      names: now.words,
      series: [p, q, found.residual].map((values, s) => ({ fill: plot.seriesFill(s), values })),
      ticks: [0, 0.25, 0.5, 0.75, 1],
      value: (amount) => fixed(amount, 2),
    });
    const gammas = Array.from({ length: 9 }, (_, i) => i);
    const values = gammas.map((count) => speedUp(found.acceptance, count, now.cost));
    const high = Math.max(2, Math.ceil(Math.max(...values) + 0.3));
    paintBars(speeds, {
      names: gammas.map((count) => (count === now.gamma ? `γ = ${count} ◂` : `γ = ${count}`)),
      series: [{ fill: speeds.seriesFill(3), values }],
      high,
      ticks: Array.from({ length: high + 1 }, (_, i) => i),
      value: (amount) => fixed(amount, 2),
    });
    tables();
  };
  const summary = () =>
    `Acceptance ${fixed(found.acceptance, 2)}. With gamma ${state.gamma} and cost ${fixed(state.cost, 2)}, ` +
    `${fixed(expectedTokens(found.acceptance, state.gamma), 2)} tokens a round, ` +
    `speed-up ${fixed(speedUp(found.acceptance, state.gamma, state.cost), 2)}.`;
  return { nodes, plots: [plot, speeds], draw, summary, stops: [tables.stop] };
}

const names = ["words", "target_logits", "draft_logits", "gamma", "cost"];
const render = (context) => mount(context, { title: "Draft explorer", names, build, plain });
const pure = { agreement, speedUp, bestGamma, dragged, plain };
export default { render, pure };

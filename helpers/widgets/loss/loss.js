// The loss explorer: teacher and student over a few tokens, both draggable; the terms of the loss and their gradients.


// The distillation loss of one token, its terms and its gradients with respect to the student's logits, in nats.
// soft: alpha · T² · KL(teacher_T || student_T); hard: (1 − alpha) · CE(label, student). Each with T² and without it.
function lossParts(student, teacher, label, alpha, temperature) {
  const count = student.length;
  const logP = logSoftmax(teacher, temperature);
  const logQ = logSoftmax(student, temperature);
  const logQ1 = logSoftmax(student, 1);
  const square = temperature * temperature;
  const kl = divergence(logP, logQ);
  const ce = -logQ1[label];
  const parts = { kl, ce, hard: (1 - alpha) * ce, soft: {}, total: {}, gradients: { soft: {}, total: {} }, lengths: {} };
  const { gradients, lengths } = parts;
  gradients.hard = logQ1.map((value, i) => (1 - alpha) * (Math.exp(value) - (i === label ? 1 : 0)));
  lengths.hard = Math.hypot(...gradients.hard);
  for (const [name, factor] of [["with", square], ["without", 1]]) {
    parts.soft[name] = alpha * factor * kl;
    parts.total[name] = parts.soft[name] + parts.hard;
    const soft = Array.from({ length: count }, (_, i) =>
      ((alpha * factor) / temperature) * (Math.exp(logQ[i]) - Math.exp(logP[i])));
    gradients.soft[name] = soft;
    gradients.total[name] = soft.map((value, i) => value + gradients.hard[i]);
    lengths[name] = { soft: Math.hypot(...soft), total: Math.hypot(...gradients.total[name]) };
  }
  return parts;
}

function plain(state) {
  const parts = lossParts(state.student_logits, state.teacher_logits, state.label, state.alpha, state.temperature);
  return [
    `T = ${number(state.temperature)}, alpha = ${fixed(state.alpha, 2)}, label ${state.words[state.label]}`,
    `soft term ${fixed(parts.soft.with, 4)} nats, weighted by α (without T²: ${fixed(parts.soft.without, 4)})`,
    `hard term ${fixed(parts.hard, 4)} nats, weighted by 1 − α`,
    `total     ${fixed(parts.total.with, 4)} nats (without T²: ${fixed(parts.total.without, 4)})`,
  ].join("\n");
}

function build({ set, state, redraw }) {
  const start = structuredClone({ teacher_logits: state.teacher_logits, student_logits: state.student_logits });
  const alpha = slider({
    label: "α, weight of the soft term",
    min: 0,
    max: 1,
    step: 0.01,
    text: (value) => fixed(value, 2),
    change: (value) => set({ alpha: value }),
  });
  const temperatureControl = temperatureSlider((temperature) => set({ temperature }));
  const labelChoice = choice("Label", state.words, (word) => set({ label: state.words.indexOf(word) }));
  const reset = button("Reset", () => set(structuredClone(start)));
  const same = button("Student = teacher", () => set({ student_logits: [...state.teacher_logits] }));
  const controls = element("div", { class: "dl-controls" }, alpha.node, temperatureControl.node, labelChoice.node, same, reset);

  const ticks = [0, 0.25, 0.5, 0.75, 1];
  const distributions = createPlot("Bars of the teacher's and the student's probabilities", redraw);
  const gradientPlot = createPlot("Bars of the gradient at each token", redraw);
  distributions.node.classList.add("dl-drag");
  const hint = element("p", { class: "dl-note" }, "Drag the end of a bar, or use the sliders below.");
  const values = table("The loss of this token, in nats", ["", "with T²", "without T²"], { name: "The loss" });
  const perToken = table(
    "Each token: two probabilities, then the gradients",
    ["token", "teacher", "student", "soft", "no T²", "hard", "total", "no T²"],
    { name: "Probabilities and gradients of each token", className: "dl-detail" },
  );
  const { panel, follow } = logitPanels(state, set);
  const gap = () => element("div", { style: "height:0.6em" });
  const gradientColumn = element(
    "div",
    {},
    legend([
      ["dl-first", "soft, with T²"],
      ["dl-second", "soft, without T²"],
      ["dl-third", "hard"],
      ["dl-fourth", "total, with T²"],
    ]),
    gradientPlot.node,
    element("p", { class: "dl-note" }, "Gradient at the student's logits; training moves the logits in the opposite direction."),
  );
  const teacherPanel = panel("teacher_logits", "Teacher");
  const details = [gradientColumn, perToken.node, teacherPanel]; // what `detail` shows
  const nodes = [
    controls,
    element(
      "div",
      { class: "dl-body dl-even" },
      element(
        "div",
        {},
        legend([
          ["dl-first", "teacher"],
          ["dl-second", "student"],
          ["dl-mark", "the same at temperature T"],
        ]),
        distributions.node,
        hint,
      ),
      gradientColumn,
      values.node,
      perToken.node,
    ),
    gap(),
    element("div", { class: "dl-body dl-even" }, teacherPanel, panel("student_logits", "Student")),
  ];

  let parts = null;
  let layout = null; // as paintBars returned it
  const shown = { teacher: [], student: [] }; // probabilities at T = 1
  let held = null; // the bar that is being dragged
  draggable(distributions, {
    start: (x, y) => {
      const row = Math.floor(y / layout.step);
      if (row < 0 || row >= state.words.length || x < layout.left - 12) return false;
      const which = y - row * layout.step < layout.step * 0.08 + layout.thick ? "teacher_logits" : "student_logits";
      held = { row, which };
      set({ [which]: dragged(state[which], row, layout.toValue(x)) });
      return true;
    },
    move: (x) => set({ [held.which]: dragged(state[held.which], held.row, layout.toValue(x)) }),
  });

  const pair = (name, values, digits = 4) => [name, fixed(values[0], digits), fixed(values[1], digits)];
  const fillTables = () => {
    const { soft, hard, total, lengths } = parts;
    const ratio = lengths.hard > 1e-12
      ? [fixed(lengths.with.soft / lengths.hard, 3), fixed(lengths.without.soft / lengths.hard, 3)]
      : ["–", "–"];
    const rows = [
      pair("soft term, weighted by α", [soft.with, soft.without]),
      pair("hard term, weighted by 1 − α", [hard, hard]),
      pair("total", [total.with, total.without]),
      pair("length of the soft gradient", [lengths.with.soft, lengths.without.soft]),
      pair("length of the hard gradient", [lengths.hard, lengths.hard]),
      pair("length of the total gradient", [lengths.with.total, lengths.without.total]),
      ["soft ÷ hard gradient", ...ratio],
    ];
    values.fill(state.detail ? rows : rows.slice(0, 3));
    const { gradients } = parts;
    perToken.fill(
      state.words.map((word, i) => [
        i === state.label ? `${word} ✓` : word,
        fixed(shown.teacher[i], 3),
        fixed(shown.student[i], 3),
        ...[gradients.soft.with, gradients.soft.without, gradients.hard, gradients.total.with, gradients.total.without]
          .map((row) => fixed(row[i], 3)),
      ]),
    );
    const probabilities = state.words.map(
      (word, i) => `${word} ${fixed(shown.teacher[i], 2)} and ${fixed(shown.student[i], 2)}`);
    setAttribute(distributions.canvas, "aria-label", `Bars of probabilities, teacher and student: ${probabilities.join(", ")}.`);
    const slopes = state.words.map((word, i) => `${word} ${fixed(gradients.total.with[i], 2)}`);
    setAttribute(gradientPlot.canvas, "aria-label", `Bars of the total gradient, with T²: ${slopes.join(", ")}.`);
  };
  const tables = throttle(fillTables, 120);

  const paintGradients = (names) => {
    const { gradients } = parts;
    const rows = [gradients.soft.with, gradients.soft.without, gradients.hard, gradients.total.with];
    const largest = Math.max(...rows.flat().map(Math.abs));
    const span = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25].find((limit) => largest <= limit) || 50;
    paintBars(gradientPlot, {
      names,
      series: rows.map((row, s) => ({ fill: gradientPlot.seriesFill(s), values: row })),
      low: -span,
      high: span,
      ticks: [-span, -span / 2, 0, span / 2, span],
      digits: 3,
    });
  };

  const draw = (now, changed) => {
    const { temperature, words: names } = now;
    if (changed.has("detail")) details.forEach((node) => node.toggleAttribute("hidden", !now.detail));
    parts = lossParts(now.student_logits, now.teacher_logits, now.label, now.alpha, temperature);
    shown.teacher = softmax(now.teacher_logits, 1);
    shown.student = softmax(now.student_logits, 1);
    alpha.setValue(now.alpha);
    temperatureControl.setValue(temperature);
    labelChoice.select.value = names[now.label];
    for (const who of ["teacher_logits", "student_logits"]) {
      follow(who, now[who]);
    }
    layout = paintBars(distributions, {
      names: names.map((name, i) => (i === now.label ? `${name} ✓` : name)),
      series: [
        { fill: distributions.seriesFill(0), values: shown.teacher, marks: softmax(now.teacher_logits, temperature) },
        { fill: distributions.seriesFill(1), values: shown.student, marks: softmax(now.student_logits, temperature) },
      ],
      ticks,
      value: (amount) => fixed(amount, 2),
    });
    if (now.detail) paintGradients(names); // a hidden plot has no size to draw in
    tables();
  };
  const summary = () =>
    `T = ${number(state.temperature)}, alpha ${fixed(state.alpha, 2)}. Soft term ${fixed(parts.soft.with, 3)}, ` +
    `hard term ${fixed(parts.hard, 3)}, total ${fixed(parts.total.with, 3)} nats. ` +
    `Without T squared the total is ${fixed(parts.total.without, 3)}.`;
  return { nodes, plots: [distributions, gradientPlot], draw, summary, stops: [tables.stop] };
}

const names = ["words", "teacher_logits", "student_logits", "label", "alpha", "temperature", "detail"];
const render = (context) => mount(context, { title: "Loss explorer", names, build, plain });
const pure = { lossParts, dragged, plain };
export default { render, pure };

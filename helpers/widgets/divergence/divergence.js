// The divergence explorer: a one-bump student, fitted to a two-bump teacher by the divergence that the user chooses.

const POSITIONS = 61;
const MIDDLE = 30;
const WIDTH_RANGE = [0.6, 20]; // of a student
const KINDS = { forward: "forward KL", reverse: "reverse KL", jsd: "JSD(β)" };

// Normalises log-probabilities in place.
function normalise(logs) {
  const top = Math.max(...logs);
  let sum = 0;
  for (let i = 0; i < logs.length; i++) sum += Math.exp(logs[i] - top);
  const rest = top + Math.log(sum);
  for (let i = 0; i < logs.length; i++) logs[i] -= rest;
  return logs;
}

// Log-probabilities of the teacher: two bumps of one width, `distance` apart, the left one with the share `weight`.
function teacherLog(distance, weight, width, out = new Float64Array(POSITIONS)) {
  for (let x = 0; x < POSITIONS; x++) {
    const left = Math.log(weight) - (x - MIDDLE + distance / 2) ** 2 / (2 * width * width);
    const right = Math.log(1 - weight) - (x - MIDDLE - distance / 2) ** 2 / (2 * width * width);
    const top = Math.max(left, right);
    out[x] = top + Math.log(Math.exp(left - top) + Math.exp(right - top));
  }
  return normalise(out);
}

// Log-probabilities of the student: one bump.
function studentLog(centre, width, out = new Float64Array(POSITIONS)) {
  for (let x = 0; x < POSITIONS; x++) out[x] = -((x - centre) ** 2) / (2 * width * width);
  return normalise(out);
}

// A student's divergence from the teacher, in nats. JSD(β) = β KL(teacher || m) + (1 − β) KL(student || m), m = β teacher + (1 − β) student.
function cost(kind, p, q, beta) {
  if (kind === "forward") return divergence(p, q);
  if (kind === "reverse") return divergence(q, p);
  let sum = 0;
  const [logBeta, logRest] = [Math.log(beta), Math.log(1 - beta)];
  for (let i = 0; i < p.length; i++) {
    const [a, b] = [p[i] + logBeta, q[i] + logRest];
    const top = Math.max(a, b);
    const m = top + Math.log1p(Math.exp(Math.min(a, b) - top));
    sum += Math.exp(a) * (p[i] - m) + Math.exp(b) * (q[i] - m);
  }
  return sum;
}

// The minimum of f(x, y) by Nelder and Mead's simplex method (1965), from a start and a first step.
function minimise(f, start, step, rounds = 80) {
  const corner = (x, y) => ({ x, y, f: f(x, y) });
  const [x, y] = start;
  const simplex = [corner(x, y), corner(x + step[0], y), corner(x, y + step[1])];
  for (let round = 0; round < rounds; round++) {
    simplex.sort((a, b) => a.f - b.f);
    const [best, good, worst] = simplex;
    if (worst.f - best.f < 1e-12) break;
    const [mx, my] = [(best.x + good.x) / 2, (best.y + good.y) / 2];
    const towards = (t) => corner(mx + t * (worst.x - mx), my + t * (worst.y - my));
    const reflected = towards(-1);
    if (reflected.f < best.f) {
      const expanded = towards(-2);
      simplex[2] = expanded.f < reflected.f ? expanded : reflected;
    } else if (reflected.f < good.f) simplex[2] = reflected;
    else {
      const contracted = reflected.f < worst.f ? towards(-0.5) : towards(0.5);
      if (contracted.f < Math.min(worst.f, reflected.f)) simplex[2] = contracted;
      else {
        simplex[1] = corner((best.x + good.x) / 2, (best.y + good.y) / 2);
        simplex[2] = corner((best.x + worst.x) / 2, (best.y + worst.y) / 2);
      }
    }
  }
  return simplex.reduce((a, b) => (b.f < a.f ? b : a));
}

const scratch = new Float64Array(POSITIONS);

// The student with the lowest cost. It may sit on either bump or span both, so the search starts from all three.
function fitted(kind, p, { distance, mode_width: width, beta }) {
  const clamp = ([low, high], value) => Math.min(high, Math.max(low, value));
  const student = (centre, logWidth) => [clamp([0, POSITIONS - 1], centre), clamp(WIDTH_RANGE, Math.exp(logWidth))];
  const objective = (centre, logWidth) => cost(kind, p, studentLog(...student(centre, logWidth), scratch), beta);
  const starts = [
    [MIDDLE - distance / 2, Math.log(width)],
    [MIDDLE + distance / 2, Math.log(width)],
    [MIDDLE, Math.log(width + distance / 2)],
  ];
  const best = starts.map((start) => minimise(objective, start, [1, 0.2])).reduce((a, b) => (b.f < a.f ? b : a));
  const [centre, studentWidth] = student(best.x, best.y);
  return { centre, width: studentWidth, cost: best.f };
}

function plain(state) {
  const p = teacherLog(state.distance, state.weight, state.mode_width);
  const lines = Object.entries(KINDS).map(([kind, name]) => {
    const fit = fitted(kind, p, state);
    return `best for ${name}: centre ${fixed(fit.centre, 1)}, width ${fixed(fit.width, 1)}, ${fixed(fit.cost, 4)} nats`;
  });
  return lines.join("\n");
}

function build({ set, state, redraw }) {
  const stateSlider = (label, name, min, max, step, digits, others = {}) => {
    const change = (value) => set({ [name]: value, ...others });
    return slider({ label, min, max, step, text: (value) => fixed(value, digits), change });
  };
  const byHand = { fit: "hand" };
  const sliders = {
    distance: stateSlider("Teacher: distance between bumps", "distance", 0, 40, 1, 0),
    weight: stateSlider("Teacher: share of the left bump", "weight", 0.05, 0.95, 0.01, 2),
    mode_width: stateSlider("Teacher: width of a bump", "mode_width", 1, 8, 0.1, 1),
    beta: stateSlider("β of JSD(β)", "beta", 0.01, 0.99, 0.01, 2),
    student_centre: stateSlider("Student: centre", "student_centre", 0, POSITIONS - 1, 0.1, 1, byHand),
    student_width: stateSlider("Student: width", "student_width", ...WIDTH_RANGE, 0.1, 1, byHand),
  };
  const kinds = Object.entries({ ...KINDS, hand: "by hand" });
  const buttons = kinds.map(([kind, name]) => button(name, () => set({ fit: kind }), { "aria-pressed": "false" }));
  const fits = element(
    "div",
    { class: "dl-controls", role: "group", "aria-label": "Fit the student by" },
    element("span", { "aria-hidden": "true" }, "Fit the student by"),
    ...buttons,
  );
  const controls = Object.values(sliders).map(({ node }) => node);
  const plot = createPlot("Teacher and student over 61 positions", redraw);
  plot.node.classList.add("dl-drag", "dl-both");
  const costTable = table("Cost in nats", ["student", "forward", "reverse", "JSD(β)", "centre ± width"], {
    name: "Cost of each student",
  });
  const list = table("Probability at each position", ["position", "teacher", "student"], { className: "dl-scroll" });
  const nodes = [
    element("div", { class: "dl-sliders" }, ...controls),
    fits,
    element(
      "div",
      { class: "dl-body" },
      element(
        "div",
        {},
        legend([
          ["dl-first", "teacher"],
          ["dl-line", "student: drag its top"],
          ["dl-whisker", "best student for each divergence: centre ± width"],
        ]),
        plot.node,
      ),
      element("div", {}, costTable.node, element("div", { style: "height:0.6em" }), list.node),
    ),
  ];

  const p = new Float64Array(POSITIONS);
  const q = new Float64Array(POSITIONS);
  const bestLog = new Float64Array(POSITIONS);
  let best = {}; // fitted students by divergence
  let costs = {}; // of the student on the screen
  let frame = null; // layout of the axes

  draggable(plot, {
    start: (x, y) => x > frame.left && x < frame.right && y < frame.bottom,
    move: (x, y) => {
      const centre = Math.min(POSITIONS - 1, Math.max(0, frame.toPosition(x)));
      const peak = Math.max(0.005, frame.toProbability(y));
      const width = Math.min(WIDTH_RANGE[1], Math.max(WIDTH_RANGE[0], 1 / (peak * Math.sqrt(2 * Math.PI))));
      set({ student_centre: Number(centre.toFixed(1)), student_width: Number(width.toFixed(1)), fit: "hand" });
    },
  });

  const costsOf = (logs) => Object.keys(KINDS).map((kind) => cost(kind, p, logs, state.beta));
  const fillTables = () => {
    const costRow = (name, logs, centre, width) => [
      name,
      ...costsOf(logs).map((value) => fixed(value, 4)),
      `${fixed(centre, 1)} ± ${fixed(width, 1)}`,
    ];
    const rows = [costRow("now", q, state.student_centre, state.student_width)];
    for (const [kind, name] of Object.entries(KINDS)) {
      const { centre, width } = best[kind];
      rows.push(costRow(`${name}’s best`, studentLog(centre, width, bestLog), centre, width));
    }
    costTable.fill(rows);
    list.fill(Array.from(p, (_, x) => [String(x), probability(Math.exp(p[x])), probability(Math.exp(q[x]))]));
    setAttribute(plot.canvas, "aria-label", `Plot over 61 positions. The teacher has two bumps, ${fixed(state.distance, 0)} apart. ${summary()}`);
  };
  const tables = throttle(fillTables, 120);

  const paint = () => {
    const { context: pen, width, height, size } = plot;
    plot.clear();
    const strip = 4.2 * size;
    frame = { left: 3.2 * size, right: width - 0.8 * size, bottom: height - strip - 1.6 * size };
    const peak = Math.exp(Math.max(...p, ...q));
    const high = [0.06, 0.1, 0.2, 0.4, 0.8].find((limit) => peak * 1.05 <= limit) || 1;
    const step = (frame.right - frame.left) / POSITIONS;
    const toX = (position) => frame.left + (position + 0.5) * step;
    const toY = (value) => frame.bottom - (value / high) * (frame.bottom - 4);
    frame.toPosition = (x) => (x - frame.left) / step - 0.5;
    frame.toProbability = (y) => ((frame.bottom - y) / (frame.bottom - 4)) * high;
    pen.textBaseline = "middle";
    pen.fillStyle = plot.ink;
    pen.strokeStyle = plot.grid;
    pen.textAlign = "right";
    for (let tick = 0; tick <= 4; tick++) {
      const y = Math.round(toY((tick * high) / 4)) + 0.5;
      line(pen, frame.left, y, frame.right, y);
      pen.fillText(fixed((tick * high) / 4, 3).replace(/0+$/, "").replace(/\.$/, ""), frame.left - 4, Math.max(y, 0.6 * size));
    }
    pen.textAlign = "center";
    for (let x = 0; x < POSITIONS; x += 10) pen.fillText(String(x), toX(x), frame.bottom + 0.9 * size);
    pen.fillStyle = plot.seriesFill(0);
    for (let x = 0; x < POSITIONS; x++) {
      const y = toY(Math.exp(p[x]));
      pen.fillRect(toX(x) - step * 0.4, y, step * 0.8, frame.bottom - y);
    }
    pen.beginPath();
    for (let x = 0; x < POSITIONS; x++) pen.lineTo(toX(x), toY(Math.exp(q[x])));
    pen.lineWidth = 6;
    pen.strokeStyle = plot.paper; // an outline, so that the line stands out from the bars
    pen.stroke();
    pen.lineWidth = 3;
    pen.strokeStyle = pen.fillStyle = plot.colours[3];
    pen.stroke();
    for (let x = 0; x < POSITIONS; x += 2) pen.fillRect(toX(x) - 3, toY(Math.exp(q[x])) - 3, 6, 6);
    Object.keys(KINDS).forEach((kind, row) => {
      const y = frame.bottom + (2.4 + 1.25 * row) * size;
      const { centre, width } = best[kind];
      const [from, to] = [Math.max(frame.left, toX(centre - width)), Math.min(frame.right, toX(centre + width))];
      pen.strokeStyle = pen.fillStyle = plot.ink;
      pen.lineWidth = kind === state.fit ? 4 : 2;
      pen.setLineDash(DASHES[row]);
      line(pen, from, y, to, y);
      pen.setLineDash([]);
      pen.beginPath();
      pen.arc(toX(centre), y, 0.35 * size, 0, 7);
      pen.fill();
      const name = KINDS[kind];
      const nameWidth = pen.measureText(name).width + 10;
      pen.textAlign = to + nameWidth < plot.width ? "left" : "right";
      pen.fillText(name, pen.textAlign === "left" ? to + 8 : from - 8, y);
    });
  };

  const draw = (_, changed) => {
    if (["distance", "weight", "mode_width", "beta"].some((name) => changed.has(name))) {
      teacherLog(state.distance, state.weight, state.mode_width, p);
      for (const kind of Object.keys(KINDS)) best[kind] = fitted(kind, p, state);
    }
    if (state.fit !== "hand") {
      const { centre, width } = best[state.fit];
      const offset = Math.abs(centre - state.student_centre) + Math.abs(width - state.student_width);
      if (offset > 1e-6) set({ student_centre: centre, student_width: width });
    }
    studentLog(state.student_centre, state.student_width, q);
    const [forward, reverse, jsd] = costsOf(q);
    costs = { forward, reverse, jsd };
    for (const [name, control] of Object.entries(sliders)) control.setValue(state[name]);
    kinds.forEach(([kind], index) => setAttribute(buttons[index], "aria-pressed", state.fit === kind));
    paint();
    tables();
  };
  const summary = () =>
    `Student at ${fixed(state.student_centre, 1)}, width ${fixed(state.student_width, 1)}. ` +
    `Forward KL ${fixed(costs.forward, 3)}, reverse KL ${fixed(costs.reverse, 3)}, ` +
    `JSD with beta ${fixed(state.beta, 2)} ${fixed(costs.jsd, 3)} nats.`;
  return { nodes, plots: [plot], draw, summary, stops: [tables.stop] };
}

const names = ["distance", "weight", "mode_width", "beta", "fit", "student_centre", "student_width"];
const render = (context) => mount(context, { title: "Divergence explorer", names, build, plain });
const pure = { teacherLog, studentLog, cost, fitted, plain };
export default { render, pure };

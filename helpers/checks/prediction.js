// A guess before the answer: a choice, a number with its unit, or a curve. `shared.js` stands before this file.

const fieldset = (question, ...children) =>
  element("fieldset", { class: "dl-guess" }, element("legend", {}, question), ...children);

function choiceInput({ question, choices, known }, change) {
  const name = uniqueId("guess");
  const inputs = choices.map((choice) => element("input", { type: "radio", name, value: choice, disabled: known }));
  inputs.forEach((input) => input.addEventListener("change", () => change(input.value)));
  const lines = choices.map((choice, index) => element("label", { class: "dl-option" }, inputs[index], ` ${choice}`));
  const show = (guess) => inputs.forEach((input) => (input.checked = input.value === guess));
  return { node: fieldset(question, ...lines), show };
}

function numberInput({ question, unit, known }, change) {
  const id = uniqueId("guess");
  const input = element("input", { type: "number", step: "any", id, disabled: known, class: "dl-number" });
  input.addEventListener("change", () => change(input.value === "" ? null : Number(input.value)));
  const show = (guess) => {
    if (document.activeElement !== input) input.value = guess ?? "";
  };
  const label = element("label", { for: id }, "Your guess ");
  return { node: fieldset(question, label, input, unit ? ` ${unit}` : ""), show };
}

const SVG = "http://www.w3.org/2000/svg";
function svg(name, attributes, ...children) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

// The places of a drawing in pixels: where x and y lie, and which point is nearest to a place.
const BOX = { width: 560, height: 260, left: 56, right: 16, top: 14, bottom: 44 };
function placement(axes, points) {
  const [, low, high] = axes.y;
  const step = (BOX.width - BOX.left - BOX.right) / (points - 1);
  const inside = BOX.height - BOX.top - BOX.bottom;
  return {
    x: (index) => BOX.left + index * step,
    y: (value) => BOX.top + ((high - value) / (high - low)) * inside,
    nearest: (pixel) => Math.min(points - 1, Math.max(0, Math.round((pixel - BOX.left) / step))),
    value: (pixel) => Math.min(high, Math.max(low, high - ((pixel - BOX.top) / inside) * (high - low))),
  };
}

// Heights after a stroke from one point to another: points on the way lie on the straight line between them.
function stroke(heights, from, to, start, end) {
  const drawn = heights.slice();
  const [first, last] = from <= to ? [from, to] : [to, from];
  for (let index = first; index <= last; index++) {
    const share = from === to ? 1 : (index - from) / (to - from);
    drawn[index] = start + share * (end - start);
  }
  return drawn;
}

function frame(axes, grid, at) {
  const { width, height, left, right, top, bottom } = BOX;
  const text = (x, y, anchor, content) => svg("text", { x, y, "text-anchor": anchor }, content);
  const tick = (value) => String(Number(value.toPrecision(3)));
  const [, low, high] = axes.y;
  const middle = (low + high) / 2;
  return [
    ...[low, middle, high].map((value) =>
      svg("path", { class: "dl-grid", d: `M${left},${at.y(value)} H${width - right}` }),
    ),
    svg("path", { class: "dl-axis", d: `M${left},${top} V${height - bottom} H${width - right}` }),
    ...[low, middle, high].map((value) => text(left - 6, at.y(value) + 4, "end", tick(value))),
    ...[0, 5, 10].map((index) => text(at.x(index), height - bottom + 16, "middle", tick(grid[index]))),
    text((left + width - right) / 2, height - 8, "middle", axes.x[0]),
    svg(
      "text",
      { x: 14, y: (top + height - bottom) / 2, "text-anchor": "middle", class: "dl-upright" },
      axes.y[0],
    ),
  ];
}

function curveInput({ question, axes, grid, points, known }, change) {
  const at = placement(axes, points);
  const [yLabel, low, high] = axes.y;
  const start = Array(points).fill((low + high) / 2);
  let heights = start;
  let isDrawn = false;
  const path = svg("polyline", { class: "dl-drawn" });
  const spoken = (index) => `${Number(heights[index].toPrecision(3))} ${yLabel} at ${axes.x[0]} ${Number(grid[index].toPrecision(3))}`;
  const set = (next) => {
    heights = next;
    isDrawn = true;
    paint();
    change(heights.map((height) => Number(height.toPrecision(5))));
  };
  const handles = grid.map((_, index) => {
    const handle = svg("circle", { r: 7, class: "dl-handle", tabindex: known ? -1 : 0, role: "slider", "aria-orientation": "vertical", "aria-valuemin": low, "aria-valuemax": high });
    handle.addEventListener("keydown", (event) => {
      const size = (high - low) * (event.shiftKey ? 0.1 : 0.02);
      const moves = { ArrowUp: size, ArrowDown: -size, PageUp: 5 * size, PageDown: -5 * size, Home: low - high, End: high - low };
      const beside = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (beside && handles[index + beside]) handles[index + beside].focus();
      else if (event.key in moves && !known) {
        const value = Math.min(high, Math.max(low, heights[index] + moves[event.key]));
        set(stroke(heights, index, index, value, value));
      } else return;
      event.preventDefault();
    });
    return handle;
  });
  const paint = () => {
    path.setAttribute("points", heights.map((height, index) => `${at.x(index)},${at.y(height)}`).join(" "));
    path.classList.toggle("dl-unset", !isDrawn);
    handles.forEach((handle, index) => {
      handle.setAttribute("cx", at.x(index));
      handle.setAttribute("cy", at.y(heights[index]));
      handle.setAttribute("aria-valuenow", heights[index]);
      handle.setAttribute("aria-valuetext", spoken(index));
      handle.setAttribute("aria-label", `${axes.x[0]} ${Number(grid[index].toPrecision(3))}`);
    });
  };
  const { width, height } = BOX;
  const label = "Drawing: drag across it, or move each point with the arrow keys";
  const board = svg("svg", { viewBox: `0 0 ${width} ${height}`, class: "dl-board", role: "group", "aria-label": label }, ...frame(axes, grid, at), path, ...handles);
  let last = null;
  const draw = (event) => {
    const box = board.getBoundingClientRect();
    const scale = width / box.width;
    const index = at.nearest((event.clientX - box.left) * scale);
    const value = at.value((event.clientY - box.top) * scale);
    set(stroke(heights, last ? last.index : index, index, last ? last.value : value, value));
    last = { index, value };
  };
  board.addEventListener("pointerdown", (event) => {
    if (known || event.button) return;
    board.setPointerCapture(event.pointerId);
    last = null;
    draw(event);
  });
  board.addEventListener("pointermove", (event) => board.hasPointerCapture(event.pointerId) && draw(event));
  const show = (guess) => {
    isDrawn = Array.isArray(guess) && guess.length === points;
    heights = isDrawn ? guess : start;
    paint();
  };
  const hint = element("p", { class: "dl-note" }, known ? "" : "Drag across the drawing, or move each point with the arrow keys.");
  return { node: fieldset(question, board, hint), show };
}

const INPUTS = { choice: choiceInput, number: numberInput, curve: curveInput };

function build({ set, state }) {
  const { asked } = state;
  const input = INPUTS[asked.kind](asked, (guess) => set({ guess }));
  const note = element("p", { class: "dl-note" });
  const said = () => {
    if (asked.known) return "You have seen the answer, so this guess stays.";
    return state.guess == null ? "" : "Kept. You can change it until you see the answer.";
  };
  const draw = (now, changed) => {
    if (changed.has("guess")) input.show(now.guess);
    setText(note, said());
  };
  return { nodes: [input.node, note], draw, summary: said, plots: [] };
}

const plain = ({ asked }) => [asked.question, ...(asked.choices || [])].join("\n");

export default {
  pure: { stroke, placement },
  render: (context) => mount(context, { title: "Predict first", names: ["asked", "guess"], build, plain }),
};

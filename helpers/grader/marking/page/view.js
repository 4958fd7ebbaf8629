// Puts what is known into the page. Students' texts and comments become text nodes: no markup of theirs is parsed.

import { KEYS } from "./keys.js";
import { count, points, total } from "./state.js";

export const $ = (id) => document.getElementById(id);

function make(name, properties = {}, ...children) {
  const { dataset = {}, ...others } = properties;
  const made = Object.assign(document.createElement(name), others);
  Object.assign(made.dataset, dataset);
  made.append(...children);
  return made;
}

export function say(text) {
  $("said").textContent = text;
}

export function showOverview(overview, key) {
  $("choose").replaceChildren(
    ...overview.map((entry) => {
      const left = entry.groups_left ? `${entry.groups_left} of ${entry.groups} left` : "done";
      const text = `${entry.lab}: ${entry.title} (${left})`;
      return make("option", { value: entry.key, selected: entry.key === key }, text);
    }),
  );
  const own = overview.find((entry) => entry.key === key);
  const all = overview.reduce((sum, entry) => sum + entry.groups_left, 0);
  $("left").textContent = own
    ? `${count(own.groups_left, "group")} left (${count(own.answers_left, "answer")}); ${all} in all questions`
    : "";
}

/** The parts that stay while one question is marked. `text` and `model_answer` are the course's own HTML. */
export function showQuestion(question) {
  $("title").textContent = `${question.lab}: ${question.title}`;
  $("question").innerHTML = question.text;
  $("model").innerHTML = question.model_answer;
  $("rubric").hidden = !question.rubric.length;
  $("items").replaceChildren(
    ...question.rubric.map((item, index) => {
      const box = make("input", { type: "checkbox", id: `item-${index}`, value: item.text });
      const worth = make("span", { className: "worth" }, `${item.points > 0 ? "+" : "−"}${points(Math.abs(item.points))}`);
      const text = make("span", {}, item.text);
      if (item.example) text.append(make("span", { className: "example" }, `for example: ${item.example}`));
      return make("label", { className: "item" }, box, make("kbd", {}, String(index + 1)), worth, text);
    }),
  );
  $("points").max = question.max_points;
  $("of").textContent = `of ${points(question.max_points)}`;
}

export function showDraft(draft, question) {
  for (const box of $("items").querySelectorAll("input")) box.checked = draft.items.includes(box.value);
  const sum = total(draft, question);
  if (document.activeElement !== $("points")) $("points").value = sum === null ? "" : points(sum);
  if ($("note").value !== draft.note) $("note").value = draft.note;
}

export function showGroup(group, index, groups) {
  $("whose").textContent = `Group ${index + 1} of ${groups.length}: ${sameAnswers(group)}`;
  $("answer").textContent = group.text;
  $("given").textContent = given(group);
  $("given").className = group.left ? "" : "marked";
}

function sameAnswers(group) {
  return group.count === 1 ? "1 answer" : `${group.count} identical answers`;
}

/** What the answers of a group have got so far, in words. */
function given(group) {
  const elsewhere = group.elsewhere ? " Another marker has this group open." : "";
  const marked = group.given.filter((entry) => entry.points !== null);
  if (!marked.length) return `Not marked yet.${elsewhere}`;
  if (group.mark) return `Marked: ${count(group.mark.score, "point")}.${elsewhere}`;
  const parts = group.given.map((entry) => `${entry.count} ${entry.points === null ? "not marked" : `with ${points(entry.points)}`}`);
  return `Marked differently: ${parts.join(", ")}. Saving gives all of them the same mark.${elsewhere}`;
}

/** The groups that are nearly the same; `together`: the ids of those to be marked with this one. */
export function showNear(near, groups, together) {
  const known = near.flatMap((entry) => groups.filter((group) => group.id === entry.id).map((group) => ({ ...entry, group })));
  const title = make("h3", {}, `Nearly the same: ${count(known.length, "group")}`);
  const legend = make("p", { className: "legend" }, "Only in the answer above: ", make("del", {}, "crossed out"),
    "; only in the one below: ", make("ins", {}, "underlined"), ". Tick what deserves the same mark (x: all).");
  $("near").replaceChildren(...(known.length ? [title, legend, ...known.map((entry) => nearAnswer(entry, together))] : []));
}

function nearAnswer({ id, pieces, group }, together) {
  const kinds = { same: "span", own: "del", other: "ins" };
  const text = make("div", { className: "answer" }, ...pieces.map((piece) => make(kinds[piece.kind], {}, piece.text)));
  const box = make("input", { type: "checkbox", checked: together.has(id), dataset: { together: id } });
  return make("div", { className: "near" }, make("label", {}, box, ` Mark with the answer above: ${sameAnswers(group)}. ${given(group)}`), text);
}

export function showComments(comments) {
  $("bank").hidden = !comments.length;
  $("comments").replaceChildren(
    ...comments.map((text, index) =>
      make("li", {},
        make("button", { type: "button", className: "known", dataset: { comment: index } }, text),
        make("button", { type: "button", dataset: { forget: index }, ariaLabel: `Remove this comment: ${text}` }, "Remove")),
    ),
  );
}

/** Whose answers these are; null hides it. */
export function showNames(names) {
  $("names").hidden = names === null;
  document.querySelector("[data-action=names]").setAttribute("aria-expanded", String(names !== null));
  $("names").textContent = (names ?? [])
    .map(({ student, points: got }) => (got === null ? student : `${student} (${points(got)})`))
    .join(", ");
}

export function fillHelp() {
  $("keys").replaceChildren(
    ...KEYS.flatMap(({ keys, shown, help }) => [make("dt", {}, make("kbd", {}, shown ?? keys[0])), make("dd", {}, help)]),
  );
}

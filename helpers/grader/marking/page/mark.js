// The marking page: what the marker does, in the order in which it was done, and what the server says to it.

import { actionFor } from "./keys.js";
import * as state from "./state.js";
import { $, fillHelp, say, showComments, showDraft, showGroup, showNames, showNear, showOverview, showQuestion } from "./view.js";

const marker = (sessionStorage.marker ??= crypto.randomUUID()); // of this tab, for its own undo
const drafts = new Map(); // by group: what is not saved yet
const together = new Set(); // groups that get the mark of the one that is shown
let overview = [], question = null, index = 0, near = [], isNaming = false;

const current = () => question.groups[index];
const draft = () => drafts.get(current().id) ?? state.draftOf(current());

async function ask(path, body) {
  const given = body && { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ ...body, marker }) };
  let reply, content;
  try {
    reply = await fetch(`api/${path}`, given);
    content = await reply.json();
  } catch {
    throw new Error("The server does not answer. Is distillab mark still running?");
  }
  if (content.error) throw new Error(content.error);
  return content;
}

const address = (path, values) => `${path}?${new URLSearchParams({ ...values, marker })}`;

async function openQuestion(key) {
  question = await ask(address("question", { key }));
  showQuestion(question);
  showComments(question.comments);
  showOverview(overview, key);
  index = Math.max(0, state.nextLeft(question.groups, -1));
  await openGroup();
}

async function openGroup() {
  together.clear();
  const group = current();
  if (!group) return;
  showGroup(group, index, question.groups);
  showDraft(draft(), question);
  near = await ask(address("group", { key: question.key, group: group.id }));
  showNear(near, question.groups, together);
  await refreshNames();
  $("whose").focus();
}

async function refreshNames() {
  showNames(isNaming ? await ask(address("names", { key: question.key, group: current().id })) : null);
}

function edit(changed) {
  if (state.isChanged(changed, current())) drafts.set(current().id, changed);
  else drafts.delete(current().id);
  showDraft(changed, question);
}

/** Take over how the question looks now. Drafts stay, so that a marker can compare and save again. */
function update(reply) {
  const id = current()?.id;
  overview = reply.overview;
  question.groups = reply.groups;
  question.comments = reply.comments;
  index = Math.max(0, question.groups.findIndex((group) => group.id === id));
  showOverview(overview, question.key);
  showComments(question.comments);
}

async function save() {
  const group = current(), chosen = [group, ...question.groups.filter((other) => together.has(other.id))];
  if (!state.isChanged(draft(), group) && !together.size && !group.left) return goOn("This group is marked.");
  if (!Number.isFinite(state.total(draft(), question))) return say("Choose rubric items or enter points first; 0 gives no points.");
  const groups = Object.fromEntries(chosen.map(({ id, version }) => [id, version]));
  const reply = await ask("mark", { key: question.key, groups, ...draft() });
  const given = state.total(draft(), question);
  update(reply);
  if (reply.problem) {
    showGroup(current(), index, question.groups);
    showNear(near, question.groups, together);
    return say(`${reply.problem} To replace it, save again.`);
  }
  for (const { id } of chosen) drafts.delete(id);
  const answers = chosen.reduce((sum, { count }) => sum + count, 0);
  return goOn(`Saved: ${state.points(given)} of ${state.points(question.max_points)} for ${state.count(answers, "answer")}.`);
}

/** Go to the next group that is left, in this question or else in the next one that has any. */
async function goOn(done) {
  const next = state.nextLeft(question.groups, index);
  if (next >= 0) {
    index = next;
    await openGroup();
    return say(done);
  }
  const from = overview.findIndex((entry) => entry.key === question.key);
  const order = [...overview.slice(from + 1), ...overview.slice(0, from + 1)];
  const other = order.find((entry) => entry.groups_left);
  if (other) {
    await openQuestion(other.key);
    return say(`${done} The question before is done.`);
  }
  await openGroup();
  return say(`${done} All answers are marked. Press Ctrl-C where distillab mark runs, to update feedback and marks.`);
}

async function undo() {
  const reply = await ask("undo", { key: question.key });
  if (reply.key !== question.key) question = await ask(address("question", { key: reply.key }));
  showQuestion(question);
  update(reply);
  if (reply.undone.length) {
    index = Math.max(0, question.groups.findIndex((group) => group.id === reply.undone[0]));
    for (const id of reply.undone) drafts.delete(id);
  }
  await openGroup();
  say(reply.problem || (reply.changed ? "The mark is taken back." : "Nothing to take back: you have saved no mark on this page."));
}

function step(by) {
  index = (index + by + question.groups.length) % question.groups.length;
  return openGroup();
}

function stepQuestion(by) {
  const place = overview.findIndex((entry) => entry.key === question.key);
  return openQuestion(overview[(place + by + overview.length) % overview.length].key);
}

function toggleTogether() {
  const ids = near.map((entry) => entry.id);
  const isOn = ids.every((id) => together.has(id));
  for (const id of ids) if (isOn) together.delete(id); else together.add(id);
  showNear(near, question.groups, together);
  say(together.size ? `${state.count(together.size, "nearly identical group")} will get the same mark.` : "Only the answer above will be marked.");
}

function useComment(place) {
  const text = question.comments[place];
  if (text === undefined) return;
  edit(state.withComment(draft(), text));
  $("whose").focus();
}

const ACTIONS = {
  digit: (key) => ($("bank").contains(document.activeElement) ? useComment(key - 1) : edit(state.digit(draft(), Number(key), question))),
  full: () => edit(state.full(draft(), question)),
  half: () => edit(state.half(draft(), question)),
  points: () => $("points").select(),
  comment: () => $("note").focus(),
  bank: () => ($("comments").querySelector("button") ?? $("note")).focus(),
  together: toggleTogether,
  save,
  undo,
  next: () => step(1),
  previous: () => step(-1),
  nextQuestion: () => stepQuestion(1),
  previousQuestion: () => stepQuestion(-1),
  names: () => ((isNaming = !isNaming), refreshNames()),
  help: () => $("help").showModal(),
};

let last = Promise.resolve(); // what is being done; the next key waits for it
let waiting = 0;

function perform(act) {
  waiting += 1;
  last = last.then(act).catch((problem) => say(problem.message)).finally(() => (waiting -= 1));
}

function listen() {
  document.addEventListener("keydown", (event) => {
    const action = $("help").open ? undefined : actionFor(event, $("shortcuts").checked);
    if (event.key === "Escape" && event.target === $("note")) $("whose").focus();
    if (!action) return;
    event.preventDefault();
    const isWriting = action === "points" || action === "comment";
    if (isWriting && !waiting) ACTIONS[action](); // at once, so that the next key is written there
    else perform(() => ACTIONS[action](event.key));
  });
  document.addEventListener("click", (event) => {
    const { action, comment, forget } = event.target.closest("button")?.dataset ?? {};
    if (action) perform(() => ACTIONS[action]());
    if (comment) perform(() => useComment(Number(comment)));
    if (forget) perform(async () => update(await ask("forget", { key: question.key, text: question.comments[forget] })));
  });
  $("items").addEventListener("change", (event) => edit(state.toggle(draft(), event.target.value)));
  $("near").addEventListener("change", ({ target }) => together[target.checked ? "add" : "delete"](target.dataset.together));
  $("points").addEventListener("input", ({ target }) => edit({ ...draft(), points: target.value === "" ? null : target.valueAsNumber }));
  $("note").addEventListener("input", ({ target }) => edit({ ...draft(), note: target.value }));
  $("choose").addEventListener("change", ({ target }) => perform(() => openQuestion(target.value)));
  addEventListener("beforeunload", (event) => drafts.size && event.preventDefault());
}

fillHelp();
listen();
perform(async () => {
  overview = await ask("overview");
  await openQuestion((overview.find((entry) => entry.groups_left) ?? overview[0]).key);
});

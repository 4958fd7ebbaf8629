// What a mark consists of before it is saved, and which group comes next. Nothing here touches the page.

/** A mark as the marker edits it: ticked rubric items, points instead of their sum or null, and a comment. */
export function draftOf(group) {
  const { items, points, note } = group.mark ?? { items: [], points: null, note: "" };
  return { items: [...items], points, note };
}

/** The points that a draft amounts to; null while nothing has been chosen. */
export function total(draft, question) {
  if (draft.points !== null) return draft.points;
  const ticked = question.rubric.filter((item) => draft.items.includes(item.text));
  if (!ticked.length) return null;
  const sum = ticked.reduce((points, item) => points + item.points, 0);
  return Math.min(Math.max(0, Math.round(sum * 1e6) / 1e6), question.max_points);
}

/** Tick or untick a rubric item. The sum counts again, whatever points were entered. */
export function toggle(draft, text) {
  const items = draft.items.includes(text) ? draft.items.filter((item) => item !== text) : [...draft.items, text];
  return { ...draft, items, points: null };
}

/** What a digit does: it ticks the rubric item of that number, or enters points where there is no rubric. */
export function digit(draft, number, question) {
  if (number === 0) return { ...draft, items: [], points: 0 };
  if (!question.rubric.length) return number <= question.max_points ? { ...draft, points: number } : draft;
  const item = question.rubric[number - 1];
  return item ? toggle(draft, item.text) : draft;
}

/** Half a point more, or the half point away again. */
export function half(draft, question) {
  const points = total(draft, question) ?? 0;
  const changed = points % 1 === 0 ? points + 0.5 : Math.floor(points);
  return changed <= question.max_points ? { ...draft, points: changed } : draft;
}

/** Full marks: every item that gives points. */
export function full(draft, question) {
  const items = question.rubric.filter((item) => item.points > 0).map((item) => item.text);
  return { ...draft, items, points: items.length ? null : question.max_points };
}

export function withComment(draft, text) {
  return { ...draft, note: draft.note.trim() ? `${draft.note.trimEnd()}\n${text}` : text };
}

export function isChanged(draft, group) {
  return JSON.stringify(draft) !== JSON.stringify(draftOf(group));
}

/** The place of the next group that is left to mark, after `index` and then from the start; -1 if there is none.
 * Groups that another marker has open come last. */
export function nextLeft(groups, index) {
  const order = groups.map((_, step) => (index + 1 + step) % groups.length).filter((place) => groups[place].left);
  return order.find((place) => !groups[place].elsewhere) ?? order[0] ?? -1;
}

/** 0.1 + 0.2 as a person writes it. */
export function points(number) {
  return String(Math.round(number * 100) / 100);
}

export function count(number, noun) {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

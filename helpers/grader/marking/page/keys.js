// The keys and what they do, in the order of the help.

export const KEYS = [
  { keys: ["1", "2", "3", "4", "5", "6", "7", "8", "9"], shown: "1–9", action: "digit", help: "tick that rubric item, or give that many points" },
  { keys: ["0"], action: "digit", help: "no points" },
  { keys: ["f"], action: "full", help: "full marks" },
  { keys: ["."], action: "half", help: "half a point more, or away again" },
  { keys: ["m"], action: "points", help: "enter other points" },
  { keys: ["c"], action: "comment", help: "write a comment" },
  { keys: ["b"], action: "bank", help: "go to the comments used before; a digit there adds one" },
  { keys: ["x"], action: "together", help: "mark the nearly identical answers with this one, or not" },
  { keys: ["Enter"], action: "save", help: "save and go to the next group that is left" },
  { keys: ["n"], action: "next", help: "next group" },
  { keys: ["p"], action: "previous", help: "previous group" },
  { keys: ["]"], action: "nextQuestion", help: "next question" },
  { keys: ["["], action: "previousQuestion", help: "previous question" },
  { keys: ["u"], action: "undo", help: "take back your last saved mark" },
  { keys: ["i"], action: "names", help: "show or hide whose answers these are" },
  { keys: ["?"], action: "help", help: "these keys" },
];

const ACTIONS = new Map(KEYS.flatMap((entry) => entry.keys.map((key) => [key, entry.action])));

/** The action for a key, or undefined: not while someone writes, or presses a button with Enter. */
export function actionFor(event, isOn) {
  if (event.ctrlKey && event.key === "Enter") return "save";
  if (!isOn || event.ctrlKey || event.metaKey || event.altKey) return undefined;
  const field = event.target.closest("input, textarea, select, button, summary, a");
  if (field?.matches("textarea, select, input[type=number]")) {
    return field.matches("input") && event.key === "Enter" ? "save" : undefined;
  }
  if (event.key === "Enter" && field && !field.matches("input")) return undefined;
  return ACTIONS.get(event.key);
}

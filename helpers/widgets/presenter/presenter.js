// The presenter: steps through scenes, each of which sets one explorer, with the keys that a lecturer's clicker sends.
// It finds the explorers on the page and sends them events, so that it works with and without Python.

const KEYS = [
  ["Page Down, →, n", "next scene"],
  ["Page Up, ←, b", "previous scene"],
  ["Home, End", "first or last scene"],
  ["m", "notes and timer in the bar"],
  ["s", "notes and timer in a window of their own, for your screen"],
  ["t, r", "stop or start the timer; set it to 0"],
  ["1, 2, 3, 4, 5", "only the temperature, loss, divergence or draft explorer, or the figures"],
  ["0", "all explorers"],
  ["+, −", "larger or smaller type"],
  ["d", "dark or light theme"],
  ["p", "start or stop presenting; other keys work only while presenting"],
  ["?", "show or hide this list"],
];

const TITLES = ["Temperature explorer", "Loss explorer", "Divergence explorer", "Draft explorer", "Figures"];

const ACTIONS = {
  PageDown: "next", n: "next", PageUp: "previous", b: "previous", "+": "larger", "=": "larger", "-": "smaller", "−": "smaller",
  m: "notes", s: "window", t: "clock", r: "reset", d: "theme", p: "present", "?": "help",
};

// The action of a key, or null. Keys that the focused element needs are left to it.
function keyAction(key, { typing = false, sliding = false } = {}) {
  if (typing) return null;
  const moving = { ArrowRight: "next", ArrowLeft: "previous", Home: "first", End: "last" }[key];
  if (moving) return sliding ? null : moving;
  if (/^[0-5]$/.test(key)) return `show ${key}`;
  return ACTIONS[key] || null;
}

const clockText = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;

// What the timer says in a scene: the time that has passed, when the scene should end, and the length of the lecture.
function pace(scenes, scene, seconds, running) {
  const minutes = scenes.map((one) => one.minutes || 0);
  const planned = minutes.slice(0, scene + 1).reduce((sum, value) => sum + value, 0);
  const total = minutes.reduce((sum, value) => sum + value, 0);
  const stopped = running ? "" : " (stopped)";
  return `${clockText(seconds)}${stopped}; this scene ends at ${planned}:00, the lecture at ${total}:00`;
}

// A stopwatch in seconds.
function stopwatch() {
  let [before, since] = [0, null];
  const seconds = () => before + (since === null ? 0 : (Date.now() - since) / 1000);
  const run = (running) => {
    before = seconds();
    since = running ? Date.now() : null;
  };
  return { seconds, run, running: () => since !== null, reset: () => ([before, since] = [0, since === null ? null : Date.now()]) };
}

// The lecturer's view: clock, notes, and what comes next.
function lecturersView() {
  const clock = element("p", { class: "dl-clock", role: "timer" });
  const notes = element("p", { class: "dl-said" });
  const next = element("p", { class: "dl-next" });
  const fill = (scenes, scene, watch) => {
    setText(clock, pace(scenes, scene, watch.seconds(), watch.running()));
    setText(notes, scenes[scene].notes || "No notes for this scene.");
    setText(next, scene + 1 < scenes.length ? `Next: ${scenes[scene + 1].text}` : "This is the last scene.");
  };
  return { node: element("div", { class: "dl-notes" }, clock, notes, next), fill };
}

const WINDOW_STYLE = `body { margin: 1.5rem; font: 1.5rem/1.45 system-ui, sans-serif; background: #15171c; color: #f1f1f4; }
.dl-clock { font-variant-numeric: tabular-nums; color: #56b4e9; } .dl-next { color: #b5b5c0; }`;

function render({ model, el }) {
  const scenes = model.get("scenes");
  const page = document.documentElement;
  let size = 1;
  let dark = null;
  let speaker = null; // the window with the notes
  const watch = stopwatch();
  const [inBar, inWindow] = [lecturersView(), lecturersView()];
  inBar.node.hidden = true;
  const explorers = () => [...document.querySelectorAll(".distillab[data-explorer]")];
  const send = (roots, detail) =>
    roots.forEach((root) => root.dispatchEvent(new CustomEvent("distillab-set", { detail: structuredClone(detail) })));
  const caption = element("p", { class: "dl-scene", role: "heading", "aria-level": "2", "aria-live": "polite" });
  const headline = element("section", { class: "distillab dl-presenter dl-headline", "aria-label": "Scene" }, caption);
  const help = element(
    "dl",
    { class: "dl-keys", hidden: true },
    ...KEYS.flatMap(([key, effect]) => [element("dt", {}, key), element("dd", {}, effect)]),
  );
  const acts = {
    present: () => change({ presenting: !model.get("presenting") }),
    next: () => go(Math.min(scenes.length - 1, model.get("scene") + 1)),
    previous: () => go(Math.max(0, model.get("scene") - 1)),
    first: () => go(0),
    last: () => go(scenes.length - 1),
    larger: () => setSize(size * 1.1),
    smaller: () => setSize(size / 1.1),
    help: () => (help.hidden = !help.hidden),
    notes: () => (inBar.node.hidden = !inBar.node.hidden),
    window: () => openSpeaker(),
    clock: () => watch.run(!watch.running()),
    reset: () => watch.reset(),
    theme: () => {
      dark = !(dark ?? explorers()[0]?.dataset.theme === "dark");
      document.body.style.background = dark ? "#0b0c0f" : "#fff";
      document.body.style.color = dark ? "#f1f1f4" : "#1b1b1f";
      send(explorers(), { theme: dark ? "dark" : "light" });
      for (const node of [bar, headline]) node.dataset.theme = dark ? "dark" : "light";
    },
  };
  const act = (action) => {
    if (action.startsWith("show")) showOnly(Number(action.slice(5)));
    else acts[action]();
    tell();
  };
  const change = (values) => {
    for (const [name, value] of Object.entries(values)) model.set(name, value);
    model.save_changes();
  };
  const setSize = (requested) => {
    size = Math.min(2, Math.max(0.6, requested));
    page.style.setProperty("--dl-size", size.toFixed(3));
  };
  // Shows the explorer with this number, as large as the window, or all of them for 0, one below the other.
  const showOnly = (number) => {
    const staged = number > 0 && model.get("presenting");
    for (const root of explorers()) {
      root.hidden = number > 0 && root.dataset.explorer !== TITLES[number - 1];
      root.toggleAttribute("data-stage", staged && !root.hidden);
    }
    headline.hidden = !staged;
    page.toggleAttribute("data-dl-stage", staged); // explorers see the change, and take their new size of type
  };
  const go = (scene) => change({ scene });
  const tell = () => {
    for (const view of [inBar, inWindow]) view.fill(scenes, model.get("scene"), watch);
  };
  const openSpeaker = () => {
    speaker = window.open("", "distillab-notes", "popup,width=900,height=600");
    if (!speaker) return; // the browser keeps windows closed; `m` shows the notes in the bar
    const { document: sheet } = speaker;
    sheet.title = "Distillab: notes";
    sheet.documentElement.lang = "en";
    sheet.head.replaceChildren(element("style", {}, WINDOW_STYLE));
    sheet.body.replaceChildren(inWindow.node);
    sheet.addEventListener("keydown", onKey, true);
  };
  const show = () => {
    const scene = model.get("scene");
    const presenting = model.get("presenting");
    present.setAttribute("aria-pressed", String(presenting));
    setText(present, presenting ? "Stop presenting (p)" : "Present (p)");
    for (const node of [previous, next]) node.hidden = !presenting;
    for (const node of [bar, headline]) node.toggleAttribute("data-large", presenting);
    send(explorers(), { large: presenting || model.get("large") });
    if (presenting && watch.seconds() === 0) watch.run(true);
    tell();
    if (!presenting) {
      showOnly(0);
      return;
    }
    const { explorer, text, state } = scenes[scene];
    setText(caption, text);
    setText(count, `${scene + 1} of ${scenes.length}`);
    showOnly(TITLES.indexOf(explorer) + 1);
    send(explorers().filter((root) => root.dataset.explorer === explorer), state);
  };
  const previous = button("◀ Previous", () => act("previous"));
  const next = button("Next ▶", () => act("next"));
  const present = button("Present (p)", () => act("present"));
  const keys = button("Keys (?)", () => act("help"));
  const count = element("span", { class: "dl-count" });
  const bar = element(
    "section",
    { class: "distillab dl-presenter", "aria-label": "Presenter" },
    help,
    inBar.node,
    element("div", { class: "dl-controls" }, previous, count, next, present, keys),
  );
  for (const node of [bar, headline]) node.dataset.theme = hostTheme(el);
  const onKey = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { tagName, type } = event.target;
    const sliding = type === "range" || tagName === "SELECT";
    const typing = tagName === "TEXTAREA" || (tagName === "INPUT" && type !== "range");
    const action = keyAction(event.key, { typing, sliding });
    if (!action || (!model.get("presenting") && action !== "present")) return;
    event.preventDefault();
    event.stopPropagation();
    act(action);
  };
  document.addEventListener("keydown", onKey, true);
  for (const name of ["scene", "presenting"]) model.on(`change:${name}`, show);
  el.append(headline, bar);
  // The explorer on the stage fills what headline and bar leave.
  const fit = () => {
    page.style.setProperty("--dl-top", `${headline.offsetHeight}px`);
    page.style.setProperty("--dl-bottom", `${bar.offsetHeight}px`);
  };
  const measure = globalThis.ResizeObserver ? new ResizeObserver(fit) : null; // without one, explorers show only text
  for (const node of [headline, bar]) measure?.observe(node);
  const ticking = setInterval(tell, 500);
  show();
  // Explorers that appear on the page after the presenter get the current scene then.
  const observer = new MutationObserver((records) => {
    const added = records.flatMap((record) => [...record.addedNodes]);
    if (added.some((node) => node.querySelector && (node.matches(".distillab") || node.querySelector(".distillab")))) show();
  });
  observer.observe(document.body, { childList: true, subtree: true });
  return () => {
    observer.disconnect();
    measure?.disconnect();
    clearInterval(ticking);
    speaker?.close();
    document.removeEventListener("keydown", onKey, true);
    for (const name of ["scene", "presenting"]) model.off(`change:${name}`, show);
    for (const node of [headline, bar]) node.remove();
  };
}

export default { render, pure: { keyAction, clockText, pace } };

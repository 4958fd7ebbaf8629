// The presenter: steps through scenes, each of which sets one explorer, with the keys that a lecturer's clicker sends.
// It finds the explorers on the page and speaks to them with events, so that it works with and without Python.

const KEYS = [
  ["Page Down, →, n", "next scene"],
  ["Page Up, ←, b", "scene before"],
  ["1, 2, 3", "temperature, loss or divergence explorer alone"],
  ["0", "all three"],
  ["+, −", "larger or smaller type"],
  ["d", "dark or light"],
  ["p", "start or stop presenting: while it is off, only p works"],
  ["?", "show or hide this list"],
];

const TITLES = ["Temperature explorer", "Loss explorer", "Divergence explorer"];

// What a key means, or null. Keys that belong to what has the focus are left to it.
function meaning(key, { typing = false, sliding = false } = {}) {
  if (typing) return null;
  if (["PageDown", "n"].includes(key) || (key === "ArrowRight" && !sliding)) return "next";
  if (["PageUp", "b"].includes(key) || (key === "ArrowLeft" && !sliding)) return "previous";
  if (/^[0-3]$/.test(key)) return `show ${key}`;
  return { "+": "larger", "=": "larger", "-": "smaller", "−": "smaller", d: "theme", p: "present", "?": "help" }[key] || null;
}

function render({ model, el }) {
  const scenes = model.get("scenes");
  let size = 1;
  let dark = null;
  const explorers = () => [...document.querySelectorAll(".distillab[data-explorer]")];
  const tell = (roots, detail) =>
    roots.forEach((root) => root.dispatchEvent(new CustomEvent("distillab-set", { detail: structuredClone(detail) })));
  const said = element("p", { class: "dl-scene", "aria-live": "polite" });
  const help = element(
    "dl",
    { class: "dl-keys", hidden: true },
    ...KEYS.flatMap(([key, what]) => [element("dt", {}, key), element("dd", {}, what)]),
  );
  const act = (what) => {
    if (!what) return;
    const scene = model.get("scene");
    if (what === "present") change({ presenting: !model.get("presenting") });
    else if (what === "next") go(Math.min(scenes.length - 1, scene + 1));
    else if (what === "previous") go(Math.max(0, scene - 1));
    else if (what.startsWith("show")) only(Number(what.slice(5)));
    else if (what === "larger") scale(size * 1.15);
    else if (what === "smaller") scale(size / 1.15);
    else if (what === "theme") {
      dark = !(dark ?? explorers()[0]?.dataset.theme === "dark");
      document.body.style.background = dark ? "#0b0c0f" : "#fff";
      document.body.style.color = dark ? "#f1f1f4" : "#1b1b1f";
      tell(explorers(), { theme: dark ? "dark" : "light" });
      bar.dataset.theme = dark ? "dark" : "light";
    } else if (what === "help") help.hidden = !help.hidden;
  };
  const change = (values) => {
    for (const [name, value] of Object.entries(values)) model.set(name, value);
    model.save_changes();
  };
  const scale = (wanted) => {
    size = Math.min(2.5, Math.max(0.6, wanted));
    for (const root of explorers()) root.style.zoom = size;
  };
  const only = (place) => {
    for (const root of explorers()) root.hidden = place > 0 && root.dataset.explorer !== TITLES[place - 1];
  };
  const go = (scene) => change({ scene });
  const show = () => {
    const scene = model.get("scene");
    const presenting = model.get("presenting");
    present.setAttribute("aria-pressed", String(presenting));
    say(present, presenting ? "Stop presenting (p)" : "Present (p)");
    for (const node of [before, next, said]) node.hidden = !presenting;
    bar.toggleAttribute("data-large", presenting);
    tell(explorers(), { large: presenting || model.get("large") });
    if (!presenting) {
      only(0);
      return;
    }
    const { explorer, text, state } = scenes[scene];
    say(said, `${scene + 1} of ${scenes.length}: ${text}`);
    only(TITLES.indexOf(explorer) + 1);
    tell(explorers().filter((root) => root.dataset.explorer === explorer), state);
  };
  const before = button("◀ before", () => act("previous"));
  const next = button("next ▶", () => act("next"));
  const present = button("Present (p)", () => act("present"));
  const keys = button("Keys (?)", () => act("help"));
  const bar = element(
    "section",
    { class: "distillab dl-presenter", "aria-label": "Presenter" },
    help,
    element("div", { class: "dl-controls" }, before, next, said, present, keys),
  );
  bar.dataset.theme = hostTheme(el);
  const heard = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { tagName, type } = event.target;
    const sliding = type === "range" || tagName === "SELECT";
    const typing = tagName === "TEXTAREA" || (tagName === "INPUT" && type !== "range");
    const what = meaning(event.key, { typing, sliding });
    if (!what || (!model.get("presenting") && what !== "present")) return;
    event.preventDefault();
    event.stopPropagation();
    act(what);
  };
  document.addEventListener("keydown", heard, true);
  for (const name of ["scene", "presenting"]) model.on(`change:${name}`, show);
  el.append(bar);
  show();
  // Explorers may appear on the page after the presenter: they are told then.
  const watch = new MutationObserver((records) => {
    const added = records.flatMap((record) => [...record.addedNodes]);
    if (added.some((node) => node.querySelector && (node.matches(".distillab") || node.querySelector(".distillab")))) show();
  });
  watch.observe(document.body, { childList: true, subtree: true });
  return () => {
    watch.disconnect();
    document.removeEventListener("keydown", heard, true);
    for (const name of ["scene", "presenting"]) model.off(`change:${name}`, show);
    bar.remove();
  };
}

export default { render, pure: { meaning } };

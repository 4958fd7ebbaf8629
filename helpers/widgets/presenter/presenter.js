// The presenter: steps through scenes, each of which sets one explorer, with the keys that a lecturer's clicker sends.
// It finds the explorers on the page and sends them events, so that it works with and without Python.

const KEYS = [
  ["Page Down, →, n", "next scene"],
  ["Page Up, ←, b", "previous scene"],
  ["1, 2, 3, 4", "only the temperature, loss, divergence or draft explorer"],
  ["0", "all explorers"],
  ["+, −", "larger or smaller type"],
  ["d", "dark or light theme"],
  ["p", "start or stop presenting; other keys work only while presenting"],
  ["?", "show or hide this list"],
];

const TITLES = ["Temperature explorer", "Loss explorer", "Divergence explorer", "Draft explorer"];

// The action of a key, or null. Keys that the focused element needs are left to it.
function keyAction(key, { typing = false, sliding = false } = {}) {
  if (typing) return null;
  if (["PageDown", "n"].includes(key) || (key === "ArrowRight" && !sliding)) return "next";
  if (["PageUp", "b"].includes(key) || (key === "ArrowLeft" && !sliding)) return "previous";
  if (/^[0-4]$/.test(key)) return `show ${key}`;
  return { "+": "larger", "=": "larger", "-": "smaller", "−": "smaller", d: "theme", p: "present", "?": "help" }[key] || null;
}

function render({ model, el }) {
  const scenes = model.get("scenes");
  let size = 1;
  let dark = null;
  const explorers = () => [...document.querySelectorAll(".distillab[data-explorer]")];
  const send = (roots, detail) =>
    roots.forEach((root) => root.dispatchEvent(new CustomEvent("distillab-set", { detail: structuredClone(detail) })));
  const caption = element("p", { class: "dl-scene", "aria-live": "polite" });
  const help = element(
    "dl",
    { class: "dl-keys", hidden: true },
    ...KEYS.flatMap(([key, effect]) => [element("dt", {}, key), element("dd", {}, effect)]),
  );
  const act = (action) => {
    const scene = model.get("scene");
    if (action === "present") change({ presenting: !model.get("presenting") });
    else if (action === "next") go(Math.min(scenes.length - 1, scene + 1));
    else if (action === "previous") go(Math.max(0, scene - 1));
    else if (action.startsWith("show")) showOnly(Number(action.slice(5)));
    else if (action === "larger") setSize(size * 1.15);
    else if (action === "smaller") setSize(size / 1.15);
    else if (action === "theme") {
      dark = !(dark ?? explorers()[0]?.dataset.theme === "dark");
      document.body.style.background = dark ? "#0b0c0f" : "#fff";
      document.body.style.color = dark ? "#f1f1f4" : "#1b1b1f";
      send(explorers(), { theme: dark ? "dark" : "light" });
      bar.dataset.theme = dark ? "dark" : "light";
    } else if (action === "help") help.hidden = !help.hidden;
  };
  const change = (values) => {
    for (const [name, value] of Object.entries(values)) model.set(name, value);
    model.save_changes();
  };
  const setSize = (requested) => {
    size = Math.min(2.5, Math.max(0.6, requested));
    for (const root of explorers()) root.style.zoom = size;
  };
  // Shows the explorer with this number, or all for 0.
  const showOnly = (number) => {
    for (const root of explorers()) root.hidden = number > 0 && root.dataset.explorer !== TITLES[number - 1];
  };
  const go = (scene) => change({ scene });
  const show = () => {
    const scene = model.get("scene");
    const presenting = model.get("presenting");
    present.setAttribute("aria-pressed", String(presenting));
    setText(present, presenting ? "Stop presenting (p)" : "Present (p)");
    for (const node of [previous, next, caption]) node.hidden = !presenting;
    bar.toggleAttribute("data-large", presenting);
    send(explorers(), { large: presenting || model.get("large") });
    if (!presenting) {
      showOnly(0);
      return;
    }
    const { explorer, text, state } = scenes[scene];
    setText(caption, `${scene + 1} of ${scenes.length}: ${text}`);
    showOnly(TITLES.indexOf(explorer) + 1);
    send(explorers().filter((root) => root.dataset.explorer === explorer), state);
  };
  const previous = button("◀ Previous", () => act("previous"));
  const next = button("Next ▶", () => act("next"));
  const present = button("Present (p)", () => act("present"));
  const keys = button("Keys (?)", () => act("help"));
  const bar = element(
    "section",
    { class: "distillab dl-presenter", "aria-label": "Presenter" },
    help,
    element("div", { class: "dl-controls" }, previous, next, caption, present, keys),
  );
  bar.dataset.theme = hostTheme(el);
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
  el.append(bar);
  show();
  // Explorers that appear on the page after the presenter get the current scene then.
  const observer = new MutationObserver((records) => {
    const added = records.flatMap((record) => [...record.addedNodes]);
    if (added.some((node) => node.querySelector && (node.matches(".distillab") || node.querySelector(".distillab")))) show();
  });
  observer.observe(document.body, { childList: true, subtree: true });
  return () => {
    observer.disconnect();
    document.removeEventListener("keydown", onKey, true);
    for (const name of ["scene", "presenting"]) model.off(`change:${name}`, show);
    bar.remove();
  };
}

export default { render, pure: { keyAction } };

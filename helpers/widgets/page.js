// Starts the explorers on a page without Python. Model has the methods of Jupyter's widget model that explorers call.
class Model {
  constructor(state) {
    this.state = state;
    this.listeners = new Map();
  }
  get(name) {
    return this.state[name];
  }
  set(name, value) {
    if (this.state[name] === value) return;
    this.state[name] = value;
    for (const listener of [...(this.listeners.get(`change:${name}`) || [])]) listener();
  }
  on(event, listener) {
    this.listeners.set(event, [...(this.listeners.get(event) || []), listener]);
  }
  off(event, listener) {
    this.listeners.set(event, (this.listeners.get(event) || []).filter((other) => other !== listener));
  }
  save_changes() {}
}

const main = document.querySelector("main");
const footer = document.querySelector("footer");
main.replaceChildren();
globalThis.distillab = states.map(([name, state]) => {
  const el = document.createElement("div");
  (name === "presenter" ? footer : main).append(el);
  const model = new Model(state);
  return { model, stop: modules[name].render({ model, el }) };
});

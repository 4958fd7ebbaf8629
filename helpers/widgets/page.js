// Starts the explorers on a page without Python: a model of the few methods that a widget asks of Jupyter's.
class Model {
  constructor(state) {
    this.state = state;
    this.heard = new Map();
  }
  get(name) {
    return this.state[name];
  }
  set(name, value) {
    if (this.state[name] === value) return;
    this.state[name] = value;
    for (const listener of [...(this.heard.get(`change:${name}`) || [])]) listener();
  }
  on(event, listener) {
    this.heard.set(event, [...(this.heard.get(event) || []), listener]);
  }
  off(event, listener) {
    this.heard.set(event, (this.heard.get(event) || []).filter((other) => other !== listener));
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

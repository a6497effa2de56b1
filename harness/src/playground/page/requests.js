// The requests that were sent about somebody, as the diagram that the server drew.
import { make } from "./editor.js";
import { groups, isolated, range } from "./result.js";

const find = (selector) => document.querySelector(selector);

export class Requests {
  constructor() {
    this.list = find("#asked");
    this.drawn = [];
    this.list.addEventListener("change", () => this.draw());
  }

  // Offers what `answers` know, and keeps showing the person who was selected.
  show(answers) {
    const { version, index } = this.selected ?? {};
    this.drawn = groups(answers).flatMap(({ versions, said: { people = [] } }) =>
      people.map(({ person, requests }, at) => ({ versions, at, person, requests })).filter(({ requests }) => requests),
    );
    this.list.replaceChildren(
      ...this.drawn.map(({ versions, person }, value) => make("option", { value }, `${isolated(person)}, Kubernetes ${range(versions)}`)),
    );
    const same = this.drawn.findIndex((one) => one.at === index && one.versions.includes(version));
    this.list.value = Math.max(same, 0);
    find("#requests").hidden = this.drawn.length === 0;
    this.draw();
  }

  // Shows the requests of the person `index` on `version`.
  select({ version, index }) {
    const found = this.drawn.findIndex((one) => one.at === index && one.versions.includes(version));
    if (found < 0) return;
    this.list.value = found;
    this.draw();
    find("#requests").scrollIntoView({ block: "nearest" });
    this.list.focus();
  }

  draw() {
    const one = this.drawn[this.list.value];
    if (!one) return;
    this.selected = { version: one.versions[0], index: one.at };
    // A document of its own runs nothing, and the server made text of all text.
    const picture = new DOMParser().parseFromString(one.requests, "text/html").body.firstElementChild;
    find("#diagram").replaceChildren(document.adoptNode(picture));
  }
}

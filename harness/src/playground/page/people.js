// The people in the middle: a name, and what they present.
import { Editor, make, note, short } from "./editor.js";

// Shows `text`, of which the parts between backticks are code.
const coded = (text) => text.split("`").map((part, index) => (index % 2 ? make("code", {}, part) : part));

export class Person {
  // Makes the fields of somebody who presents `presents`; `shapes` are those of providers' tokens, and `on` is told of what happens.
  constructor({ name, presents }, shapes, on) {
    this.article = document.querySelector("#person").content.cloneNode(true).firstElementChild;
    this.shapes = shapes;
    this.on = on;
    this.input = this.find(".name");
    this.kind = this.find(".kind");
    this.claims = new Editor(this.find(".claims"), { label: "Claims", least: 6, most: 24 });
    this.organizations = new Editor(this.find(".organizations"), { label: "Organizations", help: "The groups, one on each line", least: 2, most: 10 });
    this.input.value = name;
    this.show(presents);
    this.input.addEventListener("input", () => this.label());
    this.kind.addEventListener("change", () => this.choose());
    this.find(".remove").addEventListener("click", () => on.remove(this));
    this.provide();
    this.label();
  }

  find(selector) {
    return this.article.querySelector(selector);
  }

  get name() {
    return this.input.value.trim();
  }

  show(presents) {
    const [[kind, value]] = Object.entries(presents);
    this.kind.value = kind;
    if (kind === "claims") this.claims.text = value;
    if (kind === "certificate") {
      this.find(".common-name").value = value.common_name;
      this.organizations.text = value.organizations;
    }
    if (kind === "service_account") this.find(".account").value = value;
    this.parts();
  }

  // Shows the fields of another kind, filled in where they are blank.
  choose() {
    const word = this.name.toLowerCase().replace(/[^a-z0-9-]+/g, "-").replace(/^-+|-+$/g, "");
    const fill = (field, text) => {
      field.value ||= text;
    };
    if (this.kind.value === "certificate") fill(this.find(".common-name"), this.name);
    if (this.kind.value === "service_account") fill(this.find(".account"), `default/${word || "default"}`);
    if (this.kind.value === "claims" && !this.claims.text.trim()) this.claims.text = "{\n  \n}";
    this.parts();
  }

  parts() {
    for (const part of this.article.querySelectorAll("[data-kind]")) part.hidden = part.dataset.kind !== this.kind.value;
    this.mark([]);
  }

  label() {
    const who = short(this.name) || this.on.title(this);
    this.claims.label.textContent = `Claims of ${who}`;
    this.organizations.label.textContent = `Organizations of ${who}`;
    this.find(".remove").setAttribute("aria-label", `Remove ${who}`);
  }

  // Offers the shapes of providers' tokens.
  provide() {
    const select = this.find(".provider");
    select.append(...this.shapes.map((shape) => make("option", { value: shape.name }, `${shape.provider}: ${shape.name}`)));
    const shape = () => this.shapes.find(({ name }) => name === select.value);
    const about = () => {
      const { described_as: words, peculiar, configuration } = shape();
      this.find(".about").replaceChildren(make("p", {}, words), make("ul", {}, ...peculiar.map((trap) => make("li", {}, ...coded(trap)))));
      this.find(".use-configuration").disabled = !configuration;
    };
    select.addEventListener("change", about);
    this.find(".use-claims").addEventListener("click", () => this.claims.replace(shape().claims));
    this.find(".use-configuration").addEventListener("click", () => this.on.configure(shape().configuration));
    about();
  }

  // Returns them as the server reads them.
  get draft() {
    const presents = {
      claims: () => ({ claims: this.claims.text }),
      certificate: () => ({ certificate: { common_name: this.find(".common-name").value, organizations: this.organizations.text } }),
      service_account: () => ({ service_account: this.find(".account").value }),
    };
    return { name: this.input.value, presents: presents[this.kind.value]() };
  }

  // Shows the marks about them: those in the claims at their lines.
  mark(marks) {
    this.claims.mark(marks.filter(({ place }) => place === "claims"));
    const others = marks.filter(({ place }) => place === "person");
    for (const field of this.article.querySelectorAll(".common-name, .account")) field.setAttribute("aria-invalid", String(others.length > 0));
    this.find(".marks.own").replaceChildren(...others.map((one) => note(one)));
  }
}

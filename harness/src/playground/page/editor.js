// A text field with numbered lines, and marks at lines. Texts from elsewhere are only ever text: no markup is made of them.

// Makes an element: its properties, and its children, which are elements or texts.
export const make = (tag, properties = {}, ...children) => {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
};

// Returns the beginning of a long `text`.
export const short = (text, most = 80) => (text.length > most ? `${text.slice(0, most)}…` : text);

// Makes an item that tells a mark: what leads to its place, if anything, its message, and its hint.
export const note = ({ message, hint }, place = null) =>
  make("li", {}, place, make("pre", {}, message), hint ? make("p", { className: "hint" }, hint) : null);

let count = 0;

export class Editor {
  // Fills `host` with a field that is called `label`, of `least` to `most` lines; `help` says what belongs into it.
  constructor(host, { label, help, least, most }) {
    count += 1;
    const id = `text-${count}`;
    this.least = least;
    this.most = most;
    this.numbers = make("div", { className: "lines" });
    this.numbers.setAttribute("aria-hidden", "true");
    this.area = make("textarea", { id, wrap: "off", spellcheck: false, autocomplete: "off" });
    this.area.setAttribute("autocapitalize", "off");
    this.list = make("ul", { className: "marks", id: `${id}-marks` });
    const described = [`${id}-marks`];
    const words = help ? make("p", { className: "help", id: `${id}-help` }, help) : null;
    if (words) described.push(words.id);
    this.area.setAttribute("aria-describedby", described.join(" "));
    this.label = make("label", { htmlFor: id }, label);
    host.append(this.label, make("div", { className: "editor" }, this.numbers, this.area), this.list);
    if (words) host.append(words);
    this.area.addEventListener("input", () => this.refresh());
    this.area.addEventListener("scroll", () => {
      this.numbers.scrollTop = this.area.scrollTop;
    });
    this.marked = new Set();
    this.refresh();
  }

  get text() {
    return this.area.value;
  }

  set text(text) {
    this.area.value = text;
    this.refresh();
  }

  // Replaces the text so that the user can undo it.
  replace(text) {
    const focused = document.activeElement;
    this.area.focus();
    this.area.select();
    if (!document.execCommand("insertText", false, text)) {
      this.area.value = text;
      this.area.dispatchEvent(new Event("input", { bubbles: true }));
    }
    this.area.setSelectionRange(0, 0);
    this.area.scrollTop = 0;
    focused?.focus();
    this.refresh();
  }

  // Shows `marks`: a line (or null), a message, and a hint.
  mark(marks) {
    this.marked = new Set(marks.map((mark) => mark.line).filter((line) => line));
    this.area.setAttribute("aria-invalid", String(marks.length > 0));
    this.list.replaceChildren(
      ...marks.map((mark) => {
        const place = mark.line
          ? make("button", { type: "button", className: "at", onclick: () => this.go(mark.line) }, `Line ${mark.line}`)
          : null;
        return note(mark, place);
      }),
    );
    this.number();
  }

  // Puts the cursor on `line`, and selects it.
  go(line) {
    const lines = this.area.value.split("\n");
    const begin = lines.slice(0, line - 1).reduce((sum, one) => sum + one.length + 1, 0);
    this.area.focus();
    this.area.setSelectionRange(begin, begin + (lines[line - 1] ?? "").length);
    const height = this.area.scrollHeight / Math.max(lines.length, 1);
    this.area.scrollTop = Math.max(0, (line - 3) * height);
    this.area.scrollLeft = 0;
  }

  refresh() {
    const lines = this.area.value.split("\n").length;
    this.area.rows = Math.min(Math.max(lines + 1, this.least), this.most);
    this.number();
  }

  number() {
    const lines = this.area.value.split("\n").length;
    while (this.numbers.childElementCount > lines) this.numbers.lastElementChild.remove();
    while (this.numbers.childElementCount < lines) {
      this.numbers.append(make("div", {}, String(this.numbers.childElementCount + 1)));
    }
    for (const old of this.numbers.querySelectorAll(".bad")) old.classList.remove("bad");
    for (const line of this.marked) this.numbers.children[line - 1]?.classList.add("bad");
    this.numbers.scrollTop = this.area.scrollTop;
  }
}

// The page: what the user wrote is sent to the command that serves it, and what comes back is shown.
import { Editor, make } from "./editor.js";
import { Person } from "./people.js";
import { Requests } from "./requests.js";
import { cards, groups, summary } from "./result.js";

// The pause after the last key before it is tried.
const PAUSE = 600;

const find = (selector, below = document) => below.querySelector(selector);
const status = (text) => {
  find("#status").textContent = text;
};

const page = crypto.randomUUID();
const editor = (id, options) => new Editor(find(id), options);
const configuration = editor("#configuration", { label: "AuthenticationConfiguration", least: 12, most: 32 });
const flags = editor("#flags", { label: "Flags", help: "NAME=VALUE on each line, such as oidc-client-id=kubernetes", least: 2, most: 10 });
const manifests = editor("#manifests", {
  label: "Manifests",
  help: "Roles, bindings and other objects that are created before anybody is tried. A change here takes a few seconds more.",
  least: 5,
  most: 24,
});
const actions = editor("#actions", { label: "May they …", help: "An action on each line: create deployments.apps in team-a", least: 2, most: 12 });
let people = [];
let shapes = [];
let known = [];

// People.

const add = (draft) => {
  const one = new Person(draft, shapes, {
    configure: (text) => configuration.replace(text),
    remove,
    title: (person) => `person ${people.indexOf(person) + 1 || people.length + 1}`,
  });
  people.push(one);
  find("#people").append(one.article);
  return one;
};

const remove = (one) => {
  const at = people.indexOf(one);
  people.splice(at, 1);
  one.article.remove();
  (people[Math.min(at, people.length - 1)]?.input ?? find("#add")).focus();
  changed();
};

// Trying.

const draft = () => ({
  configuration: configuration.text,
  flags: flags.text,
  manifests: manifests.text,
  people: people.map((person) => person.draft),
  actions: actions.text,
  versions: known.filter((version) => document.getElementById(`version-${version}`).checked),
});

const post = (path, body, signal) =>
  fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body), signal });

// Shows `marks` at their texts, and returns those that have none.
const mark = (marks) => {
  const at = (place) => marks.filter((one) => one.place === place);
  configuration.mark(at("configuration"));
  flags.mark(at("flags"));
  manifests.mark(at("manifests"));
  actions.mark(at("actions"));
  people.forEach((person, index) => person.mark(marks.filter((one) => one.person === index)));
  if (at("flags").length) find("#more-flags").open = true;
  return marks.filter(({ place, person }) => ["versions", "server"].includes(place) || (place === "person" && person === undefined));
};

// Returns the marks in `answers`, each once, with the versions that said it if others did not.
const marksOf = (answers) => {
  const found = new Map();
  for (const { versions, said } of groups(answers)) {
    const marks = [...(said.does_not_start?.marks ?? []), ...(said.error?.line ? [said.error] : [])];
    for (const one of marks) {
      const key = JSON.stringify(one);
      found.set(key, { one, versions: [...(found.get(key)?.versions ?? []), ...versions] });
    }
  }
  return [...found.values()].map(({ one, versions }) =>
    versions.length === answers.length ? one : { ...one, message: `Kubernetes ${versions.join(", ")}: ${one.message}` },
  );
};

const requests = new Requests();
let controller = new AbortController();
let timer = 0;

const stale = () => find("#cards").classList.add("stale");

// Reads the lines of `response`, each a document.
async function* documents(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) yield JSON.parse(line);
  }
}

const tryNow = async () => {
  clearTimeout(timer);
  controller.abort();
  controller = new AbortController();
  const { signal } = controller;
  const asked = draft();
  stale();
  status(asked.versions.length ? `Trying on Kubernetes ${asked.versions.join(", ")} …` : "");
  try {
    const response = await post("try", { page, ...asked }, signal);
    if (!response.ok) {
      const { message, hint, marks = [] } = await response.json();
      const others = mark(marks).map((one) => one.message);
      const words = others.length ? others.join("; ") : message;
      status(hint ? `${words} (${hint})` : `Not tried: ${words}`);
      return;
    }
    const answers = [];
    for await (const answer of documents(response)) {
      if (answer.done) {
        status(summary(answers));
        return;
      }
      answers.push(answer);
      answers.sort((one, other) => asked.versions.indexOf(one.version) - asked.versions.indexOf(other.version));
      const waiting = asked.versions.filter((version) => !answers.some((one) => one.version === version));
      find("#cards").replaceChildren(...cards(answers, waiting, (key) => requests.select(key)));
      requests.show(answers);
      find("#cards").classList.remove("stale");
      mark(marksOf(answers));
      if (waiting.length) status(`Trying on Kubernetes ${waiting.join(", ")} …`);
    }
    status("The trial ended before every version answered.");
  } catch (error) {
    if (signal.aborted) return;
    status(`The playground does not answer: is the command still running? (${error.message})`);
  }
};

const changed = () => {
  stale();
  clearTimeout(timer);
  if (find("#auto").checked) timer = setTimeout(tryNow, PAUSE);
};

// Saving.

const notSaved = async (response) => {
  const { message, hint, marks = [] } = await response.json();
  if (marks.length) mark(marks);
  status(hint ? `Not saved: ${message} (${hint})` : `Not saved: ${message}`);
};

const download = async () => {
  const response = await post("project", draft());
  if (!response.ok) return notSaved(response);
  const href = URL.createObjectURL(await response.blob());
  make("a", { href, download: "authlab-project.tar" }).click();
  URL.revokeObjectURL(href);
  status("Downloaded authlab-project.tar.");
};

// Asks whether texts or files are to be replaced.
const ask = (title, what) => {
  const dialog = find("#ask");
  find("#ask-title").textContent = title;
  find("#ask-what").textContent = what;
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener("close", () => resolve(dialog.returnValue === "replace"), { once: true }));
};

const save = async (replace = false) => {
  const response = await post("save", { draft: draft(), replace });
  if (response.status === 409 && !replace) {
    const { message, hint, exists = [] } = await response.clone().json();
    if (exists.length) return (await ask("Replace files?", `${message}.`)) ? save(true) : undefined;
    return status(hint ? `Not saved: ${message} (${hint})` : `Not saved: ${message}`);
  }
  if (!response.ok) return notSaved(response);
  const { directory, files } = await response.json();
  status(`Saved ${files.join(", ")} in ${directory}.`);
};

const unless = (work) => () => work().catch((error) => status(`The playground does not answer: is the command still running? (${error.message})`));

// Shows `content`, which the server knows.
const show = (content) => {
  for (const version of known) document.getElementById(`version-${version}`).checked = content.versions.includes(version);
  configuration.text = content.configuration;
  flags.text = content.flags;
  find("#more-flags").open = Boolean(content.flags);
  manifests.text = content.manifests;
  actions.text = content.actions;
  people = [];
  find("#people").replaceChildren();
  content.people.forEach(add);
};

// Says whose page it is.
const introduce = ({ learner, learners, api_servers: servers }) => {
  document.title = `${learner} – Playground – authlab`;
  find("#learner").hidden = false;
  find("#learner").textContent = `· ${learner}`;
  find("#class").hidden = false;
  find("#class").textContent =
    `This page is yours alone, in a class of ${learners}. API servers are shared where configuration and manifests are equal; ` +
    `at most ${servers} run at a time, and the one that was used least recently ends first. It starts again, in a few seconds, when you try.`;
};

const begin = async () => {
  const [state, all] = await Promise.all(["state", "shapes"].map(async (path) => (await fetch(path)).json()));
  shapes = all;
  known = state.versions;
  for (const version of known) {
    const box = make("input", { type: "checkbox", id: `version-${version}` });
    find("#versions").append(make("label", { className: "check" }, box, version));
  }
  show(state.draft);
  if (state.class) introduce(state.class);
  if (state.save) {
    find("#save").hidden = false;
    find("#save").title = state.save;
  }
  for (const part of ["#left", "#middle", "#versions"]) {
    find(part).addEventListener("input", ({ target }) => target.closest(".shapes") || changed());
  }
  find("#auto").addEventListener("change", ({ target }) => target.checked && changed());
  find("#try").addEventListener("click", tryNow);
  find("#add").addEventListener("click", () => {
    add({ name: "", presents: { claims: "{\n  \n}" } }).input.focus();
    changed();
  });
  find("#again").addEventListener(
    "click",
    unless(async () => {
      if (!(await ask("Start over?", "The texts on this page are replaced by those that it began with."))) return;
      show(state.beginning);
      await tryNow();
    }),
  );
  find("#download").addEventListener("click", unless(download));
  find("#save").addEventListener("click", unless(() => save()));
  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      tryNow();
    }
  });
  document.documentElement.dataset.ready = "";
  await tryNow();
};

begin().catch((error) => status(`The page cannot begin: ${error.message}`));

// What the API servers said, as cards: one for each group of neighbouring versions that said the same.
import { make, short } from "./editor.js";

// Returns versions, the newest first, as a range if they follow each other: "1.34 to 1.37".
export const range = (versions) => {
  const minor = (version) => Number(version.split(".")[1]);
  const follow = minor(versions[0]) - minor(versions.at(-1)) === versions.length - 1;
  return follow && versions.length > 1 ? `${versions.at(-1)} to ${versions[0]}` : versions.toReversed().join(" and ");
};

// Groups `answers`, the newest version first, by what was said.
export const groups = (answers) => {
  const found = [];
  for (const { version, ...said } of answers) {
    // Who asked how is not what was said.
    const key = JSON.stringify(said, (name, value) => (name === "requests" ? undefined : value));
    const last = found.at(-1);
    if (last?.key === key) last.versions.push(version);
    else found.push({ key, said, versions: [version] });
  }
  return found;
};

// Returns the beginning of `text`, whose direction does not reach beyond it (Unicode UAX #9, isolates).
export const isolated = (text) => `\u2068${short(text)}\u2069`;

// The words for kinds of refusals that are not the usual one.
const KINDS = {
  unreachable: "The API server did not answer.",
  tls_refused: "The connection was refused.",
  forbidden: "The user is known, and may not ask who it is.",
  bad_request: "The request was refused.",
};

const badge = (good, text) => make("span", { className: `o ${good ? "passed" : "failed"}` }, text);
const hint = (text) => (text ? make("p", { className: "hint" }, text) : null);
const item = (name, ...values) => [make("dt", {}, name), make("dd", {}, ...values)];
const list = (texts) => (texts.length ? make("ul", {}, ...texts.map((text) => make("li", {}, make("code", {}, text)))) : "none");

const rights = (may) =>
  make(
    "ul",
    { className: "may" },
    ...may.map(({ action, allowed, reason, error }) => {
      const words = error ? "not reviewed" : allowed ? "may" : "may not";
      const said = error ? error.message : reason;
      return make("li", {}, badge(allowed, words), " ", make("code", {}, action), said ? make("pre", {}, said) : null, hint(error?.hint));
    }),
  );

// Makes the card of somebody; `select` shows the requests about them.
const person = ({ person: name, accepted, refused, error, may, requests }, select) => {
  const button = requests ? make("button", { type: "button", className: "to-requests", onclick: select }, "Requests") : null;
  button?.setAttribute("aria-label", `Requests of ${short(name)}`);
  const title = (good, word) => make("h4", {}, make("bdi", {}, short(name)), " ", badge(good, word), button);
  if (error) return make("article", {}, title(false, "no credential"), make("pre", {}, error.message), hint(error.hint));
  if (refused) {
    const kind = KINDS[refused.kind];
    const reason = refused.reason ? make("pre", { className: "reason" }, refused.reason) : make("p", {}, "The server's log has no reason.");
    return make("article", {}, title(false, "refused"), kind ? make("p", {}, kind) : null, reason);
  }
  const details = make("dl", { className: "c" }, ...item("user", make("code", {}, accepted.user)), ...item("groups", list(accepted.groups)));
  if (accepted.uid) details.append(...item("UID", make("code", {}, accepted.uid)));
  for (const [key, values] of accepted.extra ?? []) details.append(...item(key, list(values)));
  return make("article", {}, title(true, "accepted"), details, may.length ? rights(may) : null);
};

const said = ({ people, does_not_start: refusal, error }, select) => {
  if (people) return people.length ? people.map((one, index) => person(one, () => select(index))) : [make("p", {}, "It starts. Nobody is tried.")];
  if (refusal) return [make("p", {}, badge(false, "does not start")), make("pre", { className: "reason" }, refusal.said)];
  return [make("p", {}, badge(false, "not tried")), make("pre", {}, error.message), hint(error.hint)];
};

// Returns the cards for `answers`, and for the versions that have not answered yet; `select` shows the requests about somebody, by the
// newest version of the card and the number of the person.
export const cards = (answers, waiting, select) => [
  ...groups(answers).map(({ versions, said: words }) =>
    make(
      "section",
      { className: "card" },
      make("h3", {}, `Kubernetes ${range(versions)}`),
      ...said(words, (index) => select({ version: versions[0], index })),
    ),
  ),
  ...waiting.map((version) => make("section", { className: "card waiting" }, make("h3", {}, `Kubernetes ${version}`), make("p", {}, "Starting and asking …"))),
];

// Returns the same in a sentence or two, for people who do not see the cards.
export const summary = (answers) =>
  groups(answers)
    .map(({ versions, said: { people, does_not_start: refusal } }) => {
      const told = () => {
        if (refusal) return "the API server does not start";
        if (!people) return "it could not be tried";
        if (people.length <= 3) {
          return people
            .map(({ person: name, accepted, error }) => {
              if (error) return `${isolated(name)} has no credential`;
              return accepted ? `${isolated(name)} is accepted as ${isolated(accepted.user)}` : `${isolated(name)} is refused`;
            })
            .join(", ");
        }
        const good = people.filter(({ accepted }) => accepted).length;
        return `${good} accepted, ${people.length - good} refused`;
      };
      return `${range(versions)}: ${told()}.`;
    })
    .join(" ");

// Search and filters. The page is complete without them: they only show and hide its parts.
(() => {
  "use strict";
  const all = (selector, below = document) => [...below.querySelectorAll(selector)];
  const scenarios = all("details.s").map((element) => ({ element, ...element.dataset, text: null }));
  const controls = all("[data-filter]");
  const status = document.querySelector("output");
  const none = document.querySelector(".none");
  const has = (list, word) => list.split(" ").includes(word);
  const lists = new Set(["t", "b"]);

  const wanted = () => Object.fromEntries(controls.map((control) => [control.dataset.filter, control.value.trim()]));
  const matches = (scenario, { q, ...rest }) =>
    Object.entries(rest).every(([name, value]) => !value || (lists.has(name) ? has(scenario[name], value) : scenario[name] === value)) &&
    q.toLowerCase().split(/\s+/).every((word) => (scenario.text ??= scenario.element.textContent.toLowerCase()).includes(word));

  const apply = () => {
    const filter = wanted();
    let shown = 0;
    for (const scenario of scenarios) {
      const keep = matches(scenario, filter);
      scenario.element.hidden = !keep;
      shown += keep;
    }
    for (const selector of [".feature", ".group"]) {
      for (const part of all(selector)) part.hidden = !part.querySelector("details.s:not([hidden])");
    }
    status.textContent = shown === scenarios.length ? `${shown} scenarios` : `${shown} of ${scenarios.length} scenarios`;
    none.hidden = shown > 0;
  };

  // The address holds the current filters, so that a link to them can be passed on.
  const remember = () => {
    const set = Object.entries(wanted()).filter(([, value]) => value);
    history.replaceState(null, "", set.length ? "#?" + new URLSearchParams(set) : location.pathname + location.search);
  };
  const follow = () => {
    if (location.hash.startsWith("#?")) {
      const set = new URLSearchParams(location.hash.slice(2));
      for (const control of controls) control.value = set.get(control.dataset.filter) ?? "";
      apply();
      return;
    }
    const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    if (target.closest("[hidden]")) clear();
    for (let part = target; part; part = part.parentElement) if (part.localName === "details") part.open = true;
    target.scrollIntoView();
  };
  const clear = () => {
    for (const control of controls) control.value = "";
    apply();
  };

  let waiting;
  for (const control of controls) {
    control.addEventListener("input", () => {
      clearTimeout(waiting);
      waiting = setTimeout(() => { apply(); remember(); }, control.type === "search" ? 120 : 0);
    });
  }
  for (const button of all("[data-clear]")) button.addEventListener("click", () => { clear(); remember(); controls[0].focus(); });
  for (const button of all("[data-toggle]")) {
    button.addEventListener("click", () => {
      for (const { element } of scenarios) if (!element.hidden) element.open = button.dataset.toggle === "open";
    });
  }
  const standing = document.querySelector("[data-standing]");
  standing.addEventListener("input", () => {
    for (const row of all("tr[data-s]")) row.hidden = Boolean(standing.value) && row.dataset.s !== standing.value;
  });
  addEventListener("hashchange", follow);
  // Failures are open when the page is printed.
  addEventListener("beforeprint", () => { for (const { element } of scenarios) element.dataset.o === "failed" && (element.open = true); });
  for (const search of all("search")) search.hidden = false;
  apply();
  follow();
})();

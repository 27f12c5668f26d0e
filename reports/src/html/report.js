"use strict";
// Text of the record reaches the page through textContent alone.
(() => {
  const VERDICTS = ["fail", "inconclusive", "skipped", "pass"];
  const at = (id) => document.getElementById(id);
  const index = JSON.parse(at("index").textContent);
  const narrow = matchMedia("(max-width: 46rem)");

  function element(tag, kind, text) {
    const made = document.createElement(tag);
    if (kind) made.className = kind;
    if (text !== undefined) made.textContent = text;
    return made;
  }

  function within(parent, ...children) {
    parent.append(...children);
    return parent;
  }

  function milliseconds(ms) {
    return ms < 10000 ? `${ms.toFixed(ms < 10 ? 1 : 0)} ms` : `${(ms / 1000).toFixed(1)} s`;
  }

  // The list

  const cases = index.cases.map((row, number) => ({
    ...row,
    number,
    scenario: index.scenarios[row.s].name,
    labels: index.scenarios[row.s].labels,
    item: null,
    searched: null,
  }));

  const model = within(element("li", "case"), within(element("button", "row"), element("span", "verdict"),
    within(element("span", "name"), element("span", "of"), ""), element("span", "seen-as"), element("span", "ms")));
  model.firstChild.type = "button";
  model.firstChild.setAttribute("aria-expanded", "false");

  function itemOf(one) {
    if (one.item) return one.item;
    one.item = model.cloneNode(true);
    const [verdict, name, seen, time] = one.item.firstChild.children;
    verdict.textContent = one.verdict;
    verdict.classList.add(one.verdict);
    name.firstChild.textContent = `${one.scenario}::`;
    name.lastChild.data = one.name;
    seen.textContent = one.observed;
    time.textContent = milliseconds(one.ms);
    one.item.number = one.number;
    return one.item;
  }

  // Of thousands of cases a person sees a few: the others are put there when one comes near them.
  const PART = 100;
  const list = at("cases");
  const more = at("more");
  let fitting = cases;

  function show(count) {
    const wanted = fitting.slice(list.children.length, count);
    list.append(...wanted.map(itemOf));
    more.hidden = list.children.length >= fitting.length;
    more.textContent = `${fitting.length - list.children.length} more`;
  }

  more.addEventListener("click", () => show(list.children.length + PART));
  new IntersectionObserver((entries) => {
    if (entries.some((entry) => entry.isIntersecting)) show(list.children.length + PART);
  }, { rootMargin: "800px" }).observe(more);
  addEventListener("beforeprint", () => show(fitting.length));

  // Filters

  const pressed = new Set();
  const chips = at("verdicts");
  for (const verdict of VERDICTS) {
    const count = cases.filter((one) => one.verdict === verdict).length;
    if (count === 0) continue;
    const chip = element("button", "", `${verdict} ${count}`);
    chip.type = "button";
    chip.setAttribute("aria-pressed", "false");
    chip.addEventListener("click", () => {
      const on = !pressed.has(verdict);
      if (on) pressed.add(verdict);
      else pressed.delete(verdict);
      chip.setAttribute("aria-pressed", String(on));
      filter();
    });
    chips.append(chip);
  }

  const selects = {
    scenario: (one) => [one.scenario],
    label: (one) => one.labels,
    hop: (one) => [one.hop],
    cause: (one) => [one.cause],
  };
  for (const [id, values] of Object.entries(selects)) {
    const select = at(id);
    select.append(new Option("any", ""));
    const known = [...new Set(cases.flatMap(values))].sort();
    known.forEach((value, place) => select.append(new Option(value, String(place + 1))));
    select.known = known;
    select.addEventListener("change", filter);
  }

  const words = at("words");
  words.addEventListener("input", filter);
  at("filters").addEventListener("submit", (event) => event.preventDefault());

  function searched(one) {
    one.searched ??= [one.scenario, "::", one.name, "\n", one.expected, "\n", one.observed, "\n", one.why, "\n", one.more]
      .join("").toLowerCase();
    return one.searched;
  }

  function filter() {
    const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    const chosen = Object.entries(selects)
      .map(([id, values]) => [at(id).known[Number(at(id).value) - 1], values])
      .filter(([value]) => value !== undefined);
    fitting = cases.filter((one) => (pressed.size === 0 || pressed.has(one.verdict))
      && chosen.every(([value, values]) => values(one).includes(value))
      && wanted.every((word) => searched(one).includes(word)));
    list.replaceChildren();
    show(PART);
    const [fit, all] = [fitting.length, cases.length];
    at("shown").textContent = fit === all ? `${all} cases` : `${fit} of ${all} cases`;
  }

  function clear() {
    words.value = "";
    for (const id of Object.keys(selects)) at(id).value = "";
    pressed.clear();
    for (const chip of chips.children) chip.setAttribute("aria-pressed", "false");
    filter();
  }
  filter();
  performance.mark("listed");

  // Details. They stand behind this script in the page, and may not be there yet.

  const loaded = new Promise((done) => {
    if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", done);
    else done();
  });

  let lines = null;

  async function found(one) {
    if (!lines) {
      await loaded;
      // Before the first line is a line end.
      lines = at("details").textContent.split("\n").slice(1);
    }
    return JSON.parse(lines[one.number]);
  }

  async function open(one) {
    const item = itemOf(one);
    if (item.classList.contains("open")) return;
    item.classList.add("open");
    item.firstChild.setAttribute("aria-expanded", "true");
    const details = await found(one);
    if (!item.classList.contains("open") || item.children.length > 1) return;
    item.append(detail(one, details));
    history.replaceState(null, "", `#${encodeURIComponent(`${one.scenario}::${one.name}`)}`);
  }

  function close(item) {
    item.classList.remove("open");
    item.firstChild.setAttribute("aria-expanded", "false");
    if (item.children.length > 1) item.lastChild.remove();
  }

  list.addEventListener("click", (event) => {
    const row = event.target.closest(".row");
    if (!row) return;
    const item = row.parentElement;
    if (item.classList.contains("open")) close(item);
    else open(cases[item.number]);
  });

  function detail(one, found) {
    const made = element("div", "detail");
    made.append(element("p", "why", one.why));
    const facts = element("dl", "facts");
    for (const [name, value] of found.facts) {
      facts.append(within(element("div"), element("dt", "", name), element("dd", "", value)));
    }
    made.append(facts, element("h3", "", "Path"));
    let picture = path(found.path, made);
    made.append(picture);
    const turned = () => {
      if (!made.isConnected) return narrow.removeEventListener("change", turned);
      const next = path(found.path, made);
      picture.replaceWith(next);
      picture = next;
    };
    narrow.addEventListener("change", turned);
    const compared = table(["", "expected", "observed"],
      found.compared.map((line) => [line.what, line.expected, line.observed]));
    compared.querySelectorAll("tbody tr").forEach((row, place) => {
      if (found.compared[place].differs) row.lastChild.classList.add("differs");
    });
    made.append(element("h3", "", "Expected and observed"), compared);
    if (found.checks.length > 0) {
      const checks = table(["", "check", "found"], found.checks);
      checks.querySelectorAll("tbody tr").forEach((row, place) => {
        row.firstChild.classList.add("verdict", found.checks[place][0]);
      });
      made.append(element("h3", "", "Checks"), checks);
    }
    made.append(element("h3", "", "When"), ...found.lanes.map(lane));
    made.append(element("h3", "", "Evidence"), ...found.evidence.map(block));
    return made;
  }

  function table(heads, rows) {
    const head = within(element("tr"), ...heads.map((text) => element("th", "", text)));
    const body = rows.map((row) => within(element("tr"), ...row.map((text) => element("td", "", text))));
    return within(element("div", "scroll"),
      within(element("table"), within(element("thead"), head), within(element("tbody"), ...body)));
  }

  function lane(found) {
    const ends = found.entries.map((entry) => entry.at + entry.lasts);
    const first = Math.min(0, ...found.entries.map((entry) => entry.at));
    const span = Math.max(...ends) - first || 1;
    const made = within(element("div", "lane"), element("p", "", found.clock));
    for (const entry of found.entries) {
      const bar = element("span", "bar");
      bar.style.left = `${Math.min(99.5, (100 * (entry.at - first)) / span)}%`;
      bar.style.width = `${(100 * entry.lasts) / span}%`;
      const time = entry.lasts > 0 ? `${milliseconds(entry.at)} + ${milliseconds(entry.lasts)}` : milliseconds(entry.at);
      made.append(within(element("div", "entry"), element("span", "", entry.what),
        within(element("span", "track"), bar), element("span", "number", time)));
    }
    return made;
  }

  function block(found) {
    const made = within(element("details", "evidence"), element("summary", "", found.title), element("pre", "", found.text));
    if (found.hop) made.dataset.hop = found.hop;
    if (found.cut) made.append(element("p", "cut", "and more in run.json"));
    return made;
  }

  // The picture of the path

  const SIGN = { pass: "✓", fail: "✗", inconclusive: "?", skipped: "-" };

  function drawn(tag, attributes, text) {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value));
    if (text !== undefined) made.textContent = text;
    return made;
  }

  function path(found, into) {
    const upright = narrow.matches;
    const [wide, high] = upright ? [220, 44] : [118, 48];
    const step = upright ? 68 : 146;
    const place = (nth) => (upright ? [50, 4 + nth * step] : [4 + nth * step, 4]);
    const ends = place(found.nodes.length - 1);
    const size = upright ? [320, ends[1] + high + 6] : [ends[0] + wide + 4, high + 30];
    const picture = drawn("svg", { class: upright ? "path upright" : "path", viewBox: `0 0 ${size[0]} ${size[1]}`, role: "group",
      "aria-label": "hops from client to database" });
    found.legs.forEach((leg, nth) => {
      const [x, y] = place(nth);
      const line = upright
        ? { x1: x + wide / 2, y1: y + high, x2: x + wide / 2, y2: y + step }
        : { x1: x + wide, y1: y + high / 2, x2: x + step, y2: y + high / 2 };
      picture.append(drawn("line", { ...line, class: leg.verdict }));
      if (!leg.demanded) return;
      const spot = upright ? { x: x + wide / 2 + 62, y: y + high + 16 } : { x: x + (wide + step) / 2, y: y + high + 20 };
      picture.append(drawn("text", { ...spot, class: `note ${leg.verdict}` }, `${leg.demanded} ${SIGN[leg.verdict] ?? ""}`));
    });
    found.nodes.forEach((node, nth) => {
      const [x, y] = place(nth);
      const group = drawn("g", { class: node.state, tabindex: 0, role: "button" });
      group.append(
        drawn("title", {}, `${node.name}: ${node.note}`),
        drawn("rect", { x, y, width: wide, height: high, rx: 6 }),
        drawn("text", { x: x + wide / 2, y: y + 19 }, node.name),
        drawn("text", { x: x + wide / 2, y: y + 36, class: "note" }, node.note),
      );
      const show = () => {
        const blocks = [...into.querySelectorAll(".evidence")].filter((one) => one.dataset.hop === node.hop);
        for (const one of blocks) one.open = true;
        if (blocks.length > 0) blocks[0].scrollIntoView({ block: "center" });
      };
      group.addEventListener("click", show);
      group.addEventListener("keydown", (event) => {
        if (event.key === "Enter") show();
      });
      picture.append(group);
    });
    return picture;
  }

  // Keys

  function go(forward) {
    const item = document.activeElement?.closest(".case");
    if (forward && item === list.lastElementChild) show(list.children.length + PART);
    const next = item ? item[forward ? "nextElementSibling" : "previousElementSibling"] : list.firstElementChild;
    if (next) next.firstChild.focus();
  }

  function escape() {
    const item = document.activeElement?.closest(".case.open");
    if (item) {
      close(item);
      item.firstChild.focus();
    } else if (list.querySelector(".open")) {
      list.querySelectorAll(".open").forEach(close);
    } else {
      clear();
      words.blur();
    }
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape") {
      event.preventDefault();
      return escape();
    }
    if (/^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
    if (event.key === "j" || event.key === "k") go(event.key === "j");
    else if (event.key === "/") {
      event.preventDefault();
      words.focus();
    }
  });

  // A link to a case

  if (location.hash.length > 1) {
    let name = location.hash.slice(1);
    try {
      name = decodeURIComponent(name);
    } catch {
      // Not one of ours: there will be no such case.
    }
    const one = cases.find((one) => `${one.scenario}::${one.name}` === name);
    if (one) {
      show(one.number + PART);
      open(one).then(() => one.item.scrollIntoView());
    }
  }
})();

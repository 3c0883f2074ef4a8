/* The page's behaviour. Everything works as links and forms without it; here it becomes quick. No markup is ever made from text. */
"use strict";

(() => {
  const root = document.documentElement;
  const all = (selector, within = document) => Array.from(within.querySelectorAll(selector));
  const byId = (id) => (id ? document.getElementById(id) : null);
  const narrow = window.matchMedia("(max-width: 56rem)");
  const calm = window.matchMedia("(prefers-reduced-motion: reduce)");
  const list = (value) => (value ? value.split(" ").filter(Boolean) : []);

  const desk = document.querySelector(".desk");
  const reading = byId("reading");
  const words = all(".words[data-targets]");
  const cards = all(".card");
  const codes = all(".card.code");
  const chips = all(".margin .chip");
  const tabs = all("[role=tab]");
  const panels = all("[role=tabpanel]");
  const state = { card: null, excerpt: null, view: "codes" };

  // Which words and chips belong to a card, found once: selecting must not search a long note.
  const wordsOf = new Map();
  for (const word of words) for (const target of list(word.dataset.targets)) wordsOf.set(target, [...(wordsOf.get(target) || []), word]);
  const chipsOf = new Map();
  for (const chip of chips) chipsOf.set(chip.dataset.excerpt, [...(chipsOf.get(chip.dataset.excerpt) || []), chip]);
  const wordsAt = new Map();
  for (const word of words) for (const id of list(word.dataset.excerpts)) wordsAt.set(id, [...(wordsAt.get(id) || []), word]);
  let lit = [];

  /* Views: the note and the panels. Wide: the note stays beside one panel. Narrow: one of all. */
  function show(view, { focus = false } = {}) {
    if (view === "reading" && !narrow.matches) {
      if (focus) focusWord((wordsAt.get(state.excerpt) || words)[0]);
      return;
    }
    state.view = view;
    for (const panel of panels) panel.hidden = panel.id !== view;
    reading.hidden = narrow.matches && view !== "reading";
    for (const tab of tabs) {
      const on = tab.getAttribute("aria-controls") === view;
      tab.setAttribute("aria-selected", String(on));
      tab.tabIndex = on ? 0 : -1;
      if (on && narrow.matches) tab.scrollIntoView({ block: "nearest", inline: "center" });
      if (on && focus) tab.focus();
    }
    say("view", { view });
  }

  /* Other parts of the page listen, and may ask for a message. */
  function say(what, detail) { document.dispatchEvent(new CustomEvent(`marginalia:${what}`, { detail })); }
  document.addEventListener("marginalia:tell", (event) => tell(event.detail.text, event.detail.label, event.detail.act));

  narrow.addEventListener("change", () => show(!narrow.matches && state.view === "reading" ? "codes" : state.view));

  /* Selecting a code, query or finding lights its words. */
  function select(card, { reveal = true } = {}) {
    if (state.card && state.card !== card) close(state.card);
    state.card = card;
    for (const element of lit) element.classList.remove("on", "here");
    lit = [];
    document.body.classList.toggle("choosing", Boolean(card));
    if (!card) return;
    card.classList.add("open-card");
    const opener = card.querySelector(".open");
    opener.setAttribute("aria-expanded", "true");
    for (const word of wordsOf.get(card.id) || []) { word.classList.add("on"); lit.push(word); }
    for (const id of list(card.dataset.excerpts)) for (const chip of chipsOf.get(id) || []) {
      if (!card.dataset.code || chip.textContent === card.dataset.code) { chip.classList.add("on"); lit.push(chip); }
    }
    const panel = card.closest("[role=tabpanel]");
    if (panel && panel.id !== state.view && !(narrow.matches && state.view === "reading")) show(panel.id);
    if (reveal) card.scrollIntoView({ block: "nearest", behavior: calm.matches ? "auto" : "smooth" });
  }

  function close(card) {
    card.classList.remove("open-card");
    card.querySelector(".open").setAttribute("aria-expanded", "false");
    ask(card, "");
  }

  function toWords(excerpt, { focus = false } = {}) {
    const parts = wordsAt.get(excerpt);
    if (!parts) return;
    const word = parts[0];
    state.excerpt = excerpt;
    if (narrow.matches) show("reading");
    for (const other of lit) other.classList.remove("here");
    for (const part of parts) { part.classList.add("here"); lit.push(part); }
    word.scrollIntoView({ block: "center", behavior: calm.matches || narrow.matches ? "auto" : "smooth" });
    if (focus) focusWord(word);
  }

  function focusWord(word) {
    if (!word) return;
    for (const other of words) other.tabIndex = -1;
    word.tabIndex = 0;
    word.focus({ preventScroll: true });
  }

  function step(by) {
    const mine = state.card ? [...new Set(list(state.card.dataset.excerpts))] : [];
    if (!mine.length) return;
    const at = mine.indexOf(state.excerpt);
    toWords(mine[(at + by + mine.length) % mine.length], { focus: true });
  }

  function walk(by) {
    const shown = codes.filter((c) => !c.hidden);
    if (!shown.length) return;
    if (state.view !== "codes") show("codes");
    const at = shown.indexOf(state.card);
    const next = shown[Math.min(Math.max(at + by, 0), shown.length - 1)];
    openCard(next, { focus: true });
  }

  function openCard(card, { focus = false, words: follow = true } = {}) {
    select(card);
    const first = list(card.dataset.excerpts)[0];
    state.excerpt = first || null;
    if (follow && first && !narrow.matches) toWords(first);
    if (focus) card.querySelector(".open").focus({ preventScroll: true });
  }

  /* Words to codes: shows what rests on these words. */
  function toCodes(word) {
    const targets = list(word.dataset.targets).map(byId).filter(Boolean);
    if (!targets.length) return;
    state.excerpt = list(word.dataset.excerpts)[0];
    const chosen = targets.find((t) => t === state.card) || targets.find((t) => t.classList.contains("code")) || targets[0];
    const panel = chosen.closest("[role=tabpanel]");
    show(panel.id);
    const here = targets.filter((t) => panel.contains(t));
    const elsewhere = targets.length - here.length;
    filterTo(targets.length > 1 ? here : [], word.textContent.trim(), elsewhere);
    select(chosen);
    toWords(state.excerpt && !narrow.matches ? state.excerpt : "");
    chosen.querySelector(".open").focus({ preventScroll: true });
    if (narrow.matches) tell("", "Back to the words", () => { show("reading"); toWords(list(word.dataset.excerpts)[0], { focus: true }); });
  }

  function filterTo(kept, quote, elsewhere) {
    const bar = byId("filter");
    for (const card of cards) card.hidden = kept.length > 0 && card.closest("[role=tabpanel]") === kept[0].closest("[role=tabpanel]") && !kept.includes(card);
    bar.hidden = kept.length === 0 || kept[0].closest("#codes") === null;
    const short = quote.length > 40 ? `${quote.slice(0, 39)}…` : quote;
    const more = elsewhere ? `, ${elsewhere} more under queries or not coded` : "";
    bar.querySelector("span").textContent = `${kept.length} ${kept.length === 1 ? "code rests" : "codes rest"} on “${short}”${more}`;
  }

  /* Decisions */
  function ask(card, what) {
    const form = card.querySelector(".decide");
    if (!form) return;
    form.dataset.ask = what;
    form.querySelector(".form-error").textContent = "";
    if (what) {
      if (what === "reject" && !form.querySelector(".ask-reject")) form.insertBefore(byId("why-not").content.cloneNode(true), form.querySelector(".form-error"));
      if (state.card !== card) openCard(card, { words: false });
      const field = form.querySelector(`.ask-${what} input`);
      if (field) field.focus();
    }
  }

  async function decide(card, action, { quiet = false } = {}) {
    const form = card.querySelector(".decide");
    const body = filled(form, action);
    if (action !== "change") { body.delete("after"); body.delete("other"); }
    if (action !== "reject" && action !== "change") body.delete("reason");
    const problem = form.querySelector(".form-error");
    problem.textContent = "";
    for (const button of all("button:not([hidden])", form)) button.disabled = true;
    try {
      // Not form.action: a field of that name hides it.
      const response = await fetch(form.getAttribute("action"), { method: "POST", body, headers: { Accept: "application/json" }, credentials: "same-origin" });
      const answer = await response.json();
      if (!response.ok) {
        problem.textContent = `${answer.error.message} ${answer.error.remedy}`;
        if (response.status === 409) tell("Someone else decided meanwhile.", "Load again", () => location.reload());
        return false;
      }
      settle(card, answer);
      if (!quiet) tell(`${card.dataset.code} ${said(action, answer.decision)}.`, action === "undo" ? "" : "Undo", () => decide(card, "undo"));
      return true;
    } catch {
      problem.textContent = "Not saved: the service can't be reached. Nothing is lost on this page; try again.";
      return false;
    } finally {
      for (const button of all("button:not([hidden])", form)) button.disabled = false;
    }
  }

  function filled(form, action) {
    const body = new URLSearchParams(new FormData(form));
    body.set("action", action);
    if (body.get("after")) body.delete("other");  // the words that led to the choice
    return body;
  }

  function said(action, decision) {
    if (action === "undo") return decision ? "is as before" : "is open again";
    return { accept: "accepted", change: `changed to ${decision.after}`, reject: "rejected" }[action];
  }

  function settle(card, answer) {
    const d = answer.decision;
    card.dataset.state = d ? d.action : "open";
    card.querySelector("[name=seen]").value = d ? d.id : 0;
    const lead = d ? { accept: "Accepted", change: `Changed to ${d.after}`, reject: "Rejected" }[d.action] : "";
    card.querySelector(".decision").textContent = d ? `${lead} by ${d.who}, ${d.at.slice(0, 16).replace("T", " ")} UTC${d.reason ? `. ${d.reason}` : ""}` : "";
    const decision = card.querySelector("[data-step=decision]");
    decision.hidden = !d;
    decision.textContent = d ? `decision ${d.id}: ${d.action} by ${d.who}` : "";
    ask(card, "");
    byId("progress").value = answer.decided;
    byId("progress-words").textContent = `${answer.decided} of ${codes.length} decided`;
    say("decided", {});
  }

  function nextOpen(card) {
    const at = codes.indexOf(card);
    return [...codes.slice(at + 1), ...codes.slice(0, at)].find((c) => c.dataset.state === "open");
  }

  async function decideAndGoOn(card, action) {
    if (!(await decide(card, action))) return;
    const next = nextOpen(card);
    if (next) openCard(next, { focus: true });
  }

  /* The service builds its index with the first search: it may begin when a person goes to the field. */
  document.addEventListener("focusin", (event) => {
    if (event.target.name !== "other" || root.dataset.searched) return;
    root.dataset.searched = "true";
    fetch(`${desk.dataset.search}?q=`, { headers: { Accept: "application/json" } }).catch(() => {});
  });

  /* Type-ahead: the hits become choices below the field, so that they are reached like any other. */
  let typing = 0;
  document.addEventListener("input", (event) => {
    const field = event.target;
    if (field.name !== "other") return;
    const hits = field.closest("label").nextElementSibling;
    clearTimeout(typing);
    const typed = field.value.trim();
    for (const radio of all("input[name=after]", field.form)) radio.checked = false;  // what is typed replaces what was chosen
    if (typed.length < 2) { hits.replaceChildren(); return; }
    typing = setTimeout(async () => {
      try {
        const response = await fetch(`${document.querySelector(".desk").dataset.search}?q=${encodeURIComponent(typed)}`, { headers: { Accept: "application/json" } });
        const answer = await response.json();
        if (field.value.trim() === typed) offer(hits, response.ok ? answer.codes : [], typed);
      } catch { hits.replaceChildren(); }
    }, 60);
  });

  function offer(hits, found, typed) {
    if (found.length) requestAnimationFrame(() => hits.closest("form").scrollIntoView({ block: "nearest" }));
    hits.replaceChildren(...found.map((hit) => {
      const label = document.createElement("label");
      label.className = "choice";
      const radio = document.createElement("input");
      radio.type = "radio"; radio.name = "after"; radio.value = hit.code;
      const text = document.createElement("span");
      const code = document.createElement("code");
      code.textContent = hit.code;
      text.append(code, ` ${hit.display}`);
      label.append(radio, text);
      return label;
    }));
    if (!found.length) { const none = document.createElement("p"); none.className = "small"; none.textContent = `No complete code fits “${typed}”.`; hits.append(none); }
    if (found.length === 1) hits.querySelector("input").checked = true;
  }

  /* Adding a code from elsewhere on the page: from what was left out, or on the answer to a query. */
  function addOn({ code = "", query = "", title = "" }) {
    const add = document.querySelector(".add");
    const basis = add.querySelector(".basis");
    show("codes");
    add.open = true;
    add.querySelector("[name=basis]").value = query;
    basis.hidden = !query;
    basis.textContent = query ? `On the answer to “${title}”.` : "";
    const field = add.querySelector("input[name=other]");
    field.value = code;
    add.scrollIntoView({ block: "center" });
    field.focus();
    field.dispatchEvent(new Event("input", { bubbles: true }));
  }

  async function byHand(form, action, name = "action") {
    const body = name === "action" ? filled(form, action) : new URLSearchParams(new FormData(form));
    body.set(name, action);
    const problem = form.querySelector(".form-error");
    try {
      const response = await fetch(form.getAttribute("action"), { method: "POST", body, headers: { Accept: "application/json" }, credentials: "same-origin" });
      if (response.ok) { location.hash = form.dataset.back || form.closest("[id]").id; location.reload(); return; }
      const answer = await response.json();
      if (problem) problem.textContent = `${answer.error.message} ${answer.error.remedy}`; else tell(answer.error.message, "Load again", () => location.reload());
    } catch {
      if (problem) problem.textContent = "Not saved: the service can't be reached. Try again."; else tell("Not saved: the service can't be reached.");
    }
  }

  /* Telling */
  let silence = 0;
  let lastUndo = null;  // what Ctrl+Z does
  function tell(text, label, act) {
    if (label === "Undo") lastUndo = act;
    const toast = byId("toast");
    toast.replaceChildren();
    if (text) { const span = document.createElement("span"); span.textContent = text; toast.append(span); }
    if (label) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = label;
      button.addEventListener("click", () => { toast.replaceChildren(); act(); });
      toast.append(button);
    }
    clearTimeout(silence);
    silence = setTimeout(() => { if (!toast.matches(":hover, :focus-within")) toast.replaceChildren(); }, 10000);
  }

  function watchExpiry() {
    const bar = byId("expiry");
    const ends = Number(bar.dataset.ends) * 1000 || Infinity;
    const idle = Number(bar.dataset.idle) * 1000;
    // Whatever asks the service keeps the session alive, but for the look at what others do and the search.
    const aside = (url) => url.endsWith(desk.dataset.standing) || url.includes(`${desk.dataset.search}?`);
    let touched = Date.now();
    new PerformanceObserver((seen) => {
      for (const entry of seen.getEntries()) if (entry.initiatorType === "fetch" && !aside(entry.name)) touched = Date.now();
    }).observe({ type: "resource" });
    const look = () => {
      const away = touched + idle;
      const left = Math.ceil((Math.min(ends, away) - Date.now()) / 60000);
      bar.hidden = left > 5;
      byId("expiry-what").textContent = ends <= away ? "The EHR's permission" : "Nothing was done here for long: the session";
      byId("expiry-minutes").textContent = left > 1 ? `${left} minutes` : left === 1 ? "one minute" : "a moment";
    };
    look();
    setInterval(look, 15000);
    document.addEventListener("marginalia:expiry", look);
  }

  /* What others do meanwhile: looked at now and then, and when the page comes back to the front. */
  async function look() {
    if (document.visibilityState !== "visible") return;
    try {
      const response = await fetch(desk.dataset.standing, { headers: { Accept: "application/json" }, credentials: "same-origin" });
      if (response.ok) news(await response.json());
    } catch { /* The next look tells. */ }
  }

  function news(answer) {
    const decided = codes.filter((c) => answer.codes[c.dataset.code]).length;
    for (const card of codes) {
      const d = answer.codes[card.dataset.code] || null;
      const seen = card.querySelector("[name=seen]");
      if (!seen || card.querySelector(".decide button:disabled:not([hidden])") || String(d ? d.id : 0) === seen.value) continue;
      settle(card, { decision: d, decided });
      tell(d ? `${d.who}: ${card.dataset.code} ${said(d.action, d)}.` : `The decision on ${card.dataset.code} was taken back.`);
    }
    if (answer.queries > Number(desk.dataset.queryStep)) { desk.dataset.queryStep = answer.queries; tell("A query was sent or answered meanwhile.", "Load again", () => { location.hash = "queries"; location.reload(); }); }
    say("news", answer);
  }
  setInterval(look, 20000);
  document.addEventListener("visibilitychange", look);
  window.addEventListener("online", look);
  document.addEventListener("marginalia:look", look);

  /* Pointer and form events, one listener each */
  document.addEventListener("click", (event) => {
    const at = (selector) => event.target.closest(selector);
    const word = at(".words[data-targets]");
    if (word) { event.preventDefault(); toCodes(word); return; }
    const quote = at(".to-words");
    if (quote) { event.preventDefault(); select(quote.closest(".card"), { reveal: false }); toWords(quote.dataset.excerpt, { focus: true }); return; }
    const chip = at(".margin .chip");
    if (chip) { const of = wordsAt.get(chip.dataset.excerpt); if (of) pickChip(chip, of[0]); return; }
    const link = at("[data-target]");
    if (link) { event.preventDefault(); const card = byId(link.dataset.target); if (card) { show(card.closest("[role=tabpanel]").id); openCard(card, { focus: true }); } return; }
    const note = at("a[data-note], .outline a");
    if (note) { event.preventDefault(); show("reading"); const goal = byId(note.hash.slice(1)); goal.scrollIntoView({ block: "start" }); const fold = note.closest("details"); if (fold) { fold.open = false; fold.querySelector("summary").focus(); } return; }
    const tab = at("[role=tab]");
    if (tab) { show(tab.getAttribute("aria-controls")); return; }
    if (!at(".outline")) for (const fold of all(".outline details[open]")) fold.open = false;
    if (at("#open-help")) { byId("help").showModal(); return; }
    if (at("#show-all")) { filterTo([], "", 0); return; }
    const code = at(".code-it, .code-on");
    if (code) { addOn(code.dataset); return; }
    const cancel = at(".cancel");
    if (cancel) { const card = cancel.closest(".card"); ask(card, ""); card.querySelector(".open").focus(); return; }
    const opener = at(".card .open");
    if (opener) {
      const card = opener.closest(".card");
      if (state.card === card) { close(card); select(null); } else openCard(card);
    }
  });

  function pickChip(chip, word) {
    const targets = list(word.dataset.targets).map(byId).filter(Boolean);
    const card = targets.find((t) => t.dataset.code === chip.textContent) || targets.find((t) => t.classList.contains("query")) || targets[0];
    if (!card) return;
    show(card.closest("[role=tabpanel]").id);
    select(card);
    toWords(narrow.matches ? "" : chip.dataset.excerpt);
  }

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.dataset.busy) {
      const button = form.querySelector("button");
      button.textContent = form.dataset.busy;
      setTimeout(() => { button.disabled = true; });
      return;
    }
    if (form.classList.contains("query-form")) { event.preventDefault(); byHand(form, event.submitter ? event.submitter.value : "", "step"); return; }
    if (form.classList.contains("by-hand")) { event.preventDefault(); byHand(form, event.submitter ? event.submitter.value : "add"); return; }
    if (!form.classList.contains("decide")) return;
    event.preventDefault();
    const card = form.closest(".card");
    const button = event.submitter;
    const action = button ? button.value : form.dataset.ask || "accept";
    if (button && button.classList.contains("act") && (action === "change" || action === "reject")) { ask(card, form.dataset.ask === action ? "" : action); return; }
    decide(card, action);
  });

  /* Keys */
  byId("keys-on").checked = localStorage.getItem("marginalia.keys") !== "off";
  byId("keys-on").addEventListener("change", (event) => localStorage.setItem("marginalia.keys", event.target.checked ? "on" : "off"));

  const keys = {
    j: () => walk(1), k: () => walk(-1), n: () => step(1), p: () => step(-1),
    a: () => state.card && state.card.matches(".code:not([data-state=accept])") && byAct("accept"),
    c: () => byAct("change"), r: () => byAct("reject"), u: () => state.card && state.card.dataset.state !== "open" && byAct("undo"),
    "+": () => { const add = document.querySelector(".add"); if (add) { show("codes"); add.open = true; add.querySelector("input[name=other]").focus(); } },
    w: () => { show("summary"); const button = byId("write-button"); if (button) button.focus(); },  // a single key never writes
    "?": () => byId("help").showModal(),
    0: () => show("reading", { focus: true }),
    1: () => show("codes", { focus: true }), 2: () => show("queries", { focus: true }), 3: () => show("left", { focus: true }),
    4: () => show("record", { focus: true }), 5: () => show("coverage", { focus: true }), 6: () => show("summary", { focus: true }),
  };

  function byAct(action) {
    const card = state.card;
    if (!card || !card.querySelector(".decide")) return;
    if (action === "accept") decideAndGoOn(card, action);
    else if (action === "undo") decide(card, action);
    else ask(card, action);
  }

  document.addEventListener("keydown", (event) => {
    const typing = event.target.matches("input:not([type=radio]):not([type=checkbox]), textarea");
    if ((event.ctrlKey || event.metaKey) && !event.shiftKey && event.key === "z" && lastUndo && !typing) { event.preventDefault(); const act = lastUndo; lastUndo = null; act(); return; }
    if (event.ctrlKey || event.altKey || event.metaKey || byId("help").open) return;
    const tab = event.target.closest("[role=tab]");
    if (tab && ["ArrowLeft", "ArrowRight", "Home", "End"].includes(event.key)) { event.preventDefault(); moveTab(tab, event.key); return; }
    if (event.target.matches(".words") && (event.key === "ArrowRight" || event.key === "ArrowLeft")) {
      event.preventDefault();
      const at = words.indexOf(event.target) + (event.key === "ArrowRight" ? 1 : -1);
      if (words[at]) { focusWord(words[at]); words[at].scrollIntoView({ block: "nearest" }); }
      return;
    }
    if (event.key === "Escape") { escape(); return; }
    if (event.key === "ArrowDown" && event.target.name === "other") { const first = event.target.closest("label").nextElementSibling.querySelector("input"); if (first) { event.preventDefault(); first.checked = true; first.focus(); } return; }
    if (event.defaultPrevented) return;
    const form = event.target.closest(".decide");
    if (form && event.key === "Enter" && event.target.matches("input")) { event.preventDefault(); decide(form.closest(".card"), form.dataset.ask); return; }
    if (event.target.matches("input:not([type=radio]):not([type=checkbox]), textarea, select") || !byId("keys-on").checked) return;
    const asked = event.target.closest("fieldset");
    if (asked && event.key.length === 1) { inForm(event, asked); return; }
    const act = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (act) { event.preventDefault(); act(); }
  });

  /* In a form a digit chooses, and a letter begins another code. */
  function inForm(event, fieldset) {
    const choice = all("input[type=radio]", fieldset)[Number(event.key) - 1];
    if (choice) { event.preventDefault(); choice.checked = true; choice.focus(); return; }
    const field = fieldset.querySelector("input[name=other]");
    if (event.target === field) return;
    if (field && /[a-z]/i.test(event.key)) field.focus();
  }

  function escape() {
    const folds = all(".outline details[open]");
    if (folds.length) { for (const fold of folds) fold.open = false; folds[0].querySelector("summary").focus(); return; }
    const form = state.card && state.card.querySelector(".decide[data-ask=change], .decide[data-ask=reject]");
    if (form) { ask(state.card, ""); state.card.querySelector(".open").focus(); return; }
    if (!byId("filter").hidden) { filterTo([], "", 0); return; }
    if (state.card) { const card = state.card; close(card); select(null); card.querySelector(".open").focus(); }
  }

  function moveTab(tab, key) {
    const shown = tabs.filter((t) => t.offsetParent !== null);
    const at = shown.indexOf(tab);
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: shown.length - 1 }[key];
    show(shown[(to + shown.length) % shown.length].getAttribute("aria-controls"), { focus: true });
  }

  /* Start */
  words.forEach((word, at) => { word.tabIndex = at === 0 ? 0 : -1; });
  show("codes");
  watchExpiry();
  const goal = byId(location.hash.slice(1));
  if (goal && goal.id === "by-hand") goal.scrollIntoView({ block: "center" });
  if (goal && goal.matches("[role=tabpanel]")) show(goal.id);
  else if (goal && goal.classList.contains("card")) { show(goal.closest("[role=tabpanel]").id); openCard(goal); }
  else if (!narrow.matches) { const first = codes.find((c) => c.dataset.state === "open") || codes[0]; if (first) { select(first, { reveal: false }); state.excerpt = list(first.dataset.excerpts)[0] || null; } }
  const asked = byId(reading.dataset.asked);  // the EHR was on this note
  if (asked && !goal && !narrow.matches) asked.scrollIntoView({ block: "start" });
  root.dataset.ready = "true";
  performance.mark("marginalia-ready");
})();

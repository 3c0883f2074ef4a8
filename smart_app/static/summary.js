/* The coding summary: order by drag and by keys, indicators, writing to the EHR. Without it the summary works as forms. */
"use strict";

(() => {
  const byId = (id) => document.getElementById(id);
  const sheet = byId("sheet");
  if (!sheet) return;
  const entries = byId("entries");
  const arrange = byId("arrange");
  const write = byId("write");
  const drafts = { claim: "The claim's draft is in the EHR.", charges: "The charges' drafts are in the EHR." };
  const blank = byId("entry-template").content.firstElementChild;
  const RETRY_S = [5, 15, 45];  // how soon what the EHR didn't take is tried again, while the page is open
  let stale = false, shown = false, soon = 0, turn = 0, last = "", tries = 0, timer = 0, dragged = null, before = "";

  const tell = (text, label, act) => document.dispatchEvent(new CustomEvent("marginalia:tell", { detail: { text, label, act } }));
  const plural = (n, one, many) => `${n} ${n === 1 ? one : many}`;
  const order = () => Array.from(entries.children, (li) => li.dataset.code).join(" ");

  async function ask(form, more = {}) {
    const body = new URLSearchParams(new FormData(form));
    for (const [name, value] of Object.entries(more)) body.set(name, value);
    // Not form.action: a field of that name hides it.
    const response = await fetch(form.getAttribute("action"), { method: "POST", body, headers: { Accept: "application/json" }, credentials: "same-origin" });
    return { ok: response.ok, status: response.status, answer: await response.json() };
  }

  /* Showing */
  function row(entry, at, total) {
    const li = blank.cloneNode(true);
    const one = (selector) => li.querySelector(selector);
    li.dataset.code = entry.code;
    li.dataset.state = entry.state;
    one("input[name=codes]").value = entry.code;
    one(".grip").setAttribute("aria-label", `${entry.code}, place ${at} of ${total}`);
    one(".rank").textContent = at;
    one("code").textContent = entry.code;
    one(".display").textContent = entry.display;
    one(".role").hidden = at !== 1;
    one(".how").textContent = entry.how;
    one(".place-in-ehr").textContent = entry.stateWords;
    one(".entry-warning").textContent = entry.warning;
    const poa = one("select");
    if (poa) { poa.name = `poa.${entry.code}`; poa.value = entry.poa; poa.setAttribute("aria-label", `Present on admission, ${entry.code}`); }
    for (const button of li.querySelectorAll(".moves button")) {
      const way = button.value.split(" ")[0];
      button.value = `${way} ${entry.code}`;
      button.setAttribute("aria-label", `Move ${entry.code} ${way}`);
    }
    return li;
  }

  function line(code, display, words) {
    const li = document.createElement("li");
    const named = document.createElement("code");
    const small = document.createElement("span");
    named.textContent = code;
    small.className = "small";
    small.textContent = words;
    li.append(named, ` ${display} `, small);
    return li;
  }

  function fill(answer) {
    if (dragged) { outdated(true); return; }  // the row in the hand must not be taken away
    outdated(false);
    const told = JSON.stringify(answer);
    if (told === last) return;
    last = told;
    const held = document.activeElement && document.activeElement.closest(".entry");
    const focus = held ? [held.dataset.code, document.activeElement.className, document.activeElement.name] : null;
    const diagnoses = answer.entries.filter((e) => e.kind === "diagnosis");
    const others = answer.entries.filter((e) => e.kind !== "diagnosis");
    entries.replaceChildren(...diagnoses.map((e, at) => row(e, at + 1, diagnoses.length)));
    for (const step of document.querySelectorAll(".card.code [data-step=resource]")) {
      const entry = answer.entries.find((e) => e.suggested === step.closest(".card").dataset.code);
      step.textContent = entry ? entry.resource : "";
      step.hidden = !step.textContent;
    }
    byId("no-entries").hidden = diagnoses.length > 0;
    byId("others").hidden = !others.length;
    byId("others").querySelector("ul").replaceChildren(...others.map((e) => line(e.code, e.display, e.how)));
    byId("left-box").hidden = !answer.left.length;
    byId("left-out").replaceChildren(...answer.left.map((x) => line(x.code, x.display, `${x.because} · ${x.who}`)));
    arrange.querySelector("[name=seen]").value = answer.arrangement;
    const parts = [plural(diagnoses.length, "diagnosis stands", "diagnoses stand")];
    if (answer.undecided) parts.push(plural(answer.undecided, "suggestion isn't decided yet", "suggestions aren't decided yet"));
    if (answer.missingPoa) parts.push(`${answer.missingPoa} without POA`);
    byId("sum-state").textContent = `${parts.join("; ")}.`;
    if (write) {
      const button = byId("write-button");
      button.textContent = answer.toWrite ? `Write ${answer.toWrite} to the EHR` : "Everything is in the EHR";
      button.disabled = !answer.toWrite;
      byId("again-button").hidden = !answer.refused;
      byId("write-box").dataset.state = answer.waiting ? "waiting" : answer.refused ? "refused" : "";
      const notice = byId("outbox-notice");
      if (notice) notice.hidden = !answer.waiting;
    }
    const drafted = answer.claim || {};
    if (byId("claim")) {
      byId("claim-state").textContent = drafted.words || "";
      byId("claim-button").disabled = !diagnoses.length || (drafted.current && drafted.state === "sent");
    }
    if (byId("charges")) {
      byId("charges-state").textContent = answer.charges.words;
      byId("charges-button").disabled = !answer.charges.todo;
      byId("charges").hidden = !answer.charges.words;
    }
    if (focus) {
      const again = Array.from(entries.children).find((li) => li.dataset.code === focus[0]);
      const part = again && (focus[2] && !focus[2].startsWith("move") ? again.querySelector("select") : again.querySelector(".grip"));
      if (part) part.focus({ preventScroll: true });
    }
  }

  function outdated(on) { stale = on; sheet.setAttribute("aria-busy", String(on)); }

  async function refresh() {
    const began = turn;
    try {
      const response = await fetch(sheet.dataset.url, { headers: { Accept: "application/json" }, credentials: "same-origin" });
      if (response.ok && began === turn) fill(await response.json());  // else it is older than what the person did meanwhile
    } catch { /* The next showing tries again: what is on the page stays. */ }
  }

  document.addEventListener("marginalia:view", (event) => { shown = event.detail.view === "summary"; if (shown && stale) refresh(); });
  // Also while another panel is in front: paper shows the summary first.
  document.addEventListener("marginalia:decided", () => { outdated(true); clearTimeout(soon); soon = setTimeout(refresh, shown ? 0 : 400); });

  document.addEventListener("marginalia:news", (event) => {
    if (event.detail.arrangement === Number(arrange.querySelector("[name=seen]").value) || dragged) return;
    outdated(true);
    if (shown) { refresh(); tell(`${event.detail.arrangedBy} has changed the order or an indicator.`); }
  });

  /* Order */
  async function keep(undo) {
    turn += 1;
    try {
      const { ok, status, answer } = await ask(arrange);
      if (ok) { fill(answer); if (undo) tell("Order kept.", "Undo", () => { arrangeAs(undo); keep(""); }); return; }
      last = "";  // the order on the page isn't the one that stands
      tell(`${answer.error.message} ${answer.error.remedy}`);
      if (status === 409) refresh();
    } catch { tell("Not saved: the service can't be reached.", "Try again", () => keep(undo)); }
  }

  function arrangeAs(codes) {
    const rows = new Map(Array.from(entries.children, (li) => [li.dataset.code, li]));
    entries.append(...codes.split(" ").map((code) => rows.get(code)).filter(Boolean));
  }

  function move(li, to) {
    const rows = Array.from(entries.children);
    const at = rows.indexOf(li);
    const goal = Math.min(Math.max(to, 0), rows.length - 1);
    if (goal === at) return;
    const was = order();
    entries.insertBefore(li, rows[goal > at ? goal + 1 : goal] || null);
    byId("moved").textContent = `${li.dataset.code} is now ${goal + 1} of ${rows.length}${goal === 0 ? ", the first" : ""}.`;
    li.querySelector(".grip").focus({ preventScroll: true });
    keep(was);
  }

  entries.addEventListener("keydown", (event) => {
    const grip = event.target.closest(".grip");
    if (!grip || grip.disabled) return;
    const li = grip.closest(".entry");
    const at = Array.from(entries.children).indexOf(li);
    const to = { ArrowUp: at - 1, ArrowDown: at + 1, Home: 0, End: entries.children.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    move(li, to);
  });

  entries.addEventListener("pointerdown", (event) => {
    const grip = event.target.closest(".grip");
    if (!grip || grip.disabled || event.button) return;
    dragged = grip.closest(".entry");
    before = order();
    dragged.classList.add("dragged");
    grip.setPointerCapture(event.pointerId);
  });
  entries.addEventListener("pointermove", (event) => {
    if (!dragged) return;
    const after = Array.from(entries.children).find((li) => li !== dragged && event.clientY < li.getBoundingClientRect().top + li.offsetHeight / 2);
    if ((after || null) !== dragged.nextElementSibling) entries.insertBefore(dragged, after || null);
  });
  for (const end of ["pointerup", "pointercancel"]) entries.addEventListener(end, () => {
    if (!dragged) return;
    dragged.classList.remove("dragged");
    dragged = null;
    if (order() !== before) keep(before);
    else if (stale) refresh();
  });

  entries.addEventListener("change", (event) => { if (event.target.matches("select")) keep(""); });

  document.addEventListener("submit", (event) => {
    if (event.target === arrange) {
      event.preventDefault();
      const [way, code] = (event.submitter ? event.submitter.value : "").split(" ");
      const rows = Array.from(entries.children);
      const at = rows.findIndex((li) => li.dataset.code === code);
      if (at >= 0) move(rows[at], at + (way === "up" ? -1 : 1));
    }
    if (write && event.target === write) { event.preventDefault(); tries = 0; send(event.submitter && event.submitter.name === "again" ? { again: "yes" } : {}); }
  });

  /* Drafts for billing: the claim, the charges */
  for (const [name, done] of Object.entries(drafts)) {
    const form = byId(name);
    if (form) form.addEventListener("submit", (event) => { event.preventDefault(); draft(form, name, done); });
  }

  async function draft(form, name, done) {
    const problem = byId(`${name}-problem`);
    problem.textContent = "";
    byId(`${name}-button`).disabled = true;
    try {
      const { ok, answer } = await ask(form, { again: "yes" });
      if (ok) fill(answer); else { problem.textContent = `${answer.error.message} ${answer.error.remedy}`; byId(`${name}-button`).disabled = false; return; }
      if (answer.ended) problem.textContent = "The EHR's permission ended while writing. What isn't through is kept: open Marginalia again from the chart.";
      else if (name === "claim" ? answer.claim.state === "sent" : !answer.charges.todo) tell(done);
      else problem.textContent = "The EHR didn't take the draft; nothing is lost. Try again, or download it.";
    } catch {
      problem.textContent = "The service can't be reached. Nothing is lost; try again.";
      byId(`${name}-button`).disabled = false;
    }
  }

  /* Writing */
  async function send(more) {
    const problem = byId("write-problem");
    const button = byId("write-button");
    clearTimeout(timer);
    problem.textContent = "";
    button.disabled = true;
    button.textContent = "Writing…";
    try {
      const { ok, answer } = await ask(write, more);
      if (!ok) { problem.textContent = `${answer.error.message} ${answer.error.remedy}`; refresh(); return; }
      fill(answer);
      if (answer.ended) problem.textContent = "The EHR's permission ended while writing. What isn't through is kept: open Marginalia again from the chart.";
      else if (answer.waiting) later(`${plural(answer.waiting, "entry is", "entries are")} not in the chart yet; nothing is lost.`);
      else if (answer.refused) problem.textContent = "Some entries were refused. Copy or export the summary, or try again.";
      else tell("Written to the EHR.");
    } catch {
      button.disabled = false;
      button.textContent = "Write to the EHR";
      later("The service can't be reached. Nothing is lost.");
    }
  }

  function later(words) {
    const wait = RETRY_S[tries];
    byId("write-problem").textContent = wait ? `${words} It is tried again in ${wait} seconds.` : `${words} Try again when the EHR answers.`;
    if (!wait) return;
    tries += 1;
    timer = setTimeout(() => send({ retry: "yes" }), wait * 1000);
  }

  byId("copy").addEventListener("click", async () => {
    const words = Array.from(entries.children, (li, at) => {
      const poa = li.querySelector("select");
      return `${at + 1}. ${li.dataset.code} ${li.querySelector(".display").textContent}${poa && poa.value ? ` (POA ${poa.value})` : ""}`;
    }).join("\n");
    try { await navigator.clipboard.writeText(words); tell("Copied."); } catch { tell("The browser doesn't allow copying here: use CSV or Print."); }
  });
  byId("print").addEventListener("click", () => window.print());
})();

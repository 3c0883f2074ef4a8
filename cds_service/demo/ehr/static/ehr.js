// Loads fragments that the server renders: cards when a chart opens, and the answer to a form in its place.
"use strict";

document.documentElement.classList.add("js");

async function fragment(url, options) {
  const response = await fetch(url, { ...options, credentials: "same-origin" });
  return await response.text();
}

function failure() {
  const line = document.createElement("p");
  line.className = "failed";
  line.setAttribute("role", "alert");
  line.textContent = "The EHR doesn't answer. Look whether the demo still runs.";
  return line.outerHTML;
}

async function fill(target, url, options) {
  target.setAttribute("aria-busy", "true");
  try {
    target.innerHTML = await fragment(url, options);
  } catch {
    target.innerHTML = failure();
  }
  target.removeAttribute("aria-busy");
  await refresh(target.querySelector("[data-changed]"));
}

async function refresh(done) {
  const list = done && document.getElementById(done.dataset.changed);
  if (list && list.dataset.source) list.innerHTML = await fragment(list.dataset.source);
}

document.addEventListener("submit", async (event) => {
  const form = event.target;
  const target = form.dataset.fragment && document.querySelector(form.dataset.fragment);
  if (!target) return;
  event.preventDefault();
  const body = new URLSearchParams(new FormData(form));
  for (const button of form.querySelectorAll("button")) button.disabled = true;
  await fill(target, form.action, { method: "POST", body });
  for (const button of form.querySelectorAll("button")) button.disabled = false;
  // The button that had the focus may be gone: the answer takes it, so that the keyboard goes on from there.
  const answer = target.id === "cards" ? target : target.querySelector(".done, .failed");
  if (answer) {
    answer.tabIndex = -1;
    answer.focus();
    answer.scrollIntoView({ block: "nearest" });
  }
});

document.addEventListener("change", (event) => {
  if (event.target.matches("[data-submit-on-change]")) event.target.form.submit();
});

for (const target of document.querySelectorAll("[data-load]")) fill(target, target.dataset.load, { method: "POST" });

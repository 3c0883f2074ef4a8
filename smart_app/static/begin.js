/* Before the page is drawn: it is laid out at once as it is with scripts. */
"use strict";

document.documentElement.classList.replace("no-js", "js");

/* A browser keeps the page that one leaves for its back button: it must not come back as it was, nor after the chart was closed. */
window.addEventListener("pagehide", () => { document.body.hidden = true; });
window.addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });

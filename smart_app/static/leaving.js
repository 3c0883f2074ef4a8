/* A browser keeps the page that one leaves for its back button: it must not come back as it was, nor after the chart was closed. */
"use strict";

window.addEventListener("pagehide", () => { document.body.hidden = true; });
window.addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });

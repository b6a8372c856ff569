// What is better with a little JavaScript; nothing needs it.
"use strict";
// A second press of a button sends nothing twice.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post") return;
  // What answers with a file leaves the page as it is, and may be asked again.
  if ("file" in form.dataset || event.submitter?.name.endsWith(".format")) return;
  if (form.dataset.sent) { event.preventDefault(); return; }
  form.dataset.sent = "1";
  patience = setTimeout(() => working(true), 700);
});
// What takes longer says so: whoever sees nothing happen presses again, or leaves.
let patience;
function working(busy) {
  const told = document.getElementById("working");
  told.hidden = !busy;
  told.textContent = busy ? told.dataset.words : "";
}
window.addEventListener("pageshow", () => {
  clearTimeout(patience);
  working(false);
  for (const form of document.forms) delete form.dataset.sent;
});
// "/" goes to the first filter of the page.
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.target.closest("input, textarea, select")) return;
  const field = document.querySelector("[role=search] input:not([type=hidden])");
  if (field) { event.preventDefault(); field.focus(); }
});

// One picture, decided on by keys: each is that of a form or a link, so that nothing is done that a button would not.

import { Boxes } from "/static/boxes.js";

const stage = document.getElementById("stage"), table = document.getElementById("rows");
const boxes = table && stage.querySelector("svg.marks") ? new Boxes(stage, table) : null;
const folded = stage.closest("details"); // while that is closed, its keys do nothing
const STEP = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

function press(selector) {
  const found = document.querySelector(selector);
  if (found?.tagName === "A") found.click();
  else if (found) found.requestSubmit(found.querySelector("button[name=decision]") ?? undefined);
  return Boolean(found);
}

function ofBoxes(event) {
  const name = event.key;
  if (name === "n") return Boolean(boxes.add());
  if (name === "b") return Boolean(boxes.next());
  if (!boxes.chosen) return false;
  if (name === "Delete" || name === "Backspace") {
    boxes.remove();
    return true;
  }
  if (name in STEP) {
    const far = event.ctrlKey ? 10 : 1;
    boxes.move(far * STEP[name][0], far * STEP[name][1], event.shiftKey);
    return true;
  }
  return /^[1-9]$/.test(name) && Boolean(boxes.label(Number(name) - 1));
}

function ofForms(event) {
  if (event.ctrlKey) return false;
  if (event.key === "j" || event.key === "ArrowRight") return press("#next");
  if (event.key === "p" || event.key === "ArrowLeft") return press("#before");
  if (event.key === "r") return press("form[data-likely]");
  return /^[ksufU1-9]$/.test(event.key) && press(`form[data-key="${event.key}"]`);
}

document.addEventListener("keydown", (event) => {
  if ((folded && !folded.open) || event.metaKey || event.altKey || event.target.closest("input, select, textarea, summary, pre")) return;
  if ((boxes && ofBoxes(event)) || ofForms(event)) event.preventDefault();
});

if (boxes) {
  stage.classList.add("drawing");
  for (const [id, act] of [["new", () => boxes.add()], ["away", () => boxes.remove()]]) {
    const button = document.getElementById(id);
    button.hidden = false;
    button.addEventListener("click", act);
  }
}

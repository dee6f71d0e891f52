"use strict";
(() => {
  const { columns, rows, take, key } = JSON.parse(document.getElementById("changes").textContent);
  const cards = [...document.querySelectorAll(".card")];
  const at = name => columns.indexOf(name);
  const DECISION = at("decision"), SUGGESTED = at("suggested");
  const past = []; // what each decision replaced, for undoing
  let current = 0, saved = true;

  function remember() { // a page that is closed by mistake begins where it was
    try { localStorage.setItem("convolens-labels-" + key, JSON.stringify(rows.map(row => [row[DECISION], row[SUGGESTED]]))); } catch {}
  }

  function recall() {
    try {
      const before = JSON.parse(localStorage.getItem("convolens-labels-" + key)) || [];
      if (before.length === rows.length) before.forEach(([decision, suggested], number) => {
        rows[number][DECISION] = decision;
        rows[number][SUGGESTED] = suggested;
      });
    } catch {}
  }

  function show() {
    cards.forEach((card, number) => {
      const row = rows[number];
      card.classList.toggle("current", number === current);
      card.classList.toggle("decided", row[DECISION] !== "");
      const choice = card.querySelector("select"); // none where nothing is to be there
      if (choice) choice.value = row[SUGGESTED];
      for (const button of card.querySelectorAll("[data-decision]"))
        button.setAttribute("aria-pressed", String(button.dataset.decision === row[DECISION]));
    });
    const done = rows.filter(row => row[DECISION] !== "").length;
    document.getElementById("count").textContent = `${done} of ${rows.length} decided`;
    document.getElementById("undo").disabled = past.length === 0;
  }

  function go(number) {
    current = Math.max(0, Math.min(cards.length - 1, number));
    show();
    if (cards.length) {
      cards[current].focus({ preventScroll: true });
      cards[current].scrollIntoView({ block: "nearest" });
    }
  }

  function decide(number, decision, suggested = rows[number][SUGGESTED]) {
    past.push([number, rows[number][DECISION], rows[number][SUGGESTED]]);
    rows[number][DECISION] = decision;
    rows[number][SUGGESTED] = suggested;
    saved = false;
    remember();
    const next = cards.findIndex((_, other) => other > number && rows[other][DECISION] === "");
    go(next < 0 ? number : next);
  }

  function undo() {
    if (!past.length) return;
    const [number, decision, suggested] = past.pop();
    rows[number][DECISION] = decision;
    rows[number][SUGGESTED] = suggested;
    saved = false;
    remember();
    go(number);
  }

  const cell = text => /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;

  function bytes(text) { // a byte of a name that is not UTF-8 came as a lone surrogate, and leaves as that byte
    const utf8 = new TextEncoder(), parts = [];
    for (const letter of text) {
      const code = letter.codePointAt(0);
      parts.push(code >= 0xdc80 && code <= 0xdcff ? Uint8Array.of(code - 0xdc00) : utf8.encode(letter));
    }
    return new Blob(parts, { type: "text/csv" });
  }

  function save() {
    const text = [columns, ...rows].map(row => row.map(cell).join(",") + "\n").join("");
    const link = document.createElement("a");
    link.href = URL.createObjectURL(bytes(text));
    link.download = "labels.changes.csv";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    saved = true;
  }

  cards.forEach((card, number) => {
    card.addEventListener("click", event => {
      const button = event.target.closest("[data-decision]");
      if (button) decide(number, button.dataset.decision);
      else if (!event.target.closest("select")) { current = number; show(); }
    });
    card.querySelector("select")?.addEventListener("change", event => decide(number, take, event.target.value));
  });
  document.getElementById("undo").addEventListener("click", undo);
  document.getElementById("save").addEventListener("click", save);
  addEventListener("keydown", event => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("select, input")) return;
    const keys = {
      k: () => decide(current, "keep"), r: () => decide(current, take), s: () => decide(current, "set aside"),
      u: undo, d: save, j: () => go(current + 1), p: () => go(current - 1),
      ArrowDown: () => go(current + 1), ArrowUp: () => go(current - 1),
    };
    const act = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (act && (cards.length || act === save)) { event.preventDefault(); act(); }
  });
  addEventListener("beforeunload", event => { if (!saved) event.preventDefault(); });
  recall();
  const first = rows.findIndex(row => row[DECISION] === "");
  current = Math.max(0, Math.min(cards.length - 1, first));
  show();
})();

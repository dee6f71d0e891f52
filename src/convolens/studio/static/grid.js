// The grid as one long list: only what is near is in the document, so that memory stays flat however far one scrolls;
// and keys that decide on the picture that has the focus.

const grid = document.getElementById("grid");
const size = Number(grid.dataset.size), total = Number(grid.dataset.total);
const classes = JSON.parse(grid.dataset.classes);
const first = Math.floor(Number(grid.dataset.start) / size);
const lists = [];
const said = document.createElement("p");

function begin() {
  const given = grid.querySelector(".cards");
  document.querySelector(".pager").hidden = true;
  said.className = "said";
  said.setAttribute("role", "status");
  grid.after(said);
  for (let at = 0; at * size < total; at++) {
    const list = at === first ? given : document.createElement("ul");
    list.className = at === first ? "cards" : "cards far";
    list.setAttribute("aria-label", `Pictures ${at * size + 1} to ${Math.min(total, (at + 1) * size)}`);
    list.dataset.at = at;
    lists.push(list);
  }
  measure(given);
  grid.replaceChildren(...lists);
  if (first) given.scrollIntoView();
  const observer = new IntersectionObserver((seen) => seen.forEach(({ target, isIntersecting }) => {
    if (isIntersecting) fill(target); else empty(target);
  }), { rootMargin: "1200px 0px" });
  lists.forEach((list) => observer.observe(list));
  addEventListener("resize", () => measure(grid.querySelector(".cards:not(.far)")));
}

/** How high a full list is, from the cards of one that is there: all cards are equally high. */
function measure(list) {
  const card = list?.querySelector(".card");
  if (!card) return;
  const style = getComputedStyle(list), gap = parseFloat(style.rowGap);
  const rows = Math.ceil(size / columns(list));
  grid.style.setProperty("--full", `${rows * (card.offsetHeight + gap) - gap}px`);
}

function columns(list) {
  return getComputedStyle(list).gridTemplateColumns.split(" ").length;
}

async function fill(list) {
  if (!list.classList.contains("far") || list.asking) return;
  list.asking = new AbortController();
  try {
    const answer = await fetch(`${grid.dataset.cards}&start=${list.dataset.at * size}`, { signal: list.asking.signal });
    if (!answer.ok) throw new Error(`${answer.status}`);
    list.innerHTML = await answer.text();
    list.classList.remove("far");
  } catch (error) {
    if (error.name !== "AbortError") tell("Some pictures could not be fetched; scroll on and come back to try again.");
  } finally {
    list.asking = null;
  }
}

function empty(list) {
  list.asking?.abort();
  if (list.contains(document.activeElement) || list.classList.contains("far")) return;
  list.classList.add("far");
  list.replaceChildren();
}

const links = () => [...grid.querySelectorAll(".card > a")];

function go(step) {
  const all = links(), at = all.indexOf(document.activeElement);
  const next = all[at < 0 ? 0 : at + step];
  next?.focus();
  next?.scrollIntoView({ block: "nearest" });
}

async function send(address, values) {
  const body = new URLSearchParams({ query: grid.dataset.query, screen: grid.dataset.screen });
  for (const [name, value] of Object.entries(values)) body.append(name, value);
  const answer = await fetch(address, { method: "POST", body, headers: { "HX-Request": "true" } });
  const text = await answer.text();
  if (!answer.ok) throw new Error(new DOMParser().parseFromString(text, "text/html").body.textContent.trim());
  return text;
}

async function decide(values, words) {
  const card = document.activeElement?.closest?.(".card");
  if (!card) return tell("Choose a picture first: J goes to the next.");
  const text = await send(`/mend/${grid.dataset.data}/${card.dataset.id}`, values);
  put(card, text);
  tell(words);
  go(1);
  await count();
}

/** The new card in place of the old, with the focus if that had it. */
function put(card, text) {
  const made = new DOMParser().parseFromString(text, "text/html").querySelector(".card");
  const focused = card.contains(document.activeElement);
  card.replaceWith(made);
  if (focused) made.querySelector("a").focus();
}

async function takeBack(which) {
  const picture = await send(`/mend/${grid.dataset.data}/${which}`, {});
  const card = grid.querySelector(`.card[data-id="${CSS.escape(picture)}"]`);
  if (card) {
    const where = `/mend/${grid.dataset.data}/${picture}/card?${grid.dataset.query}&screen=${grid.dataset.screen}`;
    put(card, await (await fetch(where)).text());
    grid.querySelector(`.card[data-id="${CSS.escape(picture)}"] a`).focus();
  }
  tell(which === "undo" ? "taken back" : "made again");
  await count();
}

async function count() {
  const counts = document.getElementById("counts");
  if (counts) counts.innerHTML = await (await fetch(`/mend/${grid.dataset.data}/counts`)).text();
}

function tell(words) {
  said.textContent = words;
}

function key(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea")) return null;
  const across = columns(grid.querySelector(".cards:not(.far)") ?? lists[0]);
  const card = document.activeElement?.closest?.(".card");
  const moves = { j: 1, ArrowRight: 1, p: -1, ArrowLeft: -1 };
  if (card) Object.assign(moves, { ArrowDown: across, ArrowUp: -across });
  if (event.key in moves) return () => go(moves[event.key]);
  if (event.key === "k") return () => decide({ decision: "keep" }, "kept");
  if (event.key === "s") return () => decide({ decision: "set aside" }, "set aside");
  if (event.key === "u") return () => takeBack("undo");
  if (event.key === "U") return () => takeBack("redo");
  if (grid.dataset.kind === "boxes") return null;
  const label = event.key === "r" ? card?.dataset.likely : classes[Number(event.key) - 1];
  if (label) return () => decide({ decision: "relabel", label }, `relabelled to ${label}`);
  return event.key === "r" ? () => tell("Nothing is suggested or predicted for this picture.") : null;
}

document.addEventListener("keydown", async (event) => {
  const act = key(event);
  if (!act) return;
  event.preventDefault();
  try {
    await act();
  } catch (error) {
    tell(error.message);
  }
});

document.getElementById("filters").addEventListener("change", (event) => {
  if (event.target.matches("select")) event.currentTarget.requestSubmit();
});

// Of data that is still being read, or of jobs about it, the page is fetched anew once they are done.
document.body.addEventListener("htmx:afterSwap", (event) => {
  if (event.target.id === "state" && !event.target.querySelector("[role=status]")) location.reload();
});

begin();

// Boxes over a picture, drawn and moved by mouse and keys. They are what the rows of a form say: a class and four corners
// in the picture's pixels; whoever changes one changes the other.

const SVG = "http://www.w3.org/2000/svg";
const NEAR = 8; // points on the screen from a corner within which it is taken

export class Boxes {
  /**
   * @param stage holds the picture and the `svg.marks` over it; `data-width` and `data-height` are the picture's.
   * @param rows the table's body or table: a `select` and an `input` in each row.
   */
  constructor(stage, rows) {
    this.stage = stage;
    this.rows = rows;
    this.svg = stage.querySelector("svg.marks");
    this.size = [Number(stage.dataset.width), Number(stage.dataset.height)];
    this.chosen = null;
    this.made = this.all().at(-1).cloneNode(true); // what a first box is made of, once the spare rows are gone
    for (const row of this.all()) if (!this.corners(row)) row.remove();
    this.svg.querySelectorAll(".is").forEach((rect) => rect.remove());
    rows.addEventListener("input", () => this.draw());
    rows.addEventListener("focusin", (event) => this.choose(event.target.closest("tr")));
    stage.addEventListener("pointerdown", (event) => this.begin(event));
    this.draw();
  }

  all() {
    return [...this.rows.querySelectorAll("tr")].filter((row) => row.querySelector("input"));
  }

  corners(row) {
    const text = row.querySelector("input").value.trim();
    const found = text.split(/[\s,]+/).map(Number);
    return text && found.length === 4 && found.every(Number.isFinite) ? found : null;
  }

  set(row, [x1, y1, x2, y2]) {
    const [width, height] = this.size;
    const within = (value, most) => Math.round(Math.min(Math.max(value, 0), most) * 100) / 100;
    const whole = [within(x1, width), within(y1, height), within(x2, width), within(y2, height)];
    row.querySelector("input").value = whole.join(" ");
    this.draw();
  }

  choose(row) {
    if (!row?.querySelector("input")) return;
    this.chosen = row;
    this.draw();
  }

  next() {
    const all = this.all();
    this.choose(all[(all.indexOf(this.chosen) + 1) % all.length]);
    return this.chosen;
  }

  add(corners) {
    const [width, height] = this.size;
    const last = this.all().at(-1) ?? this.made;
    const row = last.cloneNode(true);
    row.className = "";
    row.querySelector("select").selectedIndex = (this.chosen ?? last).querySelector("select").selectedIndex;
    const number = this.all().length + 1;
    row.querySelector("select").setAttribute("aria-label", `Class of box ${number}`);
    row.querySelector("input").setAttribute("aria-label", `Corners of box ${number}`);
    (this.rows.tBodies?.[0] ?? this.rows).append(row);
    this.set(row, corners ?? [width * 0.35, height * 0.35, width * 0.65, height * 0.65]);
    this.choose(row);
    return row;
  }

  remove() {
    if (!this.chosen) return;
    const all = this.all(), at = all.indexOf(this.chosen);
    this.made = this.chosen;
    this.chosen.remove();
    this.chosen = all[at + 1] ?? all[at - 1] ?? null;
    this.draw();
  }

  /** Moves the chosen box, or its lower right corner alone. */
  move(across, down, corner) {
    if (!this.chosen || !this.corners(this.chosen)) return;
    const [x1, y1, x2, y2] = this.corners(this.chosen);
    const [width, height] = this.size;
    if (corner) return this.set(this.chosen, [x1, y1, Math.max(x2 + across, x1 + 1), Math.max(y2 + down, y1 + 1)]);
    const dx = Math.min(Math.max(across, -x1), width - x2), dy = Math.min(Math.max(down, -y1), height - y2);
    this.set(this.chosen, [x1 + dx, y1 + dy, x2 + dx, y2 + dy]);
  }

  label(number) {
    const select = this.chosen?.querySelector("select");
    if (select && number < select.options.length) select.selectedIndex = number;
    return select?.value;
  }

  draw() {
    this.svg.querySelectorAll(".is").forEach((rect) => rect.remove());
    for (const row of this.all()) {
      row.classList.toggle("chosen", row === this.chosen);
      const found = this.corners(row);
      if (!found) continue;
      const [x1, y1, x2, y2] = found;
      const rect = document.createElementNS(SVG, "rect");
      rect.setAttribute("class", row === this.chosen ? "is chosen" : "is");
      const shown = { x: Math.min(x1, x2), y: Math.min(y1, y2), width: Math.abs(x2 - x1), height: Math.abs(y2 - y1) };
      for (const [name, value] of Object.entries(shown)) rect.setAttribute(name, value);
      this.svg.append(rect);
    }
  }

  /** Where a pointer is, in the picture's pixels. */
  at(event) {
    const seen = this.svg.getBoundingClientRect();
    return [((event.clientX - seen.x) / seen.width) * this.size[0], ((event.clientY - seen.y) / seen.height) * this.size[1]];
  }

  begin(event) {
    if (event.button !== 0) return;
    event.preventDefault();
    const [x, y] = this.at(event);
    const near = (NEAR / this.svg.getBoundingClientRect().width) * this.size[0];
    const held = this.chosen && this.corners(this.chosen);
    const inside = (found) => found && x >= found[0] && x <= found[2] && y >= found[1] && y <= found[3];
    let drag;
    if (held && [0, 2].some((i) => Math.abs(held[i] - x) < near) && [1, 3].some((i) => Math.abs(held[i] - y) < near)) {
      const far = [Math.abs(held[0] - x) < near ? held[2] : held[0], Math.abs(held[1] - y) < near ? held[3] : held[1]];
      drag = this.stretch(this.chosen, far);
    } else if (inside(held)) {
      drag = this.shift(this.chosen, held, [x, y]);
    } else {
      const met = this.all().find((row) => inside(this.corners(row)));
      if (met) {
        this.choose(met);
        drag = this.shift(met, this.corners(met), [x, y]);
      } else {
        drag = this.drawn([x, y], near);
      }
    }
    const pointer = event.pointerId;
    this.stage.setPointerCapture(pointer);
    const moved = (next) => drag(this.at(next));
    const over = () => {
      this.stage.removeEventListener("pointermove", moved);
      this.stage.removeEventListener("pointerup", over);
      this.stage.removeEventListener("pointercancel", over);
    };
    this.stage.addEventListener("pointermove", moved);
    this.stage.addEventListener("pointerup", over);
    this.stage.addEventListener("pointercancel", over);
  }

  stretch(row, [x, y]) {
    return ([a, b]) => this.set(row, [Math.min(x, a), Math.min(y, b), Math.max(x, a), Math.max(y, b)]);
  }

  shift(row, [x1, y1, x2, y2], [x, y]) {
    const [width, height] = this.size;
    return ([a, b]) => {
      const dx = Math.min(Math.max(a - x, -x1), width - x2), dy = Math.min(Math.max(b - y, -y1), height - y2);
      this.set(row, [x1 + dx, y1 + dy, x2 + dx, y2 + dy]);
    };
  }

  drawn([x, y], least) {
    let stretch = null;
    return ([a, b]) => {
      if (!stretch && Math.abs(a - x) > least / 2 && Math.abs(b - y) > least / 2) {
        stretch = this.stretch(this.add([x, y, a, b]), [x, y]);
      }
      stretch?.([a, b]);
    };
  }
}

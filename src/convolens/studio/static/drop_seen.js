// Cells and pixels: pointing at a cell of a map draws where it looks, clicking a pixel draws the cells that see it.
const seen = document.getElementById("seen");
const [size, stride, offset, rows, columns] = ["size", "stride", "offset", "rows", "columns"].map((name) => Number(seen.dataset[name]));
const picture = document.querySelector("#field");
const said = document.getElementById("said");
const maps = [...document.querySelectorAll(".maps .over")];

function box(svg, x, y, width, height) {
  const rect = svg.querySelector("rect");
  for (const [name, value] of Object.entries({ x, y, width, height })) rect.setAttribute(name, value);
}

function look(row, column) {
  const x = offset + column * stride, y = offset + row * stride;
  box(picture, x, y, size, size);
  for (const map of maps) box(map.querySelector("svg"), column, row, 1, 1);
  said.textContent = `Cell ${row}, ${column} sees ${x}…${x + size} across and ${y}…${y + size} down.`;
  document.querySelector("[name=row]").value = row;
  document.querySelector("[name=column]").value = column;
}

// The first and last cell along an axis whose field holds a pixel.
function cells(pixel, count) {
  const first = Math.max(0, Math.ceil((pixel - size + 1 - offset) / stride));
  return [first, Math.min(count - 1, Math.floor((pixel - offset) / stride))];
}

function at(event, element, across, down) {
  const place = element.getBoundingClientRect();
  const part = (value, length, count) => Math.min(count - 1, Math.max(0, Math.floor((value / length) * count)));
  return [part(event.clientY - place.top, place.height, down), part(event.clientX - place.left, place.width, across)];
}

const KEYS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
let row = 0, column = 0;
for (const map of maps) {
  for (const kind of ["pointermove", "pointerdown"]) { // a tap does not move
    map.addEventListener(kind, (event) => { [row, column] = at(event, map, columns, rows); look(row, column); });
  }
  map.addEventListener("keydown", (event) => {
    const step = KEYS[event.key];
    if (!step) return;
    event.preventDefault();
    row = Math.min(rows - 1, Math.max(0, row + step[0]));
    column = Math.min(columns - 1, Math.max(0, column + step[1]));
    look(row, column);
  });
}

picture.parentElement.addEventListener("click", (event) => {
  const { width, height } = picture.viewBox.baseVal;
  const [y, x] = at(event, picture.parentElement, width, height);
  const [top, bottom] = cells(y, rows), [left, right] = cells(x, columns);
  box(picture, x, y, 1, 1);
  for (const map of maps) box(map.querySelector("svg"), left, top, right - left + 1, bottom - top + 1);
  said.textContent = `Pixel ${x}, ${y} is seen by rows ${top}…${bottom} and columns ${left}…${right}.`;
});

// A mask painted by brush on the picture, once there is a second style: white where the first applies.
const [content, second, mask, canvas, width, erase] = ["content", "style2", "mask", "brush", "width", "erase"].map((id) => document.getElementById(id));
const painting = document.getElementById("painting");
const painted = document.createElement("canvas"); // the mask alone
let picture = null, at = null;

async function begin() {
  if (!content.files.length || !second.files.length) return;
  picture = await createImageBitmap(content.files[0]);
  const scale = Math.min(1, 480 / Math.max(picture.width, picture.height));
  for (const one of [canvas, painted]) [one.width, one.height] = [Math.round(picture.width * scale), Math.round(picture.height * scale)];
  const brush = painted.getContext("2d");
  brush.fillRect(0, 0, painted.width, painted.height);
  at = [canvas.width / 2, canvas.height / 2];
  painting.hidden = false;
  show();
}

function show() {
  const drawing = canvas.getContext("2d");
  drawing.globalCompositeOperation = "source-over";
  drawing.drawImage(picture, 0, 0, canvas.width, canvas.height);
  drawing.globalCompositeOperation = "lighter";
  drawing.globalAlpha = 0.5;
  drawing.drawImage(painted, 0, 0);
  drawing.globalAlpha = 1;
  drawing.globalCompositeOperation = "difference";
  drawing.strokeStyle = "#fff";
  drawing.beginPath();
  drawing.arc(at[0], at[1], radius(), 0, 7);
  drawing.stroke();
}

const radius = () => (Number(width.value) / 100) * Math.max(canvas.width, canvas.height);

function dab() {
  const brush = painted.getContext("2d");
  brush.fillStyle = erase.checked ? "#000" : "#fff";
  brush.beginPath();
  brush.arc(at[0], at[1], radius(), 0, 7);
  brush.fill();
}

function keep() {
  painted.toBlob((blob) => {
    const chosen = new DataTransfer();
    chosen.items.add(new File([blob], "mask.png", { type: "image/png" }));
    mask.files = chosen.files;
  });
}

function move(event) {
  const place = canvas.getBoundingClientRect();
  at = [((event.clientX - place.left) / place.width) * canvas.width, ((event.clientY - place.top) / place.height) * canvas.height];
  if (event.buttons) dab();
  show();
}

const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
content.addEventListener("change", begin);
second.addEventListener("change", begin);
canvas.addEventListener("pointerdown", (event) => { canvas.setPointerCapture(event.pointerId); move(event); });
canvas.addEventListener("pointermove", move);
canvas.addEventListener("pointerup", keep);
canvas.addEventListener("keydown", (event) => {
  const step = STEPS[event.key];
  if (!step && event.key !== " ") return;
  event.preventDefault();
  if (step) at = [at[0] + step[0] * radius(), at[1] + step[1] * radius()];
  else { dab(); keep(); }
  show();
});

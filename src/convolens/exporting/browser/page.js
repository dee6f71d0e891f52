// Pictures in, answers out: everything happens here and in a worker. Names of classes and files are only ever text.
"use strict";
const facts = JSON.parse(document.getElementById("facts").textContent);
const MOST_CARDS = 50; // a camera and folders of photos must not fill the memory
const MOST_PIXELS = 40e6; // of a picture: what follows in the model takes some dozens of bytes for each
const MOST_SHOWN = 1600; // pixels of the longer side of what is drawn
const MOST_CLASSES = 5; // of a classifier, named below a picture
const COLORS = ["#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7"]; // Okabe & Ito, 2008
const at = (id) => document.getElementById(id);
const parts = []; // of the model and of the runtime, as their files deliver them
window.convolens = { part: (text) => parts.push(text) };

function element(kind, properties = {}, ...children) {
  const made = Object.assign(document.createElement(kind), properties);
  made.append(...children);
  return made;
}

function say(sentence, bad = false) {
  at("status").textContent = sentence;
  at("status").classList.toggle("bad", bad);
}

// ---- the model

function decoded(text) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  const letters = atob(text), bytes = new Uint8Array(letters.length);
  for (let i = 0; i < letters.length; i++) bytes[i] = letters.charCodeAt(i);
  return bytes;
}

async function fetched(files, share) { // by script elements, as a page from a disk may read files in no other way
  const pieces = [];
  for (const name of files) {
    await new Promise((resolve, reject) => {
      const script = element("script", { src: name, onload: resolve });
      script.onerror = () => reject(new Error(`${name} is missing beside this page; copy the whole folder`));
      document.head.append(script);
    });
    pieces.push(decoded(parts.pop()));
    at("progress").value += share / files.length;
  }
  const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let place = 0;
  for (const piece of pieces) { whole.set(piece, place); place += piece.length; }
  return whole;
}

const waiting = new Map();
let worker = null, asked = 0;

function ask(what, given, moved) {
  return new Promise((resolve, reject) => {
    waiting.set(++asked, { resolve, reject });
    worker.postMessage({ id: asked, what, ...given }, moved);
  });
}

async function start() {
  const [runtime, module, wasm] = [
    await fetched(["runtime-0.js"], 0.1), await fetched(["runtime-1.js"], 0.1), await fetched(["runtime-2.js"], 0.4),
  ];
  const model = await fetched(facts.parts, 0.4);
  const script = { type: "text/javascript" };
  const own = at("worker").textContent;
  worker = new Worker(URL.createObjectURL(new Blob([runtime, "\n;", own], script)));
  worker.onmessage = ({ data }) => {
    const { resolve, reject } = waiting.get(data.id);
    waiting.delete(data.id);
    if (data.error === undefined) resolve(data.found); else reject(new Error(data.error));
  };
  worker.onerror = (event) => say(`This browser cannot run the model: ${event.message || "its worker did not start"}.`, true);
  await ask("start", { module, wasm, model }, [module, wasm, model].map((one) => one.buffer));
  at("progress").hidden = true;
  say("Ready.");
}

// ---- pictures

function pixelsOf(source, width, height) { // what is transparent is put over white, as Convolens does
  const canvas = element("canvas", { width, height });
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  pen.fillStyle = "#fff";
  pen.fillRect(0, 0, width, height);
  pen.drawImage(source, 0, 0);
  const { data } = pen.getImageData(0, 0, width, height);
  const pixels = new Uint8Array(width * height * 3);
  for (let from = 0, to = 0; from < data.length; from += 4, to += 3) {
    pixels[to] = data[from]; pixels[to + 1] = data[from + 1]; pixels[to + 2] = data[from + 2];
  }
  return { canvas, pixels };
}

async function told(source, width, height) {
  if (Math.min(width, height) < facts.least_side) {
    throw new Error(`need at least ${facts.least_side}×${facts.least_side} pixels, got ${width}×${height}`);
  }
  if (width * height > MOST_PIXELS) {
    throw new Error(`need at most ${MOST_PIXELS / 1e6} million pixels, got ${width}×${height}; make it smaller`);
  }
  const { canvas, pixels } = pixelsOf(source, width, height);
  const found = await ask("look", { pixels, height, width }, [pixels.buffer]);
  return { canvas, ...found };
}

async function take(files) {
  await ready;
  let done = 0;
  for (const file of files) {
    say(`Looking at ${file.name} …`);
    try {
      const bitmap = await createImageBitmap(file).catch(() => {
        throw new Error("need a picture, got what this browser cannot read");
      });
      const found = await told(bitmap, bitmap.width, bitmap.height);
      bitmap.close();
      at("answers").prepend(card(file.name, found));
      while (at("answers").children.length > MOST_CARDS) at("answers").lastChild.remove();
      done++;
    } catch (error) {
      say(`${file.name}: ${error.message}.`, true);
      await new Promise((resolve) => setTimeout(resolve, files.length > 1 ? 1500 : 0));
    }
  }
  if (done === files.length && done) say(done === 1 ? "Done." : `Done: ${done} pictures.`);
}

// ---- answers

const NUMBER = new Intl.NumberFormat(undefined, { style: "percent", maximumFractionDigits: 1, minimumFractionDigits: 1 });
const color = (label) => COLORS[label % COLORS.length];
const threshold = () => Number(at("threshold").value) / 100;

function answersOf(outputs) { // what is said of a picture: {label, score, box?}, likeliest first
  const { probabilities, objectness, box_xyxy: box, boxes_xyxy: boxes, scores, labels } = outputs;
  if (facts.task === "detect") {
    return Array.from(scores.data, (score, i) => (
      { label: labels.data[i], score, box: boxes.data.slice(4 * i, 4 * i + 4) }
    )).filter(({ score }) => score >= threshold());
  }
  const all = Array.from(probabilities.data, (score, label) => ({ label, score }));
  all.sort((one, other) => other.score - one.score);
  if (facts.task === "classify") return all.slice(0, MOST_CLASSES);
  return objectness.data[0] >= threshold() ? [{ ...all[0], box: box.data }] : [];
}

function card(name, { canvas: picture, outputs, milliseconds }) {
  const canvas = element("canvas"), list = element("ol"), title = element("h2", { textContent: name });
  const time = element("p", { className: "time" });
  time.textContent = `${picture.width}×${picture.height} pixels, ${Math.round(milliseconds)} ms`;
  const remove = element("button", { type: "button", className: "quiet", textContent: "Remove" });
  const made = element("article", { className: "card" }, canvas, element("div", {}, title, time, list, remove));
  remove.onclick = () => { made.remove(); at("files").focus(); };
  let chosen = null; // the label whose map, or the number of the answer whose box, is shown
  made.update = () => {
    const answers = answersOf(outputs);
    if (facts.task === "classify" && facts.fields.length && chosen === null) chosen = answers[0].label;
    draw(canvas, picture, outputs, answers, chosen);
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `${name}: ${answers.map(sentence).join(", ") || "nothing found"}`);
    list.replaceChildren(...answers.map((answer, number) => element("li", {}, entry(answer, number))));
    if (!answers.length) list.append(element("li", { className: "hint", textContent: "Nothing found." }));
  };
  const entry = (answer, number) => {
    const can = answer.box ? true : facts.task === "classify" && facts.fields.length > 0;
    const key = answer.box ? number : answer.label;
    const made = element(can ? "button" : "div", { className: "answer" });
    const label = element("span", {}, facts.class_names[answer.label]);
    if (answer.box) {
      const swatch = element("span", { className: "swatch" });
      swatch.style.background = color(answer.label);
      label.prepend(swatch);
    }
    const bar = element("span", { className: "bar" });
    bar.style.width = `${100 * answer.score}%`;
    made.append(bar, label, element("span", { className: "score", textContent: NUMBER.format(answer.score) }));
    if (can) {
      made.type = "button";
      made.title = answer.box ? "Show this box alone" : "Show where in the picture this comes from";
      made.setAttribute("aria-pressed", String(chosen === key));
      made.onclick = () => {
        chosen = chosen === key ? (answer.box ? null : -1) : key;
        made.closest(".card").update();
        [...list.querySelectorAll("button")].at(number)?.focus();
      };
    }
    return made;
  };
  made.update();
  return made;
}

const sentence = ({ label, score }) => `${facts.class_names[label]} ${NUMBER.format(score)}`;

function draw(canvas, picture, outputs, answers, chosen) {
  const longer = Math.max(picture.width, picture.height);
  const scale = Math.min(1, MOST_SHOWN / longer) * (longer < 400 ? Math.ceil(480 / longer) : 1); // small ones by whole numbers
  canvas.width = Math.max(1, Math.round(picture.width * scale));
  canvas.height = Math.max(1, Math.round(picture.height * scale));
  const pen = canvas.getContext("2d");
  pen.imageSmoothingEnabled = scale < 1;
  pen.drawImage(picture, 0, 0, canvas.width, canvas.height);
  if (facts.task === "classify") {
    if (chosen !== null && chosen >= 0 && facts.fields.length) drawHeat(pen, picture, outputs, chosen);
    return;
  }
  const line = Math.max(2, Math.round(canvas.width / 400));
  pen.font = `600 ${Math.max(13, 6 * line)}px ${getComputedStyle(document.body).fontFamily}`;
  pen.textBaseline = "bottom";
  answers.forEach((answer, number) => {
    if (chosen !== null && chosen !== number) return;
    const [x1, y1, x2, y2] = Array.from(answer.box, (value) => value * scale);
    pen.lineWidth = 2 * line;
    pen.strokeStyle = "#000a";
    pen.strokeRect(x1, y1, x2 - x1, y2 - y1);
    pen.lineWidth = line;
    pen.strokeStyle = color(answer.label);
    pen.strokeRect(x1, y1, x2 - x1, y2 - y1);
    const text = sentence(answer), { width } = pen.measureText(text), tall = Math.max(13, 6 * line) + 6;
    const left = Math.max(0, Math.min(x1, canvas.width - width - 8)), below = y1 < tall ? y2 + tall : y1;
    const low = Math.min(below, canvas.height);
    pen.fillStyle = "#141418d0";
    pen.fillRect(left, low - tall, width + 8, tall);
    pen.fillStyle = "#fafaf8";
    pen.fillText(text, left + 4, low - 3);
  });
}

// ---- the class activation map: what each cell adds to a class's score, each cell in the middle of its receptive field

const even = (value) => { const low = Math.floor(value); return value - low === 0.5 ? low + (low % 2) : Math.round(value); };

function inputOf(width, height) { // the network's input in the picture: its size, and where it is in the picture's pixels
  const { resize, crop, stretch } = facts.preprocessing;
  let [rows, columns] = [height, width];
  if (stretch !== null) [rows, columns] = Array.isArray(stretch) ? stretch : [stretch, stretch];
  else if (resize !== null) {
    const shorter = Math.min(width, height);
    [rows, columns] = [Math.floor(height * resize / shorter), Math.floor(width * resize / shorter)];
  }
  const [down, across] = [height / rows, width / columns];
  if (crop === null || stretch !== null) return { rows, columns, x: 0, y: 0, width, height };
  const [top, left] = [even((rows - crop) / 2), even((columns - crop) / 2)];
  return { rows: crop, columns: crop, x: left * across, y: top * down, width: crop * across, height: crop * down };
}

function blended(grid, first, rows, columns, field, height, width, step) { // bilinear; beyond the outermost cells theirs
  const heat = new Float32Array(height * width);
  const places = (count, cells) => Array.from({ length: count }, (_, i) => {
    const place = Math.min(Math.max(((i + 0.5) * step - field.first) / field.stride, 0), cells - 1);
    const low = Math.min(Math.floor(place), cells - 1), high = Math.min(low + 1, cells - 1);
    return [low, high, place - low];
  });
  const across = places(width, columns);
  places(height, rows).forEach(([top, bottom, down], y) => across.forEach(([left, right, along], x) => {
    const value = (row, column) => grid[first + row * columns + column];
    const upper = value(top, left) * (1 - along) + value(top, right) * along;
    const lower = value(bottom, left) * (1 - along) + value(bottom, right) * along;
    heat[y * width + x] = upper * (1 - down) + lower * down;
  }));
  return heat;
}

function heatOf(outputs, label, input) {
  const step = Math.max(1, Math.max(input.rows, input.columns) / 384); // a map has far fewer cells than that
  const [height, width] = [Math.ceil(input.rows / step), Math.ceil(input.columns / step)];
  const heat = new Float32Array(height * width);
  for (const field of facts.fields) {
    const { data, dims } = outputs[`activation ${field.tap}`];
    const [rows, columns] = dims.slice(-2);
    const one = blended(data, label * rows * columns, rows, columns, field, height, width, step);
    for (let i = 0; i < heat.length; i++) heat[i] += one[i];
  }
  return { heat, height, width };
}

function turbo(x) { // Mikhailov, "Turbo", 2019: his polynomials
  const sum = (...c) => 255 * c.reduceRight((value, one) => value * x + one, 0);
  return [
    sum(0.13572138, 4.6153926, -42.66032258, 132.13108234, -152.94239396, 59.28637943),
    sum(0.09140261, 2.19418839, 4.84296658, -14.18503333, 4.27729857, 2.82956604),
    sum(0.1066733, 12.64194608, -60.58204836, 110.36276771, -89.90310912, 27.34824973),
  ];
}

function drawHeat(pen, picture, outputs, label) {
  const input = inputOf(picture.width, picture.height);
  const { heat, height, width } = heatOf(outputs, label, input);
  const most = heat.reduce((one, other) => Math.max(one, other), 0);
  const painted = new ImageData(width, height);
  heat.forEach((value, i) => {
    const level = most > 0 ? Math.max(value, 0) / most : 0;
    painted.data.set([...turbo(level), 255 * 0.6 * level], 4 * i);
  });
  const layer = element("canvas", { width, height });
  layer.getContext("2d").putImageData(painted, 0, 0);
  const [across, down] = [pen.canvas.width / picture.width, pen.canvas.height / picture.height];
  pen.imageSmoothingEnabled = true;
  pen.drawImage(layer, input.x * across, input.y * down, input.width * across, input.height * down);
}

// ---- the camera

let stream = null;

async function look() {
  stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" }, audio: false });
  at("camera").setAttribute("aria-pressed", "true");
  at("camera").textContent = "Stop the camera";
  const video = element("video", { srcObject: stream, muted: true, playsInline: true });
  await video.play();
  let shown = null;
  while (stream !== null) {
    const found = await told(video, video.videoWidth, video.videoHeight);
    const next = card("Camera", found);
    if (shown !== null && shown.isConnected) shown.replaceWith(next); else at("answers").prepend(next);
    shown = next;
    say(`Camera: ${Math.round(found.milliseconds)} ms a picture.`);
  }
}

function stop() {
  stream?.getTracks().forEach((track) => track.stop());
  stream = null;
  at("camera").setAttribute("aria-pressed", "false");
  at("camera").textContent = "Camera";
}

// ---- what people do

at("files").onchange = (event) => take([...event.target.files]).then(() => { event.target.value = ""; });
at("camera").onclick = async () => {
  if (stream !== null) return stop();
  await ready;
  try {
    if (!navigator.mediaDevices) throw new Error("this browser gives pages like this one no camera");
    await look();
  } catch (error) {
    stop();
    say(`Camera: ${error.name === "NotAllowedError" ? "it was not allowed" : error.message}.`, true);
  }
};
for (const kind of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    at("drop").classList.toggle("over", kind === "dragover");
    if (kind === "drop") take([...event.dataTransfer.files]);
  });
}
document.addEventListener("paste", (event) => { if (event.clipboardData.files.length) take([...event.clipboardData.files]); });
at("threshold-row").hidden = facts.task === "classify";
at("threshold").oninput = () => {
  at("threshold-value").textContent = NUMBER.format(threshold());
  for (const one of at("answers").children) one.update();
};
at("threshold").oninput();
const ready = start();
ready.catch((error) => { at("progress").hidden = true; say(`The model cannot be started: ${error.message}.`, true); });

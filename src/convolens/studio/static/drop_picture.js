// The picture follows the sliders: the next one is decoded before it is shown, so that nothing flickers.
import { sliders } from "/static/sliders.js";

const shown = document.getElementById("shown");
const took = document.getElementById("took");
const full = document.getElementById("full");

sliders(document.getElementById("sliders"), async (query) => {
  const begun = performance.now();
  const image = new Image();
  image.src = `/drop/picture.jpg?${query}`;
  await image.decode();
  shown.src = image.src;
  const milliseconds = Math.round(performance.now() - begun);
  took.textContent = `· ${milliseconds} ms`;
  shown.dataset.milliseconds = milliseconds;
  if (!query.has("quick")) full.href = image.src;
});

// The sound follows the sliders once they stand still, and goes on from where it was.
import { sliders } from "/static/sliders.js";

const shown = document.getElementById("shown");

sliders(document.getElementById("sliders"), async (query) => {
  if (query.has("quick")) return;
  const { currentTime, paused } = shown;
  shown.src = `/drop/sound.wav?${query}`;
  if (paused) return;
  shown.currentTime = currentTime;
  await shown.play();
});

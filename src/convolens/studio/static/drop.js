// Dropping, pasting, the camera and the microphone: each puts a file into the form and sends it.
import { recorder, wave } from "/static/sound.js";

const form = document.getElementById("dropping");
const field = document.getElementById("file");
const said = document.getElementById("said");
const preview = document.getElementById("preview");

function send(files) {
  const chosen = new DataTransfer();
  for (const file of files) chosen.items.add(file);
  field.files = chosen.files;
  if (field.files.length) form.requestSubmit();
}

addEventListener("paste", (event) => send(event.clipboardData.files));
addEventListener("dragover", (event) => { event.preventDefault(); form.classList.add("over"); });
addEventListener("dragleave", () => form.classList.remove("over"));
addEventListener("drop", (event) => { event.preventDefault(); send(event.dataTransfer.files); });

function button(id, works, pressed) {
  const one = document.getElementById(id);
  one.hidden = !works;
  one.addEventListener("click", async () => {
    try { await pressed(one); } catch (error) { said.textContent = `That did not work: ${error.message}`; }
  });
}

button("camera", navigator.mediaDevices?.getUserMedia, async (one) => {
  if (preview.hidden) {
    preview.srcObject = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
    preview.hidden = false;
    await preview.play();
    one.textContent = "Now";
    return;
  }
  const canvas = Object.assign(document.createElement("canvas"), { width: preview.videoWidth, height: preview.videoHeight });
  canvas.getContext("2d").drawImage(preview, 0, 0);
  preview.srcObject.getTracks().forEach((track) => track.stop());
  canvas.toBlob((blob) => send([new File([blob], "camera.jpg", { type: "image/jpeg" })]), "image/jpeg", 0.92);
});

let recording = null;
button("microphone", navigator.mediaDevices?.getUserMedia && globalThis.MediaRecorder, async (one) => {
  if (!recording) {
    recording = await recorder();
    one.textContent = "Stop recording";
    said.textContent = "Recording …";
    return;
  }
  send([new File([await wave(await recording.stop())], "microphone.wav", { type: "audio/wav" })]);
});

// Dropping, pasting, the camera and the microphone: each puts a file into the form and sends it.
import { camera } from "/static/camera.js";
import { recorder, wave } from "/static/sound.js";

const form = document.getElementById("dropping");
const field = document.getElementById("file");
const said = document.getElementById("said");

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
camera(document.getElementById("camera"), document.getElementById("preview"), said, (file) => send([file]));

const microphone = document.getElementById("microphone");
let recording = null;
if (microphone) {
  microphone.hidden = !(navigator.mediaDevices?.getUserMedia && globalThis.MediaRecorder);
  microphone.addEventListener("click", async () => {
    try {
      if (!recording) {
        recording = await recorder();
        microphone.textContent = "Stop recording";
        said.textContent = "Recording …";
        return;
      }
      send([new File([await wave(await recording.stop())], "microphone.wav", { type: "audio/wav" })]);
    } catch (error) {
      said.textContent = `The microphone does not work: ${error.message}`;
    }
  });
}

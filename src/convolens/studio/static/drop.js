// Dropping, pasting, the camera and the microphone: each puts a file into the form and sends it.
import { camera } from "/static/camera.js";
import { dropping } from "/static/dropping.js";
import { recorder, wave } from "/static/sound.js";

const said = document.getElementById("said");
const send = dropping(document.getElementById("dropping"), window, said);

addEventListener("paste", (event) => send(event.clipboardData.files));
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

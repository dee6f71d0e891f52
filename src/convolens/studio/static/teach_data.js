// Classes filled by dropping pictures on them, and by the camera, a picture at each press.
import { camera } from "/static/camera.js";

for (const section of document.querySelectorAll(".class")) {
  const form = section.querySelector(".dropping");
  const field = form.querySelector("[type=file]");
  const send = (files) => {
    const chosen = new DataTransfer();
    for (const file of files) chosen.items.add(file);
    field.files = chosen.files;
    if (field.files.length) form.requestSubmit();
  };
  section.addEventListener("dragover", (event) => { event.preventDefault(); section.classList.add("over"); });
  section.addEventListener("dragleave", () => section.classList.remove("over"));
  section.addEventListener("drop", (event) => { event.preventDefault(); send(event.dataTransfer.files); });
  camera(section.querySelector(".camera"), document.getElementById("preview"), document.querySelector("[role=status]"), (file) => send([file]));
}

// Classes filled by choosing or dropping pictures, and by the camera, a picture at each press.
import { camera } from "/static/camera.js";
import { dropping } from "/static/dropping.js";

const said = document.getElementById("said"), preview = document.getElementById("preview");

for (const form of document.querySelectorAll(".dropping")) {
  const section = form.closest(".class");
  const send = dropping(form, section, said);
  camera(section.querySelector(".camera"), preview, said, (file) => send([file]));
}
// What misses a class is not opened in place of the page.
for (const name of ["dragover", "drop"]) addEventListener(name, (event) => event.preventDefault());

// A form that takes files: what is chosen, dropped or pasted is sent at once, so the button for it is not needed.
export function dropping(form, area, said) {
  const field = form.querySelector("[type=file]");
  form.querySelector(".sends").hidden = true;

  function post() {
    if (!field.files.length || form.classList.contains("sent")) return;
    form.classList.add("sent");
    said.textContent = field.files.length === 1 ? "Sending it …" : `Sending ${field.files.length} files …`;
    form.requestSubmit();
  }

  function send(files) {
    const chosen = new DataTransfer();
    for (const file of field.multiple ? files : [...files].slice(0, 1)) chosen.items.add(file);
    field.files = chosen.files;
    post();
  }

  field.addEventListener("change", post);
  post(); // what was chosen before this script ran
  area.addEventListener("dragover", (event) => { event.preventDefault(); form.classList.add("over"); });
  area.addEventListener("dragleave", () => form.classList.remove("over"));
  area.addEventListener("drop", (event) => {
    event.preventDefault();
    form.classList.remove("over");
    send(event.dataTransfer.files);
  });
  addEventListener("pageshow", () => form.classList.remove("sent")); // who comes back may send another
  return send;
}

// A form of sliders: while one moves, the newest values are asked for, one answer at a time; `show` gets an address.
export function sliders(form, show) {
  let busy = false, wanted = null;

  async function next() {
    if (busy || !wanted) return;
    busy = true;
    const asked = wanted;
    wanted = null;
    try { await show(asked); } finally { busy = false; next(); }
  }

  function query(quick) {
    const values = new URLSearchParams(new FormData(form));
    if (quick) values.set("quick", "true");
    return values;
  }

  form.addEventListener("input", (event) => {
    const output = form.querySelector(`output[for="${event.target.id}"]`);
    if (output) output.textContent = String(Number(event.target.value));
    wanted = query(true);
    next();
  });
  form.addEventListener("change", () => {
    wanted = query(false);
    history.replaceState(null, "", `?${wanted}`);
    next();
  });
}

// The page is fetched anew once the jobs about its data are done.
document.body.addEventListener("htmx:afterSwap", (event) => {
  if (event.target.id === "state" && !event.target.querySelector("[role=status]")) location.reload();
});

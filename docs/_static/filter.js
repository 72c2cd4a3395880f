// A field above a table that hides the rows without the words in it.
document.querySelectorAll(".filter").forEach((area) => {
  const rows = [...area.querySelectorAll("tbody tr")];
  const field = document.createElement("input");
  field.type = "search";
  field.placeholder = "Filter: a name, oauth 1, rotating …";
  field.setAttribute("aria-label", "Filter the table");
  const count = document.createElement("p");
  count.setAttribute("role", "status");
  const show = () => {
    const words = field.value.toLowerCase().split(/\s+/);
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
    }
    count.textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length}`;
  };
  field.addEventListener("input", show);
  area.prepend(field, count);
  show();
});

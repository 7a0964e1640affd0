// The little that a page does by itself: reference pickers, select-and-go, ticking rows, a warning before leaving.
"use strict";

const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];

function picker(box) {
  const [hidden, input, list] = [box.querySelector("input[type=hidden]"), box.querySelector("input[type=text]"), box.querySelector("ul")];
  let chosen = input.value, id = hidden.value, at = -1, asked = 0, timer;
  const close = () => { list.hidden = true; at = -1; input.setAttribute("aria-expanded", "false"); input.removeAttribute("aria-activedescendant"); };
  const take = (item) => {
    id = hidden.value = item.dataset.id; chosen = input.value = item.dataset.label; close();
    hidden.dispatchEvent(new Event("change", { bubbles: true }));
    if ("pickSubmit" in box.dataset) box.closest("form").requestSubmit();
  };
  const mark = (to) => {
    const items = $$("li[data-id]", list);
    if (!items.length) return;
    at = (to + items.length) % items.length;
    items.forEach((item, i) => item.setAttribute("aria-selected", String(i === at)));
    input.setAttribute("aria-activedescendant", items[at].id); items[at].scrollIntoView({ block: "nearest" });
  };
  const ask = async () => {
    const mine = ++asked;
    const answer = await fetch(`${box.dataset.pick}?q=${encodeURIComponent(input.value === chosen ? "" : input.value)}`, { headers: { Accept: "application/json" } });
    if (mine !== asked || !answer.ok) return;
    const { choices } = await answer.json();
    list.replaceChildren(...choices.map((choice, i) => {
      const item = document.createElement("li");
      item.id = `${list.id}-${i}`; item.role = "option"; item.dataset.id = choice.id; item.dataset.label = choice.label;
      item.append(choice.label);
      if (choice.note) { const note = document.createElement("small"); note.append(choice.note); item.append(note); }
      item.addEventListener("mousedown", (event) => { event.preventDefault(); take(item); });
      return item;
    }));
    if (!choices.length) { const none = document.createElement("li"); none.className = "none"; none.append("—"); list.append(none); }
    list.hidden = false; input.setAttribute("aria-expanded", "true"); at = -1;
  };
  // What is shown and what is sent never differ: an emptied field sends nothing, an unfinished word gives way to
  // what was chosen before.
  const settle = () => {
    if (input.value.trim() === "") { id = hidden.value = chosen = input.value = ""; } else { input.value = chosen; hidden.value = id; }
    close();
  };
  input.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(ask, 150); });
  input.addEventListener("focus", () => { input.select(); ask(); });
  input.addEventListener("keydown", (event) => {
    if (event.isComposing) return; // Enter that ends a pinyin word chooses nothing
    if (event.key === "ArrowDown") { event.preventDefault(); list.hidden ? ask() : mark(at + 1); }
    else if (event.key === "ArrowUp") { event.preventDefault(); mark(at - 1); }
    else if (event.key === "Enter" && !list.hidden) { event.preventDefault(); const items = $$("li[data-id]", list); if (items.length) take(items[Math.max(at, 0)]); }
    else if (event.key === "Escape" && !list.hidden) { event.stopPropagation(); settle(); }
  });
  input.addEventListener("blur", settle);
}

$$("[data-pick]").forEach(picker);
$$("select[data-submit], input[data-submit]").forEach((control) => control.addEventListener("change", () => control.form.requestSubmit()));
$$("form[data-confirm]").forEach((form) => form.addEventListener("submit", (event) => { if (!confirm(form.dataset.confirm)) event.preventDefault(); }));

const ticks = () => $$("tbody input[type=checkbox][name=row]");
const count = () => { const any = ticks().some((tick) => tick.checked); $$("[data-bulk]").forEach((button) => { button.disabled = !any; }); };
ticks().forEach((tick) => tick.addEventListener("change", count));
$$("button[data-ask]").forEach((button) => button.addEventListener("click", (event) => { if (!confirm(button.dataset.ask)) event.preventDefault(); }));
$$("[data-all]").forEach((all) => all.addEventListener("change", () => { ticks().forEach((tick) => { tick.checked = all.checked; }); count(); }));

$$("[data-menu]").forEach((button) => button.addEventListener("click", () => {
  const open = document.body.classList.toggle("menu-open");
  button.setAttribute("aria-expanded", String(open));
}));

$$("form[data-form]").forEach((form) => {
  let dirty = document.getElementById("problems") !== null;
  form.addEventListener("input", () => { dirty = true; });
  form.addEventListener("submit", () => { dirty = false; });
  addEventListener("beforeunload", (event) => { if (dirty) event.preventDefault(); });
});
document.getElementById("problems")?.focus();

addEventListener("keydown", (event) => {
  if (event.target.closest("input, textarea, select") || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "/") { const find = document.querySelector("[data-find]"); if (find) { event.preventDefault(); find.focus(); } }
  if (event.key === "n") document.querySelector("[data-new]")?.click();
});

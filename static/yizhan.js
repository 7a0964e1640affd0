// The little that a page does by itself. Every page works without it but for the reference pickers.
"use strict";

const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];

function picker(box) {
  const [hidden, input, list] = [box.querySelector("input[type=hidden]"), box.querySelector("input[type=text]"), box.querySelector("ul")];
  let chosen = input.value, id = hidden.value, at = -1, asked = 0, timer;
  const close = () => { // what was asked for before comes too late to open it again
    clearTimeout(timer); asked++; list.hidden = true; at = -1; input.setAttribute("aria-expanded", "false"); input.removeAttribute("aria-activedescendant");
  };
  const take = (item) => {
    id = hidden.value = item.dataset.id; chosen = input.value = item.dataset.label; close();
    hidden.dispatchEvent(new Event("change", { bubbles: true }));
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
    if (mine !== asked || !answer.ok || answer.redirected) return;
    const { choices, also } = await answer.json();
    list.replaceChildren(...choices.map((choice, i) => {
      const item = document.createElement("li");
      item.id = `${list.id}-${i}`; item.role = "option"; item.dataset.id = choice.id; item.dataset.label = choice.label;
      item.append(choice.label);
      if (choice.note) { const note = document.createElement("small"); note.append(choice.note); item.append(note); }
      item.addEventListener("mousedown", (event) => event.preventDefault()); // the field keeps the focus
      item.addEventListener("click", () => take(item));
      return item;
    }));
    if (!choices.length) { const none = document.createElement("li"); none.className = "none"; none.append("—"); list.append(none); }
    if (also) { const told = document.createElement("li"); told.className = "none"; told.append(also); list.append(told); }
    list.hidden = false; input.setAttribute("aria-expanded", "true"); at = -1;
    list.scrollIntoView({ block: "nearest" });
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
    else if (event.key === "Enter" && !list.hidden && (at >= 0 || input.value !== chosen)) { // Enter on what was chosen before sends the form
      event.preventDefault(); const items = $$("li[data-id]", list); if (items.length) take(items[Math.max(at, 0)]);
    }
    else if (event.key === "Escape" && !list.hidden) { event.stopPropagation(); settle(); }
  });
  input.addEventListener("blur", settle);
}

$$("[data-pick]").forEach(picker);
// The address of a list says what is asked, and nothing of what is not.
$$("form[method=get]").forEach((form) => form.addEventListener("formdata", ({ formData }) => {
  for (const name of new Set(formData.keys())) {
    const asked = formData.getAll(name).filter((value) => value !== "");
    formData.delete(name); asked.forEach((value) => formData.append(name, value));
  }
}));
$$("form[data-confirm]").forEach((form) => form.addEventListener("submit", (event) => { if (!confirm(form.dataset.confirm)) event.preventDefault(); }));
$$("[data-all]").forEach((all) => all.addEventListener("change", () => $$("tbody input[type=checkbox][name=row]").forEach((tick) => { tick.checked = all.checked; })));

$$("[data-menu]").forEach((button) => button.addEventListener("click", () => {
  const open = document.body.classList.toggle("menu-open");
  button.setAttribute("aria-expanded", String(open));
}));

// On paper nothing can be unfolded.
addEventListener("beforeprint", () => $$("main details:not([data-drop]):not([open])").forEach((folded) => { folded.open = true; folded.dataset.folded = ""; }));
addEventListener("afterprint", () => $$("main details[data-folded]").forEach((folded) => { folded.open = false; delete folded.dataset.folded; }));

// Only one panel is open at a time, and none stays open behind one's back.
$$("details[data-drop], details.who").forEach((drop) => drop.addEventListener("toggle", () => {
  if (drop.open) $$("details[data-drop][open], details.who[open]").forEach((other) => { if (other !== drop) other.open = false; });
}));
// How far long work is: asked for again until it is over, then the page is loaded anew.
const PART_EVERY = 2000;
const part = async (box) => {
  const answer = await fetch(box.dataset.part).catch(() => null);
  if (!answer?.ok || answer.redirected) return setTimeout(part, 5 * PART_EVERY, box);
  const next = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("[data-part]");
  if (!next) return location.reload();
  box.replaceWith(next);
  return setTimeout(part, PART_EVERY, next);
};
$$("[data-part]").forEach((box) => setTimeout(part, PART_EVERY, box));
document.addEventListener("click", (event) => $$("details[data-drop][open], details.who[open]").forEach((drop) => { if (!drop.contains(event.target)) drop.open = false; }));

// A branch of a tree is fetched when it is opened; without scripts its link opens a page.
document.addEventListener("click", async (event) => {
  const twist = event.target.closest("[data-twist]");
  if (!twist || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  const item = twist.parentElement, open = twist.getAttribute("aria-expanded") === "true";
  let below = item.querySelector(":scope > ul");
  if (!open && !below) {
    const answer = await fetch(`${twist.href}&part=1`);
    if (!answer.ok || answer.redirected) { location.href = twist.href; return; } // also when the sign-in has ended
    item.insertAdjacentHTML("beforeend", await answer.text());
    below = item.querySelector(":scope > ul");
  }
  if (below) below.hidden = open;
  twist.setAttribute("aria-expanded", String(!open));
});

// Forms: nothing typed is lost by leaving, and what is not sent is kept as a draft.
const DRAFT_EVERY = 4000;
$$("form[data-form]").forEach((form) => {
  let dirty = "dirty" in form.dataset || document.getElementById("problems") !== null, timer, sent = false, typed = 0;
  const note = form.querySelector("[data-note]");
  const keep = async () => {
    if (sent || !form.dataset.draft) return;
    const mine = ++typed;
    const answer = await fetch(form.dataset.draft, { method: "POST", body: new URLSearchParams(new FormData(form)) }).catch(() => null);
    const told = answer?.ok && !answer.redirected ? await answer.json() : null;
    if (sent || !note) return;
    note.textContent = told?.kept ?? note.dataset.kept;
    if (told?.kept && mine === typed) dirty = false;
  };
  form.addEventListener("input", () => {
    dirty = true; typed++;
    timer ??= setTimeout(() => { timer = undefined; keep(); }, DRAFT_EVERY); // also while somebody types on and on
  });
  form.addEventListener("change", () => { dirty = true; });
  form.addEventListener("submit", () => { sent = true; dirty = false; clearTimeout(timer); });
  addEventListener("beforeunload", (event) => { if (dirty) event.preventDefault(); });
});
document.getElementById("problems")?.focus();

// Personal values stay masked until somebody asks for them; the answer takes their place, the look is on record. On a
// form it stands beside its input, which keeps what is typed there. Without scripts the answer is a page.
document.addEventListener("submit", async (event) => {
  const form = event.target.closest("form[data-reveal]");
  if (!form) return;
  event.preventDefault();
  const button = event.submitter, note = form.querySelector("[role=status]");
  const answer = await fetch(form.action, { method: "POST", headers: { Accept: "application/json" }, body: new URLSearchParams(new FormData(form)) }).catch(() => null);
  if (!answer?.ok || answer.redirected) { form.submit(); return; } // whatever went wrong is said by a page
  const told = await answer.json();
  $$("[data-personal]").forEach((place) => {
    const value = told.values[place.dataset.personal];
    if (value && (!button?.value || button.value === place.dataset.personal)) place.textContent = value;
  });
  button?.remove();
  if (note) { note.textContent = told.note; note.focus(); } else document.getElementById(`f-${button?.value}`)?.focus();
});

// One search over everything, with suggestions as one types.
$$("form[data-everywhere]").forEach((form) => {
  const input = form.querySelector("input"), panel = form.querySelector(".panel");
  let timer, asked = 0, at = -1;
  const close = () => { clearTimeout(timer); asked++; panel.hidden = true; at = -1; input.setAttribute("aria-expanded", "false"); input.removeAttribute("aria-activedescendant"); };
  const ask = async () => {
    const mine = ++asked, text = input.value.trim();
    if (!/[^\x00-\x7f]|../.test(text)) { close(); return; }
    const answer = await fetch(`${form.action}?short=1&q=${encodeURIComponent(text)}`, { headers: { Accept: "application/json" } });
    if (mine !== asked || !answer.ok || answer.redirected) return;
    const { groups, also } = await answer.json();
    let count = 0;
    panel.replaceChildren(...groups.flatMap((group) => {
      const title = document.createElement("b"); title.append(group.title); title.role = "presentation";
      return [title, ...group.rows.map((row) => {
        const link = document.createElement("a");
        link.href = row.href; link.id = `everywhere-${count++}`; link.role = "option"; link.tabIndex = -1; link.append(row.label);
        if (row.note) { const note = document.createElement("small"); note.append(row.note); link.append(note); }
        return link;
      })];
    }));
    if (also && count) { const told = document.createElement("small"); told.role = "presentation"; told.append(also); panel.append(told); }
    panel.hidden = !count; input.setAttribute("aria-expanded", String(count > 0)); at = -1;
  };
  input.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(ask, 200); });
  input.addEventListener("keydown", (event) => {
    if (event.isComposing || panel.hidden) return;
    const links = $$("a", panel);
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      at = (at + (event.key === "ArrowDown" ? 1 : -1) + links.length) % links.length;
      links.forEach((link, i) => link.setAttribute("aria-selected", String(i === at)));
      input.setAttribute("aria-activedescendant", links[at].id); links[at].scrollIntoView({ block: "nearest" });
    } else if (event.key === "Enter" && at >= 0) { event.preventDefault(); location.href = links[at].href; }
    else if (event.key === "Escape") { event.preventDefault(); event.stopPropagation(); close(); } // by itself it would empty the field
  });
  document.addEventListener("click", (event) => { if (!form.contains(event.target)) close(); });
});

// What is shown only once is copied with one press; where the browser gives no clipboard it is marked for copying.
$$("[data-copy]").forEach((button) => {
  button.hidden = false;
  button.addEventListener("click", async () => {
    const text = document.getElementById(button.dataset.copy);
    try { await navigator.clipboard.writeText(text.textContent); button.textContent = button.dataset.copied; } catch { getSelection().selectAllChildren(text); }
  });
});

// Single keys can be switched off on the page of one's account, for whoever speaks to the machine or hits them by chance.
$$("[data-keys]").forEach((box) => {
  box.checked = localStorage.getItem("keys") !== "off";
  box.addEventListener("change", () => localStorage.setItem("keys", box.checked ? "on" : "off"));
});

// Keys: / searches everything, n makes a new row, e edits, arrows go through a list, Escape closes and goes back.
addEventListener("keydown", (event) => {
  if (event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
  const open = document.querySelector("details[data-drop][open], details.who[open]");
  if (event.key === "Escape") {
    if (open) { open.open = false; open.querySelector("summary").focus(); } else if (document.body.classList.contains("menu-open")) document.querySelector("[data-menu]").click();
    else if (document.activeElement?.matches("input, textarea, select")) document.activeElement.blur();
    return;
  }
  if (event.target.closest("input, textarea, select") || localStorage.getItem("keys") === "off") return;
  if (event.key === "/") { const find = document.getElementById("everywhere"); if (find) { event.preventDefault(); find.focus(); } }
  if (event.key === "n") document.querySelector("[data-new]")?.click();
  if (event.key === "e") document.querySelector("[data-edit]")?.click();
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    const links = $$("table[data-rows] tbody tr").map((row) => row.querySelector("a")).filter(Boolean);
    if (!links.length || open) return;
    const here = links.findIndex((link) => link.closest("tr").contains(document.activeElement));
    const to = here < 0 ? (event.key === "ArrowDown" ? 0 : links.length - 1) : here + (event.key === "ArrowDown" ? 1 : -1);
    if (links[to]) { event.preventDefault(); links[to].focus(); }
  }
});

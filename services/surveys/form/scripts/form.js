/* What a script adds to the form, which works without: a draft on this device, progress, and sending once after a cut. */
"use strict";
(() => {
  const form = document.querySelector("form.survey");
  const told = JSON.parse(form.dataset.told);
  const say = (key, values) => told[key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
  const place = location.pathname.split("/").pop().toUpperCase().replace(/[^0-9A-Z]/g, "");
  const tokenName = form.dataset.token && `hamkor.token.${form.dataset.token}`;
  const status = document.getElementById("status");
  const RETRY_MS = 10000;
  let key = null; // null: this browser keeps nothing
  let queued = false;
  let sending = false;
  let finished = false; // what is sent is not kept again

  const store = {
    get: (name) => { try { return localStorage.getItem(name); } catch { return null; } },
    set: (name, value) => { try { localStorage.setItem(name, value); return true; } catch { return false; } },
    drop: (name) => { try { localStorage.removeItem(name); } catch { /* nothing was kept */ } },
  };

  /* The draft lies under a hash: whoever looks through a shared phone does not find the code in it. */
  async function draftKey() {
    if (!crypto.subtle) return null;
    const secret = tokenName ? store.get(tokenName) || place : place;
    const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(`hamkor draft ${secret}`));
    return "hamkor.draft." + [...new Uint8Array(digest)].slice(0, 12).map((byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  const answers = () => [...new FormData(form)].filter(([name, value]) => name !== "token" && value !== "");

  function save() {
    if (key && !finished) store.set(key, JSON.stringify({ answers: answers(), queued }));
  }

  function restore(draft) {
    const given = new Map();
    for (const [name, value] of draft.answers) given.set(name, [...(given.get(name) || []), value]);
    for (const field of form.elements) {
      if (!field.name || field.name === "token" || field.type === "submit") continue;
      const values = given.get(field.name) || [];
      if (field.type === "radio" || field.type === "checkbox") field.checked = values.includes(field.value);
      else field.value = values[0] || "";
    }
  }

  function tell(text, action) {
    status.textContent = text;
    status.hidden = !text;
    if (action) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "lang";
      button.textContent = told.forget;
      button.addEventListener("click", action);
      status.append(" ", button);
    }
  }

  /* -- progress: questions that need an answer and are shown */

  const asked = [...document.querySelectorAll("[data-required]")];
  const bar = document.getElementById("progress");

  function progress() {
    const shown = asked.filter((each) => each.getClientRects().length);
    const done = shown.filter((each) => {
      const fields = [...each.querySelectorAll("input,textarea,select")];
      return fields.some((one) => (one.type === "radio" || one.type === "checkbox" ? one.checked : one.value.trim()));
    });
    if (!shown.length) return;
    bar.hidden = false;
    bar.querySelector("progress").max = shown.length;
    bar.querySelector("progress").value = done.length;
    bar.querySelector("span").textContent = say("progress", { done: done.length, total: shown.length });
  }

  for (const area of form.querySelectorAll("textarea[maxlength]")) {
    const left = document.createElement("p");
    left.className = "hint";
    area.after(left);
    const count = () => { left.textContent = say("characters", { count: area.value.length, max: area.maxLength }); };
    area.addEventListener("input", count);
    area.count = count;
    count();
  }

  /* -- professions: searched on the device, from a list that is fetched when it is needed */

  const list = document.getElementById("professions");
  if (list) {
    const fill = async () => {
      const answer = await fetch(list.dataset.from).catch(() => null);
      if (!answer || !answer.ok) return;
      for (const [code, title] of await answer.json()) list.append(new Option(title, `${code} ${title}`));
    };
    for (const input of form.querySelectorAll("input[list=professions]")) {
      input.addEventListener("focus", () => { if (!list.children.length) fill(); }, { once: true });
    }
  }

  /* -- sending: at once, or kept until the network is back; the same code counts once */

  async function send() {
    if (sending) return;
    sending = true;
    let answer = null;
    try {
      answer = await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)), redirect: "manual" });
    } catch { /* no network */ }
    sending = false;
    if (answer && answer.type === "opaqueredirect") {
      finished = true;
      if (key) store.drop(key);
      if (tokenName) store.drop(tokenName);
      location.replace(`${form.getAttribute("action")}&done=1`);
    } else if (!answer || [429, 502, 503, 504].includes(answer.status)) {
      queued = true;
      save();
      tell(told.queued, key && forget);
      setTimeout(() => { if (queued) send(); }, RETRY_MS);
    } else {
      // What the service has to say – something to mend, or that it has the answers – it says on a page of its own.
      queued = false;
      finished = answer.status === 200;
      if (finished && key) store.drop(key);
      else save();
      HTMLFormElement.prototype.submit.call(form);
    }
  }

  function forget() {
    queued = false;
    if (key) store.drop(key);
    form.reset();
    restore({ answers: [] });
    tell(told.forgotten);
    progress();
  }

  form.addEventListener("submit", (event) => {
    if (event.submitter && event.submitter.name) return; // the language switch
    event.preventDefault();
    send();
  });
  addEventListener("online", () => { if (queued) send(); });

  let waiting = 0;
  form.addEventListener("input", () => {
    queued = false;
    clearTimeout(waiting);
    waiting = setTimeout(save, 300);
    progress();
  });
  addEventListener("pagehide", () => { if (answers().length) save(); });

  (async () => {
    if (tokenName) {
      const token = store.get(tokenName);
      if (!token) { tell(told.no_token); return; }
      form.elements.token.value = token;
    }
    key = await draftKey();
    const draft = key && JSON.parse(store.get(key) || "null");
    if (form.dataset.kept) save(); // the service showed what was sent: that is newer than any draft
    else if (draft && draft.answers.length) {
      restore(draft);
      tell(told.restored, forget);
      if (draft.queued) { queued = true; send(); }
    }
    for (const area of form.querySelectorAll("textarea")) if (area.count) area.count();
    progress();
  })();
})();

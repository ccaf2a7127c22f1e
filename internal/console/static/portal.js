// The demo portal's own script: what a real portal would do around the tracker,
// and the panel that shows what the tracker does. The portal works without it.
"use strict";
const pulse = window.partnerpulse; // absent when the collector cannot be reached
const partner = document.body.dataset.partner;
const user = document.body.dataset.user;
const remember = (key, value) => {
  try {
    const full = "demo." + partner + "." + user + "." + key;
    if (value === undefined) return JSON.parse(localStorage.getItem(full));
    localStorage.setItem(full, JSON.stringify(value));
  } catch (e) {
    return null;
  }
};

// ---- What was just sent ---------------------------------------------------------
const list = document.getElementById("sent");
let shown = [];
try { shown = JSON.parse(sessionStorage.getItem("demo.sent")) || []; } catch (e) { /* no storage */ }

const detail = (e) => {
  const d = e.data || {};
  switch (e.type) {
    case "page.viewed": return d.path;
    case "content.viewed": return d.content_id + (d.entry_source ? " from " + d.entry_source : "");
    case "content.engaged": return d.content_id + ": " + (d.engaged_ms / 1000).toFixed(1) + " s, " + d.max_scroll_pct + " %";
    case "search.performed": return "“" + d.query + "”: " + d.results_count;
    case "search.clicked": return d.content_id + " at " + d.position;
    default: return d.playbook_id || d.content_id || d.course_id || d.method || "";
  }
};

function draw() {
  if (!shown.length) return;
  list.replaceChildren(...shown.map((s) => {
    const li = document.createElement("li");
    const type = document.createElement("b"), more = document.createElement("span"), state = document.createElement("i");
    type.textContent = s.type;
    more.textContent = s.detail;
    state.textContent = s.state;
    li.dataset.state = s.state;
    li.append(type, state, more);
    return li;
  }));
  try { sessionStorage.setItem("demo.sent", JSON.stringify(shown)); } catch (e) { /* no storage */ }
}

if (pulse) {
  pulse.on((what, events) => {
    for (const e of events) {
      if (what === "superseded") { // a later count of the same view says more
        shown = shown.filter((s) => s.id !== e.id);
        continue;
      }
      const known = shown.find((s) => s.id === e.id);
      if (known) known.state = what;
      else shown.unshift({ id: e.id, type: e.type, detail: detail(e), state: what });
    }
    shown = shown.slice(0, 60);
    draw();
  });
} else {
  list.firstElementChild.textContent = "The tracker could not be loaded from the collector.";
}
draw();

// ---- Score ------------------------------------------------------------------------
const value = document.getElementById("score-value");
const change = document.getElementById("score-change");
const note = document.getElementById("score-note");
const bars = document.getElementById("score-bars");
let first = null;
try { first = JSON.parse(sessionStorage.getItem("demo.first." + partner)); } catch (e) { /* no storage */ }

async function score() {
  if (document.visibilityState !== "visible") return;
  try {
    const answer = await fetch("/api/v1/partners/" + encodeURIComponent(partner) + "/score");
    const s = await answer.json();
    if (!answer.ok) {
      note.textContent = s.message;
      return;
    }
    if (s.score === null) {
      value.textContent = "–";
      note.textContent = "Too little is known for a score.";
      return;
    }
    if (first === null) {
      first = s.score;
      try { sessionStorage.setItem("demo.first." + partner, JSON.stringify(first)); } catch (e) { /* no storage */ }
    }
    const by = s.score - first;
    value.textContent = s.score.toFixed(1);
    change.textContent = Math.abs(by) < 0.05 ? "" : (by > 0 ? "+" : "−") + Math.abs(by).toFixed(1) + " since you came";
    change.dataset.up = String(by > 0);
    note.textContent = s.tier.replace("_", " ") + ", as of " + s.as_of + (s.imputed.length ? ". * estimated: no such events yet" : "");
    bars.replaceChildren(...Object.keys(s.points).map((name) => {
      const row = document.createElement("div"), label = document.createElement("span"), meter = document.createElement("meter"), points = document.createElement("b");
      label.textContent = name + (s.imputed.includes(name) ? "*" : "");
      meter.max = 30;
      meter.value = s.points[name];
      meter.setAttribute("aria-label", "points of " + name);
      points.textContent = s.points[name].toFixed(1);
      row.append(label, meter, points);
      return row;
    }));
  } catch (e) {
    note.textContent = "The score cannot be read at the moment.";
  }
}
score();
setInterval(score, 3000);

// ---- The portal's own behaviour -----------------------------------------------------
if (pulse && "justSignedIn" in document.body.dataset) {
  pulse.login({ method: "demo", success: true });
  history.replaceState(null, "", location.pathname);
}

const pins = remember("pins") || {};
for (const button of document.querySelectorAll("[data-pp-pin]")) {
  const id = button.dataset.ppPin;
  button.setAttribute("aria-pressed", String(!!pins[id]));
  button.addEventListener("click", () => {
    pins[id] = !pins[id];
    remember("pins", pins);
    button.setAttribute("aria-pressed", String(pins[id]));
  });
}

const states = { enrolled: "Enrolled.", completed: "Completed.", certified: "Certified." };
for (const card of document.querySelectorAll("[data-course]")) {
  const id = card.dataset.course, key = "course." + id;
  const show = () => {
    const at = remember(key);
    if (at) card.querySelector("[data-state]").textContent = states[at.state];
  };
  show();
  for (const button of card.querySelectorAll("[data-training]")) {
    button.addEventListener("click", () => {
      const state = button.dataset.training;
      const at = remember(key) || { registration: "r-" + Date.now() };
      const data = { course_id: id, registration: at.registration };
      if (state === "completed") data.progress = 100;
      if (state === "certified") data.expires_at = new Date(Date.now() + 365 * 864e5).toISOString();
      if (pulse) pulse.track("training." + state, data);
      remember(key, Object.assign(at, { state }));
      show();
    });
  }
}

// PartnerPulse tracker
// Events of partner engagement from a portal's pages. No cookies unless asked, no dependencies, nothing thrown into the page.
//   <script src="https://collector/tracker.js" data-key="pp_web_…" data-partner="p-1" data-user="u-1"></script>
(function (win, doc) {
  "use strict";
  // What is served is minified from this (embed.go).
  // Invariant: an event leaves the queue only when the collector has answered for it. What has no answer is
  // stored and sent again with the same id, which the collector's side counts once.
  const early = win.partnerpulse;
  if (early && early.version) return;

  const BATCH = 20, BYTES = 60000, QUEUE = 200, SESSION = 18e5;
  const me = doc.currentScript, nav = win.navigator, root = doc.documentElement;
  const opt = { flushMs: 2000, heartbeatMs: 15000, retryMs: 1000, quickMs: 10000 };
  const listeners = [];
  let started = false;

  // ---- small tools -------------------------------------------------------------------------------

  const now = () => Date.now();
  const tell = (what, detail, events) => {
    if (opt.debug) console.log("partnerpulse", what, detail, events);
    listeners.forEach((f) => f(what, events || [], detail));
  };
  const safe = (f) => (...a) => {
    try { return f(...a); } catch (e) { if (opt.debug) console.log("partnerpulse", e); }
  };
  const listen = (on, names, f) => names.split(" ").forEach((n) => on.addEventListener(n, safe(f), { capture: true, passive: true }));
  const every = (name, f) => doc.querySelectorAll("[data-pp-" + name + "]").forEach(f);
  const wait = (f, ms) => setTimeout(safe(f), ms);
  const num = (v) => { v = parseFloat(v); return v >= 0 ? v : undefined; };

  // A version 7 UUID: ordered by time.
  const uuid = () => {
    const b = crypto.getRandomValues(new Uint8Array(16));
    for (let i = 5, t = now(); i >= 0; i--, t = Math.floor(t / 256)) b[i] = t % 256;
    b[6] = (b[6] & 15) | 112;
    b[8] = (b[8] & 63) | 128;
    return Array.from(b, (x) => (x + 256).toString(16).slice(1)).join("").replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
  };

  // Storage may be refused or full: memory does then, for this page. null removes.
  const memory = {};
  const name = (k) => "pp." + opt.key + "." + k;
  const get = (k, tab) => {
    try { return JSON.parse((tab ? sessionStorage : localStorage).getItem(name(k))); } catch (e) { return memory[k]; }
  };
  const put = (k, v, tab) => {
    memory[k] = v;
    safe(() => {
      const s = tab ? sessionStorage : localStorage;
      if (v === null) s.removeItem(name(k));
      else s.setItem(name(k), JSON.stringify(v));
    })();
  };

  // ---- who and where -----------------------------------------------------------------------------

  const allowed = () => {
    const said = get("consent");
    if (!started || said === false) return false;
    return said || (opt.consent !== "required" && (opt.dnt === "ignore" || !(nav.doNotTrack === "1" || nav.globalPrivacyControl)));
  };
  // Only with the option cookie, a domain: then all its subdomains have the same visitor. Browsers end it after 400 days.
  const cookie = (id, seconds) => {
    const https = location.protocol === "https:" ? ";secure" : "";
    if (opt.cookie) doc.cookie = name("anon") + "=" + id + ";domain=" + opt.cookie + ";path=/;samesite=lax;max-age=" + seconds + https;
  };
  const anonymous = () => {
    const stored = get("anon"), shared = opt.cookie && doc.cookie.match(name("anon") + "=([\\w-]+)");
    const id = shared ? shared[1] : stored || uuid();
    if (id !== stored) put("anon", id);
    if (!shared) cookie(id, 3456e4);
    return id;
  };
  const stranger = () => {
    put("anon", null);
    put("session", null);
    cookie("", 0);
  };
  // One session for all tabs; 30 minutes without an event, or another user, end it.
  const session = () => {
    const who = [opt.partner, opt.user].join("/");
    let s = get("session");
    if (!s || now() - s.at > SESSION || (s.who !== who && s.who !== "/")) s = { id: uuid() };
    s.at = now();
    s.who = who;
    put("session", s);
    return s.id;
  };
  let referrer = doc.referrer;
  const context = () => {
    const c = {
      url: location.href.slice(0, 2000), referrer: referrer.slice(0, 2000) || undefined, title: doc.title.slice(0, 500) || undefined,
      locale: nav.language, timezone: Intl.DateTimeFormat().resolvedOptions().timeZone, screen: screen.width + "x" + screen.height,
    };
    new URLSearchParams(location.search).forEach((v, k) => { if (/^utm_(source|medium|campaign|term|content)$/.test(k)) c[k] = v.slice(0, 500); });
    return c;
  };

  // ---- queue and delivery ------------------------------------------------------------------------

  // Items are {e: event, s: its JSON, n: bytes, v: what a newer item supersedes, as: the identity
  // that goes with it, busy: on its way}. Each page stores
  // its own queue with the time it was last touched, 0 once the page has gone, so that another may adopt it.
  const mine = "q." + uuid();
  let queue = [], timer = 0, notBefore = 0, fails = 0, held = false, limit = BATCH, gone = false;

  const events = (items) => items.map((i) => i.e);
  const body = (items) => "[" + items.map((i) => i.s) + "]";
  const address = (what, items) => opt.collector + "/v1/" + what + "?" + new URLSearchParams({ key: opt.key, identity: items[0].as || "" });
  const idle = () => queue.filter((i) => !i.busy);
  const save = () => put(mine, queue.length ? { t: gone ? 0 : now(), q: events(queue) } : null);
  const later = (ms) => {
    if (!timer) timer = wait(() => { timer = 0; send(); }, ms);
  };
  const push = (e, v) => {
    const s = JSON.stringify(e), n = new Blob([s]).size;
    if (n > BYTES) return tell("dropped", "too large", [e]);
    if (v) queue = queue.filter((i) => i.v !== v || i.busy || tell("superseded", "", [i.e]));
    queue.push({ e: JSON.parse(s), s, n, v, as: opt.identity });
    if (queue.length > QUEUE) tell("dropped", "queue is full", events(queue.splice(0, queue.length - QUEUE)));
    save();
    if (idle().length < BATCH) later(opt.flushMs);
    else send();
  };
  const emit = (type, data, supersedes) => {
    // Without partner and user nobody could be credited.
    if (!type || !allowed() || !(opt.partner || opt.user)) return;
    const e = {
      id: uuid(), type, time: new Date().toISOString(), partner_id: opt.partner || undefined, user_id: opt.user || undefined,
      anonymous_id: anonymous(), session_id: session(), internal: opt.internal, context: context(), data: data || {},
    };
    push(e, supersedes);
    tell("queued", type, [e]);
    return e.id;
  };
  // Takes over what pages that have gone, or died two minutes ago, could not deliver.
  const adopt = safe(() => Object.keys(localStorage).forEach((k) => {
    if (k.indexOf(name("q.")) || k === name(mine)) return;
    k = k.slice(name("").length);
    const old = get(k);
    if (old && now() - old.t < 12e4) return;
    put(k, null);
    if (!old) return;
    old.q.forEach((e) => { if (now() - Date.parse(e.time) < 25e8) push(e); });
    send();
  }));
  const take = (from, most) => {
    let n = 0;
    return from.slice(0, most).filter((i, at) => (n += i.as === from[0].as ? i.n + 1 : BYTES) < BYTES || !at);
  };
  const send = (leaving) => {
    const free = idle(), pause = notBefore - now();
    if (!free.length || held || !allowed() || (!leaving && free.length < queue.length)) return;
    if (pause > 0) return later(pause);
    const batch = take(free, limit), cut = new AbortController(), late = wait(() => cut.abort(), 3e4);
    batch.forEach((i) => { i.busy = true; });
    fetch(address("events", batch), { method: "POST", body: body(batch), credentials: "omit", keepalive: !!leaving, signal: cut.signal })
      .then((r) => r.text().then((t) => answer(r, t, batch)))
      .catch((e) => retry(batch, 0, e))
      .then(() => clearTimeout(late));
  };
  const retry = (batch, after, why) => {
    const ms = Math.max(after, Math.min(opt.retryMs * Math.pow(2, fails++), 6e4) * (0.5 + Math.random() / 2));
    batch.forEach((i) => { i.busy = false; });
    notBefore = now() + ms;
    tell("retry", why, events(batch));
    save();
    later(ms);
  };
  const answer = (r, text, batch) => {
    const s = r.status;
    let errors;
    if (s === 429 || s === 408 || s >= 500) return retry(batch, num(r.headers.get("Retry-After")) * 1000 || 0, s);
    try { errors = JSON.parse(text).errors; } catch (e) { /* empty, or not the collector's */ }
    const bad = batch.filter((i) => !r.ok || (errors || []).some((x) => x.id === i.e.id));
    fails = 0;
    batch.forEach((i) => { i.busy = false; });
    if (s === 413 && batch[1]) limit = batch.length >> 1;
    // A wrong key or address: keep the events for a page that knows better.
    else if (/40[134]/.test(s) && !errors) { held = true; tell("held", s, events(batch)); }
    else {
      queue = queue.filter((i) => batch.indexOf(i) < 0);
      tell("sent", s, events(batch.filter((i) => bad.indexOf(i) < 0)));
      if (bad[0]) tell("rejected", errors || s, events(bad));
    }
    save();
    later(0);
  };
  // A beacon has no answer, so what it carries stays stored as well.
  const beacon = () => {
    for (let rest = queue, part; rest.length && !held; rest = rest.slice(part.length)) {
      part = take(rest, QUEUE);
      if (!nav.sendBeacon(address("beacon", part), body(part))) return send(true);
      tell("beacon", "", events(part));
    }
  };

  // ---- views and engaged time --------------------------------------------------------------------

  let page, views = [], mark = 0, live = false, beat = 0, at = {}, pins = {};

  const visible = () => doc.visibilityState === "visible" && !doc.prerendering;
  // Pixels of el in the viewport.
  const shown = (el) => {
    if (el === root) return innerHeight;
    const r = el.getBoundingClientRect();
    return r.width && Math.min(r.bottom, innerHeight) - Math.max(r.top, 0);
  };
  // Gives the time since the last call to the view that fills most of the screen. Calls come every second while
  // the page is in use, so a longer gap is a machine asleep.
  const account = () => {
    const t = performance.now();
    const best = live && views.map((v) => [shown(v.el), v]).sort((a, b) => b[0] - a[0])[0];
    if (best && best[0] > 0) best[1].ms += Math.min(t - mark, 5000);
    mark = t;
    live = visible() && doc.hasFocus();
  };
  // Depth counts what has been on the screen; two pixels are forgiven for rounding.
  const measure = (v) => {
    const el = v.el, r = el.getBoundingClientRect();
    let top = -r.top, height = r.height, view = innerHeight;
    if (!visible() || shown(el) <= 0) return;
    if (el === root || (el.scrollHeight > el.clientHeight + 2 && /auto|scroll/.test(getComputedStyle(el).overflowY))) {
      top = el === root ? scrollY : el.scrollTop;
      height = el.scrollHeight;
      view = el.clientHeight;
    }
    v.pct = Math.max(v.pct, Math.min(100, Math.floor(((top + view + 2) / height) * 100)));
  };
  const report = (v) => emit("content.engaged", Object.assign({ view_id: v.id, content_id: v.content, engaged_ms: Math.round(v.ms), max_scroll_pct: v.pct }, v.more), v.id);
  const engaged = (v) => {
    measure(v);
    const key = v.pct + JSON.stringify(v.more);
    if (v.key === key && v.ms - v.sent < 100) return;
    v.key = key;
    v.sent = v.ms;
    report(v);
  };
  // A view was a quick-back if, soon after it began, the visitor is where he had come from.
  const quick = (v) => {
    const here = location.href;
    return (v.more.quick_back = (now() - v.at < opt.quickMs && (here === v.from || here.split("#")[0] === v.from)) || undefined);
  };
  // A page cannot know where its visitor goes: the tab's next page tells.
  const left = () => views[0] && put("left", views.map((v) => ({ id: v.id, content: v.content, ms: v.ms, pct: v.pct, more: v.more, at: v.at, from: v.from })), true);
  const returned = () => {
    const from = get("left", true);
    if (!from) return;
    put("left", null, true);
    from.filter(quick).forEach(report);
  };
  const end = (v) => {
    account();
    engaged(v);
    views = views.filter((x) => x !== v);
  };
  const flush = () => {
    account();
    showPage();
    views.forEach(engaged);
  };
  // How the visitor came to this content.
  const source = (id) => {
    const e = get("entry");
    if (e && now() - e.at < SESSION && (!e.to || e.to === id)) {
      put("entry", null);
      return e.how;
    }
    if (/[?&]utm_medium=email/.test(location.search)) return { entry_source: "email" };
    return referrer ? { entry_source: referrer.indexOf(location.origin + "/") ? "link" : "browse" } : {};
  };
  const content = (c, el) => {
    if (!c.content_id) return;
    account();
    const v = { el: el || c.element || root, marked: !!el, id: uuid(), content: c.content_id, ms: 0, sent: 0, pct: 0, more: {}, at: now(), from: referrer };
    const data = Object.assign({ view_id: v.id }, source(c.content_id), JSON.parse(JSON.stringify(Object.assign({}, c, { element: undefined }))));
    if (!data.words && !data.duration_s && !data.pages) data.words = ((v.el.innerText || "").match(/\S+/g) || []).length;
    if (!emit("content.viewed", data)) return;
    views.push(v);
    return { view_id: v.id, update: safe((o) => { Object.assign(v.more, o); }), end: safe(() => end(v)) };
  };
  // Finds marked-up elements that came, changed or went.
  const scan = () => {
    views.forEach((v) => { if (v.marked && (!v.el.isConnected || v.el.dataset.ppContent !== v.content)) end(v); });
    if (!visible()) return;
    every("content", (el) => {
      const d = el.dataset;
      if (shown(el) <= 0 || views.some((v) => v.el === el)) return;
      content({
        content_id: d.ppContent, kind: d.ppKind, version: d.ppVersion, playbook_id: d.ppPlaybook, entry_source: d.ppEntrySource,
        words: num(d.ppWords), pages: num(d.ppPages), duration_s: num(d.ppDuration),
      }, el);
    });
    every("search-results", results);
  };
  const tick = () => {
    if (gone) return;
    account();
    showPage();
    scan();
    // Of a page that the browser kept, "pageshow" can come before "pagehide" of the page that was left.
    returned();
    views.forEach(measure);
    if (mark - beat < opt.heartbeatMs) return;
    beat = mark;
    views.forEach(engaged);
    adopt();
  };

  // ---- pages -------------------------------------------------------------------------------------

  // A page opened in the background counts once it is seen.
  const showPage = () => {
    if (page && visible() && emit("page.viewed", page)) page = null;
  };
  const where = () => ({ href: location.href, path: location.pathname + (location.hash.match(/^#!?\/.*/) || ""), query: location.search });
  const newPage = (o) => {
    flush();
    if (page !== undefined) views.forEach((v) => { if (!v.marked) end(v); });
    const p = (page = Object.assign({ view_id: uuid(), path: where().path }, o));
    // The router sets title and content first.
    wait(() => { p.title = p.title || doc.title.slice(0, 500) || undefined; showPage(); scan(); }, 0);
    return p.view_id;
  };
  const moved = (how) => {
    const was = at;
    at = where();
    if (at.path === was.path && (how === "replaceState" || at.query === was.query)) return;
    referrer = was.href;
    views.forEach(quick);
    newPage();
  };
  const patch = (how) => {
    const was = history[how];
    history[how] = function () {
      const r = was.apply(this, arguments);
      safe(moved)(how);
      return r;
    };
  };

  // ---- search, pins, downloads -------------------------------------------------------------------

  const search = (s) => {
    const asked = get("form", true) || {}, q = String(s.query || "").slice(0, 1000), own = asked.query === q ? asked : {};
    const id = s.search_id || own.id || uuid();
    put("form", null, true);
    put("search", { id, q, path: at.path }, true);
    emit("search.performed", { search_id: id, query: q, results_count: num(s.results_count) || 0, filters: s.filters || own.filters });
    return id;
  };
  // <section data-pp-search-results data-pp-query="…" data-pp-count="3">; coming back to it, or reloading it, is no
  // other search.
  const results = (el) => {
    const q = el.dataset.ppQuery, key = q + "\n" + el.dataset.ppCount, first = !el.pp, last = get("search", true) || {};
    if (!q || el.pp === key) return;
    el.pp = key;
    if (first && last.q === q && last.path === at.path && /rel|back/.test(performance.getEntriesByType("navigation")[0].type)) return;
    search({ query: q, results_count: el.dataset.ppCount });
  };
  const searchClick = (c) => {
    const id = c.search_id || (get("search", true) || {}).id, position = num(c.position) || 1, content_id = c.content_id;
    if (!id || !content_id) return;
    put("entry", { at: now(), to: content_id, how: { entry_source: "search", search_id: id, position } });
    return emit("search.clicked", { search_id: id, content_id, position });
  };
  const submitted = (ev) => {
    if (!ev.target.matches("[data-pp-search]")) return;
    const s = { id: uuid() };
    Array.from(ev.target.elements).forEach((i) => {
      if (!i.name || !i.value || /hidden|password|submit/.test(i.type) || (/radio|checkbox/.test(i.type) && !i.checked)) return;
      if (!s.query && /^(q|query|search)$/.test(i.name)) s.query = i.value;
      else (s.filters = s.filters || {})[i.name] = i.value;
    });
    put("form", s, true);
  };
  const pin = (id, on, content_id) => {
    pins[id] = on;
    return emit(on ? "playbook.pinned" : "playbook.unpinned", { playbook_id: id, content_id });
  };
  const clicked = (ev) => {
    const from = ev.composedPath()[0], find = (n) => from.closest("[data-pp-" + n + "]");
    const item = (id, d) => ({ content_id: id, view_id: (views.filter((v) => v.content === id)[0] || {}).id, channel: d.ppChannel });
    let el, d;
    if (!from.closest || ev.button > 1) return;
    if (!ev.button && (el = find("pin"))) {
      // The state before the click; a checkbox has changed already.
      const said = el.getAttribute("aria-pressed") || el.dataset.ppPinned;
      pin(el.dataset.ppPin, el.type === "checkbox" ? el.checked : said ? said !== "true" : !pins[el.dataset.ppPin], el.dataset.ppContentId);
    }
    if ((el = find("download"))) emit("content.downloaded", item(el.dataset.ppDownload, el.dataset));
    if ((el = find("share"))) emit("content.shared", item(el.dataset.ppShare, el.dataset));
    if ((el = find("search-result")) && (d = el.dataset)) searchClick({ content_id: d.ppSearchResult, position: d.ppPosition, search_id: d.ppSearchId });
    else if ((el = find("entry")) && (d = el.dataset)) put("entry", { at: now(), to: d.ppTo, how: { entry_source: d.ppEntry, playbook_id: d.ppPlaybook } });
  };

  // ---- life of the page --------------------------------------------------------------------------

  const begin = () => {
    newPage();
    returned();
    adopt();
  };
  const attach = () => {
    at = where();
    listen(win, "focus blur", () => { account(); if (!live) flush(); });
    listen(doc, "visibilitychange", () => { flush(); if (!visible() && !gone) send(true); });
    listen(win, "pagehide", () => { flush(); left(); gone = true; save(); beacon(); });
    listen(win, "pageshow", (ev) => {
      if (!ev.persisted) return;
      gone = live = false;
      // Another page may have taken the queue over meanwhile.
      if (!get(mine)) queue = [];
      views = [];
      newPage();
    });
    listen(doc, "scroll", () => views.forEach(measure));
    listen(win, "popstate hashchange", moved);
    listen(win, "online", () => { notBefore = 0; send(); });
    listen(doc, "click auxclick", clicked);
    listen(doc, "submit", submitted);
    patch("pushState");
    patch("replaceState");
    setInterval(safe(tick), 1000);
    if (doc.readyState === "loading") listen(doc, "DOMContentLoaded", begin);
    else begin();
  };
  const api = {
    init: (o) => {
      if (started) return;
      Object.assign(opt, o);
      opt.internal = /^(true|1)?$/.test(opt.internal) || undefined;
      started = !!(opt.key && opt.collector);
      if (started) attach();
    },
    track: (type, data) => emit(type, data),
    page: newPage,
    content: (c) => content(c),
    search,
    searchClick,
    pin: (id, content) => pin(id, true, content),
    unpin: (id, content) => pin(id, false, content),
    login: (data) => emit("portal.login", data),
    identify: (o) => {
      // A signed identity alone is a fresh one of the same user. What another user leaves goes out under his own.
      if (o.partner || o.user || !o.identity) {
        flush();
        views.forEach(end);
        send();
        opt.partner = o.partner;
        opt.user = o.user;
      } else queue.forEach((i) => { i.as = o.identity; });
      opt.identity = o.identity;
      held = false;
      send();
    },
    reset: () => { api.identify({}); stranger(); },
    consent: (yes) => {
      const was = allowed();
      put("consent", !!yes);
      if (yes && !was) return page ? flush() : newPage();
      if (yes) return;
      adopt();
      views = [];
      queue = [];
      save();
      stranger();
      put("entry", null);
      ["form", "search", "left"].forEach((k) => put(k, null, true));
    },
    on: (f) => { listeners.push((f = safe(f))); f("queued", events(queue)); },
    flush: () => { flush(); send(true); },
  };
  Object.keys(api).forEach((k) => { api[k] = safe(api[k]); });
  api.version = "1";
  win.partnerpulse = api;
  safe(() => {
    opt.collector = me && me.src && new URL(me.src).origin;
    if (me && me.dataset.key) api.init(me.dataset);
    // Calls from before: partnerpulse = [["track", type, data], …]
    if (Array.isArray(early)) early.forEach((c) => api[c[0]](...c.slice(1)));
  })();
})(window, document);

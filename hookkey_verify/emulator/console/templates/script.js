"use strict";
(() => {
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const status = document.getElementById("status");
  const say = (words) => { status.textContent = words; };

  // Local times
  const clock = new Intl.DateTimeFormat([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });
  const localize = (within) => all("time[datetime]", within).forEach((time) => {
    const at = new Date(time.dateTime);
    if (isNaN(at)) return;
    time.textContent = clock.format(at);
    time.title = at.toLocaleString();
  });

  // Copy buttons
  const copied = async (text) => {
    if (navigator.clipboard) {
      try { await navigator.clipboard.writeText(text); return true; } catch { /* not allowed: select it instead */ }
    }
    const area = document.createElement("textarea");
    area.value = text;
    area.className = "hidden";
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  };
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("button[data-copy]");
    if (!button) return;
    const done = await copied(document.getElementById(button.dataset.copy).textContent);
    button.focus();
    say(done ? `Copied: ${button.dataset.what}` : "The browser does not allow copying.");
    button.classList.toggle("copied", done);
    setTimeout(() => button.classList.remove("copied"), 1500);
  });
  const enhance = (within) => {
    localize(within);
    all("button[data-copy]", within).forEach((button) => { button.hidden = false; });
  };

  // A form that was sent
  document.addEventListener("submit", (event) => {
    const button = event.submitter;
    if (!button) return;
    setTimeout(() => { button.setAttribute("aria-busy", "true"); button.disabled = true; });
  });
  window.addEventListener("pageshow", () => all("button[aria-busy]").forEach((button) => {
    button.removeAttribute("aria-busy");
    button.disabled = false;
  }));

  // Updates: only the lists are replaced, so text in forms stays
  const source = new Map(all("[data-live]").map((list) => [list.id, list.innerHTML]));
  const path = (each) => {
    if (each.id) return `#${CSS.escape(each.id)}`;
    return each.matches("summary") ? `#${CSS.escape(each.parentElement.id)} > summary` : "";
  };
  const kept = (list) => ({
    open: all("details[id]", list).map((each) => [each.id, each.open]),
    focused: list.contains(document.activeElement) ? path(document.activeElement) : "",
  });
  const restore = ({ open, focused }) => {
    open.forEach(([id, value]) => { const each = document.getElementById(id); if (each) each.open = value; });
    if (focused) document.querySelector(focused)?.focus({ preventScroll: true });
  };
  const isSelected = (list) => {
    const selection = getSelection();
    return !selection.isCollapsed && list.contains(selection.anchorNode);
  };
  const initial = (select) => Math.max(0, [...select.options].findIndex((each) => each.defaultSelected));
  const isChanged = (each) => {
    if (each.matches("select")) return each.selectedIndex !== initial(each);
    return each.type === "checkbox" ? each.checked !== each.defaultChecked : each.value !== each.defaultValue;
  };
  // Whether the page has an error, an open form, a result or input that a reload would lose
  const isUntouched = () => !document.activeElement.matches("input, select, textarea")
    && !document.querySelector("[role=alert], .panel, #inspector [role=status]")
    && !all("input, select, textarea").some(isChanged);
  let again = 0;
  const update = async () => {
    clearTimeout(again);
    const answer = await fetch(document.body.dataset.page, { headers: { Accept: "text/html" } });
    if (!answer.ok) return;
    // The policy of this page does not allow the style of another one.
    const html = (await answer.text()).replace(/<(style)[^]*?<\/\1>/, "");
    const fresh = new DOMParser().parseFromString(html, "text/html");
    const secret = fresh.querySelector("input[name=secret]").value;
    if (fresh.body.dataset.step !== document.body.dataset.step && isUntouched()) {
      location.replace(document.body.dataset.page);
      return;
    }
    let changed = false;
    for (const list of all("[data-live]")) {
      const fragment = fresh.getElementById(list.id)?.innerHTML;
      if (fragment === undefined || fragment === source.get(list.id)) continue;
      if (isSelected(list)) { again = setTimeout(() => update().catch(() => {}), 2000); continue; }
      const before = kept(list);
      list.innerHTML = fragment;
      source.set(list.id, fragment);
      enhance(list);
      restore(before);
      changed = true;
    }
    all("select[data-options]").forEach((select) => {
      const options = fresh.getElementById(select.id);
      if (!options || document.activeElement === select) return;
      const value = select.value;
      select.innerHTML = options.innerHTML;
      select.value = value;
      if (select.selectedIndex < 0) select.selectedIndex = initial(select);
    });
    all("input[name=secret]").forEach((input) => { input.value = secret; });
    if (changed) say("The lists were updated.");
  };

  let events, late = 0;
  const live = (is) => {
    document.getElementById("live").hidden = !is;
    document.getElementById("reload").hidden = is;
  };
  let known = document.body.dataset.number;
  const listen = () => {
    events = new EventSource(`${document.body.dataset.events}?after=${encodeURIComponent(known)}`);
    events.addEventListener("open", () => { clearTimeout(late); late = 0; live(true); });
    events.addEventListener("change", (event) => { known = event.data; update().catch(() => {}); });
    events.addEventListener("error", () => {
      late ||= setTimeout(() => live(false), 2000);
      if (events.readyState === EventSource.CLOSED) setTimeout(resume, 3000);
    });
  };
  const pause = () => { events?.close(); events = undefined; };
  const resume = () => { pause(); if (!document.hidden) listen(); };
  // A browser allows six connections per host, so hidden pages do not keep one.
  document.addEventListener("visibilitychange", resume);
  window.addEventListener("pagehide", pause);
  window.addEventListener("pageshow", (event) => { if (event.persisted) resume(); });
  enhance(document);
  resume();
})();

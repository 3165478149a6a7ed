// The page's own movement: live changes, soft highlights, charts. Without this script every page works, it only stands still.
"use strict";

(() => {
  const REFRESH_MS = 1500; // changes come in crowds: refetch at most this often
  const RETRY_MS = [1000, 2000, 5000, 10000];

  // -- live changes -----------------------------------------------------------------------------------------------

  const place = document.querySelector('meta[name="hamkor-place"]')?.content;
  const live = document.getElementById("live");

  function say(state) {
    if (live.dataset.state === state) return;
    live.dataset.state = state;
    live.querySelector(".live-text").textContent = live.dataset[state];
  }

  const pending = new Set();
  let lastRefresh = 0;
  let timer = 0;

  function refresh() {
    timer = 0;
    if (document.hidden) return; // the visibility listener comes back to it
    lastRefresh = Date.now();
    const codes = new Set(pending);
    pending.clear();
    for (const part of document.querySelectorAll("[data-refresh]")) {
      if (codes.has("*") || codes.has(part.dataset.refresh)) window.htmx.trigger(part, "refresh");
    }
  }

  function changed(codes) {
    (codes.length ? codes : ["*"]).forEach((code) => pending.add(code));
    if (!timer) timer = setTimeout(refresh, Math.max(0, lastRefresh + REFRESH_MS - Date.now()));
  }

  function listen(failures = 0) {
    const source = new EventSource(`/api/monitoring/v1/changes?place=${encodeURIComponent(place)}`);
    let missed = failures > 0;
    source.onopen = () => {
      if (missed) changed([]); // something may have moved meanwhile
      missed = false;
      failures = 0;
      say("on");
    };
    source.addEventListener("changed", (event) => {
      try {
        changed(JSON.parse(event.data).indicators ?? []);
      } catch {
        changed([]);
      }
    });
    source.onerror = () => {
      say("again");
      missed = true;
      if (source.readyState !== EventSource.CLOSED) return; // the browser tries again by itself
      source.close();
      changed([]); // asks once more: if the session has ended, the answer leads to the sign-in
      failures += 1;
      setTimeout(() => listen(failures), RETRY_MS[Math.min(failures, RETRY_MS.length) - 1]);
    };
    window.addEventListener("pagehide", () => source.close(), { once: true });
  }

  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && pending.size && !timer) refresh();
  });

  // -- a changed fragment: keep the reader's place, show softly what moved ----------------------------------------

  let before = null;

  function keyed(part) {
    return [part, ...part.querySelectorAll("[data-key]")].filter((each) => each.dataset.key);
  }

  document.addEventListener("htmx:beforeSwap", (event) => {
    const target = event.detail.target;
    if (event.detail.xhr.status === 401) {
      location.reload(); // the session has ended: sign in again, come back here
      event.detail.shouldSwap = false;
      return;
    }
    const values = new Map();
    keyed(target).forEach((part) => values.set(part.dataset.key, part.dataset.value));
    target.querySelectorAll("[data-chart]").forEach((holder) => window.echarts?.getInstanceByDom(holder)?.dispose());
    const scrolled = target.querySelector(".scroll");
    before = {
      values,
      open: [...target.querySelectorAll("details[open][id]")].map((part) => part.id),
      focus: target.contains(document.activeElement) ? document.activeElement.id : "",
      scroll: scrolled ? [scrolled.scrollLeft, scrolled.scrollTop] : null,
      typed: [...target.querySelectorAll("input[id]")].map((input) => [input.id, input.value]),
    };
  });

  document.addEventListener("htmx:afterSettle", (event) => {
    const target = event.detail.elt;
    if (before && target) {
      keyed(target).forEach((part) => {
        const old = before.values.get(part.dataset.key);
        if (old !== undefined && old !== part.dataset.value) part.classList.add("moved");
      });
      before.open.forEach((id) => document.getElementById(id)?.setAttribute("open", ""));
      before.typed.forEach(([id, value]) => {
        const input = document.getElementById(id);
        if (input && input.type !== "hidden") input.value = value;
      });
      const scrolled = target.querySelector(".scroll");
      if (scrolled && before.scroll) scrolled.scrollTo(...before.scroll);
      if (before.focus) document.getElementById(before.focus)?.focus({ preventScroll: true });
    }
    before = null;
    draw();
  });

  // -- a row and its region on the map point at each other --------------------------------------------------------

  function point(event) {
    const code = event.target.closest?.("[data-place]")?.dataset.place;
    document.querySelectorAll(".pointed").forEach((part) => part.classList.remove("pointed"));
    if (code) document.querySelectorAll(`[data-place="${CSS.escape(code)}"]`).forEach((part) => part.classList.add("pointed"));
  }

  document.addEventListener("mouseover", point);
  document.addEventListener("focusin", point);

  // -- forms that send themselves ---------------------------------------------------------------------------------

  document.querySelectorAll("form[data-autosubmit]").forEach((form) => {
    form.classList.add("auto");
    form.addEventListener("change", () => form.submit());
  });

  document.addEventListener("click", (event) => {
    document.querySelectorAll("details.user[open]").forEach((menu) => {
      if (!menu.contains(event.target)) menu.removeAttribute("open");
    });
  });

  // -- charts -----------------------------------------------------------------------------------------------------

  function style(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  }

  // Browsers don't know every language's separators (Uzbek Cyrillic, say): the page brings them.
  function formatter(unit, signs) {
    const digits = unit === "score" ? 2 : unit === "ratio" ? 1 : 0;
    const plain = new Intl.NumberFormat("en", { maximumFractionDigits: digits });
    const sign = { ",": signs.group, ".": signs.decimal };
    return (value) => {
      const text = plain.format(unit === "ratio" ? value * 100 : value).replace(/[.,]/g, (char) => sign[char]);
      return unit === "ratio" ? text + signs.percent : text;
    };
  }

  function tooltip(data, write, index) {
    const box = document.createElement("div");
    const title = box.appendChild(document.createElement("strong"));
    title.textContent = data.labels[index];
    box.appendChild(document.createElement("br"));
    const whole = formatter("count", data.signs);
    let text = data.values[index] === null ? data.none : write(data.values[index]);
    if (data.unit === "ratio" && data.values[index] !== null && data.denominators[index] !== null)
      text += ` (${whole(data.numerators[index] ?? 0)} / ${whole(data.denominators[index])})`;
    box.appendChild(document.createTextNode(text));
    if (index >= data.whole) {
      box.appendChild(document.createElement("br"));
      box.appendChild(document.createElement("em")).textContent = data.underWay;
    }
    return box;
  }

  let drawn = false;

  function draw() {
    if (!window.echarts) return;
    for (const holder of document.querySelectorAll("[data-chart]")) {
      const data = JSON.parse(holder.nextElementSibling.textContent);
      const write = formatter(data.unit, data.signs);
      const chart = window.echarts.getInstanceByDom(holder) ?? window.echarts.init(holder);
      const calm = window.matchMedia("(prefers-reduced-motion: reduce)").matches || drawn;
      const [ink, line, accent, ground] = ["--quiet", "--line", "--accent", "--surface"].map(style);
      chart.setOption({
        animation: !calm,
        animationDuration: 400,
        textStyle: { fontFamily: style("--font") },
        grid: { left: 8, right: 20, top: 20, bottom: 8, containLabel: true },
        tooltip: {
          trigger: "axis",
          confine: true,
          backgroundColor: ground,
          borderColor: line,
          textStyle: { color: style("--ink") },
          formatter: (points) => tooltip(data, write, points[0].dataIndex),
        },
        xAxis: {
          type: "category",
          data: data.labels,
          axisLine: { lineStyle: { color: line } },
          axisTick: { show: false },
          axisLabel: { color: ink, hideOverlap: true },
        },
        yAxis: {
          type: "value",
          scale: data.unit === "score", // amounts and ratios are read against zero
          axisLabel: { color: ink, formatter: write },
          splitLine: { lineStyle: { color: line } },
        },
        series: [true, false].map((whole) => ({
          // the period under way is drawn apart: what is not over yet is no fall
          type: "line",
          data: data.values.map((value, at) => (whole ? at < data.whole : at >= data.whole - 1) ? value : null),
          name: data.name,
          symbolSize: 8,
          lineStyle: { width: 3, color: accent, type: whole ? "solid" : "dashed" },
          itemStyle: { color: accent },
          areaStyle: { color: accent, opacity: whole ? 0.1 : 0.04 },
          connectNulls: false,
        })),
      });
    }
    drawn = true;
  }

  window.addEventListener("resize", () => {
    document.querySelectorAll("[data-chart]").forEach((holder) => window.echarts?.getInstanceByDom(holder)?.resize());
  });
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  window.addEventListener("beforeprint", () => {
    document.querySelectorAll("[data-chart]").forEach((holder) => window.echarts?.getInstanceByDom(holder)?.resize());
  });

  draw();
  if (place && live && window.EventSource && window.htmx) {
    say("wait");
    listen();
  }
})();

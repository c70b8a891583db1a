"use strict";
// Whatever a model, a corpus or a machine says goes into the page as text nodes and attributes, never as markup.
(() => {
  const NOT_MEASURED = "–";
  const ROW_HEIGHT = 52; // as in report.css
  const ROWS_BEYOND = 8;
  const COLOURS = 7;
  const EVERY = "";
  const collator = new Intl.Collator("en", { numeric: true });
  const whole = new Intl.NumberFormat("en");
  const content = JSON.parse(document.getElementById("content").textContent);

  // Elements

  const at = (id) => document.getElementById(id);

  function make(name, attributes = {}, ...children) {
    return filled(document.createElement(name), attributes, children);
  }

  function draw(name, attributes = {}, ...children) {
    return filled(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);
  }

  function filled(element, attributes, children) {
    for (const [name, value] of Object.entries(attributes)) {
      if (value !== null && value !== undefined && value !== false) {
        element.setAttribute(name, value === true ? "" : value);
      }
    }
    element.append(...children.filter((child) => child !== null && child !== undefined));
    return element;
  }

  function offer(select, choices, chosen = select.value) {
    select.replaceChildren(...choices.map(([value, text]) => make("option", { value }, text)));
    select.value = choices.some(([value]) => String(value) === chosen) ? chosen : String(choices[0]?.[0] ?? "");
  }

  // Figures, written as in report.md

  const percent = (rate, digits = 2) => (rate === null ? NOT_MEASURED : `${(rate * 100).toFixed(digits)}\u00a0%`);
  const ratio = (value) => (value === null ? NOT_MEASURED : plain(value));
  const mebibytes = (bytes) =>
    bytes === null ? NOT_MEASURED : `${whole.format(Math.round(bytes / 2 ** 20))}\u00a0MiB`;
  const bounds = (interval) =>
    interval ? `[${(interval.low * 100).toFixed(1)}, ${(interval.high * 100).toFixed(1)}]` : "";

  function seconds(value) {
    return value === null ? NOT_MEASURED : `${value >= 100 ? value.toFixed(0) : plain(value)}\u00a0s`;
  }

  function plain(value) {
    const text = value.toPrecision(3);
    return text.includes("e") ? String(Number(text)) : text;
  }

  function count(number, one, many = `${one}s`) {
    return `${whole.format(number)} ${number === 1 ? one : many}`;
  }

  function errorsOf(score) {
    return score.substitutions + score.deletions + score.insertions;
  }

  // Models: a colour, a shape and a short name for each

  const SHAPES = [
    "M-5,0a5,5 0 1,0 10,0a5,5 0 1,0 -10,0Z",
    "M-4.5,-4.5H4.5V4.5H-4.5Z",
    "M0,-5.8L5.4,4.2H-5.4Z",
    "M0,-6.2L6.2,0L0,6.2L-6.2,0Z",
    "M0,5.8L5.4,-4.2H-5.4Z",
    "M-2,-6H2V-2H6V2H2V6H-2V2H-6V-2H-2Z",
    "M0,-6.4L1.9,-2L6.6,-1.7L3,1.4L4.1,6L0,3.5L-4.1,6L-3,1.4L-6.6,-1.7L-1.9,-2Z",
    "M-6,-4L-4,-6L0,-2L4,-6L6,-4L2,0L6,4L4,6L0,2L-4,6L-6,4L-2,0Z",
  ];
  const DASHES = [null, "6 3", "2 3", "8 3 2 3", "4 2", "10 4", "1 4", "12 3 3 3"];

  const models = new Map(modelIds().map((id, place) => [id, { id, place, parts: partsOf(id) }]));

  function modelIds() {
    const listed = content.head.models.map((model) => model.id);
    return [...new Set([...listed, ...content.rows.map((row) => row.model)])].sort(collator.compare);
  }

  function partsOf(id) {
    const [backend, checkpoint, ...rest] = id.split(":");
    return { checkpoint, backend, device: rest.slice(0, -1).join(":"), precision: rest.at(-1) };
  }

  const differing = ["checkpoint", "backend", "device", "precision"].filter(
    (part) => new Set([...models.values()].map((model) => model.parts[part])).size > 1,
  );

  function shortName(id) {
    const { parts } = models.get(id);
    return (differing.length ? differing : ["checkpoint"]).map((part) => parts[part]).join(" · ");
  }

  function markAt(place, attributes = {}) {
    const shape = SHAPES[place % SHAPES.length];
    return draw("path", { d: shape, class: `mark m${place % COLOURS}`, ...attributes });
  }

  const mark = (id) => markAt(models.get(id).place);

  function marked(id) {
    return draw("svg", { viewBox: "-7 -7 14 14", "aria-hidden": "true" }, mark(id));
  }

  function modelCell(id) {
    const { checkpoint, backend, device, precision } = models.get(id).parts;
    return make(
      "span",
      { class: "model", title: id },
      marked(id),
      make("b", {}, checkpoint),
      make("span", { class: "under" }, `${backend} · ${device} · ${precision}`),
    );
  }

  // Tables that sort by any column: {name, head, value(row), cell(row), number, worstFirst}

  function sortable(holder, columns, rows) {
    const chosen = holder.sorting ?? { name: null, down: false };
    const body = make("tbody");
    const heads = columns.map((column) => headOf(column, holder, () => sortable(holder, columns, rows)));
    const ordering = columns.find(({ name }) => name === chosen.name);
    columns.forEach((column, place) => {
      if (chosen.name === column.name) {
        heads[place].setAttribute("aria-sort", chosen.down ? "descending" : "ascending");
      }
    });
    body.append(
      ...inOrder(rows, ordering, chosen.down).map((row) =>
        make("tr", {}, ...columns.map((column, place) => cellOf(column, row, place))),
      ),
    );
    const focused = holder.contains(document.activeElement) ? document.activeElement.textContent : null;
    holder.replaceChildren(make("table", {}, make("thead", {}, make("tr", {}, ...heads)), body));
    if (focused !== null) {
      [...holder.querySelectorAll("thead button")].find((button) => button.textContent === focused)?.focus();
    }
  }

  function headOf(column, holder, again) {
    const button = make("button", { type: "button" }, column.head ?? column.name);
    button.addEventListener("click", () => {
      const same = holder.sorting?.name === column.name;
      holder.sorting = { name: column.name, down: same ? !holder.sorting.down : Boolean(column.worstFirst) };
      again();
    });
    return make("th", { scope: "col", class: column.number ? "number" : null }, button);
  }

  function cellOf(column, row, place) {
    const cell = (column.cell ?? column.value)(row);
    const attributes = { class: column.number ? "number" : null };
    return make(
      place === 0 ? "th" : "td",
      place === 0 ? { scope: "row", ...attributes } : attributes,
      cell ?? NOT_MEASURED,
    );
  }

  function inOrder(rows, column, down) {
    if (!column) return rows;
    const known = rows.filter((row) => (column.value(row) ?? null) !== null);
    const unknown = rows.filter((row) => (column.value(row) ?? null) === null);
    known.sort((one, other) => compare(column.value(one), column.value(other)) * (down ? -1 : 1));
    return [...known, ...unknown];
  }

  function compare(one, other) {
    return typeof one === "number" && typeof other === "number" ? one - other : collator.compare(one, other);
  }

  // Charts

  const MARGIN = { top: 14, right: 20, bottom: 46, left: 54 };

  function chart(figure, { height, label, x, y, paint }) {
    const render = () => {
      const width = Math.max(280, figure.clientWidth);
      const left = MARGIN.left + (y.room ?? 0);
      const inner = { left, right: width - MARGIN.right, top: MARGIN.top, bottom: height - MARGIN.bottom };
      const toX = scale(x.low, x.high, inner.left + (x.gutter ? 70 : 0), inner.right, x.log);
      const toY = scale(y.low ?? 0, y.high, inner.bottom, inner.top, false);
      const picture = draw("svg", { viewBox: `0 0 ${width} ${height}`, height, role: "group", "aria-label": label });
      picture.append(...axes(x, y, toX, toY, inner));
      const tip = make("div", { class: "tip", role: "tooltip", hidden: true });
      figure.replaceChildren(picture, tip);
      paint({ picture, toX, toY, inner, gutter: inner.left + 28, tell: telling(figure, tip) });
    };
    figure.render = render;
    render();
  }

  function scale(low, high, from, to, log) {
    const bend = log ? Math.log10 : (value) => value;
    const span = bend(high) - bend(low) || 1;
    return (value) => from + ((bend(value) - bend(low)) / span) * (to - from);
  }

  function* axes(x, y, toX, toY, inner) {
    for (const tick of y.ticks ?? evenly(y.low ?? 0, y.high, 5)) {
      yield draw("line", { class: "grid", x1: inner.left, x2: inner.right, y1: toY(tick), y2: toY(tick) });
      yield draw("text", { x: inner.left - 8, y: toY(tick) + 4, "text-anchor": "end" }, tidy(tick * (y.factor ?? 100)));
    }
    for (const tick of x.ticks ?? (x.log ? decades(x.low, x.high) : evenly(x.low, x.high, 6))) {
      yield draw("line", { class: "grid", x1: toX(tick), x2: toX(tick), y1: inner.top, y2: inner.bottom });
      yield draw("text", { x: toX(tick), y: inner.bottom + 18, "text-anchor": "middle" }, tidy(tick));
    }
    if (x.gutter) {
      yield draw("text", { x: inner.left + 28, y: inner.bottom + 18, "text-anchor": "middle" }, x.gutter);
    }
    yield draw("line", { class: "axis", x1: inner.left, x2: inner.right, y1: inner.bottom, y2: inner.bottom });
    yield draw("text", { x: (inner.left + inner.right) / 2, y: inner.bottom + 38, "text-anchor": "middle" }, x.name);
    const middle = (inner.top + inner.bottom) / 2;
    const turned = { x: 14, y: middle, "text-anchor": "middle", transform: `rotate(-90 14 ${middle})` };
    yield draw("text", turned, y.name);
  }

  function evenly(low, high, wanted) {
    const rough = (high - low) / wanted || 1;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((size) => size >= rough * 0.999);
    const found = [];
    for (let place = Math.ceil(low / step - 1e-9); place * step <= high * (1 + 1e-9); place += 1)
      found.push(place * step);
    return found;
  }

  function decades(low, high) {
    const found = [];
    for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power += 1) {
      found.push(...[1, 2, 5].map((digit) => digit * 10 ** power));
    }
    return found.filter((tick) => tick >= low * 0.999 && tick <= high * 1.001);
  }

  const tidy = (value) => String(Number(value.toPrecision(4)));

  function telling(figure, tip) {
    return (point, title, lines, where) => {
      const show = () => {
        tip.replaceChildren(make("b", {}, title), ...lines.map((line) => make("span", {}, line)));
        tip.hidden = false;
        const left = Math.min(Math.max(0, where.x + 14), figure.clientWidth - tip.offsetWidth);
        const above = where.y - tip.offsetHeight - 12;
        tip.style.left = `${left}px`;
        tip.style.top = `${above < -40 ? where.y + 16 : above}px`;
      };
      const hide = () => {
        tip.hidden = true;
      };
      point.addEventListener("pointerenter", show);
      point.addEventListener("focus", show);
      point.addEventListener("pointerleave", hide);
      point.addEventListener("blur", hide);
      point.addEventListener("keydown", (event) => event.key === "Escape" && hide());
    };
  }

  const spot = (id, ...rest) => spotAt(models.get(id).place, ...rest);

  function spotAt(place, x, y, title, lines, tell) {
    const point = draw(
      "g",
      {
        class: "point",
        tabindex: 0,
        role: "img",
        "aria-label": [title, ...lines].join(", "),
        transform: `translate(${x} ${y})`,
      },
      draw("circle", { class: "ring", r: 13 }),
      markAt(place, { transform: "scale(1.25)" }),
    );
    tell(point, title, lines, { x, y });
    return point;
  }

  function whisker(id, x1, y1, x2, y2) {
    const { place } = models.get(id);
    const cap = x1 === x2 ? [4, 0] : [0, 4];
    const d =
      `M${x1},${y1}L${x2},${y2}` +
      `M${x1 - cap[0]},${y1 - cap[1]}L${x1 + cap[0]},${y1 + cap[1]}` +
      `M${x2 - cap[0]},${y2 - cap[1]}L${x2 + cap[0]},${y2 + cap[1]}`;
    return draw("path", { class: `whisker m${place % COLOURS}`, stroke: "currentcolor", d });
  }

  /** Puts a name beside each point where no other name or point is; the table below names them all. */
  function nameSpots(picture, spots, inner) {
    const taken = spots.map(({ x, y }) => ({ left: x - 8, right: x + 8, top: y - 8, bottom: y + 8 }));
    for (const { x, y, name } of spots) {
      const text = draw("text", { class: "name", "aria-hidden": "true" }, name);
      picture.append(text);
      const width = text.getComputedTextLength();
      const places = [
        [x + 12, y - 6],
        [x - 12 - width, y - 6],
        [x + 12, y + 15],
        [x - 12 - width, y + 15],
        [x - width / 2, y - 14],
        [x - width / 2, y + 24],
      ];
      const free = places
        .map(([left, base]) => ({ left, right: left + width, top: base - 12, bottom: base + 4 }))
        .find(
          (box) =>
            box.left >= inner.left &&
            box.right <= inner.right + MARGIN.right &&
            box.top >= 0 &&
            box.bottom <= inner.bottom &&
            !taken.some((other) => overlap(box, other)),
        );
      if (free) {
        taken.push(free);
        text.setAttribute("x", free.left);
        text.setAttribute("y", free.bottom - 4);
      } else {
        text.remove();
      }
    }
  }

  function overlap(one, other) {
    return one.left < other.right && other.left < one.right && one.top < other.bottom && other.top < one.bottom;
  }

  // The head of the page

  function showHead() {
    const { head } = content;
    const verdict = at("verdict");
    verdict.textContent = head.verdict;
    verdict.classList.add(head.verdict === "no budget" ? "none" : head.verdict);
    const when = new Date(head.created_at);
    const moment = Number.isNaN(when.getTime())
      ? head.created_at
      : `${when.toISOString().slice(0, 16).replace("T", " ")} UTC`;
    const size = `${count(models.size, "model")}, ${count(corpora.length, "corpus", "corpora")}`;
    at("about-run").append("Run ", make("code", {}, head.id), ` · ${moment} · ${size}`);
    at("warnings").append(...warnings().map((text) => make("li", {}, text)));
  }

  function warnings() {
    const { head } = content;
    const lost = content.rows.reduce((sum, row) => sum + row.missing, 0);
    return [
      head.partial ? "This run is partial: a session ended before all it had planned, or has not ended." : null,
      head.failures
        ? `${count(head.failures, "failure")}: the notes say which and why. What failed counts as wholly deleted.`
        : null,
      lost ? `${count(lost, "utterance")} of the corpora ${lost === 1 ? "was" : "were"} never tried.` : null,
    ].filter(Boolean);
  }

  function showSections() {
    const sections = [...document.querySelectorAll("main > section")].filter((section) => !section.hidden);
    const links = sections.map((section) =>
      make(
        "a",
        { href: `#${section.id}` },
        section.querySelector("h2").textContent.replace("What it was measured with", "About"),
      ),
    );
    at("sections").append(...links.map((link) => make("li", {}, link)));
    const seen = new IntersectionObserver(
      () => {
        const past = sections.filter((section) => section.getBoundingClientRect().top < 140).length;
        links.forEach((link, place) => link.classList.toggle("here", place === Math.max(0, past - 1)));
      },
      { rootMargin: "-130px 0px -60% 0px", threshold: [0, 0.1, 0.5, 1] },
    );
    sections.forEach((section) => seen.observe(section));
  }

  // The corpus that most sections speak of

  const corpora = [...new Set(content.rows.map((row) => row.corpus).filter(Boolean))].sort(collator.compare);
  const shown = { corpus: corpora[0] ?? "", kind: 0 };

  const kindOf = (score) => `${score.metric.toUpperCase()} (${score.normalizer})`;

  function kindsOf(corpus) {
    const kinds = content.rows.filter((row) => row.corpus === corpus).flatMap((row) => row.scores.map(kindOf));
    return [...new Set(kinds)];
  }

  function scoreOf(row) {
    const kind = kindsOf(row.corpus)[shown.kind];
    return row.scores.find((score) => kindOf(score) === kind) ?? null;
  }

  function showCorpus() {
    const kinds = kindsOf(shown.corpus);
    at("kind-label").hidden = kinds.length < 2;
    offer(
      at("kind"),
      kinds.map((kind, place) => [place, kind]),
      String(shown.kind),
    );
    shown.kind = Number(at("kind").value || 0);
    showModels();
    showSlices();
    showWords();
    showNormalizers();
    showWriting();
    deployment.show(shown.corpus, kinds[shown.kind]?.split(" ")[0] ?? "WER");
  }

  // Models: error rate against real-time factor

  function showModels() {
    const rows = content.rows.filter((row) => row.corpus === shown.corpus);
    const started = content.rows.filter((row) => row.corpus === "");
    const metric = kindsOf(shown.corpus)[shown.kind]?.split(" ")[0] ?? "WER";
    drawTradeoff(rows, metric);
    sortable(at("models-table"), modelColumns(metric), [...rows, ...started]);
  }

  function modelColumns(metric) {
    const of = (what) => (row) => (scoreOf(row) ? scoreOf(row)[what] : null);
    const rate = of("rate");
    const columns = [
      { name: "Model", value: (row) => row.model, cell: (row) => modelCell(row.model) },
      { name: metric, value: rate, cell: (row) => percent(rate(row)), number: true },
      { name: "95 % interval", value: (row) => row.interval?.low ?? null, cell: intervalCell, number: true },
      { name: "S", value: of("substitutions"), number: true, worstFirst: true },
      { name: "D", value: of("deletions"), number: true, worstFirst: true },
      { name: "I", value: of("insertions"), number: true, worstFirst: true },
      { name: "RTF median", value: (row) => row.rtf.median, cell: (row) => ratio(row.rtf.median), number: true },
      { name: "RTF p95", value: (row) => row.rtf.p95, cell: (row) => row.rtf.p95_text, number: true },
      { name: "Cold start", value: (row) => row.cold_start_s, cell: (row) => seconds(row.cold_start_s), number: true },
      {
        name: "Peak memory",
        value: (row) => row.peak_memory_bytes,
        cell: (row) => mebibytes(row.peak_memory_bytes),
        number: true,
      },
      {
        name: "Heard",
        value: (row) => row.heard,
        cell: (row) => (row.planned ? `${whole.format(row.heard)} of ${whole.format(row.planned)}` : null),
        number: true,
      },
      { name: "Verdict", value: (row) => row.verdict, cell: verdictCell },
    ];
    const silent = { name: "In silence", value: (row) => row.words_in_silence, number: true, worstFirst: true };
    const anySilence = content.rows.some((row) => row.corpus === shown.corpus && row.words_in_silence !== null);
    return anySilence ? columns.toSpliced(6, 0, silent) : columns;
  }

  function intervalCell(row) {
    if (!row.interval) return null;
    return make(
      "span",
      {},
      bounds(row.interval),
      make("span", { class: "under" }, count(row.interval.clusters, row.interval.unit)),
    );
  }

  function verdictCell(row) {
    const name = make("span", { class: row.verdict === "no budget" ? "none" : row.verdict }, row.verdict);
    return row.blamed.length ? make("span", {}, name, make("span", { class: "under" }, row.blamed.join(", "))) : name;
  }

  function drawTradeoff(rows, metric) {
    const figure = at("tradeoff");
    const points = rows.filter((row) => scoreOf(row) && scoreOf(row).rate !== null);
    const timed = points.filter((row) => row.rtf.median !== null);
    const untimed = points.length - timed.length;
    at("models-lead").textContent = leadOf(rows, points, timed, metric);
    figure.hidden = !timed.length;
    if (!timed.length) return;
    const spans = timed.flatMap((row) => spanOf(row));
    const [low, high] = [Math.min(...spans), Math.max(...spans)];
    const log = low > 0 && high > 10 * low;
    const x = log ? { low: low / 1.3, high: high * 1.3 } : { low: 0, high: high * 1.12 || 1 };
    const top = Math.max(...points.map((row) => row.interval?.high ?? scoreOf(row).rate));
    chart(figure, {
      height: 340,
      label: `${metric} against real-time factor`,
      x: {
        ...x,
        log,
        gutter: untimed ? "not timed" : null,
        name: `real-time factor [s of work per s of audio]${log ? ", logarithmic" : ""}`,
      },
      y: { high: top * 1.12 || 0.01, name: `${metric} [%]` },
      paint: (frame) => paintTradeoff(frame, points, metric, x),
    });
  }

  function leadOf(rows, points, timed, metric) {
    if (!rows.length) return "Nothing was heard in this run.";
    if (!timed.length)
      return `Nothing was timed on this corpus, so that there is no ${metric} to draw against speed. Lower is better.`;
    const untimed = points.length - timed.length;
    const unscored = rows.length - points.length;
    return [
      `Lower is better both ways. Bars: the 95 % interval of the ${metric}; from the fastest round to the 95th `,
      "percentile of the real-time factor, or to the slowest round where there are too few for it.",
      untimed ? ` ${count(untimed, "model")} ${untimed === 1 ? "was" : "were"} not timed on this corpus.` : "",
      unscored
        ? ` ${count(unscored, "model")} without a ${metric} ${unscored === 1 ? "is" : "are"} in the table alone.`
        : "",
    ].join("");
  }

  const spanOf = (row) => [row.rtf.fastest ?? row.rtf.median, row.rtf.p95 ?? row.rtf.slowest ?? row.rtf.median];

  function paintTradeoff({ picture, toX, toY, inner, gutter, tell }, points, metric, x) {
    if (x.low < 1 && x.high > 1) {
      picture.append(
        draw("line", { class: "realtime", x1: toX(1), x2: toX(1), y1: inner.top, y2: inner.bottom }),
        draw("text", { x: toX(1) + 5, y: inner.top + 10 }, "real time"),
      );
    }
    const spots = points.map((row) => {
      const score = scoreOf(row);
      const [px, py] = [row.rtf.median === null ? gutter : toX(row.rtf.median), toY(score.rate)];
      if (row.interval) picture.append(whisker(row.model, px, toY(row.interval.low), px, toY(row.interval.high)));
      if (row.rtf.median !== null) picture.append(whisker(row.model, toX(spanOf(row)[0]), py, toX(spanOf(row)[1]), py));
      return { x: px, y: py, name: shortName(row.model), row, score };
    });
    for (const { x: px, y: py, row, score } of spots) {
      picture.append(spot(row.model, px, py, row.model, tradeoffLines(row, score, metric), tell));
    }
    nameSpots(picture, spots, inner);
  }

  function tradeoffLines(row, score, metric) {
    const interval = row.interval ? ` ${bounds(row.interval)}, ${count(row.interval.clusters, row.interval.unit)}` : "";
    const { rtf } = row;
    const end = rtf.p95 === null ? `slowest ${ratio(rtf.slowest)}` : `p95 ${ratio(rtf.p95)}`;
    return [
      `${metric} ${percent(score.rate)}${interval}`,
      `${whole.format(errorsOf(score))} errors in ${whole.format(score.length)}`,
      rtf.median === null
        ? "RTF not measured"
        : `RTF ${ratio(rtf.median)} (fastest ${ratio(rtf.fastest)}, ${end}; ${count(rtf.samples, "round")})`,
    ];
  }

  // Conditions: error rate against strength

  const pictures = new Map();
  for (const curve of content.curves) {
    const key = JSON.stringify([curve.corpus, curve.kind]);
    pictures.set(key, [...(pictures.get(key) ?? []), curve]);
  }

  function showConditions() {
    at("conditions").hidden = !pictures.size;
    if (!pictures.size) return;
    offer(
      at("curve"),
      [...pictures.keys()].map((key) => [key, JSON.parse(key).reverse().join(" on ")]),
    );
    at("curve").addEventListener("change", showCurve);
    showCurve();
  }

  function showCurve() {
    const own = pictures.get(at("curve").value);
    const [{ kind, unit, corpus, metric }] = own;
    const name = metric.toUpperCase();
    const strengths = own.flatMap((curve) => curve.points.map((point) => point.strength));
    const drawn = strengths.every((strength) => strength !== null) && new Set(strengths).size > 1;
    at("curves-lead").textContent =
      `${name} of ${corpus} under ${kind}; “clean” is the corpus as it is. Bars: 95 % intervals.`;
    at("curves").hidden = !drawn;
    if (drawn)
      drawCurves(
        own,
        name,
        [...new Set(strengths)].sort((one, other) => one - other),
        `${kind}${unit ? ` [${unit}]` : ""}`,
      );
    sortable(at("curves-table"), curveColumns(own), own);
  }

  function curveColumns(own) {
    const labels = [...new Set(own.flatMap((curve) => curve.points.map((point) => point.label)))];
    const rateCell = (point) =>
      point ? make("span", {}, percent(point.rate), make("span", { class: "under" }, bounds(point.interval))) : null;
    const under = (curve, label) => curve.points.find((point) => point.label === label) ?? null;
    return [
      { name: "Model", value: (curve) => curve.model, cell: (curve) => modelCell(curve.model) },
      {
        name: "clean",
        value: (curve) => curve.clean?.rate ?? null,
        cell: (curve) => rateCell(curve.clean),
        number: true,
      },
      ...labels.map((label) => ({
        name: label,
        value: (curve) => under(curve, label)?.rate ?? null,
        cell: (curve) => rateCell(under(curve, label)),
        number: true,
      })),
    ];
  }

  function drawCurves(own, metric, ticks, name) {
    const every = own
      .flatMap((curve) => [curve.clean, ...curve.points])
      .filter((point) => point && point.rate !== null);
    const top = Math.max(...every.map((point) => point.interval?.high ?? point.rate));
    const room = (ticks.at(-1) - ticks[0]) * 0.04;
    chart(at("curves"), {
      height: 340,
      label: `${metric} against ${name}`,
      x: {
        low: ticks[0] - room,
        high: ticks.at(-1) + room,
        ticks,
        gutter: own.some((curve) => curve.clean) ? "clean" : null,
        name,
      },
      y: { high: top * 1.1 || 0.01, name: `${metric} [%]` },
      paint: (frame) => {
        const ends = own.flatMap((curve, place) => paintCurve(frame, curve, metric, place - (own.length - 1) / 2));
        nameSpots(frame.picture, ends, frame.inner);
      },
    });
  }

  /** Draws a curve a little beside the others, so that their bars are seen, and gives where its last point is. */
  function paintCurve({ picture, toX, toY, gutter, tell }, curve, metric, aside) {
    const known = curve.points.filter((point) => point.rate !== null);
    const { place } = models.get(curve.model);
    const across = (point) => toX(point.strength) + aside * 4;
    const path = known.map((point, step) => `${step ? "L" : "M"}${across(point)},${toY(point.rate)}`).join("");
    const line = {
      class: `curve m${place % COLOURS}`,
      stroke: "currentcolor",
      "stroke-dasharray": DASHES[place % DASHES.length],
      d: path,
    };
    picture.append(draw("path", line));
    const spots = known.map((point) => [across(point), point, point.label]);
    if (curve.clean && curve.clean.rate !== null) spots.push([gutter + aside * 7, curve.clean, "clean"]);
    for (const [x, point, label] of spots) {
      if (point.interval) picture.append(whisker(curve.model, x, toY(point.interval.low), x, toY(point.interval.high)));
      const lines = [label, `${metric} ${percent(point.rate)} ${bounds(point.interval)}`];
      picture.append(spot(curve.model, x, toY(point.rate), curve.model, lines, tell));
    }
    return known.slice(-1).map((point) => ({ x: across(point), y: toY(point.rate), name: shortName(curve.model) }));
  }

  // Slices

  function showSlices() {
    const own = content.slices.filter((slicing) => slicing.corpus === shown.corpus);
    at("field").parentElement.hidden = !own.length;
    offer(
      at("field"),
      own.map(({ field }) => [field, field]),
    );
    const slicing = own.find(({ field }) => field === at("field").value);
    at("slices-table").replaceChildren();
    at("slices-lead").textContent =
      "Nothing divides this corpus: one speaker, one language, one range of durations, or none stated.";
    if (!slicing) return;
    const kinds = kindsOf(shown.corpus);
    const each = slicing.field === "language" || kinds.length < 2; // a language has one score
    const rows = sliceRows(slicing.slices.filter((one) => each || kindOf(one) === kinds[shown.kind]));
    at("slices-lead").textContent = [
      "Pooled rates with their 95 % intervals; the value with the most errors of all models first.",
      rows.some((row) => row.small) ? " Dashed bars rest on fewer than 100 words." : "",
      each ? "" : ` By ${kinds[shown.kind]} alone: the score that is chosen above.`,
    ].join("");
    sortable(at("slices-table"), sliceColumns(slicing, rows), rows);
  }

  function sliceRows(slices) {
    const rows = new Map();
    const kinds = new Set(slices.map(kindOf));
    for (const one of slices) {
      const key = JSON.stringify([one.value, one.values > 1, one.metric, one.normalizer]);
      const kind = kinds.size > 1 ? kindOf(one) : "";
      if (!rows.has(key))
        rows.set(key, {
          value: one.value,
          values: one.values,
          kind,
          length: 0,
          utterances: 0,
          small: false,
          by: new Map(),
        });
      const row = rows.get(key);
      row.by.set(one.model, one);
      row.length = Math.max(row.length, one.length);
      row.utterances = Math.max(row.utterances, one.utterances);
      row.small ||= one.small;
    }
    return [...rows.values()];
  }

  function sliceName(row) {
    const name = row.values > 1 ? `${count(row.values, "other value")}, pooled` : row.value || "not stated";
    const label = make(
      "span",
      { class: row.value ? "wrap" : "wrap dim" },
      name,
      row.kind ? make("span", { class: "under" }, row.kind) : null,
    );
    if (row.small) label.append(make("span", { class: "badge" }, "few words"));
    return label;
  }

  function sliceColumns(slicing, rows) {
    const every = rows.flatMap((row) => [...row.by.values()]);
    const top = Math.max(0.0001, ...every.map((one) => Math.min(1, one.interval?.high ?? one.rate ?? 0)));
    const names = [...new Set(every.map((one) => one.model))].sort(collator.compare);
    const byKind = [
      { name: slicing.field, value: (row) => row.value, cell: sliceName },
      {
        name: "Utterances",
        value: (row) => row.utterances,
        cell: (row) => whole.format(row.utterances),
        number: true,
        worstFirst: true,
      },
      {
        name: unitsOf(every),
        value: (row) => row.length,
        cell: (row) => whole.format(row.length),
        number: true,
        worstFirst: true,
      },
    ];
    return [
      ...byKind,
      ...names.map((model) => ({
        name: model,
        head: modelCell(model),
        value: (row) => row.by.get(model)?.rate ?? null,
        cell: (row) => (row.by.has(model) ? barOf(row.by.get(model), top) : null),
        worstFirst: true,
      })),
    ];
  }

  function unitsOf(slices) {
    const metrics = new Set(slices.map((one) => one.metric));
    if (metrics.size > 1) return "Words or characters";
    return metrics.has("cer") ? "Characters" : "Words";
  }

  function barOf(one, top) {
    const bar = make("span", { class: "bar", "aria-hidden": "true" });
    const share = (rate) => Math.min(100, (rate / top) * 100);
    const length = make("i");
    length.style.width = `${share(one.rate ?? 0)}%`;
    bar.append(length);
    if (one.interval) {
      const spread = make("b");
      spread.style.left = `${share(one.interval.low)}%`;
      spread.style.width = `${share(one.interval.high) - share(one.interval.low)}%`;
      bar.append(spread);
    }
    const title = `${errorsOf(one)} errors in ${one.length} ${bounds(one.interval)}`;
    return make(
      "span",
      { class: one.small ? "bars few" : "bars", title },
      make("span", { class: "number" }, percent(one.rate)),
      bar,
    );
  }

  // Words that are confused

  const KINDS = [
    ["substitutions", "Taken for another"],
    ["deletions", "Left out"],
    ["insertions", "Put in"],
  ];

  function showWords() {
    const own = content.confusions.filter((one) => one.corpus === shown.corpus);
    offer(
      at("words-model"),
      own.map((one) => [one.model, shortName(one.model)]),
    );
    const found = own.find((one) => one.model === at("words-model").value);
    at("words-lists").replaceChildren(...(found ? KINDS.map(([kind, title]) => wordList(found, kind, title)) : []));
  }

  function wordList(found, kind, title) {
    const { kinds, errors, most } = found[kind];
    const cut = kinds > most.length ? `; the ${most.length} most frequent` : "";
    const about = kinds ? `${count(errors, "time")}, ${whole.format(kinds)} different${cut}` : "none";
    const items = most.map(([said, written, times]) => {
      const button = make(
        "button",
        { type: "button", title: "Show these utterances" },
        wordsOf(said, written),
        make("span", { class: "number" }, whole.format(times)),
      );
      button.addEventListener("click", () => browseTo(found, kind, said || written));
      return make("li", {}, button);
    });
    return make("div", {}, make("h3", {}, title), make("p", { class: "dim small" }, about), make("ol", {}, ...items));
  }

  function wordsOf(said, written) {
    const words = make("span", { class: "said" });
    if (said) words.append(make("del", {}, said));
    if (said && written) words.append(make("span", { class: "arrow" }, "→"));
    if (written) words.append(make("ins", {}, written));
    return words;
  }

  function browseTo({ model, corpus }, kind, word) {
    at("find").value = word;
    at("browse-corpus").value = corpus;
    at("left").value = model;
    at("right").value = EVERY;
    at("show").value = kind;
    browse();
    at("utterances").scrollIntoView();
    at("rows").focus({ preventScroll: true });
  }

  // Normalisers and writing

  function showNormalizers() {
    const rows = content.normalizers.rows.filter((row) => row.corpus === shown.corpus);
    const metrics = new Set(rows.map((row) => row.metric));
    const names = rows.length ? Object.keys(rows[0].rates) : [];
    const best = new Map(
      [...metrics].flatMap((metric) => names.map((name) => [metric + name, bestOf(rows, metric, name)])),
    );
    const columns = [
      { name: "Model", value: (row) => row.model, cell: (row) => modelCell(row.model) },
      ...(metrics.size > 1 ? [{ name: "Metric", value: (row) => row.metric.toUpperCase() }] : []),
      ...names.map((name) => ({
        name,
        value: (row) => row.rates[name],
        cell: (row) =>
          make(
            "span",
            {
              class:
                rows.length > 1 && row.rates[name] !== null && row.rates[name] === best.get(row.metric + name)
                  ? "best"
                  : null,
            },
            percent(row.rates[name]),
          ),
        number: true,
      })),
    ];
    at("normalizers-table").replaceChildren();
    if (rows.length) sortable(at("normalizers-table"), columns, rows);
    const disputes = content.normalizers.disputes.filter((dispute) => dispute.corpus === shown.corpus);
    at("normalizers-lead").textContent = normalizersLead(rows, disputes);
    at("disputes").replaceChildren(...disputes.map(disputeOf));
  }

  function bestOf(rows, metric, name) {
    const rates = rows.filter((row) => row.metric === metric && row.rates[name] !== null).map((row) => row.rates[name]);
    return rates.length ? Math.min(...rates) : null;
  }

  function normalizersLead(rows, disputes) {
    if (!rows.length) return "Nobody spoke, or nothing was heard.";
    const ranks =
      rows.length < 2
        ? ""
        : disputes.length
          ? " The ranking of models depends on the normaliser."
          : " The ranking of models does not depend on it.";
    return `The rate under each normaliser, ★ the best; ${NOT_MEASURED} where it is made for another language.${ranks}`;
  }

  function disputeOf(dispute) {
    const orders = Object.entries(dispute.rankings).map(([name, ids]) =>
      make("li", {}, make("b", {}, `${name}: `), ids.map(shortName).join(" < ")),
    );
    return make(
      "div",
      { class: "note" },
      make("h3", {}, `${dispute.metric.toUpperCase()}, best first`),
      make("ul", {}, ...orders),
    );
  }

  function showWriting() {
    const rows = content.styles.filter((row) => row.corpus === shown.corpus);
    const classes = [...new Set(rows.flatMap((row) => Object.keys(row.marks)))];
    const rate = (name, value, more = {}) => ({
      name,
      value,
      cell: (row) => percent(value(row), 1),
      number: true,
      ...more,
    });
    const columns = [
      { name: "Model", value: (row) => row.model, cell: (row) => modelCell(row.model) },
      rate("Wrong capitals", (row) => row.case_error_rate, { worstFirst: true }),
      rate("Punctuation F1", (row) => row.punctuation?.f1 ?? null),
      rate("precision", (row) => row.punctuation?.precision ?? null),
      rate("recall", (row) => row.punctuation?.recall ?? null),
      ...classes.map((name) => rate(`${name} F1`, (row) => row.marks[name]?.f1 ?? null)),
      {
        name: "Loops",
        value: (row) => row.loops,
        cell: (row) => whole.format(row.loops),
        number: true,
        worstFirst: true,
      },
      rate("of all words", (row) => row.looped_share, { worstFirst: true }),
    ];
    at("writing-table").replaceChildren();
    if (rows.length) sortable(at("writing-table"), columns, rows);
  }

  // Notes, and what it was measured with

  function showNotes() {
    const notes = content.head.notes.map((note) =>
      make(
        "div",
        { class: "note" },
        make("h3", {}, note.title),
        make("ul", {}, ...note.lines.map((line) => make("li", {}, line))),
      ),
    );
    at("notes-list").append(
      ...(notes.length ? notes : [make("p", { class: "dim" }, "Nothing failed, was skipped or is missing.")]),
    );
  }

  function showAbout() {
    const { head } = content;
    const facts = Object.entries(head.environment).map(([name, text]) => [name, text]);
    facts.push(...head.sessions.map((session) => [`session ${session.number}`, sessionText(session)]));
    at("environment").append(...facts.flatMap(([name, text]) => [make("dt", {}, name), make("dd", {}, text)]));
    sortable(at("about-models"), aboutModels(), head.models);
    sortable(at("about-corpora"), aboutCorpora(), head.corpora);
  }

  function sessionText(session) {
    const limit = session.limit === null ? "every utterance" : `at most ${count(session.limit, "utterance")}`;
    const workers = count(session.workers, "worker");
    return `${session.started_at}, ${workers}, seed ${session.seed}, ${limit}, ${session.outcome}`;
  }

  function aboutModels() {
    return [
      { name: "Model", value: (model) => model.id, cell: (model) => modelCell(model.id) },
      { name: "Runtime", value: (model) => model.runtime },
      { name: "Weights", value: (model) => model.revision, cell: weightsCell },
      {
        name: "Options",
        value: (model) => flat(model.options).join(", "),
        cell: (model) => make("span", { class: "options" }, flat(model.options).join(", ")),
      },
      { name: "Not honoured", value: (model) => model.not_honoured.join(", ") || "none" },
    ];
  }

  function weightsCell(model) {
    if (!model.revision && !model.sha256) return null;
    return make(
      "span",
      {},
      make("code", { title: model.sha256 }, `${model.sha256 ?? ""}`.slice(0, 12)),
      make("span", { class: "under" }, `revision ${`${model.revision ?? "unknown"}`.slice(0, 12)}`),
    );
  }

  function flat(options) {
    return Object.entries(options).flatMap(([name, value]) => {
      if (value === null) return [];
      return typeof value === "object" && !Array.isArray(value) ? flat(value) : [`${name}=${value}`];
    });
  }

  function aboutCorpora() {
    return [
      {
        name: "Corpus",
        value: (corpus) => corpus.name,
        cell: (corpus) => make("span", { class: "wrap" }, corpus.name),
      },
      { name: "Revision", value: (corpus) => corpus.revision, cell: (corpus) => make("code", {}, corpus.revision) },
      {
        name: "Utterances",
        value: (corpus) => corpus.utterances,
        cell: (corpus) => whole.format(corpus.utterances),
        number: true,
        worstFirst: true,
      },
      {
        name: "Speech",
        value: (corpus) => corpus.duration_s,
        cell: (corpus) => `${whole.format(Math.round(corpus.duration_s))}\u00a0s`,
        number: true,
        worstFirst: true,
      },
      { name: "Languages", value: (corpus) => corpus.languages.join(" ") || "none stated" },
    ];
  }

  // Utterances: unpacked once, filtered and sorted as a whole, and drawn only where they are seen

  const listing = { models: [], corpora: [], utterances: [], left_out: 0, media_type: "", reasons: new Map() };
  const view = { rows: [], chosen: -1, key: null };

  async function unpack(id) {
    const packed = at(id).textContent;
    at(id).remove();
    const bytes = Uint8Array.fromBase64
      ? Uint8Array.fromBase64(packed)
      : Uint8Array.from(atob(packed), (letter) => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return JSON.parse(await new Response(stream).text());
  }

  function readListing(packed) {
    Object.assign(listing, {
      models: packed.models,
      corpora: packed.corpora,
      left_out: packed.left_out,
      media_type: packed.media_type,
    });
    for (const [reason, places] of Object.entries(packed.silent))
      places.forEach((place) => listing.reasons.set(place, reason));
    listing.utterances = packed.rows.map((row, place) => utteranceOf(row, place, packed));
  }

  function utteranceOf(row, place, packed) {
    const [corpus, id, duration, language, speaker, metric, normalizer, reference, said, heard] = row;
    const by = new Map(heard.map((one) => [packed.models[one[0]], hearingOf(one)]));
    return {
      place,
      corpus: packed.corpora[corpus],
      id,
      duration,
      language,
      speaker,
      metric,
      normalizer,
      reference,
      said,
      by,
      text: null,
    };
  }

  function hearingOf([, text, steps, units, loops, failure]) {
    const counts = { "=": 0, s: 0, d: 0, i: 0 };
    for (const [, letter, number] of steps.matchAll(/([=sdi])(\d+)/g)) counts[letter] += Number(number);
    const length = counts["="] + counts.s + counts.d;
    const errors = counts.s + counts.d + counts.i;
    return { text, steps, units, loops, failure, counts, errors, length, rate: length ? errors / length : null };
  }

  const split = (text, metric) => (metric === "cer" ? Array.from(text) : text ? text.split(" ") : []);

  function pairsOf(utterance, heard) {
    const said = split(utterance.said, utterance.metric);
    const units = split(heard.units, utterance.metric);
    const found = [];
    let [here, there] = [0, 0];
    for (const [, letter, number] of heard.steps.matchAll(/([=sdi])(\d+)/g)) {
      for (let turn = 0; turn < Number(number); turn += 1) {
        const reference = letter === "i" ? "" : said[here++];
        const hypothesis = letter === "=" ? reference : letter === "d" ? "" : units[there++];
        found.push([letter, reference, hypothesis]);
      }
    }
    return found;
  }

  /** The hearing that filters and columns speak of: that of the chosen model, or the worst of all. */
  function hearingFor(utterance, model) {
    if (model !== EVERY) return utterance.by.get(model) ?? null;
    let worst = null;
    for (const heard of utterance.by.values()) if (!worst || heard.errors > worst.errors) worst = heard;
    return worst;
  }

  const SHOWS = [
    ["", "every utterance", () => true],
    ["errors", "with errors", (heard) => heard.errors > 0],
    ["substitutions", "with substitutions", (heard) => heard.counts.s > 0],
    ["deletions", "with deletions", (heard) => heard.counts.d > 0],
    ["insertions", "with insertions", (heard) => heard.counts.i > 0],
    ["failed", "failed", (heard) => heard.failure !== ""],
    ["silence", "words in silence", (heard, utterance) => !utterance.reference.trim() && heard.errors > 0],
    ["loops", "repeating without end", (heard) => heard.loops > 0],
    ["differs", "where the two differ", (heard, _, other) => other !== null && differs(heard, other)],
  ];

  const SORTS = [
    ["errors", "errors", (row) => -row.left.errors],
    ["rate", "error rate", (row) => -(row.left.rate ?? (row.left.errors ? Infinity : -1))],
    ["duration", "duration", (row) => -row.utterance.duration],
    ["id", "id", null],
    ["worse", "where the first is worse", (row) => (row.right ? row.right.errors - row.left.errors : 0)],
    ["better", "where the first is better", (row) => (row.right ? row.left.errors - row.right.errors : 0)],
  ];

  const differs = (one, other) =>
    one.steps !== other.steps || one.units !== other.units || one.failure !== other.failure;

  function browse() {
    const right = at("right").value;
    const versus = right !== EVERY;
    if (versus && (at("left").value === EVERY || at("left").value === right)) {
      at("left").value = listing.models.find((model) => model !== right) ?? right;
    }
    for (const [select, name] of [
      ["show", "differs"],
      ["sort", "worse"],
      ["sort", "better"],
    ]) {
      const option = at(select).querySelector(`option[value="${name}"]`);
      option.disabled = !versus;
      if (!versus && at(select).value === name) at(select).selectedIndex = 0;
    }
    const left = at("left").value;
    view.rows = ordered(filtered(left, right));
    showColumns(left, right);
    showCount(left, right);
    at("rows").scrollTop = 0;
    at("extent").style.height = `${view.rows.length * ROW_HEIGHT}px`;
    const kept = view.rows.findIndex((row) => row.utterance.place === view.key);
    choose(kept >= 0 ? kept : view.rows.length ? 0 : -1);
  }

  function filtered(left, right) {
    const words = at("find").value.trim().toLowerCase();
    const corpus = at("browse-corpus").value;
    const [, , shows] = SHOWS.find(([name]) => name === at("show").value);
    const rows = [];
    for (const utterance of listing.utterances) {
      if (corpus !== EVERY && utterance.corpus !== corpus) continue;
      const one = hearingFor(utterance, left);
      const other = right === EVERY ? null : (utterance.by.get(right) ?? null);
      if (!one || (right !== EVERY && !other) || !shows(one, utterance, other)) continue;
      if (words && !textOf(utterance).includes(words)) continue;
      rows.push({ utterance, left: one, right: other });
    }
    return rows;
  }

  function textOf(utterance) {
    utterance.text ??= [
      utterance.id,
      utterance.reference,
      utterance.said,
      ...[...utterance.by.values()].flatMap((heard) => [heard.text, heard.units]),
    ]
      .join("\n")
      .toLowerCase();
    return utterance.text;
  }

  function ordered(rows) {
    const [, , key] = SORTS.find(([name]) => name === at("sort").value);
    const byId = (one, other) =>
      collator.compare(one.utterance.corpus, other.utterance.corpus) ||
      collator.compare(one.utterance.id, other.utterance.id);
    if (key)
      rows.forEach((row) => {
        row.key = key(row);
      });
    if (key)
      rows.sort(
        (one, other) =>
          one.key - other.key || other.left.errors - one.left.errors || one.utterance.place - other.utterance.place,
      );
    else rows.sort(byId);
    return at("reverse").getAttribute("aria-pressed") === "true" ? rows.reverse() : rows;
  }

  function showColumns(left, right) {
    const versus = right !== EVERY;
    document.querySelector(".browser").classList.toggle("versus", versus);
    const names = versus
      ? ["utterance", "errors", "against", "difference", "audio"]
      : ["utterance", "errors", "rate", "audio"];
    const titles = versus ? ["", left, right, "errors of the first less those of the second", ""] : [];
    at("columns").replaceChildren(...names.map((name, place) => make("span", { title: titles[place] || null }, name)));
  }

  function showCount(left, right) {
    const errors = view.rows.reduce((sum, row) => sum + row.left.errors, 0);
    const parts = [`${whole.format(view.rows.length)} of ${count(listing.utterances.length, "utterance")}`];
    if (right !== EVERY) {
      const total = view.rows.length;
      const better = view.rows.filter((row) => row.left.errors < row.right.errors).length;
      const worse = view.rows.filter((row) => row.left.errors > row.right.errors).length;
      const [fewer, more, same] = [better, worse, total - better - worse].map((rows) => whole.format(rows));
      parts.push(`${shortName(left)} makes fewer errors in ${fewer}, more in ${more}, as many in ${same}`);
    } else {
      parts.push(
        `${count(errors, "error")}${left === EVERY && listing.models.length > 1 ? ", of the worst model in each" : ""}`,
      );
    }
    if (listing.left_out) parts.push(`${count(listing.left_out, "utterance")} with fewer errors left out of this page`);
    at("count").textContent = parts.join(" · ");
  }

  function showRows() {
    const holder = at("rows");
    const first = Math.max(0, Math.floor(holder.scrollTop / ROW_HEIGHT) - ROWS_BEYOND);
    const last = Math.min(
      view.rows.length,
      Math.ceil((holder.scrollTop + holder.clientHeight) / ROW_HEIGHT) + ROWS_BEYOND,
    );
    const rows = [];
    for (let place = first; place < last; place += 1) rows.push(rowOf(view.rows[place], place));
    at("extent").replaceChildren(...rows);
    if (!view.rows.length) at("extent").append(make("p", { class: "empty" }, "No utterance is like that."));
    if (view.chosen >= 0 && at(`row-${view.chosen}`))
      holder.setAttribute("aria-activedescendant", `row-${view.chosen}`);
    else holder.removeAttribute("aria-activedescendant");
  }

  function rowOf(row, place) {
    const { utterance, left, right } = row;
    const attributes = {
      id: `row-${place}`,
      class: "row",
      role: "option",
      "aria-selected": String(place === view.chosen),
      "aria-setsize": view.rows.length,
      "aria-posinset": place + 1,
    };
    const main = make("span", { class: "main" }, make("span", { class: "id" }, utterance.id));
    if (at("browse-corpus").value === EVERY && listing.corpora.length > 1)
      main.append(make("span", { class: "dim small" }, `  ${utterance.corpus}`));
    const figures = [make("span", { class: "number" }, `${left.errors}`)];
    if (right) figures.push(make("span", { class: "number" }, `${right.errors}`), differenceOf(left, right));
    else figures.push(make("span", { class: "number" }, percent(left.rate, 1)));
    figures.push(make("span", { class: "number dim" }, `${utterance.duration.toFixed(1)}\u00a0s`));
    const element = make(
      "div",
      attributes,
      main,
      ...figures,
      lineOf(utterance, right && right.errors > left.errors ? right : left),
    );
    element.style.top = `${place * ROW_HEIGHT}px`;
    return element;
  }

  function differenceOf(left, right) {
    const difference = left.errors - right.errors;
    const sign = difference > 0 ? "+" : difference < 0 ? "−" : "±";
    const kind = difference > 0 ? "worse" : difference < 0 ? "more" : "dim";
    return make("span", { class: `number ${kind}` }, `${sign}${Math.abs(difference)}`);
  }

  const LONGEST_LINE = 40;

  /** One line of a hearing, from shortly before its first error on. */
  function lineOf(utterance, heard) {
    const line = make("span", { class: "line", lang: utterance.language || null });
    if (heard.failure) return filled(line, {}, [`failed: ${heard.failure}`]);
    const pairs = pairsOf(utterance, heard);
    const space = utterance.metric === "cer" ? "" : " ";
    const error = pairs.findIndex(([letter]) => letter !== "=");
    const start = Math.max(0, error - 3);
    if (start) line.append("… ");
    for (const [letter, said, written] of pairs.slice(start, start + LONGEST_LINE)) {
      if (letter === "=") line.append(`${said}${space}`);
      else if (letter === "d") line.append(make("del", { class: "delete" }, said), space);
      else if (letter === "i") line.append(make("ins", { class: "insert" }, written), space);
      else line.append(make("span", { class: "substitute" }, make("del", {}, said), make("ins", {}, written)), space);
    }
    return line;
  }

  function choose(place, reveal = false) {
    view.chosen = place;
    if (reveal && place >= 0) {
      const holder = at("rows");
      const [top, bottom] = [place * ROW_HEIGHT, (place + 1) * ROW_HEIGHT];
      if (top < holder.scrollTop) holder.scrollTop = top;
      else if (bottom > holder.scrollTop + holder.clientHeight) holder.scrollTop = bottom - holder.clientHeight;
    }
    showRows();
    const row = view.rows[place] ?? null;
    const key = row ? row.utterance.place : null;
    const ordering = [at("left").value, at("right").value].join("\n");
    if (key !== view.key || ordering !== view.ordering) showDetail(row);
    Object.assign(view, { key, ordering });
  }

  // One utterance

  function showDetail(row) {
    const detail = at("detail");
    detail.scrollTop = 0;
    if (!row) {
      detail.replaceChildren();
      return;
    }
    const { utterance } = row;
    const about = [
      utterance.corpus,
      utterance.speaker,
      utterance.language,
      seconds(utterance.duration),
      utterance.normalizer,
    ]
      .filter(Boolean)
      .join(" · ");
    detail.replaceChildren(
      make("h3", { class: "id" }, utterance.id),
      make("p", { class: "dim small wrap" }, about),
      playerOf(utterance),
      ...hearingsOf(utterance).map(([model, heard]) => hearingBlock(utterance, model, heard)),
      legend(),
      rawOf(utterance),
    );
  }

  function hearingsOf(utterance) {
    const wanted = [at("left").value, at("right").value].filter((model) => model !== EVERY);
    if (wanted.length === 2) return wanted.map((model) => [model, utterance.by.get(model)]);
    const errors = (model) => utterance.by.get(model).errors;
    const others = [...utterance.by.keys()]
      .filter((model) => !wanted.includes(model))
      .sort((one, other) => errors(other) - errors(one) || collator.compare(one, other));
    return [...wanted, ...others]
      .filter((model) => utterance.by.has(model))
      .map((model) => [model, utterance.by.get(model)]);
  }

  function playerOf(utterance) {
    const clip = at(`clip-${utterance.place}`);
    if (!clip)
      return make(
        "p",
        { class: "dim small" },
        listing.reasons.get(utterance.place) ?? "Audio was not embedded.",
      );
    return make("audio", {
      controls: true,
      preload: "auto",
      src: `data:${listing.media_type};base64,${clip.textContent}`,
      "aria-label": `Audio of ${utterance.id}`,
    });
  }

  function hearingBlock(utterance, model, heard) {
    const { counts } = heard;
    const rate = `${heard.errors} of ${heard.length} · ${percent(heard.rate)} ${utterance.metric.toUpperCase()}`;
    const byKind = `${counts.s} S, ${counts.d} D, ${counts.i} I`;
    const written = heard.length ? `${rate} · ${byKind}` : `${count(heard.errors, "word")} where nobody spoke`;
    const figures = `${written}${heard.loops ? ` · ${count(heard.loops, "loop")}` : ""}`;
    const title = make(
      "h4",
      {},
      make("span", { class: "model", title: model }, marked(model), make("b", {}, shortName(model))),
      make("span", { class: "figures" }, figures),
    );
    const body = heard.failure
      ? make("p", { class: "bad wrap" }, `failed: ${heard.failure}`)
      : alignmentOf(utterance, heard);
    return make("div", { class: "heard" }, title, body);
  }

  const NAMES = { "=": "equal", s: "substitute", d: "delete", i: "insert" };

  function alignmentOf(utterance, heard) {
    const holder = make("div", {
      class: `alignment ${utterance.metric === "cer" ? "cer" : "wer"}`,
      lang: utterance.language || null,
    });
    const pairs = pairsOf(utterance, heard);
    if (!pairs.length) return make("p", { class: "dim" }, "Nobody spoke, and nothing was written.");
    holder.append(
      ...pairs.map(([letter, said, written]) => {
        const gap = () => make("span", { class: "gap", "aria-hidden": "true" }, "·");
        const upper = said ? make(letter === "s" || letter === "d" ? "del" : "span", {}, said) : gap();
        const lower = written ? make(letter === "s" || letter === "i" ? "ins" : "span", {}, written) : gap();
        return make("span", { class: `pair ${NAMES[letter]}` }, upper, lower);
      }),
    );
    return holder;
  }

  function legend() {
    return make(
      "div",
      { class: "legend", "aria-label": "Legend", role: "note" },
      "above what was said, below what was written:",
      make("span", { class: "pair substitute" }, "substituted"),
      make("span", { class: "pair delete" }, make("del", {}, "deleted")),
      make("span", { class: "pair insert" }, make("ins", {}, "inserted")),
    );
  }

  function rawOf(utterance) {
    const texts = [
      ["reference", utterance.reference],
      ...hearingsOf(utterance).map(([model, heard]) => [shortName(model), heard.text]),
    ];
    const list = texts.flatMap(([name, text]) => [make("dt", {}, name), make("dd", {}, text || NOT_MEASURED)]);
    const details = make(
      "details",
      { open: view.raw },
      make("summary", {}, "as written, before normalisation"),
      make("dl", { class: "raw" }, ...list),
    );
    details.addEventListener("toggle", () => {
      view.raw = details.open;
    });
    return details;
  }

  // Keys and controls of the browser

  function move(event) {
    const page = Math.max(1, Math.floor(at("rows").clientHeight / ROW_HEIGHT) - 1);
    const last = view.rows.length - 1;
    const goals = {
      ArrowDown: view.chosen + 1,
      ArrowUp: view.chosen - 1,
      PageDown: view.chosen + page,
      PageUp: view.chosen - page,
      Home: 0,
      End: last,
    };
    if (event.key in goals) {
      event.preventDefault();
      if (last >= 0) choose(Math.min(last, Math.max(0, goals[event.key])), true);
    } else if (event.key === " ") {
      event.preventDefault();
      playOrPause();
    }
  }

  function playOrPause() {
    const player = at("detail").querySelector("audio");
    if (!player) return;
    if (player.paused) player.play();
    else player.pause();
  }

  function shortcuts(event) {
    const typing = event.target.matches("input, select, textarea");
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      at("find").focus();
      at("find").select();
    }
  }

  function findKeys(event) {
    if (event.key === "Escape") {
      at("find").value = "";
      browse();
    } else if (event.key === "Enter" || event.key === "ArrowDown") {
      event.preventDefault();
      at("rows").focus();
    }
  }

  function wireBrowser() {
    const names = listing.models.map((model) => [model, shortName(model)]);
    offer(at("browse-corpus"), [[EVERY, "all"], ...listing.corpora.map((name) => [name, name])]);
    offer(at("left"), [[EVERY, "all, the worst of each"], ...names]);
    offer(at("right"), [[EVERY, "none"], ...names]);
    offer(
      at("show"),
      SHOWS.map(([name, text]) => [name, text]),
    );
    offer(
      at("sort"),
      SORTS.map(([name, text]) => [name, text]),
      "errors",
    );
    at("right").addEventListener("change", () => {
      const versus = at("right").value !== EVERY;
      at("show").value = versus ? "differs" : "";
      at("sort").value = versus ? "worse" : "errors";
    });
    for (const id of ["browse-corpus", "left", "right", "show", "sort"]) at(id).addEventListener("change", browse);
    at("reverse").addEventListener("click", () => {
      at("reverse").setAttribute("aria-pressed", String(at("reverse").getAttribute("aria-pressed") !== "true"));
      browse();
    });
    at("find").addEventListener("input", later(browse, 90));
    at("find").addEventListener("keydown", findKeys);
    at("rows").addEventListener("keydown", move);
    at("rows").addEventListener("scroll", showRows, { passive: true });
    at("rows").addEventListener("click", (event) => {
      const row = event.target.closest(".row");
      if (row) choose(Number(row.id.slice("row-".length)));
    });
    document.addEventListener("keydown", shortcuts);
  }

  function later(act, wait_ms) {
    let timer = 0;
    return () => {
      clearTimeout(timer);
      timer = setTimeout(act, wait_ms);
    };
  }

  async function openBrowser() {
    try {
      readListing(await unpack("listing"));
    } catch (error) {
      at("count").textContent =
        `The utterances could not be unpacked (${error.message}). A browser of 2023 or later can.`;
      return;
    }
    const whole_px = Math.max(8, listing.utterances.length) * ROW_HEIGHT;
    document.querySelector(".browser").style.setProperty("--height", `${whole_px}px`);
    wireBrowser();
    browse();
    document.documentElement.dataset.ready = "yes";
  }

  // All of it

  const deployment = deploymentSection({
    content, models, at, make, draw, offer, chart, sortable, nameSpots, spotAt, markAt, marked, shortName, modelCell,
    scoreOf, percent, ratio, seconds, mebibytes, plain, count, whole, evenly, tidy, COLOURS, DASHES, NOT_MEASURED,
  });

  offer(
    at("corpus"),
    corpora.map((name) => [name, name]),
  );
  at("corpus").addEventListener("change", () => {
    Object.assign(shown, { corpus: at("corpus").value, kind: 0 });
    showCorpus();
  });
  at("kind").addEventListener("change", () => {
    shown.kind = Number(at("kind").value);
    showCorpus();
  });
  at("field").addEventListener("change", showSlices);
  at("words-model").addEventListener("change", showWords);
  showHead();
  showConditions();
  showCorpus();
  showNotes();
  showAbout();
  showSections();
  let width = window.innerWidth;
  window.addEventListener(
    "resize",
    later(() => {
      if (window.innerWidth === width) return;
      width = window.innerWidth;
      for (const id of ["tradeoff", "curves"]) at(id).render?.();
      deployment.render();
      if (listing.models.length) showRows();
    }, 80),
  );
  openBrowser();
})();

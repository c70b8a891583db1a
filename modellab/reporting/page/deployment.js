"use strict";
// What deployment meets: what errors are bought with, latency, throughput, the rate of a server, memory, streams.
// `page` is what report.js lends: elements, figures, models and charts.
function deploymentSection(page) {
  const { at, make, draw, offer, chart, sortable, nameSpots, spotAt, markAt, marked, shortName, modelCell } = page;
  const { percent, ratio, seconds, mebibytes, plain, count, models, COLOURS, DASHES, NOT_MEASURED } = page;
  const MEBIBYTE = 2 ** 20;
  const LEAST_SPAN = 0.02; // of memory, so that pages do not look like mountains
  const WIDE_SPREAD = 30;
  const FIGURES = ["pareto", "answered", "throughput", "rates", "memory"];

  const own = page.content.deployed;
  const hidden = new Set();
  let here = [];

  const priced = own.some((each) => each.price !== null);
  const currency = own[0]?.currency ? ` [${own[0].currency}]` : "";
  const WAYS = [
    ["rtf", "real-time factor", (each) => each.rtf, "real-time factor [s of work per s of audio]", ratio],
    ["memory", "peak memory", (each) => over(each.peak_bytes, MEBIBYTE), "peak memory [MiB]", whole],
    ["cores", "core-hours", (each) => each.core_hours, "core-hours for an hour of audio [h]", plain],
    ["price", "price", (each) => each.price, `price of an hour of audio${currency}`, plain],
  ].filter(([name]) => name !== "price" || priced);

  function over(value, unit) {
    return value === null ? null : value / unit;
  }

  function whole(value) {
    return page.whole.format(Math.round(value));
  }

  const rowOf = (each) =>
    page.content.rows.find((row) => row.model === each.model && row.corpus === each.corpus) ?? null;
  const rateOf = (each) => (rowOf(each) ? (page.scoreOf(rowOf(each))?.rate ?? null) : null);
  const placeOf = (id) => models.get(id).place;
  const visible = () => here.filter((each) => !hidden.has(each.model));

  // The section

  function wire() {
    at("deployment").hidden = !own.length;
    if (!own.length) return;
    offer(
      at("bought"),
      WAYS.map(([name, text]) => [name, text]),
    );
    at("bought").addEventListener("change", showBought);
    at("deployed-model").addEventListener("change", showOne);
    at("stream").addEventListener("change", showTimeline);
  }

  function show(corpus, metric) {
    if (!own.length) return;
    here = own.filter((each) => each.corpus === corpus || each.corpus === "");
    at("deployment-body").hidden = !here.length;
    at("deployment-lead").textContent = here.length
      ? "Scenarios, each alone on the machine. What was not performed is a dash. A click on a model hides or shows it."
      : "No scenario was performed on this corpus.";
    if (!here.length) return;
    at("bought-metric").textContent = metric;
    showToggles();
    showBought();
    showAnswered();
    sortable(at("deployment-table"), columns(), here);
    offer(
      at("deployed-model"),
      here.map(({ model }) => [model, shortName(model)]),
    );
    showOne();
  }

  function showToggles() {
    const buttons = here.map(({ model }) => {
      const button = make(
        "button",
        { type: "button", "aria-pressed": String(!hidden.has(model)), title: model },
        marked(model),
        make("span", {}, shortName(model)),
      );
      button.addEventListener("click", () => {
        if (!hidden.delete(model)) hidden.add(model);
        button.setAttribute("aria-pressed", String(!hidden.has(model)));
        showBought();
        showAnswered();
      });
      return button;
    });
    at("deployed-models").replaceChildren(...buttons);
  }

  function empty(id, text) {
    const figure = at(id);
    delete figure.render;
    figure.replaceChildren(make("p", { class: "empty" }, text));
  }

  // Errors against time, memory and money, with the front

  /** The places of the points that no other beats: as good both ways and better one way. By rising x. */
  function front(points) {
    const order = points.map((_, place) => place);
    order.sort((one, other) => points[one].x - points[other].x || points[one].y - points[other].y);
    const found = [];
    let best = null;
    for (const place of order) {
      const { x, y } = points[place];
      if (best === null || y < best.y || (y === best.y && x === best.x)) {
        found.push(place);
        best = { x, y };
      }
    }
    return found;
  }

  function showBought() {
    const [, , cost, name, written] = WAYS.find(([way]) => way === at("bought").value);
    const metric = at("bought-metric").textContent;
    const points = visible()
      .map((each) => ({ each, x: cost(each), y: rateOf(each) }))
      .filter(({ x, y }) => x !== null && y !== null);
    const left = visible().length - points.length;
    at("pareto-lead").textContent = [
      "Lower is better both ways. On the dashed front no model is beaten both ways by another that is shown.",
      left ? ` ${count(left, "model")} without one of the two figures ${left === 1 ? "is" : "are"} not drawn.` : "",
    ].join("");
    if (!points.length) return empty("pareto", "Nothing here has both figures.");
    const xs = points.map(({ x }) => x);
    const [low, high] = [Math.min(...xs), Math.max(...xs)];
    const log = low > 0 && high > 10 * low;
    chart(at("pareto"), {
      height: 340,
      label: `${metric} against ${name}`,
      x: {
        ...(log ? { low: low / 1.3, high: high * 1.5 } : { low: 0, high: high * 1.15 || 1 }),
        log,
        name: `${name}${log ? ", log" : ""}`,
      },
      y: { high: Math.max(...points.map(({ y }) => y)) * 1.25 || 0.01, name: `${metric} [%]` },
      paint: (frame) => paintBought(frame, points, metric, name, written),
    });
  }

  function paintBought({ picture, toX, toY, inner, tell }, points, metric, name, written) {
    const best = front(points);
    const stairs = best.map((place) => `H${toX(points[place].x)}V${toY(points[place].y)}`).join("");
    const d = `M${toX(points[best[0]].x)},${inner.top}${stairs}H${inner.right}`;
    picture.append(draw("path", { class: "front", d }));
    const spots = points.map(({ each, x, y }, place) => {
      const lines = [
        `${metric} ${percent(y)}`,
        `${name.replace(/ \[.*/, "")} ${written(x)}`,
        best.includes(place) ? "on the front" : "beaten by another",
      ];
      const [px, py] = [toX(x), toY(y)];
      picture.append(spotAt(placeOf(each.model), px, py, each.model, lines, tell));
      return { x: px, y: py, name: shortName(each.model) };
    });
    nameSpots(picture, spots, inner);
  }

  // Latency of a single caller

  function showAnswered() {
    const drawn = visible().filter((each) => each.latency?.steps.length);
    if (!drawn.length) return empty("answered", "No single caller was measured.");
    const all = drawn.flatMap((each) => each.latency.steps.map(([s]) => s));
    const [low, high] = [Math.min(...all), Math.max(...all)];
    const log = low > 0 && high > WIDE_SPREAD * low;
    chart(at("answered"), {
      height: 320,
      label: "share of calls answered against latency",
      x: { low: log ? low / 1.1 : 0, high: high * 1.05, log, name: `latency [s]${log ? ", log" : ""}` },
      y: { high: 1.04, ticks: [0, 0.25, 0.5, 0.75, 0.95], name: "calls answered by then [%]" },
      paint: (frame) => drawn.forEach((each) => paintAnswered(frame, each)),
    });
  }

  function paintAnswered({ picture, toX, toY, tell }, { model, latency }) {
    const [[first]] = latency.steps;
    const path = latency.steps.map(([s, share]) => `H${toX(s)}V${toY(share)}`).join("");
    picture.append(lineOf(placeOf(model), `M${toX(first)},${toY(0)}${path}`));
    const kept = 1 - latency.failed / latency.calls;
    const known = Object.entries(latency.quantiles).filter(([, s]) => s !== null);
    for (const [name, s] of known) {
      const share = (Number(name.slice(1)) / 100) * kept;
      const calls = count(latency.calls, "call") + (latency.failed ? `, ${latency.failed} failed` : "");
      picture.append(spotAt(placeOf(model), toX(s), toY(share), model, [`${name} ${seconds(s)}`, calls], tell));
    }
  }

  function lineOf(place, d) {
    const dash = DASHES[place % DASHES.length];
    return draw("path", { class: `curve m${place % COLOURS}`, stroke: "currentcolor", "stroke-dasharray": dash, d });
  }

  // One model

  const chosen = () => here.find(({ model }) => model === at("deployed-model").value);

  function showOne() {
    showThroughput();
    showRates();
    showMemory();
    const streams = chosen().streams.map(({ utterance }, place) => [place, utterance]);
    at("streaming").hidden = !streams.length;
    offer(at("stream"), streams);
    if (streams.length) showTimeline();
  }

  const sharing = ({ setting }) =>
    `${count(setting.replicas ?? 1, "replica")} × ${count(setting.threads ?? 1, "thread")}`;

  function showThroughput() {
    const tried = chosen().offline;
    if (!tried.length) return empty("throughput", "Nothing was asked for all at once.");
    const lines = [...new Set(tried.map(sharing))];
    const sizes = [...new Set(tried.map(({ setting }) => setting.batch_size ?? 1))].sort((one, other) => one - other);
    chart(at("throughput"), {
      height: 280,
      label: "throughput by batch",
      x: { low: sizes[0] / 1.15, high: sizes.at(-1) * 1.15, log: true, ticks: sizes, name: "batch [utterances]" },
      y: {
        high: Math.max(...tried.map(({ rtfx }) => rtfx ?? 0)) * 1.12 || 1,
        factor: 1,
        name: "throughput [s of audio per s]",
      },
      paint: (frame) =>
        lines.forEach((line, place) =>
          paintThroughput(
            frame,
            place,
            line,
            tried.filter((each) => sharing(each) === line),
          ),
        ),
    });
    const hollow = tried.some(({ setting }) => !setting.by_length);
    const failed = tried.some(({ failure }) => failure);
    key("throughput", [
      ...lines.map((line, place) => [markAt(place), line]),
      ...(hollow ? [[markAt(0, { class: "mark hollow" }), "not ordered by length"]] : []),
      ...(failed ? [[cross(), "failed"]] : []),
    ]);
  }

  function paintThroughput({ picture, toX, toY, tell }, place, line, tried) {
    const size = ({ setting }) => setting.batch_size ?? 1;
    const whole_ = tried.filter(({ failure, rtfx }) => !failure && rtfx !== null);
    const ordered = whole_.filter(({ setting }) => setting.by_length).sort((one, other) => size(one) - size(other));
    const path = ordered.map((each, step) => `${step ? "L" : "M"}${toX(size(each))},${toY(each.rtfx)}`).join("");
    picture.append(lineOf(place, path));
    for (const each of tried) {
      const hollow = !each.setting.by_length;
      const lines = each.failure
        ? [each.failure]
        : [
            `${plain(each.rtfx)} s of audio per s`,
            `latency p50 ${seconds(each.p50_s)}, p95 ${seconds(each.p95_s)}`,
            `all replicas held ${mebibytes(each.peak_bytes)}`,
          ];
      const order = hollow ? ", not ordered by length" : "";
      const title = `${line}, batch of ${size(each)}${order}`;
      const point = spotAt(place, toX(size(each)), toY(each.failure ? 0 : each.rtfx), title, lines, tell);
      if (each.failure) point.lastChild.replaceWith(cross());
      else if (hollow) point.lastChild.classList.add("hollow");
      picture.append(point);
    }
  }

  const cross = () => draw("path", { class: "cross", d: "M-5,-5L5,5M-5,5L5,-5" });

  function key(id, entries) {
    const list = entries.map(([sign, text]) =>
      make("span", {}, draw("svg", { viewBox: "-8 -8 16 16", "aria-hidden": "true" }, sign), text),
    );
    at(id).append(make("figcaption", { class: "key" }, ...list));
    const { render } = at(id);
    at(id).render = () => {
      const caption = at(id).querySelector("figcaption");
      render();
      at(id).append(caption);
    };
  }

  function showRates() {
    const { served } = chosen();
    if (!served) return empty("rates", "No server was looked at.");
    const name = `p${served.quantile * 100}`;
    const known = served.tried.flatMap(({ p50_s, p95_s }) => [p50_s, p95_s]).filter((s) => s !== null);
    chart(at("rates"), {
      height: 280,
      label: "latency against rate",
      x: { low: 0, high: Math.max(...served.tried.map(({ rate_per_s }) => rate_per_s)) * 1.1, name: "rate [requests per s]" },
      y: { high: Math.max(served.bound_s, ...known) * 1.12, factor: 1, name: "latency [s]" },
      paint: (frame) => paintRates(frame, served, name),
    });
    const unkept = served.tried.some(({ kept, p50_s }) => !kept && p50_s !== null);
    const unanswered = served.tried.some(({ p50_s }) => p50_s === null);
    key("rates", [
      [markAt(0), "p50"],
      [markAt(1), name],
      ...(unkept ? [[markAt(1, { class: "mark m1 hollow" }), "bound not kept"]] : []),
      ...(unanswered ? [[cross(), "too few answers"]] : []),
    ]);
  }

  function paintRates({ picture, toX, toY, inner, tell }, served, name) {
    const { bound_s, rate_per_s, tried } = served;
    const bound = toY(bound_s);
    picture.append(
      draw("line", { class: "realtime", x1: inner.left, x2: inner.right, y1: bound, y2: bound }),
      draw("text", { x: inner.left + 5, y: bound - 6 }, `bound of ${name}: ${seconds(bound_s)}`),
    );
    if (rate_per_s !== null) {
      const x = toX(rate_per_s);
      const room = x < (inner.left + inner.right) / 2;
      picture.append(
        draw("line", { class: "realtime kept", x1: x, x2: x, y1: inner.top, y2: inner.bottom }),
        draw(
          "text",
          { x: x + (room ? 5 : -5), y: inner.top + 10, "text-anchor": room ? "start" : "end" },
          `confirmed: ${plain(rate_per_s)} per s`,
        ),
      );
    }
    for (const { rate_per_s } of tried.filter(({ p50_s, p95_s }) => p50_s === null && p95_s === null)) {
      const lines = ["too few calls were answered for any figure"];
      const point = spotAt(0, toX(rate_per_s), inner.bottom, `${plain(rate_per_s)} requests per s`, lines, tell);
      point.lastChild.replaceWith(cross());
      picture.append(point);
    }
    [
      ["p50", ({ p50_s }) => p50_s],
      [name, ({ p95_s }) => p95_s],
    ].forEach(([quantile, of], place) => {
      const known = tried.filter((each) => of(each) !== null);
      const path = known.map((each, step) => `${step ? "L" : "M"}${toX(each.rate_per_s)},${toY(of(each))}`).join("");
      picture.append(lineOf(place, path));
      for (const each of known) {
        const kept = each.kept ? "the bound was kept" : "the bound was not kept";
        const title = `${plain(each.rate_per_s)} requests per s`;
        const lines = [`${quantile} ${seconds(of(each))}`, kept];
        const point = spotAt(place, toX(each.rate_per_s), toY(of(each)), title, lines, tell);
        if (!each.kept) point.lastChild.classList.add("hollow");
        picture.append(point);
      }
    });
  }

  function showMemory() {
    const growth = chosen().growth.find(({ turn }) => turn === "transcribe") ?? chosen().growth[0];
    at("memory-block").hidden = !growth?.held.length;
    if (!growth?.held.length) return;
    const held = growth.held.map(([turn, bytes]) => [turn, bytes / MEBIBYTE]);
    const sizes = held.map(([, size]) => size);
    const [low, high] = [Math.min(...sizes), Math.max(...sizes)];
    const room = Math.max((high - low) * 0.1, (high * LEAST_SPAN - (high - low)) / 2);
    chart(at("memory"), {
      height: 280,
      label: "resident memory after each turn",
      x: { low: 0, high: growth.turns * 1.02, name: growth.turn === "reload" ? "reloads" : "transcriptions" },
      y: { low: low - room, high: high + room, factor: 1, room: 18, name: "resident memory [MiB]" },
      paint: (frame) => paintMemory(frame, growth, held),
    });
    const { slope } = growth;
    const kib = (bytes) => plain(bytes / 1024).replace("-", "−");
    at("memory-note").textContent = slope
      ? `${kib(slope.middle)} KiB more a turn, from ${kib(slope.low)} to ${kib(slope.high)} at ${percent(growth.level, 0)}; ` +
        "the first fifth is left out."
      : "Too few turns tell no slope.";
  }

  function paintMemory({ picture, toX, toY }, growth, held) {
    const path = (points) => points.map(([x, y], step) => `${step ? "L" : "M"}${toX(x)},${toY(y)}`).join("");
    const { slope } = growth;
    if (slope) {
      const middle = (values) => [...values].sort((one, other) => one - other)[Math.floor(values.length / 2)];
      const kept = held.filter(([turn]) => turn > growth.warm_up);
      const [centre, height] = [middle(kept.map(([turn]) => turn)), middle(kept.map(([, size]) => size))];
      const on = (bytes, turn) => [turn, height + (bytes / MEBIBYTE) * (turn - centre)];
      const [first, last] = [kept[0][0], kept.at(-1)[0]];
      const fan = [on(slope.low, first), on(slope.low, last), on(slope.high, last), on(slope.high, first)];
      picture.append(
        draw("path", { class: "fan m1", d: `${path([fan[0], [centre, height], fan[3]])}Z` }),
        draw("path", { class: "fan m1", d: `${path([fan[1], [centre, height], fan[2]])}Z` }),
        lineOf(1, path([on(slope.middle, first), on(slope.middle, last)])),
      );
    }
    picture.append(draw("path", { class: "curve thin m0", stroke: "currentcolor", d: path(held) }));
  }

  // One utterance as it was heard while it was spoken

  function showTimeline() {
    const stream = chosen().streams[Number(at("stream").value)];
    const end = Math.max(stream.duration_s, ...stream.partials.map(([at_s]) => at_s)) * 1.02;
    const share = (s) => `${(s / end) * 100}%`;
    const rows = [];
    let words = [];
    for (const [at_s, heard_s, agreed, kept, more] of stream.partials) {
      words = [...words.slice(0, kept), ...more];
      rows.push(shownRow(stream, share, { at_s, heard_s, agreed, words }));
    }
    rows.at(-1)?.classList.add("final");
    const { streamed } = chosen();
    const how = streamed ? `${streamed.method}, ${seconds(streamed.step_s)} of audio a step. ` : "";
    at("stream-lead").textContent =
      `${how}The bar is the audio that was heard, the mark when its text was there; upright words are agreed ` +
      "on, slanted ones may change still. The line is the end of the audio.";
    at("timeline").replaceChildren(audioRow(stream, share, end), ...rows, ...failureOf(stream));
    at("timeline").style.setProperty("--end", share(stream.duration_s));
  }

  function audioRow(stream, share, end) {
    const bar = make("span", { class: "audio" }, "audio");
    bar.style.width = share(stream.duration_s);
    const ticks = page.evenly(0, end, 4).map((tick) => {
      const text = make("span", { class: "tick" }, `${page.tidy(tick)}\u00a0s`);
      text.style.left = share(tick);
      return text;
    });
    return make(
      "li",
      { class: "whole" },
      make("span", { class: "lane" }, bar, ...ticks),
      make("span", { class: "number" }, seconds(stream.duration_s)),
      make("span", { class: "shown dim", lang: stream.language || null }, stream.reference || "nobody speaks"),
    );
  }

  function shownRow(stream, share, { at_s, heard_s, agreed, words }) {
    const space = stream.spaced ? " " : "";
    const [sure, rest] = [words.slice(0, agreed).join(space), words.slice(agreed).join(space)];
    const [heard, wait, mark] = ["heard", "wait", "there"].map((name) => make("i", { class: name }));
    heard.style.width = share(heard_s);
    wait.style.left = share(heard_s);
    wait.style.width = share(at_s - heard_s);
    mark.style.left = share(at_s);
    return make(
      "li",
      {},
      make("span", { class: "lane", title: `heard ${seconds(heard_s)}, there at ${seconds(at_s)}` }, heard, wait, mark),
      make("span", { class: "number" }, `${at_s.toFixed(2)}\u00a0s`),
      make(
        "span",
        { class: "shown", lang: stream.language || null },
        make("b", {}, sure),
        sure && rest ? space : null,
        make("i", {}, rest),
        sure || rest ? null : NOT_MEASURED,
      ),
    );
  }

  function failureOf(stream) {
    return stream.failure ? [make("li", { class: "bad wrap" }, `failed: ${stream.failure}`)] : [];
  }

  // The table

  function columns() {
    const figure = (name, value, cell, worstFirst = false) => ({
      name,
      value,
      cell: (each) => (value(each) === null ? null : cell(value(each), each)),
      number: true,
      worstFirst,
    });
    const under = (text, more) => make("span", {}, text, make("span", { class: "under" }, more));
    const settingOf = ({ setting }) =>
      `${setting.replicas ?? 1} × ${setting.threads ?? 1}, batch ${setting.batch_size ?? 1}`;
    const priceColumn = figure(`Price${currency}`, (each) => each.price, plain);
    return [
      { name: "Model", value: (each) => each.model, cell: (each) => modelCell(each.model) },
      figure("p50", (each) => each.latency?.quantiles.p50 ?? null, seconds),
      figure("p95", (each) => each.latency?.quantiles.p95 ?? null, seconds),
      figure("Fixed cost", (each) => each.latency?.fixed_s ?? null, seconds),
      figure("Marginal RTF", (each) => each.latency?.marginal_rtf ?? null, ratio),
      figure("Best RTFx", (each) => each.best?.rtfx ?? null, (v, { best }) => under(plain(v), settingOf(best)), true),
      figure(
        "Rate kept",
        (each) => each.served?.rate_per_s ?? null,
        (v, { served }) => under(`${plain(v)}\u00a0/s`, `p${served.quantile * 100} < ${seconds(served.bound_s)}`),
        true,
      ),
      figure("First partial", (each) => each.streamed?.first_partial_s ?? null, seconds),
      figure("Final", (each) => each.streamed?.final_s ?? null, seconds),
      figure("Revisions a word", (each) => each.streamed?.revisions_per_word ?? null, ratio),
      figure("Cold start", (each) => each.starts.cold_s, seconds),
      figure("Warm start", (each) => each.starts.warm_s, seconds),
      figure("Peak memory", (each) => each.peak_bytes, mebibytes),
      figure("Core-hours an hour", (each) => each.core_hours, plain),
      ...(priced ? [priceColumn] : []),
    ];
  }

  wire();
  return { show, render: () => FIGURES.forEach((id) => at(id).render?.()) };
}

// Nestling's page: one state, drawn anew after each answer. Texts of documents are put in as text, never as HTML.

const at = (id) => document.getElementById(id);
const state = { hits: [], chosen: [], more: false, opened: null, marks: [], mark: -1, asked: null, watching: 0 };
const PAGE = 20, WAIT_MS = 60, WATCH_MS = 500;
let texts = {}, pending = null, timer = 0;

const say = (key, values = {}) =>
  (texts[key] ?? key).replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? ""));

function make(tag, { text, children = [], ...given } = {}) {
  const made = Object.assign(document.createElement(tag), given);
  if (text !== undefined) made.textContent = text;
  made.append(...children);
  return made;
}

async function ask(path, { query = {}, body, method, signal } = {}) {
  const pairs = Object.entries(query).flatMap(([name, value]) => [value].flat().map((one) => [name, one]));
  const given = body === undefined ? {} : { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } };
  const search = pairs.length ? `?${new URLSearchParams(pairs)}` : "";
  let answer;
  try {
    answer = await fetch(path + search, { method: method ?? (body === undefined ? "GET" : "POST"), signal, ...given });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error(say("gone"));
  }
  const found = await answer.json().catch(() => ({ error: say("gone") }));
  if (!answer.ok) throw new Error(found.error);
  return found;
}

// Questions

function question() {
  const dates = {};
  if (at("since").value) dates[">="] = at("since").value;
  if (at("until").value) dates["<="] = `${at("until").value}T99`;
  const filters = state.chosen.map((one) => JSON.stringify(one.where));
  if (Object.keys(dates).length) filters.push(JSON.stringify({ $or: [{ modified: dates }, { date: dates }] }));
  const sort = at("sort").value;
  return { q: at("query").value, library: at("library").value, mode: at("mode").value, sort, filter: filters };
}

function askSoon(wait = WAIT_MS) {
  clearTimeout(timer);
  timer = setTimeout(() => search(0), wait);
}

async function search(first) {
  clearTimeout(timer);
  pending?.abort();
  const asked = first ? state.asked : question();  // more of what is shown, whatever is typed since
  if (!asked.q.trim()) { state.hits = []; state.more = false; drawHits(""); drawFacets([]); return; }
  const mine = (pending = new AbortController());
  // Words answer at once; meaning follows.
  const wordsFirst = first === 0 && asked.mode === "hybrid" && !state.hits.length;
  try {
    if (wordsFirst) show(await ask("/api/page", { query: { ...asked, mode: "lexical", k: PAGE }, signal: mine.signal }), 0, true);
    const answer = await ask("/api/page", { query: { ...asked, first, k: PAGE }, signal: mine.signal });
    state.asked = asked;
    show(answer, first, false);
    const kept = new URLSearchParams({ q: asked.q.slice(0, 500) });
    history.replaceState(null, "", `/?${kept}`);
  } catch (error) {
    if (error.name !== "AbortError") drawHits(error.message, true);
  }
}

function show(answer, first, early) {
  state.hits = first ? [...state.hits, ...answer.hits] : answer.hits;
  state.more = answer.more && !early;
  const count = state.hits.length;
  const found = count === 0 ? "none" : answer.more ? "many more" : count === 1 ? "one" : "many";
  const line = say("took", { found: say(found, { count }), ms: Math.max(1, Math.round(answer.took_ms)) });
  drawHits(early ? "" : count && !answer.fits ? say("weak") : count ? line : say("none"), !answer.fits && count > 0 && !early);
  if (!early) drawFacets(answer.facets);
}

// Hits

function drawHits(line, weak = false) {
  at("found").textContent = line;
  at("found").className = weak ? "weak" : "";
  at("export").hidden = !state.hits.length;
  at("more").hidden = !state.more;
  const focused = [...at("hits").querySelectorAll("button.hit")].indexOf(document.activeElement);
  at("hits").replaceChildren(...state.hits.map(drawHit));
  if (focused >= 0) (at("hits").querySelectorAll("button.hit")[focused] ?? at("query")).focus();
}

function drawHit(hit, number) {
  const title = hit.title || hit.id || say("untitled");
  const button = make("button", { type: "button", className: "hit", text: title, dir: "auto", onclick: () => open(number) });
  const where = [hit.place, hit.source || hit.id, hit.date?.slice(0, 10)].filter(Boolean).join(" · ");
  const parts = [
    make("h3", { children: [button] }),
    make("p", { className: "where", text: where, dir: "auto" }),
    make("p", { dir: "auto", children: marked(hit) }),
    make("p", { className: "why", text: say("why", { reasons: reasons(hit) }) }),
  ];
  const same = [...hit.alike.map((one) => one.source || one.id), ...hit.copies];
  if (same.length) {
    const list = make("ul", { children: same.map((one) => make("li", { text: one, dir: "auto" })) });
    parts.push(make("details", { children: [make("summary", { text: say("also", { count: same.length }) }), list] }));
  }
  const row = make("li", { children: parts });
  if (hit.id === state.opened?.id) row.setAttribute("aria-current", "true");
  return row;
}

function reasons(hit) {
  const found = [];
  if (hit.relevance !== null) found.push(say("relevance", { percent: Math.round(100 * hit.relevance) }));
  found.push(hit.dense_rank ? say("by meaning", { rank: hit.dense_rank }) : say("not by meaning"));
  found.push(hit.lexical_rank ? say("by words", { rank: hit.lexical_rank }) : say("not by words"));
  return found.join(", ");
}

// What stands between two pairs of asterisks is marked, unless the text has asterisks of its own.
function marked(hit) {
  const parts = hit.snippet.split("**");
  if (hit.text.includes("**")) return [document.createTextNode(parts.join(""))];
  return parts.map((part, number) => (number % 2 ? make("mark", { text: part }) : document.createTextNode(part)));
}

// Facets

// What was chosen is drawn anew, so that the focus goes to what it changed.
function narrow(change) {
  change();
  askSoon(0);
  at("results").focus({ preventScroll: true });
}

function drawFacets(facets) {
  const name = (one) => (one.name.startsWith("metadata ") ? one.name.slice(9) : say(`facet ${one.name}`));
  const value = (facet, one) =>
    make("button", {
      type: "button",
      className: "value",
      children: [make("span", { text: one.value, dir: "auto" }), make("span", { text: one.count })],
      onclick: () => narrow(() => state.chosen.push({ label: `${name(facet)}: ${one.value}`, where: one.where })),
    });
  const field = (facet) =>
    make("fieldset", { children: [make("legend", { text: name(facet) }), ...facet.values.map((one) => value(facet, one))] });
  at("facets").replaceChildren(...facets.map(field));
  const chip = (one, number) => {
    const made = make("button", { type: "button", className: "chip", text: `${one.label} ×`, dir: "auto" });
    made.setAttribute("aria-label", say("remove", { value: one.label }));
    made.onclick = () => narrow(() => state.chosen.splice(number, 1));
    return made;
  };
  at("chosen").replaceChildren(...state.chosen.map(chip));
}

// The preview

async function open(number) {
  const hit = state.hits[number];
  if (!hit) return;
  state.opened = hit;
  [...at("hits").children].forEach((row, at) => (at === number ? row.setAttribute("aria-current", "true") : row.removeAttribute("aria-current")));
  const library = state.asked?.library ?? at("library").value;
  let found;
  try {
    found = await ask("/api/documents", { query: { id: hit.id, library, q: at("query").value } });
  } catch (error) {
    at("found").textContent = error.message;
    return;
  }
  if (state.opened !== hit) return;  // another was opened meanwhile
  at("preview").hidden = false;
  at("text").scrollTop = 0;
  at("title").textContent = found.title || found.id;
  at("about").textContent = [hit.place, found.source || found.id].filter(Boolean).join(" · ");
  drawText(found.text, found.marks ?? [], found.text.indexOf(hit.text), hit.text.length);
  const isFile = found.source !== "" && found.metadata.path === found.source;
  at("original").hidden = at("copy").hidden = !isFile;
  const page = /\bpage (\d+)/.exec(hit.place);
  at("original").href = `/api/file?${new URLSearchParams({ id: hit.id, library })}${page ? `#page=${page[1]}` : ""}`;
  at("copy").dataset.path = found.source;
  at("copy").textContent = say("copy");
  at("title").focus({ preventScroll: true });
  toMark(Math.max(0, state.marks.findIndex((mark) => mark.closest(".passage"))));
}

// Offsets come in characters; JavaScript counts those beyond the 16-bit plane twice.
function inUnits(text, marks) {
  if (!/[\ud800-\udfff]/.test(text)) return marks;
  const units = [0];
  for (const char of text) units.push(units.at(-1) + char.length);
  return marks.map(([begin, end]) => [units[begin], units[end]]);
}

function drawText(text, characters, start, length) {
  const marks = inUnits(text, characters);
  const passage = make("span", { className: "passage" });
  const parts = [];
  state.marks = [];
  const put = (from, to, into) => {
    let offset = from;
    for (const [begin, end] of marks) {
      if (end <= from || begin >= to) continue;
      into.push(document.createTextNode(text.slice(offset, Math.max(begin, from))));
      const mark = make("mark", { text: text.slice(Math.max(begin, from), Math.min(end, to)) });
      state.marks.push(mark);
      into.push(mark);
      offset = Math.min(end, to);
    }
    into.push(document.createTextNode(text.slice(offset, to)));
  };
  if (start < 0) put(0, text.length, parts);
  else {
    const inside = [];
    put(0, start, parts);
    put(start, start + length, inside);
    passage.append(...inside);
    parts.push(passage);
    put(start + length, text.length, parts);
  }
  at("text").replaceChildren(...parts);
  if (start >= 0) passage.scrollIntoView({ block: "start" });
}

function toMark(number) {
  const count = state.marks.length;
  at("before").disabled = at("after").disabled = !count;
  state.marks[state.mark]?.classList.remove("now");
  state.mark = count ? (number + count) % count : -1;
  at("place").textContent = count ? say("mark", { at: state.mark + 1, count }) : say("no marks");
  state.marks[state.mark]?.classList.add("now");
  state.marks[state.mark]?.scrollIntoView({ block: "nearest" });
}

function close() {
  at("preview").hidden = true;
  const row = at("hits").children[state.hits.findIndex((hit) => hit.id === state.opened?.id)];
  (row?.querySelector("button") ?? at("query")).focus();
}

// Saving hits

function save(name, kind, text) {
  const url = URL.createObjectURL(new Blob([text], { type: kind }));
  make("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

function csv(hits) {
  const columns = ["id", "title", "source", "place", "date", "score", "relevance", "text"];
  // A spreadsheet would run a cell that begins like a formula.
  const cell = (value) => `"${String(value ?? "").replace(/^[=+\-@\t\r]/, "'$&").replaceAll('"', '""')}"`;
  return [columns, ...hits.map((hit) => columns.map((one) => hit[one]))].map((row) => row.map(cell).join(",")).join("\r\n");
}

// The library: what it holds, adding to it, and what is at work

async function manage() {
  at("said").textContent = "";
  at("managing").showModal();
  try {
    await refresh();
  } catch (error) {
    at("said").textContent = error.message;
  }
  watch();
}

async function refresh() {
  const infos = (await ask("/api/libraries")).libraries;
  const info = infos.find((one) => one.name === at("library").value) ?? infos[0];
  const shown = { ...info, bytes: `${(info.bytes / 1e6).toFixed(1)} MB`, synced: info.synced ? new Date(info.synced).toLocaleString() : say("never"), folders: info.folders.join("\n") || "–" };
  const names = ["documents", "passages", "unrefined", "files", "folders", "synced", "bytes"];
  at("info").replaceChildren(...names.flatMap((name) => [make("dt", { text: say(`info ${name}`) }), make("dd", { text: shown[name], dir: "auto" })]));
  const { failures } = await ask("/api/failures", { query: { library: info.name } });
  const rows = failures.map((one) => make("li", { text: `${one.source}: ${one.reason}`, dir: "auto" }));
  at("failures").replaceChildren(...(rows.length ? rows : [make("li", { text: say("none failed") })]));
}

async function begin(body) {
  at("said").textContent = "";
  try {
    await ask("/api/jobs", { body: { library: at("library").value, ...body } });
    watch(true);
  } catch (error) {
    at("said").textContent = error.message;
  }
}

async function watch(wasRunning = false) {
  clearTimeout(state.watching);
  let job;
  try {
    const found = await ask("/api/jobs");
    job = found.jobs[at("library").value];
    const kept = found.watching[at("library").value];
    at("keeping").hidden = !kept;
    if (kept) {
      at("pause").checked = kept.paused;
      at("due").textContent = kept.error || (kept.pending ? say("due") : "");
    }
  } catch (error) {
    at("said").textContent = error.message;
    return;
  }
  at("job").hidden = !job;
  if (!job) return;
  const running = job.state === "running";
  at("stop").hidden = !running;
  at("bar").max = Math.max(1, job.total);
  at("bar").value = job.total ? job.done : 0;
  const left = job.seconds_left === null ? say("left unknown") : say("left", { minutes: Math.ceil(job.seconds_left / 60) });
  const speed = Math.round(job.passages / Math.max(1, job.seconds));
  const report = { ...job.report, skipped: job.report?.skipped.length };
  const key = job.state === "done" && job.kind === "refine" ? "state refined" : `state ${job.state}`;
  at("doing").textContent = say(key, { ...job, ...report, left, speed });
  if (running) state.watching = setTimeout(() => watch(true), WATCH_MS);
  else if (wasRunning) { await refresh().catch(() => {}); askSoon(0); }
}

// Keys

function key(event) {
  if (at("managing").open || event.isComposing || event.ctrlKey || event.altKey || event.metaKey) return;
  const rows = [...at("hits").querySelectorAll("button.hit")];
  const typing = event.target.matches("input, select, textarea");
  if (event.key === "/" && !typing) { event.preventDefault(); at("query").focus(); at("query").select(); }
  else if (event.key === "Escape") {
    event.preventDefault();  // a browser would empty the field
    if (!at("preview").hidden) close();
    else { at("query").focus(); at("query").select(); }
  } else if ((event.key === "ArrowDown" || event.key === "ArrowUp") && !event.target.matches("select, input[type=date]") && !event.target.closest("#text")) {
    const now = rows.indexOf(document.activeElement);
    const next = event.key === "ArrowDown" ? Math.min(now + 1, rows.length - 1) : now - 1;
    if (!rows.length || (now === -1 && (event.key === "ArrowUp" || event.target !== at("query")))) return;
    event.preventDefault();
    (next < 0 ? at("query") : rows[next])?.focus();
  } else if (event.key === "Enter" && event.target === at("query") && state.asked?.q === at("query").value && state.hits.length) {
    event.preventDefault();  // what is typed is answered already
    open(0);
  }
}

async function start() {
  const wanted = navigator.language?.split("-")[0] ?? "en";
  texts = await ask("/static/texts.en.json");
  if (wanted !== "en") {
    const own = await fetch(`/static/texts.${wanted}.json`).catch(() => null);
    if (own?.ok) { texts = { ...texts, ...(await own.json()) }; document.documentElement.lang = wanted; }
  }
  for (const one of document.querySelectorAll("[data-text]")) one.textContent = say(one.dataset.text);
  at("query").placeholder = say("placeholder");
  at("text").setAttribute("aria-label", say("text"));
  const options = (name, values) => at(name).append(...values.map((one) => make("option", { value: one, text: say(`${name} ${one}`) })));
  options("mode", ["hybrid", "dense", "lexical"]);
  options("sort", ["relevance", "date"]);
  const { libraries } = await ask("/api/libraries");
  at("library").append(...libraries.map((one) => make("option", { value: one.name, text: one.name })));
  at("query").value = new URLSearchParams(location.search).get("q") ?? "";
  at("narrow").open = matchMedia("(min-width: 60rem)").matches;
  document.addEventListener("keydown", key);
  at("query").addEventListener("input", () => askSoon());
  for (const one of ["library", "mode", "sort", "since", "until"]) at(one).addEventListener("change", () => askSoon(0));
  at("library").addEventListener("change", () => { state.chosen = []; });
  at("ask").addEventListener("submit", (event) => { event.preventDefault(); search(0); });
  at("more").onclick = () => search(state.hits.length);
  at("close").onclick = close;
  at("before").onclick = () => toMark(state.mark - 1);
  at("after").onclick = () => toMark(state.mark + 1);
  at("copy").onclick = async () => {
    await navigator.clipboard?.writeText(at("copy").dataset.path).then(() => { at("copy").textContent = say("copied"); }, () => {});
  };
  at("like").onclick = () => { at("query").value = state.opened.text.slice(0, 1500); at("mode").value = "dense"; close(); search(0); };
  at("csv").onclick = () => save("hits.csv", "text/csv", csv(state.hits));
  at("json").onclick = () => save("hits.json", "application/json", JSON.stringify(state.hits, null, 2));
  at("manage").onclick = manage;
  at("done").onclick = () => at("managing").close();
  at("add").addEventListener("submit", (event) => { event.preventDefault(); begin({ kind: "sync", path: at("folder").value }); });
  at("sync").onclick = () => begin({ kind: "sync" });
  at("refine").onclick = () => begin({ kind: "refine" });
  at("pause").onchange = () => ask("/api/watching", { body: { library: at("library").value, paused: at("pause").checked } }).catch((error) => { at("said").textContent = error.message; });
  at("stop").onclick = () => ask("/api/jobs", { query: { library: at("library").value }, method: "DELETE" }).catch((error) => { at("said").textContent = error.message; });
  at("query").focus();
  if (at("query").value) search(0);
}

start().catch((error) => { at("found").textContent = error.message; });

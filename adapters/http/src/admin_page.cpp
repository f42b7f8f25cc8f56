#include "admin_page.hpp"

#include <array>

namespace resilience::inline v1::detail {

namespace {

constexpr std::string_view page_html = R"page(<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Resilience</title>
<link rel="icon" href="/icon.svg">
<link rel="stylesheet" href="/page.css">
<script src="/page.js" defer></script>
</head>
<body>
<header>
<h1 id="service">Resilience</h1>
<p id="status" role="status" aria-live="polite">connecting to this server</p>
<p id="contact"></p>
</header>
<p id="lost" class="banner" role="alert" hidden></p>
<main id="figures" aria-busy="true">
<ul id="reasons"></ul>
<section id="empty" hidden>
<h2>Connected. No policies registered yet</h2>
<pre>resilience::ResilienceManager manager{"checkout"};
auto breaker = manager.register_circuit_breaker("payment_api");
auto bulkhead = manager.register_bulkhead("payment_api", 50);
resilience::Pipeline guarded{breaker, bulkhead};</pre>
</section>
</main>
<noscript>
<p class="banner">This page needs its script. The same figures stand in <a href="/stats?pretty">/stats</a>.</p>
</noscript>
<footer>
<a href="/stats?pretty">/stats</a> <a href="/metrics">/metrics</a>
<a href="/livez">/livez</a> <a href="/readyz">/readyz</a>
</footer>
</body>
</html>
)page";

constexpr std::string_view page_icon = R"page(<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16">
<circle cx="8" cy="8" r="6" fill="none" stroke="#009E73" stroke-width="3"/></svg>
)page";

constexpr std::string_view page_css = R"page(:root {
  color-scheme: light dark;
  --paper: #ffffff; --ink: #1b1f23; --soft: #57606a; --line: #d0d7de;
  --ok: #00694d; --failed: #a84300; --refused: #7a5200;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14181c; --ink: #e6e9ec; --soft: #a3acb5; --line: #3a424a;
    --ok: #2fc79a; --failed: #ff8f4a; --refused: #f0b429;
  }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 75rem; padding: 1rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.45 system-ui, sans-serif; }
header { display: flex; flex-wrap: wrap; align-items: baseline; gap: 0 1.5rem; }
h1 { margin: 0; font-size: 1.5rem; overflow-wrap: anywhere; }
h2 { margin: 1.5rem 0 .25rem; font-size: 1.1rem; }
header p { margin: 0; }
#contact, footer { color: var(--soft); }
.banner { border: 2px solid var(--failed); padding: .5rem .75rem; font-weight: 600; }
.old table { color: var(--soft); }
#reasons { padding-left: 1.25rem; overflow-wrap: anywhere; }
.sheet { overflow-x: auto; }
table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .75rem .3rem 0; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
th:last-child, td:last-child { padding-right: 0; }
thead th { color: var(--soft); font-weight: 500; }
tbody th { font-weight: 600; overflow-wrap: anywhere; min-width: 10rem; }
td { min-width: 8rem; }
.number { text-align: right; white-space: nowrap; min-width: 0; }
.why { text-align: right; min-width: 9rem; }
.ok { color: var(--ok); }
.failed { color: var(--failed); font-weight: 600; }
.refused { color: var(--refused); font-weight: 600; }
.old .ok, .old .failed, .old .refused { color: inherit; }
@media (max-width: 68rem) {
  thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  table, tbody { display: block; }
  tbody tr { display: grid; grid-template-columns: repeat(auto-fill, minmax(6.5rem, 1fr)); gap: .4rem .75rem;
    padding: .6rem 0; border-bottom: 1px solid var(--line); }
  tbody th, tbody td, tbody .number, tbody .why { display: block; min-width: 0; padding: 0; border: 0;
    text-align: left; white-space: normal; overflow-wrap: anywhere; }
  tbody th, tbody .why { grid-column: 1 / -1; }
  td::before { content: attr(data-label); display: block; color: var(--soft); font-size: .8rem; font-weight: 400; }
}
pre { padding: .75rem; border: 1px solid var(--line); overflow-x: auto; }
footer { margin-top: 2rem; }
a { color: inherit; }
a:focus-visible { outline: 3px solid var(--refused); outline-offset: 2px; }
)page";

constexpr std::string_view page_js = R"page('use strict';

const PERIOD = 1000;
const PATIENCE = 2500;
const STATES = {
  closed: ['●', 'closed', 'ok'],
  open: ['■', 'open', 'failed'],
  half_open: ['◐', 'half-open', 'refused'],
  forced_open: ['✋', 'forced open', 'failed'],
  forced_closed: ['✋', 'forced closed', 'refused'],
  metrics_only: ['✋', 'metrics only', 'refused'],
};
const WORST_FIRST = ['forced_open', 'forced_closed', 'metrics_only', 'open', 'half_open', 'closed'];

const at = (id) => document.getElementById(id);
const count = (value) => (value ?? 0).toLocaleString('en-US');
const sum = (counters) => Object.values(counters ?? {}).reduce((total, value) => total + value, 0);
const ratio = (value) => (value === null || value === undefined ? '–' : (100 * value).toFixed(1) + ' %');

function span(seconds) {
  if (seconds === null || seconds === undefined) return '–';
  if (seconds < 1) return Math.round(1000 * seconds) + ' ms';
  if (seconds < 60) return (seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)) + ' s';
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return minutes + ' min ' + Math.floor(seconds % 60) + ' s';
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? hours + ' h ' + (minutes % 60) + ' min' : Math.floor(hours / 24) + ' d ' + (hours % 24) + ' h';
}

function why(counters) {
  const reasons = Object.entries(counters ?? {}).filter(([, value]) => value > 0);
  if (reasons.length === 0) return '0';
  return reasons.map(([reason, value]) => count(value) + ' ' + reason.replaceAll('_', ' ')).join(', ');
}

// A cell is text, or [text, class]. Names come from anywhere: text is only ever set as text.
function cell(tag, content, scope) {
  const element = document.createElement(tag);
  const [text, kind] = Array.isArray(content) ? content : [content, ''];
  element.textContent = text;
  if (kind) element.className = kind;
  if (scope) element.scope = scope;
  return element;
}

// In a narrow window a row becomes a card whose figures carry their column's name, and no layout may take the roles of
// a table away.
function row(columns, contents) {
  const element = document.createElement('tr');
  element.setAttribute('role', 'row');
  contents.forEach((content, index) => {
    const head = columns === contents;
    const made = head || index === 0 ? cell('th', content, head ? 'col' : 'row') : cell('td', content);
    made.setAttribute('role', head ? 'columnheader' : index === 0 ? 'rowheader' : 'cell');
    if (!head) made.dataset.label = [columns[index]].flat()[0];
    element.append(made);
  });
  return element;
}

const number = (text) => [text, 'number'];
const refused = (counters) => [why(counters), 'why'];

function breakerRow(name, breaker) {
  const [sign, word, kind] = STATES[breaker.state] ?? ['?', breaker.state, 'refused'];
  const seen = breaker.window ?? {};
  const lever = breaker.lever_expires_seconds;
  const reverts = breaker.manual && lever !== null && lever !== undefined ? ', reverts in ' + span(lever) : '';
  const idle = breaker.requests_total === 0;
  return [name, [sign + ' ' + word + reverts, kind], number(span(breaker.state_seconds)),
    number(idle ? 'no calls yet' : seen.requests > 0 ? ratio(seen.failure_ratio) + ' of ' + count(seen.requests) : '–'),
    number(ratio(seen.failure_threshold)), number(span(breaker.retry_after_seconds)),
    number(count(breaker.in_flight)), number(count(breaker.requests_total)),
    number(count(breaker.failure_total)), refused(breaker.rejected_total)];
}

// A keyed limiter has no tokens of its own: its keys have, as many as its tiers say. One that is full and lets an idle
// key go for each new one is well.
function keyedLimiterRow(name, limiter) {
  const full = limiter.keys.held >= limiter.keys.max;
  const refuses = full && limiter.keys.when_full === 'refuse_new';
  return [name, [refuses ? '■ full of keys' : full ? '● full of keys' : '● has room', refuses ? 'refused' : 'ok'],
    number(count(limiter.keys.held) + ' of ' + count(limiter.keys.max) + ' keys'), number('–'), number('–'),
    number('–'), number(count(limiter.requests_total)), number(count(limiter.admitted_total)),
    refused(limiter.rejected_total)];
}

function limiterRow(name, limiter) {
  if (limiter.keys) return keyedLimiterRow(name, limiter);
  const empty = limiter.available_tokens < 1;
  return [name, [empty ? '■ empty' : '● has tokens', empty ? 'refused' : 'ok'],
    number(count(limiter.available_tokens) + ' of ' + count(limiter.capacity)),
    number(count(limiter.refill_rate_per_second) + '/s'), number(span(limiter.retry_after_seconds || null)),
    number(count(limiter.waiting)), number(count(limiter.requests_total)),
    number(count(limiter.admitted_total)), refused(limiter.rejected_total)];
}

function bulkheadRow(name, bulkhead) {
  const full = bulkhead.in_use >= bulkhead.max_concurrent;
  return [name, [full ? '■ full' : '● has room', full ? 'refused' : 'ok'],
    number(count(bulkhead.in_use) + ' of ' + count(bulkhead.max_concurrent)),
    number(count(bulkhead.queue_depth) + ' of ' + count(bulkhead.queue_size)),
    number(count(bulkhead.requests_total)), number(count(bulkhead.admitted_total)),
    refused(bulkhead.rejected_total)];
}

function retryRow(name, retry) {
  const calls = retry.calls_total ?? {};
  const all = sum(calls);
  return [name, number(count(all)), number(count(retry.attempts_total)),
    number(all === 0 ? 'no calls yet' : (retry.attempts_total / all).toFixed(2)),
    number(count(calls.success_first)), number(count(calls.success_retried)), number(count(calls.exhausted)),
    number(count(retry.sleeping))];
}

function breakersWorstFirst([leftName, left], [rightName, right]) {
  return WORST_FIRST.indexOf(left.state) - WORST_FIRST.indexOf(right.state) || (leftName < rightName ? -1 : 1);
}

const TABLES = [
  {kind: 'circuit_breakers', title: 'Circuit breakers', row: breakerRow, order: breakersWorstFirst,
    columns: ['Name', 'State', 'Since', 'Failures', 'Opens at', 'Retry in', 'In flight', 'Attempts', 'Failed',
      'Refused']},
  {kind: 'rate_limiters', title: 'Rate limiters', row: limiterRow,
    columns: ['Name', 'State', 'Tokens', 'Refill', 'Retry in', 'In line', 'Requests', 'Admitted', 'Refused']},
  {kind: 'bulkheads', title: 'Bulkheads', row: bulkheadRow,
    columns: ['Name', 'State', 'In use', 'In line', 'Requests', 'Admitted', 'Refused']},
  {kind: 'retries', title: 'Retries', row: retryRow,
    columns: ['Name', 'Calls', 'Attempts', 'Attempts per call', 'Well at first', 'Well after retries', 'Exhausted',
      'Waiting']},
];

function section(table) {
  const element = document.createElement('section');
  const heading = document.createElement('h2');
  heading.id = table.kind;
  const sheet = document.createElement('table');
  sheet.setAttribute('role', 'table');
  sheet.setAttribute('aria-labelledby', table.kind);
  const head = document.createElement('thead');
  head.setAttribute('role', 'rowgroup');
  const named = table.columns.map((name, index) => (index < 2 && name !== 'Calls' ? name : number(name)));
  head.append(row(named, named));
  table.body = document.createElement('tbody');
  table.body.setAttribute('role', 'rowgroup');
  table.heading = heading;
  table.section = element;
  sheet.append(head, table.body);
  const scroll = document.createElement('div');
  scroll.className = 'sheet';
  scroll.append(sheet);
  element.append(heading, scroll);
  element.hidden = true;
  at('figures').append(element);
}

function show(stats) {
  const health = stats.health ?? {};
  const words = {healthy: ['● healthy', 'ok'], degraded: ['◐ degraded', 'refused'], failing: ['■ failing', 'failed']};
  const [word, kind] = words[health.status] ?? [String(health.status), ''];
  const status = word + (health.ready ? ' · ready' : ' · NOT ready') + ' · ' + (health.open_circuits ?? 0) + ' open';
  if (at('status').textContent !== status) at('status').textContent = status;
  at('status').className = kind;
  const service = stats.service || 'Resilience';
  at('service').textContent = service;
  document.title = (health.open_circuits > 0 ? '■ ' + health.open_circuits + ' open — ' : '') + service;
  at('reasons').replaceChildren(...(health.reasons ?? []).map((reason) => cell('li', reason)));
  let policies = 0;
  for (const table of TABLES) {
    const entries = Object.entries(stats[table.kind] ?? {});
    if (table.order) entries.sort(table.order);
    policies += entries.length;
    table.section.hidden = entries.length === 0;
    table.heading.textContent = table.title + ' ' + entries.length;
    table.body.replaceChildren(...entries.map(([name, value]) => row(table.columns, table.row(name, value))));
  }
  at('empty').hidden = policies > 0;
  at('figures').setAttribute('aria-busy', 'false');
}

let lastContact = performance.now();

function showContact(connected, everConnected) {
  const age = Math.round((performance.now() - lastContact) / 1000);
  at('contact').textContent = connected ? '● live' : '';
  at('lost').hidden = connected;
  at('figures').classList.toggle('old', !connected);
  if (connected) return;
  at('lost').textContent = everConnected ? 'Lost contact ' + age + ' s ago: figures below are old'
    : 'No answer from ' + location.host + ' for ' + age + ' s; trying again';
}

async function follow() {
  let everConnected = false;
  for (;;) {
    const begun = performance.now();
    const abort = new AbortController();
    const limit = setTimeout(() => abort.abort(), PATIENCE);
    try {
      const answer = await fetch('/stats', {cache: 'no-store', signal: abort.signal});
      if (!answer.ok) throw new Error('status ' + answer.status);
      show(await answer.json());
      lastContact = performance.now();
      everConnected = true;
      showContact(true, true);
    } catch {
      showContact(false, everConnected);
    }
    clearTimeout(limit);
    const rest = PERIOD - (performance.now() - begun);
    await new Promise((resume) => setTimeout(resume, Math.max(rest, 100)));
  }
}

at('status').textContent = 'connecting to ' + location.host;
TABLES.forEach(section);
follow();
)page";

constexpr std::array<AdminPageFile, 4> files{{
    {"/", "text/html; charset=utf-8", page_html},
    {"/page.css", "text/css; charset=utf-8", page_css},
    {"/page.js", "text/javascript; charset=utf-8", page_js},
    {"/icon.svg", "image/svg+xml", page_icon},
}};

}  // namespace

std::span<const AdminPageFile> admin_page_files() noexcept { return files; }

}  // namespace resilience::inline v1::detail

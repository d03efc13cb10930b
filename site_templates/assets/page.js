// Every page: say its age, show times in the reader's zone, swap in newer content on demand.
const doc = document, root = doc.documentElement, el = id => doc.getElementById(id);
const keep = (k, v) => { try { return v === undefined ? localStorage[k] : (localStorage[k] = v); } catch { return ''; } };
const span = s => s < 90 ? (s | 0) + ' s' : s < 5400 ? (s / 60 | 0) + ' min' : s < 172800 ? (s / 3600 | 0) + ' h' : (s / 86400 | 0) + ' d';
function age() {
  const at = +doc.body.dataset.at, period = +doc.body.dataset.period, old = Date.now() / 1000 - at;
  const word = !period ? 'kept' : old < -60 ? 'clock' : old > period + 120 ? 'stale' : old > period + 60 ? 'late' : 'fresh';
  root.dataset.age = word;
  el('age').textContent = word == 'clock' ? '' : ' · ' + span(Math.max(0, old)) + ' old · ';
  const says = word == 'clock' ? ' · your clock seems wrong' : word;
  if (el('word').textContent != says) el('word').textContent = says;
  for (const cell of doc.querySelectorAll('[data-behind]')) {
    const own = (period ? old : 0) + 60 * cell.dataset.behind;
    cell.dataset.old = own > 150 ? span(own) + ' old' : '';
  }
}
function zone() {
  const local = keep('zone') == 'local', name = local ? new Date().toTimeString().slice(9, 17) : 'UTC';
  for (const t of doc.querySelectorAll('time')) {
    const utc = t.dataset.utc ??= t.textContent, full = new Date(t.dateTime).toLocaleString('sv').slice(0, 16);
    t.textContent = !local ? utc : utc[5] ? full + ' ' + name : full.slice(11);
  }
  for (const z of doc.querySelectorAll('.zone')) z.textContent = name;
  el('zone').textContent = local ? 'UTC' : 'Local time';
}
el('zone').onclick = () => { keep('zone', keep('zone') == 'local' ? '' : 'local'); zone(); };
async function live() {
  if (!el('live')?.checked || doc.hidden || Date.now() / 1000 - doc.body.dataset.at < +doc.body.dataset.period) return;
  try {
    const page = new DOMParser().parseFromString(await (await fetch(location.href, { cache: 'no-cache' })).text(), 'text/html');
    if (!(page.body.dataset.at > doc.body.dataset.at)) return;
    const had = doc.activeElement.id;
    doc.body.dataset.at = page.body.dataset.at;
    for (const id of ['at', 'main']) el(id).replaceWith(doc.adoptNode(page.getElementById(id)));
    zone(); age(); doc.dispatchEvent(new Event('swap')); had && el(had)?.focus();
  } catch { /* the old content stays, and its age says so */ }
}
if (el('live')) el('live').parentNode.hidden = location.protocol == 'file:';
zone(); age(); setInterval(() => { age(); live(); }, 1e4);

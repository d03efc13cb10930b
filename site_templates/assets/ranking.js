// The ranking: sort by any column, filter by words, exchange and quote; all in the address. `coinbase:` and `-usd` are words too.
const state = new URLSearchParams(location.search), LIMIT = 100;
const number = text => parseFloat(text.replace(/[,+]/g, '').replace('−', '-')) * ({ M: 1e6, B: 1e9, T: 1e12 }[text.match(/[MBT]/)] || 1);
const key = cell => +(cell.dataset.v ?? cell.dataset.behind ?? number(cell.title || cell.querySelector('[title]')?.title || [...cell.childNodes].find(n => n.data)?.data || ''));
let whole = '';
function show() {
  const body = doc.querySelector('.rank tbody');
  if (!body) return;
  const [q, ex, quote] = ['q', 'ex', 'quote'].map(id => {
    const said = state.get(id) || '', field = el(id);
    if (field && field.value != said) field.value = said;
    return said;
  });
  const sort = state.get('sort') || 'rank', others = doc.querySelectorAll('.pages a:not([aria-current])');
  // A question to all pages of the ranking: their rows are fetched once, when it is first asked.
  if (others.length && !whole && (sort != 'rank' || q || ex || quote)) {
    whole = 'loading …';
    Promise.all([...others].map(async a => new DOMParser().parseFromString(await (await fetch(a.href)).text(), 'text/html').querySelectorAll('.rank tbody tr')))
      .then(pages => { pages.forEach(rows => body.append(...rows)); whole = ' '; age(); zone(); }, () => { whole = 'of this page only'; }).then(show);
  }
  const rows = [...body.rows], sign = sort[0] == '-' ? -1 : 1;
  const head = doc.querySelector(`[data-k="${CSS.escape(sort.replace('-', ''))}"]`);
  for (const th of doc.querySelectorAll('[data-k]')) th == head ? th.ariaSort = sign < 0 ? 'descending' : 'ascending' : th.removeAttribute('aria-sort');
  if (head) {
    const i = head.cellIndex, keyed = rows.map(r => [i == 1 ? r.cells[1].textContent : key(r.cells[i]), r]);
    keyed.sort(([a], [b]) => i == 1 ? sign * a.localeCompare(b) : isNaN(a) - isNaN(b) || sign * (a - b) || 0);
    body.append(...keyed.map(k => k[1]));
  }
  const terms = q.toLowerCase().split(/\s+/);
  let n = 0;
  for (const row of body.rows) {
    const of = row.querySelector('small.x').textContent, pair = row.querySelector('a').textContent, name = (of + ':' + pair).toLowerCase();
    const hit = (!ex || of == ex) && (!quote || pair.endsWith('-' + quote)) && terms.every(t => t[0] == '-' ? name.endsWith(t) : name.includes(t));
    row.hidden = !hit || n >= LIMIT;
    n += hit;
  }
  el('shown').textContent = n < rows.length || whole ? (n > LIMIT ? LIMIT + ' of ' : '') + n + ' found in ' + rows.length + ' rows ' + whole : '';
  el('none').hidden = n > 0;
  const box = body.closest('.box');
  box.style.overflow = body.offsetWidth > box.clientWidth ? '' : 'visible';
}
function set(name, value) {
  value ? state.set(name, value) : state.delete(name);
  try { history.replaceState(null, '', '?' + state); } catch { /* a sandbox may forbid it */ }
  show();
}
doc.addEventListener('input', e => ['q', 'ex', 'quote'].includes(e.target.id) && set(e.target.id, e.target.value));
doc.addEventListener('click', e => {
  const th = e.target.closest('th[data-k]');
  if (!th || !e.target.closest('button')) return;
  const k = th.dataset.k, up = ['rank', 'market', 'state', 'sample'].includes(k);
  set('sort', th.ariaSort ? (th.ariaSort == 'ascending' ? '-' : '') + k : (up ? '' : '-') + k);
});
doc.addEventListener('swap', () => { whole = ''; show(); });
show();

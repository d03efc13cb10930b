// The ranking: sort by any column, filter by words, exchange and quote; all of it in the address.
const state = new URLSearchParams(location.search), fields = ['q', 'exchange', 'quote'];
const key = cell => {
  const raw = cell.dataset.v ?? cell.querySelector('[title]')?.title ?? cell.textContent;
  return parseFloat(raw.replace(/[,\s+]/g, '').replace('−', '-'));
};
function show() {
  const body = doc.querySelector('.rank tbody'), rows = [...body.rows], sort = state.get('sort') || 'rank';
  const down = sort[0] == '-', head = doc.querySelector(`[data-k="${CSS.escape(sort.replace('-', ''))}"]`);
  for (const th of doc.querySelectorAll('[data-k]')) th == head ? th.ariaSort = down ? 'descending' : 'ascending' : th.removeAttribute('aria-sort');
  if (head) {
    const i = head.cellIndex, words = head.dataset.k == 'market', sign = down ? -1 : 1;
    const keyed = rows.map(r => [words ? r.cells[i].innerText : key(r.cells[i]), r]);
    keyed.sort(([a], [b]) => words ? sign * a.localeCompare(b) : isNaN(a) - isNaN(b) || sign * (a - b) || 0);
    body.append(...keyed.map(k => k[1]));
  }
  const terms = (state.get('q') || '').toLowerCase().split(/\s+/), exchange = state.get('exchange') || '', quote = state.get('quote') || '';
  let n = 0;
  for (const row of rows) {
    const name = row.dataset.m.toLowerCase();
    row.hidden = !(terms.every(t => name.includes(t)) && row.dataset.m.startsWith(exchange && exchange + ':') && row.dataset.m.endsWith(quote && '-' + quote));
    n += !row.hidden;
  }
  for (const f of fields) if (el(f) && el(f).value != (state.get(f) || '')) el(f).value = state.get(f) || '';
  el('shown').textContent = n < rows.length ? n + ' of ' + rows.length + ' rows' : '';
  el('none').hidden = n > 0;
}
function set(name, value) {
  value ? state.set(name, value) : state.delete(name);
  try { history.replaceState(null, '', state.size ? '?' + state : location.pathname); } catch { /* a sandbox may forbid it */ }
  show();
}
doc.addEventListener('input', e => fields.includes(e.target.id) && set(e.target.id, e.target.value));
doc.addEventListener('click', e => {
  const th = e.target.closest('th[data-k]');
  if (!th || !e.target.closest('button')) return;
  const k = th.dataset.k, up = ['rank', 'market', 'state', 'sample'].includes(k);
  set('sort', th.ariaSort ? (th.ariaSort == 'ascending' ? '-' : '') + k : (up ? '' : '-') + k);
});
doc.addEventListener('swap', show);
show();

// The ranking: sort by any column, filter by words; `coinbase:` is an exchange, `-usd` a quote; all in the address.
const state = new URLSearchParams(location.search);
const number = text => parseFloat(text.replace(/[,+]/g, '').replace('−', '-')) * ({ M: 1e6, B: 1e9, T: 1e12 }[text.match(/[MBT]/)] || 1);
const key = cell => +(cell.dataset.v ?? cell.dataset.behind ?? number(cell.title || cell.querySelector('[title]')?.title || [...cell.childNodes].find(n => n.data)?.data || ''));
function show() {
  const body = doc.querySelector('.rank tbody');
  if (!body) return;
  const rows = [...body.rows], sort = state.get('sort') || 'rank', down = sort[0] == '-';
  const head = doc.querySelector(`[data-k="${CSS.escape(sort.replace('-', ''))}"]`), sign = down ? -1 : 1;
  for (const th of doc.querySelectorAll('[data-k]')) th == head ? th.ariaSort = down ? 'descending' : 'ascending' : th.removeAttribute('aria-sort');
  if (head) {
    const i = head.cellIndex, keyed = rows.map(r => [i == 1 ? r.cells[1].textContent : key(r.cells[i]), r]);
    keyed.sort(([a], [b]) => i == 1 ? sign * a.localeCompare(b) : isNaN(a) - isNaN(b) || sign * (a - b) || 0);
    body.append(...keyed.map(k => k[1]));
  }
  const q = state.get('q') || '', terms = q.toLowerCase().split(/\s+/);
  let n = 0;
  for (const row of rows) {
    const name = (row.querySelector('small.x').textContent + ':' + row.querySelector('a').textContent).toLowerCase();
    row.hidden = !terms.every(t => t[0] == '-' ? name.endsWith(t) : name.includes(t));
    n += !row.hidden;
  }
  if (el('q').value != q) el('q').value = q;
  el('shown').textContent = n < rows.length ? n + ' of ' + rows.length + ' rows' : '';
  el('none').hidden = n > 0;
  const box = body.closest('.box');
  box.style.overflow = body.offsetWidth > box.clientWidth ? '' : 'visible';
}
function set(name, value) {
  value ? state.set(name, value) : state.delete(name);
  try { history.replaceState(null, '', '?' + state); } catch { /* a sandbox may forbid it */ }
  show();
}
doc.addEventListener('input', e => e.target.id == 'q' && set('q', e.target.value));
doc.addEventListener('click', e => {
  const th = e.target.closest('th[data-k]');
  if (!th || !e.target.closest('button')) return;
  const k = th.dataset.k, up = ['rank', 'market', 'state', 'sample'].includes(k);
  set('sort', th.ariaSort ? (th.ariaSort == 'ascending' ? '-' : '') + k : (up ? '' : '-') + k);
});
doc.addEventListener('swap', show);
show();

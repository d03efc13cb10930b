// Charts: a cross-hair that follows the pointer or the slider and reads out the sample. Where the page holds it
// shortened (`~`), the exact samples are fetched at the first reading, from the file that was made with the page.
function chart(figure) {
  const data = figure.dataset, plot = figure.querySelector('.plot'), slider = figure.querySelector('input'), out = figure.querySelector('output');
  const hair = doc.createElement('i'), values = [], [first, text] = data.v.split(' '), unit = first.replace('~', ''), metric = figure.parentNode.getAttribute('aria-labelledby');
  let d = (unit.split('.')[1] || '').length, about = unit != first ? '≈ ' : '', asked = !about;
  hair.className = 'hair';
  hair.hidden = true;
  plot.append(hair);
  let sum = 0, number = 0, shift = 0, gap = false;
  for (const c of text) {
    if (c == '!') { gap = true; continue; }
    const x = c.charCodeAt() - 63;
    number += (x & 31) * 2 ** shift;
    if (x > 31) { shift += 5; continue; }
    const step = Math.floor(number / 2);
    gap ? values.length += step : values.push((sum += number % 2 ? -step : step) * unit);
    number = shift = gap = 0;
  }
  const end = +doc.body.dataset.at, say = (v, more = 0) => v.toLocaleString('en', { minimumFractionDigits: Math.min(d, 2), maximumFractionDigits: d + more });
  async function exact(i) {
    asked = true;
    try {
      const said = await (await fetch(doc.querySelector('footer [href*=series]').href)).json();
      if (Date.parse(said.minute) / 1e3 != end) return;
      values.fill();
      for (const [at, v] of said.metrics[metric]) values[1439 - (end - at) / 60] = v;
      about = '';
      d = 15;
      read(i);
    } catch { /* the shortened ones stay */ }
  }
  function read(i) {
    i = Math.max(0, Math.min(1439, i));
    slider.value = i;
    if (!asked) exact(i);
    const v = values[i], hour = values.slice(Math.max(0, i - 60), i).filter(x => x !== undefined);
    let said = new Date((end - (1439 - i) * 60) * 1e3).toISOString().slice(11, 16) + ' UTC: ';
    hair.hidden = false;
    hair.style.left = (i + 1) / 14.4 + '%';
    hair.style.setProperty('--y', v === undefined ? '-99px' : (data.high - v) / (data.high - data.low) * 100 + '%');
    if (v === undefined) said += 'no sample';
    else {
      said += about + say(v) + ' ' + data.unit;
      const mean = hour.reduce((a, b) => a + b, 0) / hour.length;
      if (i > 59 && hour.length && mean) said += ' · 1 h mean ' + say(+mean.toPrecision(7), 1) + ' · ' + (Math.floor(v / mean * 1e3 + 1e-9) / 1e3).toFixed(3) + '×';
    }
    out.textContent = said;
    slider.setAttribute('aria-valuetext', said);
  }
  plot.onpointermove = plot.onpointerdown = e => { const box = plot.getBoundingClientRect(); read(Math.round((e.clientX - box.left) / box.width * 1440) - 1); };
  slider.oninput = () => read(+slider.value);
}
const draw = () => doc.querySelectorAll('figure[data-v]').forEach(chart);
doc.addEventListener('swap', draw);
draw();

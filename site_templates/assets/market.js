// Charts: a cross-hair that follows the pointer or the slider and reads out the exact sample.
function chart(figure) {
  const data = figure.dataset, plot = figure.querySelector('.plot'), slider = figure.querySelector('input'), out = figure.querySelector('output');
  const hair = doc.createElement('i'), values = [], tokens = data.v.match(/^\d+|[+-]\d+|=|_\d+/g), d = +tokens.shift();
  hair.className = 'hair';
  hair.hidden = true;
  plot.append(hair);
  let sum = 0;
  for (const t of tokens) t[0] == '_' ? values.length += +t.slice(1) : values.push((sum += t == '=' ? 0 : +t) / 10 ** d);
  const end = +doc.body.dataset.at, say = v => v.toLocaleString('en', { minimumFractionDigits: Math.min(d, 2), maximumFractionDigits: d });
  function read(i) {
    i = Math.max(0, Math.min(1439, i));
    slider.value = i;
    const v = values[i], hour = values.slice(Math.max(0, i - 60), i).filter(x => x !== undefined);
    let text = new Date((end - (1439 - i) * 60) * 1e3).toISOString().slice(11, 16) + ' UTC: ';
    hair.hidden = false;
    hair.style.left = (i + 1) / 14.4 + '%';
    hair.style.setProperty('--y', v === undefined ? '-99px' : (data.high - v) / (data.high - data.low) * 100 + '%');
    if (v === undefined) text += 'no sample';
    else {
      text += say(v) + ' ' + data.unit;
      const mean = hour.reduce((a, b) => a + b, 0) / hour.length;
      if (i > 59 && hour.length && mean) text += ' · 1 h mean ' + +mean.toPrecision(6) + ' · ' + (Math.floor(v / mean * 1e3 + 1e-9) / 1e3).toFixed(3) + '×';
    }
    out.textContent = text;
    slider.setAttribute('aria-valuetext', text);
  }
  plot.onpointermove = plot.onpointerdown = e => { const box = plot.getBoundingClientRect(); read(Math.round((e.clientX - box.left) / box.width * 1440) - 1); };
  slider.oninput = () => read(+slider.value);
}
const draw = () => doc.querySelectorAll('figure[data-v]').forEach(chart);
doc.addEventListener('swap', draw);
draw();

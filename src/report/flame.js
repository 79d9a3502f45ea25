// SPDX-License-Identifier: Apache-2.0
// What a flame graph does in a browser. All frames are in `data` (flame_draw.c tells how); the SVG itself shows only those that
// are wide enough to be seen. This takes them away and draws what is visible at each zoom anew: frames of three pixels
// and more, and one grey "N more" for neighbours that are thinner; a click on it zooms until they are wide.
(function () {
'use strict';
var svg = document.documentElement.tagName === 'svg' ? document.documentElement : document.currentScript.closest('svg');
var NS = svg.namespaceURI, MARGIN = 12, ROW = 18, HEAD = 82, FOOT = 12, THIN = 3;
var frames = svg.querySelector('#frames'), detail = svg.querySelector('#detail'), rest = detail.textContent;
var box = svg.querySelector('foreignObject'), input = svg.querySelector('input');
var names = data.names, step = data.compared ? 6 : 5, total = data.values[data.nodes[2]] || 1;
var count = data.nodes.length / step;
// By frame, in preorder: where it begins, how wide, its depth, its parent, where its subtree ends.
var X = new Float64Array(count), W = new Float64Array(count), Y = new Uint16Array(count);
var up = new Int32Array(count), end = new Int32Array(count), next = new Float64Array(count);
var hits = null, chosen = -1, view = null, moving = 0, width = 1176, shown = [], rects = [], texts = [];

function read() {
    var open = [];
    for (var i = 0; i < count; i++) {
        for (var k = data.nodes[i * step]; k > 0; k--) end[open.pop()] = i;
        var p = open.length ? open[open.length - 1] : -1, w = data.values[data.nodes[i * step + 2]] / total;
        up[i] = p;
        Y[i] = open.length;
        W[i] = w;
        X[i] = p < 0 ? 0 : next[p];
        next[i] = X[i];
        if (p >= 0) next[p] += w;
        open.push(i);
    }
    while (open.length) end[open.pop()] = count;
}
function name(i) { return names[data.nodes[i * step + 1]]; }
function colour(i) { return data.nodes[i * step + 4]; }
function percent(v) {
    var p = 100 * v;
    return (p >= 99.95 ? '100' : p >= 1 ? p.toFixed(2) : p > 0 ? String(+p.toPrecision(2)) : '0') + '%';
}
function tell(i) {
    var at = i * step, own = data.nodes[at + 3];
    var s = name(i) + '   ' + data.texts[data.nodes[at + 2]] + ', ' + percent(W[i]) + ' of all';
    if (data.values[own]) s += '; own ' + data.texts[own];
    if (data.compared) {
        var before = data.base ? data.values[data.nodes[at + 5]] / data.base : 0;
        s += '; ' + percent(before) + ' before, ' + (W[i] < before ? '' : '+') + (100 * (W[i] - before)).toFixed(2) + ' points';
    }
    return s;
}
function fit(s, px) {
    var most = Math.floor((px - 8) / 6.5);
    if (most < 2) return '';
    if (s.length <= most) return s;
    var a = s.slice(s.split(/[([<]/)[0].lastIndexOf('/') + 1);
    if (a.length <= most) return a;
    a = a.replace(/^[^.(]*\./, '');
    if (a.length > most) a = own(a);
    return a.length <= most ? a : most < 4 ? '' : a.slice(0, most - 1) + '\u2026';
}
// "(*T).name" without the type, "std::x<y>::name(z)" without what stands around the name.
function own(a) {
    var type = /^\([^)]*\)\./.exec(a), s = a.split('(')[0];
    if (type) return a.slice(type[0].length);
    return s.slice(s.lastIndexOf('::') + (s.indexOf('::') < 0 ? 1 : 2)) || a;
}

// ---- drawing -------------------------------------------------------------------------------------------------
function element(pool, k, kind) {
    if (!pool[k]) pool[k] = frames.appendChild(document.createElementNS(NS, kind));
    var e = pool[k];
    if (e.style.display) e.style.display = '';
    return e;
}
function set(e, key, value) {
    if (e.getAttribute(key) !== String(value)) e.setAttribute(key, value);
}
var nrect, ntext, deepest;
function rect(x, w, y, kind, label, labelKind, what) {
    var r = element(rects, nrect, 'rect'), top = HEAD + y * (ROW + 1);
    set(r, 'x', x.toFixed(2));
    set(r, 'y', top);
    set(r, 'width', Math.max(w > 1.4 ? w - 1 : w, .4).toFixed(2));
    set(r, 'height', ROW);
    set(r, 'rx', w > 5 ? 2.5 : 0);
    set(r, 'class', kind);
    r.what = nrect;
    shown[nrect++] = what;
    deepest = Math.max(deepest, y);
    if (!label) return;
    var t = element(texts, ntext++, 'text');
    set(t, 'x', (x + 4).toFixed(2));
    set(t, 'y', top + 13);
    set(t, 'class', labelKind);
    if (t.textContent !== label) t.textContent = label;
}
function frame(i, x, w, above) {
    var c = colour(i), mark = (i === chosen ? ' at' : '') + (!hits ? '' : hits.name[data.nodes[i * step + 1]] ? ' hit' : ' dim') + (above ? ' up' : '');
    rect(x, w, Y[i], 'c' + c + (data.compared ? '' : ' s' + data.shades[data.nodes[i * step + 1]]) + mark, fit(name(i), w), 't' + c + mark, {i: i});
}
// Thin neighbours at one depth under one frame.
function more(run, v, scale) {
    var x = MARGIN + (run.x - v.x) * scale, w = run.w * scale;
    if (w < THIN) return;
    var hit = hits && hits.before[end[run.last]] > hits.before[run.first];
    rect(x, w, run.y, 'm' + (!hits ? '' : hit ? ' hit' : ' dim'), w > 60 ? run.n + ' more' : '', 'm', {run: run});
}
function draw(v) {
    var scale = width / v.w, runs = [], right = v.x + v.w, e = v.w * 1e-9;
    nrect = ntext = deepest = 0;
    function flush(y) {
        if (runs[y]) more(runs[y], v, scale);
        runs[y] = null;
    }
    for (var i = 0; i < count;) {
        var y = Y[i];
        if (X[i] + W[i] <= v.x + e || X[i] >= right - e) { i = end[i]; continue; }
        var from = Math.max(X[i], v.x), to = Math.min(X[i] + W[i], right), px = (to - from) * scale;
        if (y < v.y || px >= THIN) {
            flush(y);
            frame(i, MARGIN + (from - v.x) * scale, px, y < v.y);
            i++;
            continue;
        }
        if (runs[y] && (runs[y].up !== up[i] || Math.abs(runs[y].x + runs[y].w - X[i]) > e + 1e-12)) flush(y);
        if (!runs[y]) runs[y] = {x: X[i], w: 0, y: y, n: 0, up: up[i], first: i};
        runs[y].w += W[i];
        runs[y].n++;
        runs[y].last = i;
        i = end[i];
    }
    for (var k = 0; k < runs.length; k++) flush(k);
    for (k = nrect; k < rects.length; k++) if (!rects[k].style.display) rects[k].style.display = 'none';
    for (k = ntext; k < texts.length; k++) if (!texts[k].style.display) texts[k].style.display = 'none';
    set(svg, 'height', HEAD + (deepest + 1) * (ROW + 1) + FOOT);
    svg.style.height = svg.getAttribute('height') + 'px';
}
// From where we are to where we want to be; in one step where there is much to draw, or where motion is not wanted.
function go(v) {
    var from = view, start = 0;
    view = v;
    cancelAnimationFrame(moving);
    if (!from || from === v || nrect > 2500 || matchMedia('(prefers-reduced-motion:reduce)').matches) { draw(v); return; }
    moving = requestAnimationFrame(function turn(t) {
        start = start || t;
        var k = Math.min((t - start) / 160, 1), s = 1 - (1 - k) * (1 - k) * (1 - k);
        draw(k < 1 ? {x: from.x + (v.x - from.x) * s, w: from.w + (v.w - from.w) * s, y: Math.min(v.y, from.y)} : v);
        if (k < 1) moving = requestAnimationFrame(turn);
    });
}
var all = {x: 0, w: 1, y: 0};
function zoom(what) {
    if (!what) go(all);
    else if (what.run) go({x: what.run.x, w: what.run.w, y: what.run.y});
    else go(Y[what.i] ? {x: X[what.i], w: W[what.i], y: Y[what.i]} : all);
}

// ---- searching -----------------------------------------------------------------------------------------------
function find() {
    var s = input.value, re = null, sum = 0, some = false, i;
    try { re = s ? new RegExp(s, 'i') : null; } catch (e) { detail.textContent = 'not a regular expression: ' + s; return; }
    hits = re ? {name: names.map(function (t) { return re.test(t); }), before: new Uint32Array(count + 1)} : null;
    for (i = 0; hits && i < count; i++) hits.before[i + 1] = hits.before[i] + (hits.name[data.nodes[i * step + 1]] ? 1 : 0);
    for (i = 0; hits && i < count;) {
        if (hits.name[data.nodes[i * step + 1]]) { sum += W[i]; some = true; i = end[i]; } else i++;
    }
    detail.textContent = !re ? rest : some ? percent(sum) + ' stands in what matches ' + s : 'no frame matches ' + s;
    draw(view);
}

// ---- the frame that is chosen by keys --------------------------------------------------------------------------
function children(i) {
    for (var all = [], k = i + 1; k < end[i]; k = end[k]) all.push(k);
    return all;
}
function widest(all) {
    return all.reduce(function (a, b) { return a < 0 || W[b] > W[a] ? b : a; }, -1);
}
// Up: the caller; down: the heaviest callee; left, right: the neighbour under the same caller, or else beside it.
function walk(key) {
    var i = chosen, beside = i < 0 ? [] : [i];
    if (i < 0) return 0;
    if (key === 'ArrowUp') return up[i] < 0 ? i : up[i];
    if (key === 'ArrowDown') return end[i] > i + 1 ? widest(children(i)) : i;
    for (var d = Y[i], p = i; up[p] >= 0 && beside.length < 2; ) {
        p = up[p];
        beside = children(p).filter(function (k) { return key === 'ArrowLeft' ? X[k] + W[k] <= X[i] + 1e-12 : X[k] >= X[i] + W[i] - 1e-12; });
        if (beside.length) {
            for (i = beside[key === 'ArrowLeft' ? beside.length - 1 : 0]; Y[i] < d && end[i] > i + 1; ) {
                beside = children(i);
                i = beside[key === 'ArrowLeft' ? beside.length - 1 : 0];
            }
            return i;
        }
    }
    return chosen;
}
function choose(i) {
    chosen = i;
    detail.textContent = tell(i);
    // It may be too thin to be seen, or not be in the picture at all: its caller has room for it.
    var e = 1e-9 * view.w, inside = X[i] >= view.x - e && X[i] + W[i] <= view.x + view.w + e;
    if (Y[i] < view.y) zoom({i: i});
    else if (!inside || W[i] * width / view.w < THIN) zoom(up[i] < 0 || W[up[i]] * width / view.w < THIN ? {i: i} : {i: up[i]});
    else draw(view);
}

// ---- events --------------------------------------------------------------------------------------------------
function under(e) { return e.target.what === undefined ? null : shown[e.target.what]; }
svg.addEventListener('click', function (e) {
    var w = under(e);
    if (!w) return;
    chosen = w.run ? -1 : w.i;
    zoom(w);
});
svg.addEventListener('mouseover', function (e) {
    var w = under(e);
    if (w) detail.textContent = w.run ? w.run.n + ' more, too thin to be drawn here: ' + percent(w.run.w) + ' of all; a click makes room' : tell(w.i);
});
svg.addEventListener('mouseout', function () {
    if (chosen >= 0) detail.textContent = tell(chosen);
    else if (input && input.value) find();
    else detail.textContent = rest;
});
if (input) input.addEventListener('input', find);
document.addEventListener('keydown', function (e) {
    if (e.key === '/' && input && document.activeElement !== input) { e.preventDefault(); input.focus(); }
    if (e.key === 'Escape') {
        if (chosen >= 0) { chosen = -1; detail.textContent = rest; }
        if (input && input.value) { input.value = ''; find(); } else zoom(null);
        if (input) input.blur();
    }
    if (document.activeElement === input) return;
    if (/^Arrow/.test(e.key) && !e.ctrlKey && !e.metaKey && !e.altKey) { e.preventDefault(); choose(walk(e.key)); }
    if (e.key === 'Enter' && chosen >= 0) zoom({i: chosen});
});
function lay() {
    width = Math.max(svg.getBoundingClientRect().width, 360) - 2 * MARGIN;
    box.setAttribute('x', MARGIN + width - 260);
    draw(view);
}
if (count === 0) return;
read();
while (frames.firstChild) frames.removeChild(frames.firstChild);
svg.removeAttribute('viewBox');
rest += ' \u00b7 click or \u23ce zooms, arrows walk, / searches, esc goes back';
detail.textContent = rest;
svg.setAttribute('width', '100%');
view = all;
lay();
addEventListener('resize', lay);
})();

// SPDX-License-Identifier: Apache-2.0

// JavaScript, compiled by V8 while it runs: recursion, closures, what is built into V8 (sort, JSON, expressions).
//
// Truth: turn() calls all of it; leaf() computes below mid(), below 20 calls of walk().
function leaf(n) {
  let x = 1;
  for (let i = 0; i < n; i++) x = (x * 1664525 + 1013904223) | 0;
  return x;
}
function mid(n) { return leaf(n) + 1; }
class Walker {
  walk(depth) { return depth ? this.walk(depth - 1) + 1 : mid(5000); }
}
const walker = new Walker();
let sum = 0;
function turn() {
  for (let i = 0; i < 50; i++) {
    sum += walker.walk(20);
    sum += [..."hello world"].map(c => c.charCodeAt(0)).sort((a, b) => a - b).length;
    sum += JSON.stringify({ a: [1, 2, 3], b: "x" + i }).length;
    sum += /(\w+)\s(\w+)/.exec("foo bar" + i)[1].length;
  }
  setImmediate(turn);
}
console.log("ready", process.pid);
turn();

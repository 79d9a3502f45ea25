// SPDX-License-Identifier: Apache-2.0

// Rust: recursion, trait objects, threads, closures, the library's collections and sorts.
//
// Truth: burn() computes below main and one of down(), visit(), or below down() in a thread of its own.
use std::collections::HashMap;
use std::io::Write;

#[inline(never)]
fn burn(n: u64) -> u64 {
    let mut x = 88172645463325252u64;
    for _ in 0..n {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
    }
    x
}

#[inline(never)]
fn down(n: u32) -> u64 {
    if n == 0 { burn(2000) } else { down(n - 1).wrapping_mul(3) + 1 }
}

trait Visit {
    fn visit(&self, n: u64) -> u64;
}
struct Last;
struct More(Box<dyn Visit>);
impl Visit for Last {
    #[inline(never)]
    fn visit(&self, n: u64) -> u64 { burn(n) }
}
impl Visit for More {
    #[inline(never)]
    fn visit(&self, n: u64) -> u64 { self.0.visit(n + 1) ^ 1 }
}

#[inline(never)]
fn strings() -> usize {
    let mut map: HashMap<String, u64> = HashMap::new();
    for i in 0..500u64 {
        *map.entry(format!("key{}", i * 7919 % 200)).or_insert(0) += i;
    }
    let mut row: Vec<_> = map.into_iter().collect();
    row.sort_by(|a, b| a.1.cmp(&b.1).then_with(|| a.0.cmp(&b.0)));
    row.len()
}

fn main() {
    println!("ready {}", std::process::id());
    std::io::stdout().flush().unwrap();
    let mut sum = 0u64;
    loop {
        sum ^= down(200);
        let mut chain: Box<dyn Visit> = Box::new(Last);
        for _ in 0..50 {
            chain = Box::new(More(chain));
        }
        sum ^= chain.visit(1000) ^ strings() as u64;
        sum ^= std::thread::spawn(|| down(30)).join().unwrap();
        let mut row: Vec<u64> = (0..3000).map(|x| x * 7919 % 3001).collect();
        row.sort();
        sum ^= row[5];
        std::hint::black_box(sum);
    }
}

// SPDX-License-Identifier: Apache-2.0

//go:build go1.18
// +build go1.18

package main

type number interface{ ~int | ~uint64 | ~float64 }

//go:noinline
func fold[T number](in []T, f func(T, T) T) (all T) {
	for _, v := range in {
		all = f(all, v)
	}
	return all
}

type tree[K number, V any] struct {
	left, right *tree[K, V]
	key         K
	value       V
}

//go:noinline
func (t *tree[K, V]) put(k K, v V) *tree[K, V] {
	switch {
	case t == nil:
		return &tree[K, V]{key: k, value: v}
	case k < t.key:
		t.left = t.left.put(k, v)
	default:
		t.right = t.right.put(k, v)
	}
	return t
}

func init() {
	work["generics"] = func() {
		var t *tree[uint64, string]
		in := make([]float64, 1000)
		for i := 0; i < 1000; i++ {
			t = t.put(spin(i%7+1), "x")
			in[i] = float64(i)
		}
		sink += uint64(fold(in, func(a, b float64) float64 { return a + b*float64(t.key&1) }))
	}
}

// SPDX-License-Identifier: GPL-2.0-only
// Tables of functions that are global or weak, and pointers in data that may change.
//! build
//! objects 0500000000000000: 0x9ca
//! calls_the_static_one: 14
//! calls_the_global_one: 6
//! calls_the_weak_one: 0x1f
//! reads_beside: 19
//! build -g
//! objects 0500000000000000: 0x9ca
//! calls_the_static_one: 14
//! calls_the_global_one: 6
//! calls_the_weak_one: 0x1f
//! reads_beside: 19
#include "object.h"

struct ops { u64 a, b; int (*area)(const void *, int); };
int square(const void *s, int k) { return k * k; }
int line(const void *s, int k) { return k + 1; }
static const struct ops sq = { 0, 0, square };
static const struct ops ln = { 0, 0, line };
noinline static int call(const struct ops **s, int k) { return (*s)->area(s, k); }

SEC("syscall") int objects(u64 *ctx)
{
	const struct ops *a = &sq, *b = &ln;
	int k = *ctx;

	asm volatile("" : : "r"(&a), "r"(&b) : "memory");
	return call(&a, k) * 100 + call(&b, k);
}

typedef int (*fn)(int);
noinline static int twice(int x) { return 2 * x; }
noinline int exported(int x) { return x - 1; }
weak noinline int replaceable(int x) { return x + 20; }
static fn const volatile table[3] = { twice, exported, replaceable };
SEC("socket") int calls_the_static_one(void *ctx) { return table[0](7); }
SEC("socket") int calls_the_global_one(void *ctx) { return table[1](7); }
/* By pointer and by name. */
SEC("socket") int calls_the_weak_one(void *ctx) { return table[2](7) + replaceable(7) - 23; }

noinline static int thrice(int x) { return 3 * x; }
static struct { int bias; fn f; } volatile rw = { 5, thrice };
SEC("socket") int reads_beside(void *ctx) { fn f = twice; hide(f); return f(7) + rw.bias; }

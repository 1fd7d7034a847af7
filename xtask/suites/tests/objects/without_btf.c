// SPDX-License-Identifier: GPL-2.0-only
// Functions of which nothing says what they take.
//! build
//! of_stack 0500000000000000: 0xc
//! of_context 0500000000000000: 5
//! of_nothing: 7
//! described_in_part 0500000000000000: 0x15
#include "object.h"

noinline int sum(int *p) { return p[0] + p[1]; }
noinline int first(u64 *ctx) { return *ctx; }
noinline void set(int *p) { *p = 7; }
__attribute__((nodebug)) noinline static int undescribed(int x) { hide(x); return x * 3; }
noinline static int described(int x) { hide(x); return x + 1; }

SEC("syscall") int of_stack(u64 *ctx)
{
	int a[2] = { (int)*ctx, 7 };

	asm volatile("" : : "r"(a) : "memory");
	return sum(a);
}

SEC("syscall") int of_context(u64 *ctx) { return first(ctx); }

SEC("syscall") int of_nothing(u64 *ctx) { int a; set(&a); return a; }

SEC("syscall") int described_in_part(u64 *ctx) { int k = *ctx; return undescribed(k) + described(k); }

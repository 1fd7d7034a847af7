// SPDX-License-Identifier: GPL-2.0-only
//! build
//! calls_both 0500000000000000: 0x12
//! calls_default 0100000000000000: 0x65
//! also_calls_default 0200000000000000: 0x66
//! build -g
//! calls_both 0500000000000000: 0x12
//! calls_default 0100000000000000: 0x65
//! also_calls_default 0200000000000000: 0x66
#include "object.h"

noinline int original(int x) { hide(x); return x + 4; }
int other(int x) __attribute__((alias("original")));
SEC("syscall") int calls_both(u64 *ctx) { int k = *ctx; return original(k) + other(k); }

/* A default that another object could replace. */
noinline static int by_default(int x) { hide(x); return x + 100; }
int hook(int x) weak __attribute__((alias("by_default")));
SEC("syscall") int calls_default(u64 *ctx) { return hook(*ctx); }

/* Two names of one program. */
SEC("syscall") int also_calls_default(u64 *ctx) __attribute__((alias("calls_default")));

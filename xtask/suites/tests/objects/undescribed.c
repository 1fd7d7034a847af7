// SPDX-License-Identifier: GPL-2.0-only
// Functions without debug information among others that have it.
//! build -g
//! beside 0500000000000000: 0x15
//! in_assembly: 0x2a
//! by_pointer: 0x2a
#include "object.h"

__attribute__((nodebug)) noinline static int undescribed(int x) { hide(x); return x * 3; }
noinline static int described(int x) { hide(x); return x + 1; }
SEC("syscall") int beside(u64 *ctx) { int k = *ctx; return undescribed(k) + described(k); }

asm(".text\n"
    ".globl assembly\n"
    ".type assembly,@function\n"
    "assembly:\n"
    "	r0 = r1\n"
    "	r0 *= 6\n"
    "	exit\n"
    ".size assembly, .-assembly\n");
extern int assembly(int x);
SEC("syscall") int in_assembly(u64 *ctx) { return assembly(7); }

static int (*const volatile table[])(int) = { assembly };
SEC("syscall") int by_pointer(u64 *ctx) { return table[0](7); }

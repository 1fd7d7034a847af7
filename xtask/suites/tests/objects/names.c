// SPDX-License-Identifier: GPL-2.0-only
// Names that the kernel refuses, or cuts.
//! build
//! prüfe 0500000000000000: 0x16
//! a_name_of_more_than_sixteen_letters: 1
//! uses$odd: 0
//! build -g
//! prüfe 0500000000000000: 0x16
//! a_name_of_more_than_sixteen_letters: 1
//! uses$odd: 0
#include "object.h"

static u64 größe SEC(".data.größe");
noinline static int a$b(int x) { hide(x); return x + 4; }
noinline static int länge(int x) { hide(x); return x + 8; }
SEC("syscall") int prüfe(u64 *ctx) { int k = *ctx; return a$b(k) + länge(k); }
SEC("syscall") int a_name_of_more_than_sixteen_letters(u64 *ctx) { return 1; }
SEC("syscall") int uses$odd(u64 *ctx) { return *(volatile u64 *)&größe; }

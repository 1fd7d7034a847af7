// SPDX-License-Identifier: GPL-2.0-only
// Symbols that are weak and not there.
//! build -g
//! note: trapped calls the weak symbol __bpf_trap
//! trapped refused: invalid func unknown#
//! never_trapped: 1
//! tests_first: 4
//! calls refused: invalid func unknown#
//! reads_address: 0
//! other: 8
#include "object.h"

extern int no_such_kfunc(int x) weak __ksym;
extern const char no_such_variable weak __ksym;

/* clang's word for unreachable; the verifier comes to it. */
SEC("syscall") int trapped(u64 *ctx)
{
	u64 d = ctx[1];

	if (!d)
		__builtin_trap();
	return ctx[0] / d;
}

SEC("syscall") int never_trapped(u64 *ctx)
{
	u64 one = 1;

	hide(one);
	asm volatile("%0 = 1" : "=r"(one));
	if (one != 1)
		__builtin_trap();
	return one;
}

SEC("syscall") int tests_first(u64 *ctx)
{
	return no_such_kfunc ? no_such_kfunc(1) : 4;
}

SEC("syscall") int calls(u64 *ctx) { return no_such_kfunc(1); }
SEC("syscall") int reads_address(u64 *ctx) { return &no_such_variable != 0; }
SEC("syscall") int other(u64 *ctx) { return 8; }

// SPDX-License-Identifier: GPL-2.0-only
// Pointers in data to other data, which have no address before the program is loaded.
//! build
//! note: are no addresses that a program could use
//! reads_number_beside: 2
//! calls_beside: 14
//! follows refused: R0 invalid mem access 'scalar'
//! build -g
//! note: are no addresses that a program could use
//! reads_number_beside: 2
//! calls_beside: 14
//! follows refused: R0 invalid mem access 'scalar'
#include "object.h"

static const char *const names[] = { "one", "two" };
static const struct { int n; const char *const *names; } volatile dir = { 2, names };
SEC("socket") int reads_number_beside(void *ctx) { return dir.n; }

noinline static int twice(int x) { return 2 * x; }
static const struct { const char *name; int (*f)(int); } volatile command = { "twice", twice };
SEC("socket") int calls_beside(void *ctx) { return command.f(7); }

static u64 counter = 3;
static u64 *volatile to_counter = &counter;
SEC("socket") int follows(void *ctx)
{
	u64 r;

	asm volatile("r0 = *(u64 *)(%1 + 0)\n r0 = *(u64 *)(r0 + 0)\n %0 = r0"
		     : "=r"(r) : "r"(&to_counter) : "r0");
	return r + counter;
}

// SPDX-License-Identifier: GPL-2.0-only
// Arenas, which the interpreter does not run. Pages would be allocated by kernel functions.
//! build -g
//! reads_nothing: 0, interp skipped: JIT is required to use arena
//! writes: 7, interp skipped: JIT is required to use arena
#include "object.h"

#define __arena __attribute__((address_space(1)))

struct { __uint(type, 33); __uint(map_flags, 1 << 10); __uint(max_entries, 2); } arena SEC(".maps");

/* Pages come into being at the first write; before, they read as 0. */
SEC("syscall") int reads_nothing(u64 *ctx)
{
	u64 __arena *p = (u64 __arena *)0;
	void *m = &arena;

	hide(m);
	hide(p);
	return *p;
}

SEC("tc") int writes(void *ctx)
{
	u64 __arena *p = (u64 __arena *)8;
	void *m = &arena;

	hide(m);
	hide(p);
	*p = 7;
	return *p;
}

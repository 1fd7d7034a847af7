// SPDX-License-Identifier: GPL-2.0-only
// What the interpreter does not run.
//! build -g
//! callback 0500000000000000: 0x32, interp skipped: callbacks are not allowed in non-JITed programs
//! entry: 0x15, interp skipped: mixing of tail_calls and bpf-to-bpf calls
//! everywhere: 1
#include "object.h"

struct sum { u64 n; };
static long body(u32 i, struct sum *sum) { sum->n += i; return 0; }
SEC("syscall") int callback(u64 *ctx)
{
	struct sum sum = { *ctx };

	loop(10, body, &sum, 0);
	return sum.n;
}

/* Nested tail calls of subprograms: each leaves a frame behind. */
int entry(struct __sk_buff *skb);
struct {
	__uint(type, 3); __uint(key_size, 4); __uint(max_entries, 1);
	__array(values, int (struct __sk_buff *));
} jumps SEC(".maps") = { .values = { [0] = (void *)&entry } };
int count = 0;
noinline static int sub(struct __sk_buff *skb)
{
	if (count < 20)
		tail_call(skb, &jumps, 0);
	return 0;
}
SEC("tc") int entry(struct __sk_buff *skb)
{
	volatile int one = 1;

	count++;
	sub(skb);
	return count + one;
}

SEC("syscall") int everywhere(u64 *ctx) { return 1; }

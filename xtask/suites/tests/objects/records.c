// SPDX-License-Identifier: GPL-2.0-only
// Maps that cannot be looked up by key, and what programs write into them.
//! build -g
//! untouched: 7
//! to_ring: 3, wrote 0100000000000000 0300000000000000
//! to_queue: 0, wrote 0500000000000000 0600000000000000
//! to_stack: 0, wrote 0600000000000000 0500000000000000
//! to_perf: 0, wrote 070000000000000000000000
//! beside_storage: 9
#include "object.h"

struct { __uint(type, 27); __uint(max_entries, 4096); } ring SEC(".maps");
struct { __uint(type, 22); __type(value, u64); __uint(max_entries, 4); } queue SEC(".maps");
struct { __uint(type, 23); __type(value, u64); __uint(max_entries, 4); } stack SEC(".maps");
struct { __uint(type, 4); __uint(key_size, 4); __uint(value_size, 4); } events SEC(".maps");
struct { __uint(type, 24); __uint(map_flags, 1); __type(key, int); __type(value, u64); }
	storage SEC(".maps");

SEC("syscall") int untouched(u64 *ctx) { void *p = &ring; hide(p); return 7; }
SEC("tc") int beside_storage(void *ctx) { void *p = &storage; hide(p); return 9; }

SEC("tc") int to_ring(void *ctx)
{
	u64 one = 1, *rest;

	ringbuf_output(&ring, &one, sizeof(one), 0);
	rest = ringbuf_reserve(&ring, sizeof(*rest), 0);
	if (!rest)
		return 1;
	*rest = 2;
	ringbuf_discard(rest, 0);
	rest = ringbuf_reserve(&ring, sizeof(*rest), 0);
	if (!rest)
		return 2;
	*rest = 3;
	ringbuf_submit(rest, 0);
	return 3;
}

static long both(void *map)
{
	u64 a = 5, b = 6;

	return map_push(map, &a, 0) + map_push(map, &b, 0);
}

SEC("tc") int to_queue(void *ctx) { return both(&queue); }
SEC("tc") int to_stack(void *ctx) { return both(&stack); }

SEC("tc") int to_perf(void *ctx)
{
	u64 v = 7;

	return perf_event_output(ctx, &events, 0xffffffffULL, &v, sizeof(v));
}

// SPDX-License-Identifier: GPL-2.0-only
// Attributes of maps, and what libbpf fills in.
//! build -g
//! note: map pinned is not pinned
//! uses_pinned: 2
//! uses_nodes: 3
//! uses_bloom: 0
//! uses_odd_ring: 1, wrote 0700000000000000
//! per_processor: 0, wrote 070000000000000000000000
//! inner_by_index: 0x1e
//! inner_by_key: 0x3
//! uses_refused refused: BPF_MAP_CREATE of keyed_queue (type 22, key 4, value 8, 1 entries
#include "object.h"

struct { __uint(type, 6); __type(key, u32); __type(value, u64); __uint(max_entries, 5);
	 __uint(pinning, 1); } pinned SEC(".maps");
struct { __uint(type, 2); __type(key, u32); __type(value, u64); __uint(max_entries, 5);
	 __uint(map_flags, 4); __uint(numa_node, 0); } nodes SEC(".maps");
struct { __uint(type, 30); __type(value, u64); __uint(max_entries, 100); __uint(map_extra, 3); }
	bloom SEC(".maps");
struct { __uint(type, 27); __uint(max_entries, 5000); } odd_ring SEC(".maps");
struct { __uint(type, 4); __uint(key_size, 4); __uint(value_size, 4); } events SEC(".maps");
struct { __uint(type, 22); __uint(key_size, 4); __uint(value_size, 8); __uint(max_entries, 1); }
	keyed_queue SEC(".maps");

struct inner { __uint(type, 2); __type(key, u32); __type(value, u64); __uint(max_entries, 4); };
struct inner first SEC(".maps"), second SEC(".maps");
struct { __uint(type, 12); __type(key, u32); __uint(max_entries, 3);
	 __array(values, struct inner); } by_index SEC(".maps") = { .values = { &first, 0, &second } };
/* Maps that nobody else can name. */
static struct inner hidden SEC(".maps");
struct { __uint(type, 13); __type(key, u32); __uint(max_entries, 3);
	 __array(values, struct inner); } by_key SEC(".maps") = { .values = { [1] = (void *)&hidden } };

static u64 add(void *map, u32 k, u64 n) { u64 *v = map_lookup(map, &k); return v ? *v += n : 0; }

SEC("xdp") int uses_pinned(void *ctx) { add(&pinned, 2, 1); return add(&pinned, 2, 1); }
SEC("xdp") int uses_nodes(void *ctx) { return add(&nodes, 4, 3); }
SEC("tc") int uses_bloom(void *ctx) { u64 v = 7; return map_push(&bloom, &v, 0); }
SEC("tc") int uses_odd_ring(void *ctx) { u64 v = 7; ringbuf_output(&odd_ring, &v, 8, 0); return 1; }
SEC("tc") int uses_refused(void *ctx) { void *m = &keyed_queue; hide(m); return 1; }

SEC("tc") int per_processor(struct __sk_buff *skb)
{
	u64 v = 7;

	return perf_event_output(skb, &events, 0xffffffffULL, &v, sizeof(v)) ? 1 : 0;
}

static u64 inside(void *map, u32 k, u64 n)
{
	void *inner = map_lookup(map, &k);

	return inner ? add(inner, 1, n) : 0;
}

SEC("tc") int inner_by_index(void *ctx)
{
	return inside(&by_index, 0, 10) + inside(&by_index, 1, 100) + inside(&by_index, 2, 20);
}

SEC("tc") int inner_by_key(void *ctx) { return inside(&by_key, 1, 3) + inside(&by_key, 2, 50); }

// SPDX-License-Identifier: GPL-2.0-only
// Types without a test run, and types and maps that the configuration lacks.
//! build -g
//! kp loaded
//! tp loaded
//! pe loaded
//! so loaded
//! rt: 3
//! fd: 0
//! cs left out: CONFIG_CGROUP_BPF
//! ca left out: CONFIG_CGROUP_BPF
//! nf left out: CONFIG_NETFILTER_BPF_LINK
//! uses_cgroups left out: CONFIG_CGROUPS, which the map groups needs
#include "object.h"

struct {
	__uint(type, 8); __uint(key_size, 4); __uint(value_size, 4); __uint(max_entries, 1);
} groups SEC(".maps");

SEC("kprobe/do_nanosleep") int kp(void *ctx) { return 0; }
SEC("tracepoint/sched/sched_switch") int tp(void *ctx) { return 0; }
SEC("perf_event") int pe(void *ctx) { return 0; }
SEC("sockops") int so(void *s) { return 1; }
SEC("raw_tp") int rt(u64 *ctx) { return 3; }
SEC("flow_dissector") int fd(void *ctx) { return 0; }
SEC("cgroup/skb") int cs(struct __sk_buff *s) { return 1; }
SEC("cgroup/connect4") int ca(void *ctx) { return 1; }
SEC("netfilter") int nf(void *ctx) { return 1; }
SEC("tc") int uses_cgroups(void *ctx) { void *m = &groups; hide(m); return 1; }

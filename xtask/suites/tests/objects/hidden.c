// SPDX-License-Identifier: GPL-2.0-only
// What keeps one program from being linked keeps no other from running.
//! build -g
//! calls_kfunc left out: the symbol `bpf_rcu_read_lock` is not defined
//! calls_nobody left out: the symbol `defined_elsewhere` is not defined
//! old left out: no program type is known for this section
//! traced left out: programs of this section refer to the BTF of the kernel
//! uses_odd_map left out: the field `colour` is not supported
//! to_label left out: a label, as of `&&label` in C
//! unsafe refused: invalid access to packet
//! plain: 5
//! good: 2
#include "object.h"

extern void bpf_rcu_read_lock(void) __ksym;
extern void bpf_rcu_read_unlock(void) __ksym;
extern int defined_elsewhere(int x);

struct { __uint(type, 2); __uint(max_entries, 1); __uint(colour, 1); } odd SEC(".maps");

SEC("syscall") int calls_kfunc(u64 *ctx) { bpf_rcu_read_lock(); bpf_rcu_read_unlock(); return 3; }
SEC("syscall") int calls_nobody(u64 *ctx) { return defined_elsewhere(1); }
SEC("xdp_my_old_name") int old(struct xdp_md *ctx) { return 1; }
SEC("fentry/do_unlinkat") int traced(u64 *ctx) { return 0; }
SEC("syscall") int uses_odd_map(u64 *ctx) { void *m = &odd; hide(m); return 1; }
SEC("xdp") int unsafe(struct xdp_md *ctx) { return *(u8 *)(long)ctx->data; }
SEC("syscall") int plain(u64 *ctx) { return 5; }
SEC("xdp") int good(struct xdp_md *ctx) { return 2; }

SEC("syscall") int to_label(u64 *ctx)
{
	static const void *const t[] __attribute__((section(".rodata.labels"))) = { &&a, &&b, &&c };
	int k = *ctx, n = 0;

	goto *t[k & 1];
a:	n += 1;
b:	n += 10;
c:	return n + k;
}

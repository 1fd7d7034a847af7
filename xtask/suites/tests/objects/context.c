// SPDX-License-Identifier: GPL-2.0-only
// Programs that are given nothing run on zeros.
//! build
//! at_start: 1
//! far: 0x63
//! traced: 3
//! packet: 64
//! nothing: 2
#include "object.h"

SEC("syscall") int at_start(u64 *ctx) { return *ctx + 1; }
SEC("syscall") int far(u8 *ctx) { u64 *p = (u64 *)(ctx + 800); hide(p); return p[12] + 0x63; }
SEC("raw_tp") int traced(u64 *ctx) { return ctx[4] + 3; }
SEC("tc") int packet(struct __sk_buff *skb) { return skb->len; }
SEC("syscall") int nothing(u64 *ctx) { return 2; }

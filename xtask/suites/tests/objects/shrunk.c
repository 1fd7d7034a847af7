// SPDX-License-Identifier: GPL-2.0-only
// Data of which the compiler leaves less than its type has.
//! build -g
//! note: .bss: less is left of
//! flag 0700000000000000: 1
//! split 0300000000000000: 0x2b
//! whole 0300000000000000: 0x6
#include "object.h"

struct ctx { u32 n, out; };

static int seen;
static noinline void look(u32 k) { if (k > 5) seen = 1; }
SEC("syscall") int flag(struct ctx *c) { seen = 0; look(c->n); look(c->out); return seen; }

struct state { u32 pos, next, super; };
static struct state S;
static noinline void step(u32 k) { S.pos += k; S.super ^= S.pos; }
SEC("syscall") int split(struct ctx *c)
{
	u32 i;

	S.pos = 1;
	S.super = 7;
	for (i = 0; i < 10; i++)
		step(c->n);
	c->out = S.pos + S.super;
	return c->out;
}

/* A spin lock beside it needs the types. */
static u64 kept[4];
static noinline void keep(u32 k) { kept[k & 3] += k; }
SEC("syscall") int whole(struct ctx *c) { keep(c->n); keep(c->n); return kept[c->n & 3]; }

// SPDX-License-Identifier: GPL-2.0-only
// Tables whose elements have a size that is no power of two, and switches with tables.
//! build -g
//! searched 140000000500000000000000: 0x14
//! indexed 010000000500000000000000: 0x14
//! operations 010000000500000000000000: 0xb
//! narrowed 020000000000000000000000: 3
#include "object.h"

struct ctx { u32 op, x, out; };
struct command { u32 id, arity; int (*fn)(int x); u64 arg; };
static noinline int add(int x) { return x + 1; }
static noinline int mul(int x) { return x * 3; }
static noinline int neg(int x) { return -x; }
static const struct command commands[3] = {
	{ 10, 1, add, 4 }, { 20, 1, mul, 5 }, { 30, 1, neg, 6 }
};

SEC("syscall") int searched(struct ctx *c)
{
	u32 i;

	for (i = 0; i < 3; i++)
		if (commands[i].id == c->op)
			return commands[i].fn(c->x) + commands[i].arg;
	return -1;
}

SEC("syscall") int indexed(struct ctx *c)
{
	u32 i = c->op;

	return i < 3 ? commands[i].fn(c->x) + commands[i].arg : -1;
}

struct ops { int (*inc)(int x); int (*store)(struct ctx *c, int x); int (*dec)(int x); };
static noinline int inc0(int x) { return x + 1; }
static noinline int inc1(int x) { return x + 10; }
static noinline int dec0(int x) { return x - 1; }
static noinline int dec1(int x) { return x - 10; }
static noinline int store0(struct ctx *c, int x) { c->out = x; return 0; }
static noinline int store1(struct ctx *c, int x) { c->out = x * 2; return 1; }
static const struct ops tab[2] = { { inc0, store0, dec0 }, { inc1, store1, dec1 } };

SEC("syscall") int operations(struct ctx *c)
{
	const struct ops *o = &tab[c->op & 1];

	return o->inc(c->x) + o->store(c, c->x) + o->dec(c->x);
}

static u32 four[4] = { 1, 2, 3, 4 }, six[6] = { 1, 2, 3, 4, 5, 6 };
SEC("syscall") int narrowed(struct ctx *c)
{
	u32 op = c->op;
	volatile u32 *o = &c->out;

	switch (op) {
	case 0: case 1: case 2: case 3: *o = four[op]; break;
	case 4: *o = 7; break;
	case 5: *o = 99; break;
	case 6: *o = op * 11; asm volatile(""); break;
	case 7: *o += 3; break;
	case 8: *o ^= 9; break;
	case 9: *o = 12; *o += 2; break;
	case 10: case 11: case 12: case 13: case 14: case 15: *o = six[op - 10]; break;
	default: return -1;
	}
	return *o;
}

// SPDX-License-Identifier: GPL-2.0-only
// Virtual functions are never static, constructors have two names. clang 22 crashes on this with -g.
//! build -fno-exceptions -fno-rtti -std=c++20
//! areas 0500000000000000: 0x9ca
#include "object.h"

struct Shape {
	virtual int area(int k) const = 0;
};

struct Square final : Shape {
	int area(int k) const override { return k * k; }
};

struct Line : Shape {
	int more;
	noinline Line(int more) : more(more) {}
	int area(int k) const override { return k + more; }
};

noinline static int area(const Shape *shape, int k) { return shape->area(k); }

extern "C" SEC("syscall") int areas(u64 *ctx)
{
	Square square;
	Line line(1);
	const Shape *one = &square, *two = &line;
	hide(one);
	hide(two);
	return area(one, *ctx) * 100 + area(two, *ctx);
}

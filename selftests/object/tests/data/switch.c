struct ctx { unsigned long a, b; };

static __attribute__((noinline)) unsigned long sub(unsigned long x, unsigned long y)
{
	switch (y) {
	case 0: return x + y;
	case 1: return x * x;
	case 2: return x % 11;
	case 3: return x & 85;
	case 4: return -x;
	case 5: return x >> 3;
	case 6: return ~x;
	case 7: return x / 7;
	case 8: return x | 8;
	case 9: return x - 5;
	case 10: return x << 4;
	case 11: return x ^ 99;
	case 12: return x + 17;
	case 13: return x * 3;
	default: return 3;
	}
}

__attribute__((section("syscall"))) int prog(struct ctx *c)
{
	unsigned long r;

	switch (c->a) {
	case 0: r = c->b * 3; break;
	case 1: r = c->b + 17; break;
	case 2: r = c->b ^ 99; break;
	case 3: r = c->b << 4; break;
	case 4: r = c->b - 5; break;
	case 5: r = c->b | 8; break;
	case 6: r = c->b / 7; break;
	case 7: r = ~c->b; break;
	case 8: r = c->b >> 3; break;
	case 9: r = -c->b; break;
	case 10: r = c->b & 85; break;
	case 11: r = c->b % 11; break;
	case 12: r = c->b * c->b; break;
	case 13: r = c->b + c->a; break;
	default: r = 1;
	}
	return r + sub(r, c->b);
}

char _license[] __attribute__((section("license"))) = "GPL";

static __attribute__((noinline)) int leaf(int a)
{
	return a * 3 + 1;
}

__attribute__((noinline)) int shown(int a)
{
	return a * 7 + leaf(a);
}

static int callback(unsigned int i, void *context)
{
	return 0;
}

static long (*bpf_loop)(unsigned int n, void *callback, void *context, unsigned long flags) = (void *)181;

static __attribute__((noinline)) int inner(int a)
{
	return leaf(a) + shown(a);
}

__attribute__((section("syscall"))) int first(int *c)
{
	bpf_loop(3, callback, 0, 0);
	return leaf(*c) + shown(*c) + inner(*c);
}

__attribute__((section("xdp"))) int second(int *c)
{
	return shown(*c);
}

char _license[] __attribute__((section("license"))) = "Dual BSD/GPL";

// Everything that BTF describes: typed global functions, hidden and static ones, a table of functions,
// lines, a map with a lock, a prog array with a program, data.

typedef unsigned int u32;

#define SEC(name) __attribute__((section(name), used))
#define __uint(name, val) int (*name)[val]
#define __type(name, val) typeof(val) *name
#define __array(name, val) typeof(val) *name[]
#define __noinline __attribute__((noinline))
#define __hidden __attribute__((visibility("hidden")))
#define __arg_nonnull __attribute__((btf_decl_tag("arg:nonnull")))

struct __sk_buff {
	u32 len;
	u32 pkt_type;
	u32 mark;
};

struct bpf_spin_lock {
	u32 val;
};

struct value {
	long sum;
	struct bpf_spin_lock lock;
};

static void *(*lookup)(void *, const void *) = (void *)1;
static long (*tail_call)(void *, void *, u32) = (void *)12;
static long (*lock)(struct bpf_spin_lock *) = (void *)93;
static long (*unlock)(struct bpf_spin_lock *) = (void *)94;

int next(struct __sk_buff *ctx);

struct {
	__uint(type, 2);
	__uint(max_entries, 4);
	__type(key, u32);
	__type(value, struct value);
} counts SEC(".maps");

struct {
	__uint(type, 3);
	__uint(max_entries, 4);
	__uint(key_size, 4);
	__array(values, int(void *));
} jumps SEC(".maps") = { .values = { [2] = (void *)&next } };

char _license[] SEC("license") = "GPL";

static volatile long total;
long visible = 5;
__hidden long concealed = 7;

SEC("tc") int next(struct __sk_buff *ctx)
{
	return 40 + total;
}

__noinline int deref(int *p __arg_nonnull)
{
	return *p + 1;
}

__noinline __hidden int count(struct value *v)
{
	v->sum++;
	return 3;
}

static __noinline long triple(long a)
{
	return a * 3 + 1;
}

static __noinline long flip(long a)
{
	return a ^ 7;
}

static long (*const volatile table[2])(long) = { triple, flip };

SEC("tc") int prog(struct __sk_buff *ctx)
{
	u32 k = 1;
	int x = 4;
	struct value *v = lookup(&counts, &k);

	if (!v)
		return 0;
	lock(&v->lock);
	v->sum += 2;
	unlock(&v->lock);
	total = count(v) + deref(&x) + table[ctx->len & 1](5);
	visible += concealed++;
	return total;
}

SEC("tc") int jump(struct __sk_buff *ctx)
{
	tail_call(ctx, &jumps, 2);
	return -1;
}

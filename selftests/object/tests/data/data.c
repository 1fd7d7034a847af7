typedef int (*fn)(long);
static __attribute__((noinline)) int a(long x) { return x + 1; }
static __attribute__((noinline)) int b(long x) { return x + 2; }
__attribute__((noinline)) int g(long x) { return x + 3; }
struct vt { long n; fn f; int k; };
static fn const tab[2] = { a, b };
const struct vt vt = { 1000, g, 7 };
static const struct vt local_vt = { 2000, a, 9 };
static const unsigned short shorts[3] = { 1, 2, 3 };
__attribute__((section("syscall"))) int prog(unsigned long *ctx) {
  unsigned long i = *ctx & 1;
  const struct vt *v = *ctx & 2 ? &vt : &local_vt;
  asm volatile("" : "+r"(v));
  int r = tab[i](1);
  r += v->f(v->n);
  return r + v->k + shorts[*ctx & 1];
}
char _license[] __attribute__((section("license"))) = "GPL";

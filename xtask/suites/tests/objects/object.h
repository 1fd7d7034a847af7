/* SPDX-License-Identifier: GPL-2.0-only */
/* What the objects share, in place of libbpf's headers. */
typedef unsigned char u8; typedef unsigned short u16; typedef unsigned int u32;
typedef unsigned long long u64; typedef int s32; typedef long long s64;

#define SEC(name) __attribute__((section(name), used))
#define noinline __attribute__((noinline))
#define weak __attribute__((weak))
#define __ksym __attribute__((section(".ksyms")))
#define __uint(name, val) int (*name)[val]
#define __type(name, val) __typeof__(val) *name
#define __array(name, val) __typeof__(val) *name[]
/* A value that the compiler knows nothing of. */
#define hide(v) asm volatile("" : "+r"(v))

struct xdp_md { u32 data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex; };
struct __sk_buff { u32 len, pkt_type, mark; };

#ifdef __cplusplus
#define HELPER(type, name, number) static type name = reinterpret_cast<type>(number)
#else
#define HELPER(ret, name, args, number) static ret (*const name) args = (void *)number
HELPER(void *, map_lookup, (void *, const void *), 1);
HELPER(long, tail_call, (void *, void *, u32), 12);
HELPER(long, perf_event_output, (void *, void *, u64, void *, u64), 25);
HELPER(long, map_push, (void *, const void *, u64), 87);
HELPER(long, ringbuf_output, (void *, void *, u64, u64), 130);
HELPER(void *, ringbuf_reserve, (void *, u64, u64), 131);
HELPER(void, ringbuf_submit, (void *, u64), 132);
HELPER(void, ringbuf_discard, (void *, u64), 133);
HELPER(long, loop, (u32, void *, void *, u64), 181);
#endif

char _license[] SEC("license") = "GPL";

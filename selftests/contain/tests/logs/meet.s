    r2 = *(u64 *)(r1 +0)
    r3 = *(u64 *)(r1 +8)
    *(u64 *)(r10 -8) = 3
    *(u64 *)(r10 -16) = 4
    *(u64 *)(r10 -24) = 0
    r6 = 0
    if r2 == 0 goto meet
    r6 = 8
meet:
    if r3 s> 99 goto other
    r4 = r10
    r4 += -16
    r4 += r6
    r0 = *(u64 *)(r4 +0)
    exit
other:
    r0 = 1
    exit

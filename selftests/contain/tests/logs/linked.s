    r2 = *(u64 *)(r1 +0)
    r3 = *(u64 *)(r1 +8)
    r0 = 0
    r4 = r2
    r4 += 8
    if r2 > 100 goto out
    r0 = r4
out:
    exit

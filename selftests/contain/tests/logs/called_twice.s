    r6 = *(u64 *)(r1 +8)
    r1 = *(u64 *)(r1 +0)
    call pick
    r7 = r0
    r1 = r6
    call pick
    r7 *= 10
    r0 += r7
    exit
.func pick
    if r1 > 2 goto other
    r1 <<= 3
    r3 = JT ll
    r3 += r1
    r3 = *(u64 *)(r3 +0)
    gotox r3
a:
    r0 = 1
    exit
b:
    r0 = 2
    exit
c:
    r0 = 3
    exit
other:
    r0 = 4
    exit
.jumptable JT: a, b, c

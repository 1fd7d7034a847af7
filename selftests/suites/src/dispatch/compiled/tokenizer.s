	w2 = 0
	r3 = 0
	w0 = 0
	w4 = 0
	goto l1
l8:
	w5 *= 10
	w5 += w6
	w5 += -48
l9:
	w0 = w5
l10:
	r3 += 1
	if r3 != 16 goto l1
l11:
	exit
l1:
	w5 = w0
	r6 = r1
	r6 += r3
	w0 = -2
	r7 = *(u8 *)(r6 +0)
	w6 = w7
	if w6 > 125 goto l11
	r7 <<= 3
	r8 = T ll
	r8 += r7
	r7 = *(u64 *)(r8 +0)
	gotox r7
l6:
	w6 &= 3
	w5 = w6
	w5 <<= 1
	w5 += 1
	w5 += w2
	w0 = 0
	w2 = w5
	goto l10
l3:
	w4 += 1
	goto l9
l4:
	w0 = -1
	if w4 == 0 goto l11
	w4 += -1
	goto l9
l7:
	w4 *= 1000
	w5 += w4
	w5 += w2
	w0 = w5
	goto l11
.jumptable T: l7, l11, l11, l11, l11, l11, l11, l11, l11, l9, l9, l11, l11, l9, l11, l11, l11, l11, l11, l11, l11, l11, l11, l11, l11, l11, l11, l11, l11, l11, l11, l11, l9, l11, l11, l11, l11, l11, l11, l11, l3, l4, l6, l6, l11, l6, l11, l6, l8, l8, l8, l8, l8, l8, l8, l8, l8, l8, l11, l11, l11, l11, l11, l11, l11, l11, l11, l11, l11, l11, l11, l11, l11, l11, l11, l11, l11, l11, l11, l11, l11, l11, l11, l11, l11, l11, l11, l11, l11, l11, l11, l3, l11, l4, l11, l11, l11, l11, l11, l11, l11, l11, l11, l11, l11, l11, l11, l11, l11, l11, l11, l11, l11, l11, l11, l11, l11, l11, l11, l11, l11, l11, l11, l3, l11, l4

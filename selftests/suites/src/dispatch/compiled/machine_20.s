	w0 = 0
	r2 = 0
	w4 = 0
	goto l1
l32:
	w3 *= 12
	w3 += w0
	w4 = 6
l59:
	w0 = w3
l60:
	r2 += 1
	if r2 != 40 goto l1
	w0 += w4
	goto l63
l1:
	if w4 > 19 goto l62
	r3 = r1
	r3 += r2
	r3 = *(u8 *)(r3 +0)
	r4 <<= 3
	r5 = T ll
	r5 += r4
	r4 = *(u64 *)(r5 +0)
	gotox r4
l3:
	w5 = w3
	w5 &= 1
	w4 = 1
	if w5 == 0 goto l5
	w4 = 3
l5:
	w3 *= 3
	w3 += w0
	goto l59
l49:
	w5 = w3
	w5 &= 1
	w4 = 1
	if w5 == 0 goto l51
	w4 = 15
l51:
	w3 *= -19
	w3 += w0
	goto l59
l43:
	w5 = w3
	w5 &= 64
	w4 = 11
	if w5 == 0 goto l45
	w4 = 1
l45:
	w3 *= 17
	w3 ^= w0
	goto l59
l36:
	w5 = w3
	w5 *= 14
	w5 ^= w0
	w3 ^= -1
	w3 <<= 1
	w3 &= 16
	w4 = w3
	w0 = w5
	goto l60
l17:
	w5 = w3
	w5 &= 16
	w4 = 1
	if w5 == 0 goto l19
	w4 = 11
l19:
	w3 *= -7
	w3 += w0
	goto l59
l37:
	w5 = w3
	w5 &= 16
	w4 = 1
	if w5 == 0 goto l39
	w4 = 7
l39:
	w3 *= 15
	w3 += w0
	goto l59
l10:
	w5 = w3
	w5 &= 4
	w4 = 11
	if w5 == 0 goto l12
	w4 = 17
l12:
	w3 *= 5
	w3 ^= w0
	goto l59
l46:
	w5 = (s8)w3
	w4 = 16
	if w5 s> -1 goto l48
	w4 = 8
l48:
	w3 *= 18
	w3 += w0
	goto l59
l14:
	w5 = w3
	w5 &= 8
	w4 = 16
	if w5 == 0 goto l16
	w4 = 4
l16:
	w3 *= 6
	w3 += w0
	goto l59
l26:
	w5 = (s8)w3
	w4 = 16
	if w5 s> -1 goto l28
	w4 = 12
l28:
	w3 *= -10
	w3 += w0
	goto l59
l7:
	w5 = w3
	w5 &= 2
	w4 = 6
	if w5 == 0 goto l9
	w4 = 10
l9:
	w3 <<= 2
	w0 -= w3
	goto l60
l52:
	w5 = w3
	w5 &= 2
	w4 = 6
	if w5 == 0 goto l54
	w4 = 2
l54:
	w3 *= 20
	w3 ^= w0
	goto l59
l20:
	w5 = w3
	w5 &= 32
	w4 = 6
	if w5 == 0 goto l22
	w4 = 18
l22:
	w3 <<= 3
	w3 ^= w0
	goto l59
l40:
	w5 = w3
	w5 &= 32
	w4 = 6
	if w5 == 0 goto l42
	w4 = 14
l42:
	w3 <<= 4
	w0 -= w3
	goto l60
l23:
	w5 = w3
	w5 &= 64
	w4 = 11
	if w5 == 0 goto l25
	w4 = 5
l25:
	w3 *= 9
	w3 += w0
	goto l59
l55:
	w5 = w3
	w5 &= 4
	w4 = 11
	if w5 == 0 goto l57
	w4 = 9
l57:
	w3 *= 21
	w3 += w0
	goto l59
l33:
	w5 = w3
	w5 &= 4
	w4 = 11
	if w5 == 0 goto l35
	w4 = 13
l35:
	w3 *= -13
	w3 += w0
	goto l59
l29:
	w5 = w3
	w5 &= 1
	w4 = 1
	if w5 == 0 goto l31
	w4 = 19
l31:
	w3 *= 11
	w3 ^= w0
	goto l59
l58:
	w3 *= -22
	w3 += w0
	w4 = 16
	goto l59
l62:
	w0 = -1
l63:
	exit
.jumptable T: l3, l7, l10, l14, l17, l20, l23, l26, l29, l32, l33, l36, l37, l40, l43, l46, l49, l52, l55, l58

	w0 = 0
	r2 = 0
	w4 = 0
	goto l1
l138:
	w3 *= 50
	w3 ^= w0
	w4 = 44
l139:
	w0 = w3
l140:
	r2 += 1
	if r2 == 40 goto l141
l1:
	r3 = r1
	r3 += r2
	r3 = *(u8 *)(r3 +0)
	r4 <<= 3
	r5 = T ll
	r5 += r4
	r4 = *(u64 *)(r5 +0)
	gotox r4
l2:
	w5 = w3
	w5 &= 1
	w4 = 1
	if w5 == 0 goto l4
	w4 = 3
l4:
	w3 *= 3
	w3 += w0
	goto l139
l128:
	w5 = w3
	w5 *= -46
	w5 += w0
	w3 &= 8
	w3 ^= 24
	goto l14
l110:
	w5 = w3
	w5 &= 32
	w4 = 42
	if w5 == 0 goto l112
	w4 = 22
l112:
	w3 *= -40
	w3 += w0
	goto l139
l104:
	w5 = w3
	w5 &= 8
	w4 = 32
	if w5 == 0 goto l106
	w4 = 8
l106:
	w3 *= 38
	w3 ^= w0
	goto l139
l107:
	w5 = w3
	w5 &= 16
	w4 = 37
	if w5 == 0 goto l109
	w4 = 15
l109:
	w3 *= 39
	w3 += w0
	goto l139
l80:
	w5 = w3
	w5 &= 8
	w4 = 40
	if w5 == 0 goto l82
	w4 = 0
l82:
	w3 *= 30
	w3 += w0
	goto l139
l101:
	w5 = w3
	w5 &= 4
	w4 = 27
	if w5 == 0 goto l103
	w4 = 1
l103:
	w3 *= -37
	w3 += w0
	goto l139
l51:
	w5 = w3
	w5 &= 1
	w4 = 33
	if w5 == 0 goto l53
	w4 = 19
l53:
	w3 *= -19
	w3 += w0
	goto l139
l129:
	w5 = w3
	w5 &= 16
	w4 = 29
	if w5 == 0 goto l131
	w4 = 23
l131:
	w3 *= 47
	w3 ^= w0
	goto l139
l45:
	w5 = w3
	w5 &= 64
	w4 = 23
	if w5 == 0 goto l47
	w4 = 5
l47:
	w3 *= 17
	w3 ^= w0
	goto l139
l98:
	w5 = w3
	w5 &= 2
	w4 = 22
	if w5 == 0 goto l100
	w4 = 42
l100:
	w3 *= 36
	w3 += w0
	goto l139
l36:
	w5 = w3
	w5 &= 8
	w4 = 8
	if w5 == 0 goto l38
	w4 = 32
l38:
	w3 *= 14
	w3 ^= w0
	goto l139
l15:
	w5 = w3
	w5 &= 16
	w4 = 21
	if w5 == 0 goto l17
	w4 = 31
l17:
	w3 *= -7
	w3 += w0
	goto l139
l119:
	w5 = w3
	w5 &= 1
	w4 = 9
	if w5 == 0 goto l121
	w4 = 43
l121:
	w3 *= -43
	w3 += w0
	goto l139
l39:
	w5 = w3
	w5 &= 16
	w4 = 13
	if w5 == 0 goto l41
	w4 = 39
l41:
	w3 *= 15
	w3 += w0
	goto l139
l30:
	w5 = w3
	w5 &= 2
	w4 = 46
	if w5 == 0 goto l32
	w4 = 18
l32:
	w3 *= 12
	w3 += w0
	goto l139
l74:
	w5 = w3
	w5 &= 2
	w4 = 30
	if w5 == 0 goto l76
	w4 = 34
l76:
	w3 *= -28
	w3 += w0
	goto l139
l71:
	w5 = w3
	w5 &= 1
	w4 = 25
	if w5 == 0 goto l73
	w4 = 27
l73:
	w3 *= 27
	w3 += w0
	goto l139
l9:
	w5 = w3
	w5 &= 4
	w4 = 11
	if w5 == 0 goto l11
	w4 = 17
l11:
	w3 *= 5
	w3 ^= w0
	goto l139
l48:
	w5 = (s8)w3
	w4 = 28
	if w5 s> -1 goto l50
	w4 = 12
l50:
	w3 *= 18
	w3 += w0
	goto l139
l13:
	w5 = w3
	w5 *= 6
	w5 += w0
	w3 &= 8
	w3 |= 16
	goto l14
l24:
	w5 = (s8)w3
	w4 = 36
	if w5 s> -1 goto l26
	w4 = 4
l26:
	w3 *= -10
	w3 += w0
	goto l139
l6:
	w5 = w3
	w5 &= 2
	w4 = 6
	if w5 == 0 goto l8
	w4 = 10
l8:
	w3 <<= 2
	w0 -= w3
	goto l140
l92:
	w5 = (s8)w3
	w4 = 12
	if w5 s> -1 goto l94
	w4 = 28
l94:
	w3 *= -34
	w3 += w0
	goto l139
l54:
	w5 = w3
	w5 &= 2
	w4 = 38
	if w5 == 0 goto l56
	w4 = 26
l56:
	w3 *= 20
	w3 ^= w0
	goto l139
l122:
	w5 = w3
	w5 &= 2
	w4 = 14
	if w5 == 0 goto l124
	w4 = 2
l124:
	w3 *= 44
	w3 ^= w0
	goto l139
l61:
	w5 = w3
	w5 &= 16
	w4 = 5
	if w5 == 0 goto l63
	w4 = 47
l63:
	w3 *= 23
	w3 ^= w0
	goto l139
l18:
	w5 = w3
	w5 &= 32
	w4 = 26
	if w5 == 0 goto l20
	w4 = 38
l20:
	w3 <<= 3
	w3 ^= w0
	goto l139
l64:
	w5 = w3
	w5 &= 32
	w4 = 10
	if w5 == 0 goto l66
	w4 = 6
l66:
	w3 *= 24
	w3 += w0
	goto l139
l42:
	w5 = w3
	w5 &= 32
	w4 = 18
	if w5 == 0 goto l44
	w4 = 46
l44:
	w3 <<= 4
	w0 -= w3
	goto l140
l21:
	w5 = w3
	w5 &= 64
	w4 = 31
	if w5 == 0 goto l23
	w4 = 45
l23:
	w3 *= 9
	w3 += w0
	goto l139
l57:
	w5 = w3
	w5 &= 4
	w4 = 43
	if w5 == 0 goto l59
	w4 = 33
l59:
	w3 *= 21
	w3 += w0
	goto l139
l33:
	w5 = w3
	w5 &= 4
	w4 = 3
	if w5 == 0 goto l35
	w4 = 25
l35:
	w3 *= -13
	w3 += w0
	goto l139
l27:
	w5 = w3
	w5 &= 1
	w4 = 41
	if w5 == 0 goto l29
	w4 = 11
l29:
	w3 *= 11
	w3 ^= w0
	goto l139
l89:
	w5 = w3
	w5 &= 64
	w4 = 7
	if w5 == 0 goto l91
	w4 = 21
l91:
	w3 *= 33
	w3 += w0
	goto l139
l95:
	w5 = w3
	w5 &= 1
	w4 = 17
	if w5 == 0 goto l97
	w4 = 35
l97:
	w3 *= 35
	w3 ^= w0
	goto l139
l132:
	w5 = w3
	w5 &= 32
	w4 = 34
	if w5 == 0 goto l134
	w4 = 30
l134:
	w3 *= 48
	w3 += w0
	goto l139
l67:
	w5 = w3
	w5 &= 64
	w4 = 15
	if w5 == 0 goto l69
	w4 = 13
l69:
	w3 *= -25
	w3 += w0
	goto l139
l116:
	w5 = (s8)w3
	w4 = 4
	if w5 s> -1 goto l118
	w4 = 36
l118:
	w3 *= 42
	w3 += w0
	goto l139
l60:
	w5 = w3
	w5 *= -22
	w5 += w0
	w3 <<= 28
	w3 s>>= 31
	w3 &= 40
l14:
	w4 = w3
	w0 = w5
	goto l140
l125:
	w5 = w3
	w5 &= 4
	w4 = 19
	if w5 == 0 goto l127
	w4 = 9
l127:
	w3 *= 45
	w3 += w0
	goto l139
l70:
	w3 *= 26
	w3 ^= w0
	w4 = 20
	goto l139
l83:
	w5 = w3
	w5 &= 16
	w4 = 45
	if w5 == 0 goto l85
	w4 = 7
l85:
	w3 *= -31
	w3 += w0
	goto l139
l86:
	w5 = w3
	w5 &= 32
	w4 = 2
	if w5 == 0 goto l88
	w4 = 14
l88:
	w3 <<= 5
	w3 ^= w0
	goto l139
l113:
	w5 = w3
	w5 &= 64
	w4 = 47
	if w5 == 0 goto l115
	w4 = 29
l115:
	w3 *= 41
	w3 ^= w0
	goto l139
l77:
	w5 = w3
	w5 &= 4
	w4 = 35
	if w5 == 0 goto l79
	w4 = 41
l79:
	w3 *= 29
	w3 ^= w0
	goto l139
l135:
	w5 = w3
	w5 &= 64
	w4 = 39
	if w5 == 0 goto l137
	w4 = 37
l137:
	w3 *= -49
	w3 += w0
	goto l139
l141:
	w0 += w4
	exit
.jumptable T: l2, l6, l9, l13, l15, l18, l21, l24, l27, l30, l33, l36, l39, l42, l45, l48, l51, l54, l57, l60, l61, l64, l67, l70, l71, l74, l77, l80, l83, l86, l89, l92, l95, l98, l101, l104, l107, l110, l113, l116, l119, l122, l125, l128, l129, l132, l135, l138

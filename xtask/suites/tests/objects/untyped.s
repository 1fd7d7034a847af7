# SPDX-License-Identifier: GPL-2.0-only
# Assembly without types and sizes.
#! build
#! pass left out: needs `.type pass,@function`
#! sizeless left out: `.size sizeless, .-sizeless` says how many
#! whole: 2
	.section xdp,"ax",@progbits
	.globl pass
pass:
	r0 = 2
	exit
	.section tc,"ax",@progbits
	.globl sizeless
	.type sizeless,@function
sizeless:
	r0 = 2
	exit
	.section xdp/whole,"ax",@progbits
	.globl whole
	.type whole,@function
whole:
	r0 = 2
	exit
	.size whole, .-whole
	.section license,"aw",@progbits
	.asciz "GPL"

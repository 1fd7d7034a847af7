//! The fields of opcode bytes: RFC 9669 §3 and §4, `include/uapi/linux/bpf.h`.

/// Mask of the instruction class in an opcode byte.
pub const CLASS_MASK: u8 = 0x07;
/// Mask of the operation in the opcode byte of an arithmetic or jump instruction.
pub const OP_MASK: u8 = 0xf0;
/// Mask of the operand's source in the opcode byte of an arithmetic or jump instruction.
pub const SOURCE_MASK: u8 = 0x08;
/// Mask of the access size in the opcode byte of a load or store.
pub const SIZE_MASK: u8 = 0x18;
/// Mask of the mode in the opcode byte of a load or store.
pub const MODE_MASK: u8 = 0xe0;

/// Class: non-standard loads, `ld_imm64` and packet access.
pub const LD: u8 = 0x00;
/// Class: load into a register.
pub const LDX: u8 = 0x01;
/// Class: store of an immediate.
pub const ST: u8 = 0x02;
/// Class: store of a register, and atomics.
pub const STX: u8 = 0x03;
/// Class: 32-bit arithmetic.
pub const ALU: u8 = 0x04;
/// Class: jumps, 64-bit comparison.
pub const JMP: u8 = 0x05;
/// Class: jumps, 32-bit comparison.
pub const JMP32: u8 = 0x06;
/// Class: 64-bit arithmetic.
pub const ALU64: u8 = 0x07;

/// Source: the immediate.
pub const K: u8 = 0x00;
/// Source: the register.
pub const X: u8 = 0x08;

/// Size: 4 bytes.
pub const W: u8 = 0x00;
/// Size: 2 bytes.
pub const H: u8 = 0x08;
/// Size: 1 byte.
pub const B: u8 = 0x10;
/// Size: 8 bytes.
pub const DW: u8 = 0x18;

/// Mode: wide immediate.
pub const IMM: u8 = 0x00;
/// Mode: packet access at a constant offset.
pub const ABS: u8 = 0x20;
/// Mode: packet access at an offset in a register.
pub const IND: u8 = 0x40;
/// Mode: memory.
pub const MEM: u8 = 0x60;
/// Mode: sign-extending load from memory.
pub const MEMSX: u8 = 0x80;
/// Mode: atomic access to memory. The operation is in the immediate.
pub const ATOMIC: u8 = 0xc0;

/// Addition, and the atomic addition's immediate.
pub const ADD: u8 = 0x00;
/// Subtraction.
pub const SUB: u8 = 0x10;
/// Multiplication.
pub const MUL: u8 = 0x20;
/// Division; signed with offset 1.
pub const DIV: u8 = 0x30;
/// Or, and the atomic or's immediate.
pub const OR: u8 = 0x40;
/// And, and the atomic and's immediate.
pub const AND: u8 = 0x50;
/// Left shift.
pub const LSH: u8 = 0x60;
/// Logical right shift.
pub const RSH: u8 = 0x70;
/// Negation.
pub const NEG: u8 = 0x80;
/// Remainder; signed with offset 1.
pub const MOD: u8 = 0x90;
/// Exclusive or, and the atomic exclusive or's immediate.
pub const XOR: u8 = 0xa0;
/// Move; sign-extending with offset 8, 16 or 32.
pub const MOV: u8 = 0xb0;
/// Arithmetic right shift.
pub const ARSH: u8 = 0xc0;
/// Byte order.
pub const END: u8 = 0xd0;

/// Unconditional jump: 16-bit offset in [`JMP`], 32-bit offset in [`JMP32`], `gotox` with [`X`].
pub const JA: u8 = 0x00;
/// Jump if equal.
pub const JEQ: u8 = 0x10;
/// Jump if above, unsigned.
pub const JGT: u8 = 0x20;
/// Jump if above or equal, unsigned.
pub const JGE: u8 = 0x30;
/// Jump if a common bit is set.
pub const JSET: u8 = 0x40;
/// Jump if not equal.
pub const JNE: u8 = 0x50;
/// Jump if above, signed.
pub const JSGT: u8 = 0x60;
/// Jump if above or equal, signed.
pub const JSGE: u8 = 0x70;
/// Call; `callx` with [`X`].
pub const CALL: u8 = 0x80;
/// Return.
pub const EXIT: u8 = 0x90;
/// Jump if below, unsigned.
pub const JLT: u8 = 0xa0;
/// Jump if below or equal, unsigned.
pub const JLE: u8 = 0xb0;
/// Jump if below, signed.
pub const JSLT: u8 = 0xc0;
/// Jump if below or equal, signed.
pub const JSLE: u8 = 0xd0;
/// Conditional pseudo jump: `may_goto`.
pub const JCOND: u8 = 0xe0;

/// `ld_imm64`, the only wide instruction.
pub const LD_IMM64: u8 = LD | IMM | DW;
/// `gotox`, the indirect jump.
pub const GOTOX: u8 = JMP | JA | X;
/// `callx`, the indirect call.
pub const CALLX: u8 = JMP | CALL | X;
/// `call`.
pub const CALL_IMM: u8 = JMP | CALL;

/// Immediate of an atomic operation: the register receives the old value.
pub const FETCH: i32 = 0x01;
/// Immediate of the atomic exchange.
pub const XCHG: i32 = 0xe0 | FETCH;
/// Immediate of the atomic compare and exchange.
pub const CMPXCHG: i32 = 0xf0 | FETCH;
/// Immediate of load-acquire.
pub const LOAD_ACQ: i32 = 0x100;
/// Immediate of store-release.
pub const STORE_REL: i32 = 0x110;

/// `src` of `ld_imm64`: a map, by descriptor.
pub const PSEUDO_MAP_FD: u8 = 1;
/// `src` of `ld_imm64`: the address of a map's value, by descriptor.
pub const PSEUDO_MAP_VALUE: u8 = 2;
/// `src` of `ld_imm64`: a kernel variable, by BTF id.
pub const PSEUDO_BTF_ID: u8 = 3;
/// `src` of `ld_imm64`: the address of a function of the program.
pub const PSEUDO_FUNC: u8 = 4;
/// `src` of `ld_imm64`: a map, by index into `fd_array`.
pub const PSEUDO_MAP_IDX: u8 = 5;
/// `src` of `ld_imm64`: the address of a map's value, by index into `fd_array`.
pub const PSEUDO_MAP_IDX_VALUE: u8 = 6;

/// `src` of `call`: a function of the program.
pub const PSEUDO_CALL: u8 = 1;
/// `src` of `call`: a kernel function, by BTF id.
pub const PSEUDO_KFUNC_CALL: u8 = 2;

/// Offset of a 64-bit move that casts between address spaces.
pub const ADDR_SPACE_CAST: i16 = 1;
/// Number of registers that an instruction may use: r0 to r10.
pub const MAX_REG: u8 = 11;
/// The pseudo register for arguments after the fifth (`BPF_REG_PARAMS`).
pub const REG_PARAMS: u8 = 11;

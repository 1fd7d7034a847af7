//! What an instruction does: the typed form that the assembler produces and the model executes.

/// Number of a register: 0 to 10.
pub type Reg = u8;

/// One instruction with all its fields checked.
///
/// In a value returned by [`decode`](crate::decode()) every register is in 0 to 10 and every field
/// in the range that the kernel requires. Jump offsets count slots from the slot after the
/// instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// `dst = dst op src`, or `dst = src` for [`AluOp::Mov`] (RFC 9669 §4.1).
    Alu {
        /// Width of the operation. The 32-bit form clears the upper half of `dst`.
        width: Width,
        /// The operation.
        op: AluOp,
        /// Destination and left operand.
        dst: Reg,
        /// Right operand. An immediate is sign-extended to the width.
        src: Operand,
    },
    /// `dst = (s<bits>)src`: sign-extending move (RFC 9669 §4.1, `MOVSX`).
    MovSx {
        /// Width to extend to; the 32-bit form clears the upper half of `dst`.
        width: Width,
        /// Bits taken from `src`: 8, 16, and 32 in the 64-bit form.
        bits: u8,
        /// Destination.
        dst: Reg,
        /// Source.
        src: Reg,
    },
    /// `dst = -dst` (RFC 9669 §4.1).
    Neg {
        /// Width; the 32-bit form clears the upper half of `dst`.
        width: Width,
        /// Operand and destination.
        dst: Reg,
    },
    /// Byte order: `dst = le16 dst` and the like. The result is zero-extended from `bits`
    /// (RFC 9669 §4.2).
    Endian {
        /// Target byte order.
        kind: EndianKind,
        /// 16, 32 or 64.
        bits: u8,
        /// Operand and destination.
        dst: Reg,
    },
    /// `ld_imm64`: a wide immediate; takes two slots (RFC 9669 §5.4).
    LdImm64 {
        /// Destination.
        dst: Reg,
        /// What is loaded.
        value: Imm64,
    },
    /// `dst = *(size *)(base + off)` (RFC 9669 §5.1, §5.2).
    Load {
        /// Bytes read.
        size: Size,
        /// Sign-extended to 64 bits, otherwise zero-extended. Never with [`Size::Dw`].
        signed: bool,
        /// Destination.
        dst: Reg,
        /// Address register.
        base: Reg,
        /// Offset in bytes.
        off: i16,
    },
    /// `*(size *)(base + off) = src`. An immediate is sign-extended to 64 bits, then cut to size
    /// (RFC 9669 §5.1).
    Store {
        /// Bytes written.
        size: Size,
        /// Address register.
        base: Reg,
        /// Offset in bytes.
        off: i16,
        /// Value.
        src: Operand,
    },
    /// An argument after the fifth: `dst = *(u64 *)(r11 + off)` (`is_stack_arg_ldx` in
    /// `include/linux/filter.h`).
    LoadStackArg {
        /// Destination.
        dst: Reg,
        /// Offset in bytes: positive, a multiple of 8.
        off: i16,
    },
    /// An argument after the fifth for a callee: `*(u64 *)(r11 + off) = src` (`is_stack_arg_st`,
    /// `is_stack_arg_stx` in `include/linux/filter.h`).
    StoreStackArg {
        /// Offset in bytes: negative, a multiple of 8.
        off: i16,
        /// Value.
        src: Operand,
    },
    /// Atomic read-modify-write of `*(size *)(base + off)` (RFC 9669 §5.3).
    Atomic {
        /// The operation, which also determines what `src` (or r0) receives.
        op: AtomicOp,
        /// [`Size::W`] or [`Size::Dw`].
        size: Size,
        /// Address register.
        base: Reg,
        /// Offset in bytes.
        off: i16,
        /// Operand, and destination of the fetching forms.
        src: Reg,
    },
    /// `dst = load_acquire((size *)(base + off))`: `check_atomic_load()` in
    /// `kernel/bpf/verifier.c`, not in RFC 9669.
    LoadAcquire {
        /// Bytes read, zero-extended.
        size: Size,
        /// Destination.
        dst: Reg,
        /// Address register.
        base: Reg,
        /// Offset in bytes.
        off: i16,
    },
    /// `store_release((size *)(base + off), src)`: `check_atomic_store()` in
    /// `kernel/bpf/verifier.c`, not in RFC 9669.
    StoreRelease {
        /// Bytes written.
        size: Size,
        /// Address register.
        base: Reg,
        /// Offset in bytes.
        off: i16,
        /// Value.
        src: Reg,
    },
    /// `r0 = *(size *)skb[index + off]`: legacy packet access in network byte order (RFC 9669 §5.5;
    /// semantics as in `bpf_gen_ld_abs()` in `net/core/filter.c`).
    Packet {
        /// Bytes read: never [`Size::Dw`].
        size: Size,
        /// Register added to the offset (`ld_ind`), or none (`ld_abs`).
        index: Option<Reg>,
        /// Offset in bytes.
        off: i32,
    },
    /// Unconditional jump (RFC 9669 §4.3).
    Ja {
        /// Offset in slots: 16 bits, 32 bits in the long form.
        off: i32,
        /// The long form, `gotol`.
        long: bool,
    },
    /// `if dst cond src goto +off` (RFC 9669 §4.3).
    JumpCond {
        /// Width of the comparison.
        width: Width,
        /// The condition.
        cond: Cond,
        /// Left operand.
        dst: Reg,
        /// Right operand. An immediate is sign-extended to the width.
        src: Operand,
        /// Offset in slots.
        off: i16,
    },
    /// `gotox reg`: jumps to the instruction whose address is in the register:
    /// `check_indirect_jump()` in `kernel/bpf/verifier.c`, not in RFC 9669.
    Gotox {
        /// The register.
        reg: Reg,
    },
    /// Call of a helper (RFC 9669 §4.3.1).
    CallHelper {
        /// `BPF_FUNC_*`; whether it exists is not checked here.
        id: i32,
    },
    /// Call of a function of the same program (RFC 9669 §4.3.2).
    CallLocal {
        /// Offset in slots to its first instruction.
        off: i32,
    },
    /// Call of a kernel function (RFC 9669 §4.3.1: helper by BTF id; `check_kfunc_call()` in
    /// `kernel/bpf/verifier.c`).
    CallKfunc {
        /// BTF id of the function.
        id: i32,
        /// Index into `fd_array` of the BTF's descriptor; 0 for `vmlinux`.
        btf: i16,
    },
    /// `callx reg`: calls the function whose address is in the register. Not in RFC 9669 and not in
    /// mainline 7.3; semantics as in the series in `kernel-patches`.
    Callx {
        /// The register.
        reg: Reg,
    },
    /// `may_goto`: falls through until its budget is used up, then jumps: `bpf_do_misc_fixups()` in
    /// `kernel/bpf/fixups.c`, not in RFC 9669.
    MayGoto {
        /// Offset in slots.
        off: i16,
    },
    /// `dst = addr_space_cast(src, to, from)`: between an arena (1) and the kernel (0):
    /// `check_alu_op()` in `kernel/bpf/verifier.c`, not in RFC 9669.
    AddrSpaceCast {
        /// Destination.
        dst: Reg,
        /// Source.
        src: Reg,
        /// Address space of the result.
        to: u16,
        /// Address space of the source.
        from: u16,
    },
    /// Return from the function (RFC 9669 §4.3).
    Exit,
}

/// Width of an arithmetic operation or comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Width {
    /// 32 bits: `w` registers.
    W32,
    /// 64 bits: `r` registers.
    W64,
}

/// Size of a memory access.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Size {
    /// 1 byte.
    B,
    /// 2 bytes.
    H,
    /// 4 bytes.
    W,
    /// 8 bytes.
    Dw,
}

impl Size {
    /// Bytes: 1, 2, 4 or 8.
    pub const fn bytes(self) -> usize {
        match self {
            Self::B => 1,
            Self::H => 2,
            Self::W => 4,
            Self::Dw => 8,
        }
    }
}

/// Right operand: a register or the 32-bit immediate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operand {
    /// A register.
    Reg(Reg),
    /// The immediate.
    Imm(i32),
}

/// Arithmetic with two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AluOp {
    /// Addition.
    Add,
    /// Subtraction.
    Sub,
    /// Multiplication.
    Mul,
    /// Unsigned division; by zero gives 0.
    Div,
    /// Signed division; by zero gives 0, the smallest number by -1 gives itself.
    SDiv,
    /// Unsigned remainder; by zero leaves `dst`.
    Mod,
    /// Signed remainder; by zero leaves `dst`, the smallest number by -1 gives 0.
    SMod,
    /// Or.
    Or,
    /// And.
    And,
    /// Exclusive or.
    Xor,
    /// Left shift; the count is masked to the width.
    Lsh,
    /// Logical right shift; the count is masked to the width.
    Rsh,
    /// Arithmetic right shift; the count is masked to the width.
    Arsh,
    /// Move.
    Mov,
}

/// Target byte order of [`Op::Endian`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EndianKind {
    /// Little endian: a truncation on a little-endian machine.
    Le,
    /// Big endian.
    Be,
    /// Always swap.
    Swap,
}

/// Condition of a jump.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cond {
    /// Equal.
    Eq,
    /// Not equal.
    Ne,
    /// Above, unsigned.
    Gt,
    /// Above or equal, unsigned.
    Ge,
    /// Below, unsigned.
    Lt,
    /// Below or equal, unsigned.
    Le,
    /// Above, signed.
    SGt,
    /// Above or equal, signed.
    SGe,
    /// Below, signed.
    SLt,
    /// Below or equal, signed.
    SLe,
    /// A common bit is set.
    Set,
}

/// Atomic read-modify-write operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AtomicOp {
    /// Addition; `src` keeps its value.
    Add,
    /// Or; `src` keeps its value.
    Or,
    /// And; `src` keeps its value.
    And,
    /// Exclusive or; `src` keeps its value.
    Xor,
    /// Addition; `src` receives the old value.
    FetchAdd,
    /// Or; `src` receives the old value.
    FetchOr,
    /// And; `src` receives the old value.
    FetchAnd,
    /// Exclusive or; `src` receives the old value.
    FetchXor,
    /// Exchange; `src` receives the old value.
    Xchg,
    /// If memory equals r0, store `src`; r0 receives the old value.
    Cmpxchg,
}

/// What `ld_imm64` loads: RFC 9669 §5.4, and `BPF_PSEUDO_*` of `include/uapi/linux/bpf.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Imm64 {
    /// A number.
    Value(u64),
    /// A map, by its descriptor.
    MapFd(i32),
    /// Address inside the map's value.
    MapValue {
        /// Descriptor of the map.
        fd: i32,
        /// Offset in bytes.
        off: u32,
    },
    /// A kernel variable.
    BtfId {
        /// BTF id of the variable.
        id: i32,
        /// Descriptor of a module's BTF; 0 for `vmlinux`.
        btf_fd: i32,
    },
    /// Address of a function in the same program.
    Func {
        /// Offset in slots to the function, from the slot after the first of the two, as in a call.
        /// The kernel ignores the immediate of the second slot.
        off: i32,
    },
    /// A map, by its index in `fd_array`.
    MapIdx(i32),
    /// Address inside the value of a map given by its index in `fd_array`.
    MapIdxValue {
        /// Index in `fd_array`.
        idx: i32,
        /// Offset in bytes.
        off: u32,
    },
}

impl Op {
    /// Slots that the instruction takes: 2 for `ld_imm64`, otherwise 1.
    pub const fn slots(&self) -> usize {
        match self {
            Self::LdImm64 { .. } => 2,
            _ => 1,
        }
    }
}

//! The pre-decoded form that the interpreter's loop executes.
//!
//! Each slot of a function becomes one [`Code`] of 16 bytes with its operation in one byte, so
//! that a step is one indexed load and one jump. Behind the last slot of each function stands
//! [`Opc::FellOff`]; wrong jumps lead to [`Opc::BadTarget`] at the very end. So no jump needs a
//! check when it is executed.

/// One pre-decoded instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Code {
    /// Immediate, sign-extended; else an index into one of the tables of `Program`.
    pub(crate) imm: u64,
    /// Jumps: index of the target. Memory access: offset in bytes.
    pub(crate) aux: i32,
    pub(crate) op: Opc,
    pub(crate) dst: u8,
    pub(crate) src: u8,
}

/// Declares the two forms of each operation with a right operand: register and immediate.
macro_rules! opcodes {
    ($($reg:ident $imm:ident)* ; $($other:ident)*) => {
        /// What to do. An `R` at the end takes the right operand from `src`, an `I` from `imm`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub(crate) enum Opc { $($reg, $imm,)* $($other,)* }

        impl Opc {
            /// The form with an immediate of a form with a register.
            pub(crate) fn immediate(self) -> Self {
                match self {
                    $(Self::$reg => Self::$imm,)*
                    other => other,
                }
            }
        }
    };
}

opcodes! {
    Add64R Add64I  Sub64R Sub64I  Mul64R Mul64I  Div64R Div64I  SDiv64R SDiv64I
    Mod64R Mod64I  SMod64R SMod64I  Or64R Or64I  And64R And64I  Xor64R Xor64I
    Lsh64R Lsh64I  Rsh64R Rsh64I  Arsh64R Arsh64I  Mov64R Mov64I
    Add32R Add32I  Sub32R Sub32I  Mul32R Mul32I  Div32R Div32I  SDiv32R SDiv32I
    Mod32R Mod32I  SMod32R SMod32I  Or32R Or32I  And32R And32I  Xor32R Xor32I
    Lsh32R Lsh32I  Rsh32R Rsh32I  Arsh32R Arsh32I  Mov32R Mov32I
    Jeq64R Jeq64I  Jne64R Jne64I  Jgt64R Jgt64I  Jge64R Jge64I  Jlt64R Jlt64I  Jle64R Jle64I
    Jsgt64R Jsgt64I  Jsge64R Jsge64I  Jslt64R Jslt64I  Jsle64R Jsle64I  Jset64R Jset64I
    Jeq32R Jeq32I  Jne32R Jne32I  Jgt32R Jgt32I  Jge32R Jge32I  Jlt32R Jlt32I  Jle32R Jle32I
    Jsgt32R Jsgt32I  Jsge32R Jsge32I  Jslt32R Jslt32I  Jsle32R Jsle32I  Jset32R Jset32I
    Store8R Store8I  Store16R Store16I  Store32R Store32I  Store64R Store64I
    // The argument beyond the fifth with the number `aux`.
    PassR PassI
    ;
    // `dst = (s8)src` and the like, to 64 and to 32 bits.
    MovSx8To64 MovSx16To64 MovSx32To64 MovSx8To32 MovSx16To32
    Neg64 Neg32
    // Truncation to `imm` bits, and byte swap of `imm` bits.
    Truncate Swap
    // `dst = constants[imm]`.
    Constant
    Load8 Load16 Load32 Load64 LoadS8 LoadS16 LoadS32
    // `imm` is an index into `atomics`.
    Atomic
    // `dst` = the argument beyond the fifth with the number `imm`.
    LoadPassed
    // `imm` bytes.
    LoadAcquire StoreRelease
    // `imm`: the offset (as i32) and, from bit 32 on, the size.
    PacketAbs PacketInd
    Jump MayGoto
    // `imm` is the function that it may not leave.
    Gotox
    // `aux` is the callee's first code.
    CallLocal
    Callx
    // `imm` is the helper's number.
    CallHelper
    Exit
    // The slot cannot be executed: `imm` is an index into `refusals`.
    Refused
    // A jump that leads nowhere: `imm` is an index into `bad_targets`.
    BadTarget
    FellOff
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_sixteen_bytes() {
        assert_eq!(size_of::<Code>(), 16);
    }

    #[test]
    fn immediate_forms() {
        assert_eq!(Opc::Add64R.immediate(), Opc::Add64I);
        assert_eq!(Opc::Store8R.immediate(), Opc::Store8I);
        assert_eq!(Opc::Exit.immediate(), Opc::Exit);
    }
}

//! BPF instructions: encode, decode, disassemble, assemble.

pub mod decode;
pub mod insn;
pub mod op;
pub mod opcode;
pub mod unit;

pub use decode::{DecodeError, DecodeErrorKind, decode};
pub use insn::Insn;
pub use op::{AluOp, AtomicOp, Cond, EndianKind, Imm64, Op, Operand, Reg, Size, Width};
pub use unit::{Function, JumpTable, MapDef, Relocation, RelocationKind, Unit};

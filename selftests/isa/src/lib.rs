//! BPF instructions: encode, decode, disassemble, assemble.

pub mod asm;
pub mod decode;
pub mod disasm;
pub mod encode;
pub mod helpers;
pub mod insn;
pub mod map_type;
pub mod op;
pub mod opcode;
mod print;
pub mod unit;

pub use asm::{AsmError, FunctionLines, assemble, assemble_with_lines};
pub use decode::{DecodeError, DecodeErrorKind, decode};
pub use disasm::{disassemble, disassemble_one};
pub use encode::{Encoded, encode};
pub use helpers::{helper_id, helper_name};
pub use insn::Insn;
pub use map_type::{MAP_TYPE_INSN_ARRAY, MAP_TYPE_PROG_ARRAY, map_type_by_name, map_type_name};
pub use op::{AluOp, AtomicOp, Cond, EndianKind, Imm64, Op, Operand, Reg, Size, Width};
pub use unit::{
    DataObject, DataPointer, Function, JumpTable, MapDef, Relocation, RelocationKind, Unit,
};

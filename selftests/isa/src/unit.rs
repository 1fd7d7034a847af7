//! The assembler's output: functions, jump tables, data and maps, with unresolved symbols.

use crate::Insn;

/// One assembled source, for one object file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unit {
    /// Functions in source order. The first one of a section is a program's entry unless the
    /// section is `.text`.
    pub functions: Vec<Function>,
    /// Jump tables in source order.
    pub jump_tables: Vec<JumpTable>,
    /// Map definitions in source order.
    pub maps: Vec<MapDef>,
    /// Data objects in source order: those of one section are consecutive, each aligned to 8 bytes.
    pub data: Vec<DataObject>,
}

/// A function: instructions with a symbol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Symbol name.
    pub name: String,
    /// ELF section: `.text` for subprograms, otherwise the section of a program (`socket`, `xdp`,
    /// `tc`, `syscall`).
    pub section: String,
    /// Whether the symbol is global; otherwise static.
    pub global: bool,
    /// The instructions.
    pub insns: Vec<Insn>,
    /// References to symbols, for the linker to resolve.
    pub relocations: Vec<Relocation>,
}

/// A reference to a symbol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relocation {
    /// Slot of the relocated instruction, relative to its function.
    pub slot: usize,
    /// The symbol referred to.
    pub symbol: String,
    /// Addend in bytes, for addresses inside a table.
    pub addend: i64,
    /// How the instruction refers to it.
    pub kind: RelocationKind,
}

/// How an instruction refers to a symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelocationKind {
    /// `ld_imm64` of a map, a jump table, data or a function: `R_BPF_64_64`.
    Address,
    /// `call` of a function: `R_BPF_64_32`.
    Call,
}

/// A jump table: the targets of one `gotox`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JumpTable {
    /// Symbol name; LLVM uses `BPF.JT.<function>.<number>`.
    pub name: String,
    /// The function that the targets are relative to.
    pub function: String,
    /// Targets, in slots from the function's start. Any number is allowed, to write tables that the
    /// kernel must reject.
    pub targets: Vec<u64>,
}

/// A map defined by the object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MapDef {
    /// Symbol name.
    pub name: String,
    /// `enum bpf_map_type`.
    pub map_type: u32,
    /// Bytes of a key.
    pub key_size: u32,
    /// Bytes of a value.
    pub value_size: u32,
    /// Number of entries.
    pub max_entries: u32,
    /// `BPF_F_*` creation flags.
    pub flags: u32,
    /// Offset in bytes of the `struct bpf_spin_lock` in each value, if any.
    pub spin_lock: Option<u32>,
    /// Programs by entry, for a prog array; `None` leaves an entry empty.
    pub programs: Vec<Option<String>>,
}

/// A data object: numbers and pointers to functions, in a section such as `.rodata`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataObject {
    /// Symbol name.
    pub name: String,
    /// ELF section: `.rodata…` and `.data.rel.ro…` for read-only data, `.data…` for data that the
    /// program may write.
    pub section: String,
    /// Whether the symbol is global; otherwise static.
    pub global: bool,
    /// Its bytes; 0 in place of pointers.
    pub bytes: Vec<u8>,
    /// The pointers in it, sorted by offset.
    pub pointers: Vec<DataPointer>,
}

/// A pointer to a function: 8 bytes of a [`DataObject`], `R_BPF_64_ABS64`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataPointer {
    /// Offset in the object, in bytes; need not be aligned.
    pub offset: usize,
    /// Name of the function.
    pub function: String,
    /// Whether the relocation refers to the function's own symbol even if the function is static.
    /// LLVM then refers to its section's symbol, with the function's offset as addend.
    pub own_symbol: bool,
}

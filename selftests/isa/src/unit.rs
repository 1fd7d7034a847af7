//! What the assembler makes: functions, jump tables, data and maps, with symbols still unresolved.

use crate::Insn;

/// One assembled source: what goes into one object file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unit {
    /// Functions in the order of the source. The first one of a section is a program's entry
    /// unless the section is `.text`.
    pub functions: Vec<Function>,
    /// Jump tables, in the order of the source.
    pub jump_tables: Vec<JumpTable>,
    /// Map definitions, in the order of the source.
    pub maps: Vec<MapDef>,
    /// Objects of data, in the order of the source: those of one section lie one behind the other,
    /// each aligned to 8 bytes.
    pub data: Vec<DataObject>,
}

/// A function: a run of instructions that a symbol names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Symbol name.
    pub name: String,
    /// ELF section that holds it: `.text` for subprograms, else the section of a program
    /// (`socket`, `xdp`, `tc`, `syscall`).
    pub section: String,
    /// Whether the symbol is global; static otherwise.
    pub global: bool,
    /// The instructions.
    pub insns: Vec<Insn>,
    /// References to symbols that the linker resolves.
    pub relocations: Vec<Relocation>,
}

/// A place in a function that refers to a symbol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relocation {
    /// Slot of the instruction that is relocated, relative to its function.
    pub slot: usize,
    /// The symbol referred to.
    pub symbol: String,
    /// Addend in bytes, for addresses in the middle of a table.
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
    /// Symbol name, `BPF.JT.<function>.<number>` where LLVM makes it.
    pub name: String,
    /// The function whose slots the targets count.
    pub function: String,
    /// Targets as slots relative to the function's start. Any number may stand here, so that
    /// tables that the kernel must refuse can be written.
    pub targets: Vec<u64>,
}

/// A map that the object defines.
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
    /// Offset in bytes of the `struct bpf_spin_lock` in each value, if there is one.
    pub spin_lock: Option<u32>,
    /// Programs by entry, for a prog array; `None` leaves an entry empty.
    pub programs: Vec<Option<String>>,
}

/// An object of data: numbers and pointers to functions, in a section such as `.rodata`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataObject {
    /// Symbol name.
    pub name: String,
    /// ELF section that holds it: `.rodata…` and `.data.rel.ro…` for what nobody writes, `.data…`
    /// for what the program may write.
    pub section: String,
    /// Whether the symbol is global; static otherwise.
    pub global: bool,
    /// Its bytes; 0 where a pointer stands.
    pub bytes: Vec<u8>,
    /// The pointers in it, in the order of their offsets.
    pub pointers: Vec<DataPointer>,
}

/// A pointer to a function: 8 bytes of a [`DataObject`], `R_BPF_64_ABS64`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataPointer {
    /// Where it starts in the object, in bytes; anything, for pointers that are not aligned.
    pub offset: usize,
    /// Name of the function.
    pub function: String,
    /// Whether the relocation names the function's own symbol even if the function is static.
    /// LLVM names its section's then, with the function's offset as addend.
    pub own_symbol: bool,
}

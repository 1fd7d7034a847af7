//! What the sections and relocations of an object are called, and the layout of `maps`.

/// Section of the subprograms.
pub const TEXT: &str = ".text";
/// Section of the jump tables: 8 bytes an entry, the offset in bytes of an instruction in the
/// section of the function that the table belongs to. No relocations apply to it.
pub const JUMP_TABLES: &str = ".jumptables";
/// Section of the map definitions in the legacy form, one symbol each.
///
/// A definition is `struct bpf_map_def` of libbpf before 1.0: five numbers of 32 bits in little
/// endian, in this order: type, bytes of a key, bytes of a value, number of entries, flags.
/// It may go on, as it might there, with what BTF would say in [`BTF_MAPS`]: a number of 32 bits
/// that is 0, or 1 more than the offset of the `struct bpf_spin_lock` in each value; then 8 bytes
/// for each entry of a prog array, relocated ([`R_BPF_64_ABS64`]) where it holds a program.
pub const MAPS: &str = "maps";
/// Section of the map definitions that BTF describes.
pub const BTF_MAPS: &str = ".maps";
/// Section of the license: a string with a final zero.
pub const LICENSE: &str = "license";

/// Start of the names of sections with data that nobody writes.
pub const READ_ONLY_DATA: [&str; 2] = [".rodata", ".data.rel.ro"];
/// Start of the names of sections with data that the program may write.
pub const DATA: &str = ".data";
/// Start of the names of sections with data that the program may write and that starts as zeros.
pub const ZEROS: &str = ".bss";
/// Section of what BTF says about code: functions, lines, relocations of CO-RE.
pub const BTF_EXT: &str = ".BTF.ext";
/// Section of types and strings.
pub const BTF: &str = ".BTF";

/// Sections of what the kernel defines, as BTF describes it. The object has none of them.
pub const EXTERNAL: [&str; 2] = [".ksyms", ".kconfig"];

/// Bytes of an entry of [`JUMP_TABLES`].
pub const JUMP_TABLE_ENTRY: usize = 8;
/// Bytes of a definition in [`MAPS`], as long as it says nothing more.
pub const MAP_DEF: usize = 20;
/// Bytes of a definition with the number for the lock, and without entries.
pub const LONG_MAP_DEF: usize = 24;
/// Bytes of a pointer in data or in a definition.
pub const POINTER: usize = 8;

/// Relocation of a wide immediate (`Documentation/bpf/llvm_reloc.rst`).
pub const R_BPF_64_64: u32 = 1;
/// Relocation of 8 bytes of data with an address; the addend stands in them
/// (`Documentation/bpf/llvm_reloc.rst`).
pub const R_BPF_64_ABS64: u32 = 2;
/// Relocation of a call (`Documentation/bpf/llvm_reloc.rst`).
pub const R_BPF_64_32: u32 = 10;

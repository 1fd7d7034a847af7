//! Names of an object's sections, relocation types, and the layout of `maps`.

/// Section of the subprograms.
pub const TEXT: &str = ".text";
/// Section of the jump tables: 8 bytes per entry, the offset in bytes of an instruction in the
/// section of the table's function. It has no relocations.
pub const JUMP_TABLES: &str = ".jumptables";
/// Section of the map definitions in the legacy form, one symbol each.
///
/// A definition is `struct bpf_map_def` of libbpf before 1.0: five little-endian 32-bit numbers:
/// type, key size, value size, number of entries, flags. It may continue, as it might there, with
/// what BTF would say in [`BTF_MAPS`]: a 32-bit number that is 0, or 1 more than the offset of the
/// `struct bpf_spin_lock` in each value; then 8 bytes for each entry of a prog array, relocated
/// ([`R_BPF_64_ABS64`]) if it has a program.
pub const MAPS: &str = "maps";
/// Section of the map definitions described by BTF.
pub const BTF_MAPS: &str = ".maps";
/// Section of the license: a zero-terminated string.
pub const LICENSE: &str = "license";

/// Name prefixes of read-only data sections.
pub const READ_ONLY_DATA: [&str; 2] = [".rodata", ".data.rel.ro"];
/// Name prefix of writable data sections.
pub const DATA: &str = ".data";
/// Name prefix of writable, zero-initialised data sections.
pub const ZEROS: &str = ".bss";
/// Section of BTF about code: functions, lines, CO-RE relocations.
pub const BTF_EXT: &str = ".BTF.ext";
/// Section of types and strings.
pub const BTF: &str = ".BTF";

/// Section of the options of the kernel's configuration.
pub const KCONFIG: &str = ".kconfig";
/// Sections of kernel symbols, described by BTF. The object does not contain them.
pub const EXTERNAL: [&str; 2] = [".ksyms", KCONFIG];

/// Bytes of an entry of [`JUMP_TABLES`].
pub const JUMP_TABLE_ENTRY: usize = 8;
/// Size of a definition in [`MAPS`] without an extension.
pub const MAP_DEF: usize = 20;
/// Size of a definition with the number for the lock, without entries.
pub const LONG_MAP_DEF: usize = 24;
/// Bytes of a pointer in data or in a definition.
pub const POINTER: usize = 8;

/// Relocation of a wide immediate (`Documentation/bpf/llvm_reloc.rst`).
pub const R_BPF_64_64: u32 = 1;
/// Relocation of 8 bytes of data with an address; the data contains the addend
/// (`Documentation/bpf/llvm_reloc.rst`).
pub const R_BPF_64_ABS64: u32 = 2;
/// Relocation of a call (`Documentation/bpf/llvm_reloc.rst`).
pub const R_BPF_64_32: u32 = 10;

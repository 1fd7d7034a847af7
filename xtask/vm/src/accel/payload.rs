//! The guest that the probe starts: an ELF file of a few hundred bytes, entered through PVH.
//!
//! It does what stops a stock kernel on a KVM that only emulates: it enters long mode, executes
//! CMPXCHG16B (which the slab allocator uses from the start) and an SSE store, and turns a loop
//! ten million times, which takes milliseconds on hardware and under TCG, and many seconds where
//! every instruction is emulated. Then it writes to the port of `isa-debug-exit`.

/// Where the image is loaded: code, then three levels of page tables, a page each.
const BASE: u32 = 0x10_0000;

/// Port of `isa-debug-exit`.
pub(super) const EXIT_PORT: u16 = 0xf4;

/// Status that QEMU exits with: the device gives `value << 1 | 1`, and the value is 0x2a.
pub(super) const EXIT_STATUS: i32 = 0x2a << 1 | 1;

/// 32-bit code at [`BASE`], then 64-bit code at +0x60, as `as` gives it.
const CODE32: &[u8] = &[
    0x0f, 0x20, 0xe0, // mov %cr4,%eax
    0x0d, 0x20, 0x06, 0x00, 0x00, // or $(PAE | OSFXSR | OSXMMEXCPT),%eax
    0x0f, 0x22, 0xe0, // mov %eax,%cr4
    0xb8, 0x00, 0x10, 0x10, 0x00, // mov $BASE+0x1000,%eax
    0x0f, 0x22, 0xd8, // mov %eax,%cr3
    0xb9, 0x80, 0x00, 0x00, 0xc0, // mov $MSR_EFER,%ecx
    0x0f, 0x32, // rdmsr
    0x0d, 0x00, 0x01, 0x00, 0x00, // or $LME,%eax
    0x0f, 0x30, // wrmsr
    0x0f, 0x20, 0xc0, // mov %cr0,%eax
    0x83, 0xe0, 0xfb, // and $~EM,%eax
    0x0d, 0x03, 0x00, 0x00, 0x80, // or $(PG | MP | PE),%eax
    0x0f, 0x22, 0xc0, // mov %eax,%cr0
    0x0f, 0x01, 0x15, 0xc0, 0x00, 0x10, 0x00, // lgdt BASE+0xc0
    0xea, 0x60, 0x00, 0x10, 0x00, 0x08, 0x00, // ljmp $8,$BASE+0x60
];

const CODE64_AT: usize = 0x60;
const CODE64: &[u8] = &[
    0xbf, 0x00, 0x01, 0x10, 0x00, // mov $BASE+0x100,%edi
    0x31, 0xc0, // xor %eax,%eax
    0x31, 0xd2, // xor %edx,%edx
    0x31, 0xdb, // xor %ebx,%ebx
    0x31, 0xc9, // xor %ecx,%ecx
    0xf0, 0x48, 0x0f, 0xc7, 0x0f, // lock cmpxchg16b (%rdi)
    0x0f, 0x11, 0x07, // movups %xmm0,(%rdi)
    0xb9, 0x80, 0x96, 0x98, 0x00, // mov $10000000,%ecx
    0xff, 0xc9, // 1: dec %ecx
    0x75, 0xfc, // jnz 1b
    0xba, 0xf4, 0x00, 0x00, 0x00, // mov $EXIT_PORT,%edx
    0xb0, 0x2a, // mov $0x2a,%al
    0xee, // out %al,(%dx)
    0xf4, // 2: hlt
    0xeb, 0xfd, // jmp 2b
];

const GDT_AT: usize = 0xb0;
const GDT: [u64; 2] = [0, 0x00af_9b00_0000_ffff];
const GDTR_AT: usize = 0xc0;

/// Bytes of the file before the image: ELF header, two program headers, the note.
const HEADERS: usize = 0x1000;

/// The file: ELF32, one segment to load and the note that gives the 32-bit entry
/// (`XEN_ELFNOTE_PHYS32_ENTRY`, 18; `include/xen/interface/elfnote.h`).
pub(super) fn elf() -> Vec<u8> {
    let image = image();
    let note_at = 0x200_u32;
    let mut file = Vec::with_capacity(HEADERS + image.len());
    // e_ident: 32-bit, little-endian, version 1.
    file.extend_from_slice(b"\x7fELF\x01\x01\x01\0\0\0\0\0\0\0\0\0");
    halves(&mut file, &[2, 3]); // ET_EXEC, EM_386
    words(&mut file, &[1, BASE, 52, 0, 0]); // version, entry, program headers, sections, flags
    halves(&mut file, &[52, 32, 2, 0, 0, 0]);
    let size = u32::try_from(image.len()).unwrap_or(0);
    let headers = u32::try_from(HEADERS).unwrap_or(0);
    words(&mut file, &[1, headers, BASE, BASE, size, size, 7, 0x1000]); // PT_LOAD
    words(&mut file, &[4, note_at, 0, 0, 20, 20, 4, 4]); // PT_NOTE
    file.resize(note_at as usize, 0);
    words(&mut file, &[4, 4, 18]);
    file.extend_from_slice(b"Xen\0");
    words(&mut file, &[BASE]);
    file.resize(HEADERS, 0);
    file.extend_from_slice(&image);
    file
}

fn image() -> Vec<u8> {
    let mut image = vec![0; 4 * 0x1000];
    let mut put = |at: usize, bytes: &[u8]| image[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, CODE32);
    put(CODE64_AT, CODE64);
    for (index, entry) in GDT.iter().enumerate() {
        put(GDT_AT + 8 * index, &entry.to_le_bytes());
    }
    put(GDTR_AT, &15_u16.to_le_bytes());
    put(GDTR_AT + 2, &(BASE + GDT_AT as u32).to_le_bytes());
    // The first 2 MiB onto themselves: present, writable; the last level as one large page.
    put(0x1000, &u64::from((BASE + 0x2000) | 3).to_le_bytes());
    put(0x2000, &u64::from((BASE + 0x3000) | 3).to_le_bytes());
    put(0x3000, &0x83_u64.to_le_bytes());
    image
}

fn words(file: &mut Vec<u8>, values: &[u32]) {
    values.iter().for_each(|value| file.extend_from_slice(&value.to_le_bytes()));
}

fn halves(file: &mut Vec<u8>, values: &[u16]) {
    values.iter().for_each(|value| file.extend_from_slice(&value.to_le_bytes()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pieces_do_not_overlap() {
        assert!(CODE32.len() <= CODE64_AT);
        assert!(CODE64_AT + CODE64.len() <= GDT_AT);
        assert!(GDT_AT + 8 * GDT.len() <= GDTR_AT);
    }

    #[test]
    fn the_headers_are_where_elf_wants_them() {
        let file = elf();
        let word = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap());
        assert_eq!(word(24), BASE, "entry");
        assert_eq!((word(52), word(56), word(60)), (1, 0x1000, BASE), "PT_LOAD");
        assert_eq!((word(84), word(88)), (4, 0x200), "PT_NOTE");
        assert_eq!((word(0x200), word(0x204), word(0x208), word(0x210)), (4, 4, 18, BASE), "note");
        assert_eq!(&file[0x1000..0x1003], &CODE32[..3]);
        assert_eq!(file.len(), 0x1000 + 0x4000);
    }
}

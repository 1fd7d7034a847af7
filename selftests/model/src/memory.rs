//! Memory: one arena, and a table of the objects in it.
//!
//! Every object lies in one byte vector, so its address is [`BASE`] plus its index there. That
//! makes addresses deterministic: they depend on the plan and the input alone. Objects lie apart,
//! but it is the provenance of a pointer, not the distance, that keeps it inside its object.
//!
//! The stack's frames come first. Their bytes have shadows: initialised, made from an
//! address, and the provenance of each aligned word, so that spilled pointers survive whole and
//! only whole.

use std::collections::HashMap;

use crate::context::Context;
use crate::functions::FunctionTable;
use crate::maps::LOCK;
use crate::trap::TrapKind;
use crate::value::{Prov, Value};

/// Address of the arena's first byte. It looks like the kernel's direct map.
pub(crate) const BASE: u64 = 0xffff_8880_0010_0000;
/// Frames that may be active at once (`MAX_CALL_FRAMES`, `include/linux/bpf_verifier.h`).
pub(crate) const FRAMES: usize = 16;
/// Bytes of stack in a frame (`MAX_BPF_STACK`, `include/linux/filter.h`).
pub(crate) const FRAME_SIZE: usize = 512;
/// Distance of two frames in the arena.
const FRAME_STRIDE: usize = 1024;
const STACK_BYTES: usize = FRAMES * FRAME_STRIDE;
/// Objects start at multiples of this and lie at least this far apart.
const ALIGN: usize = 64;

/// What an object is: it decides who may do what with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A stack frame. The object number is the frame's depth.
    Stack,
    /// Bytes that can be read and written. The number says what for.
    Plain(Region),
    /// The values of a map, `stride` bytes apart; the pointer's selector is the element.
    Values { map: u32, read: bool, write: bool },
    /// As `Values`, readable and writable, with a `bpf_spin_lock` at byte `lock` of each.
    Guarded { map: u32, lock: u32 },
    /// The addresses of a jump table, 8 bytes each; read-only.
    JumpTable { map: u32 },
    /// The value of a read-only map with pointers to functions of one program.
    Functions { map: u32 },
    /// `struct __sk_buff` or `struct xdp_md`: no memory, each field is translated.
    Context,
}

/// What plain memory is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Region {
    SyscallContext,
    Packet,
    /// What a function gets that no kernel calls.
    Argument,
}

/// One object.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Object {
    /// Index of its first byte in the arena.
    pub(crate) start: usize,
    /// Bytes of the object, of one element where there are several.
    pub(crate) len: usize,
    /// Bytes from one element to the next.
    pub(crate) stride: usize,
    pub(crate) kind: Kind,
    /// Stack: number of the call that the frame belongs to.
    pub(crate) generation: u32,
}

/// All memory that a program can reach.
#[derive(Clone, Debug)]
pub(crate) struct Memory {
    pub(crate) bytes: Vec<u8>,
    pub(crate) objects: Vec<Object>,
    shadow: Box<Shadow>,
    pub(crate) context: Context,
    /// Slots that each jump table's entries name, by map; empty for other maps.
    pub(crate) jump_tables: Vec<Vec<u32>>,
    /// The pointers in each map of the kind [`Kind::Functions`], by map.
    pub(crate) functions: HashMap<u32, FunctionTable>,
    /// Number of the program that runs.
    pub(crate) program: usize,
    /// An address was written to memory that outlives the run, so bytes of it are not comparable.
    pub(crate) leaked: bool,
    /// Where the objects of one run start: arena bytes and object number.
    run_start: (usize, usize),
}

/// What is known of the stack, by word of eight aligned bytes.
#[derive(Clone, Debug)]
struct Shadow {
    prov: [Prov; STACK_BYTES / 8],
    /// Bit per byte: written by this frame.
    init: [u8; STACK_BYTES / 8],
    /// Bit per byte: made from an address. Only bytes that are initialised count.
    tainted: [u8; STACK_BYTES / 8],
}

impl Memory {
    pub(crate) fn new() -> Self {
        let objects = (0..FRAMES)
            .map(|depth| Object {
                start: depth * FRAME_STRIDE,
                len: FRAME_SIZE,
                stride: 0,
                kind: Kind::Stack,
                generation: 0,
            })
            .collect();
        let mut memory = Self {
            bytes: vec![0; STACK_BYTES],
            objects,
            shadow: Box::new(Shadow {
                prov: [Prov::SCALAR; STACK_BYTES / 8],
                init: [0; STACK_BYTES / 8],
                tainted: [0; STACK_BYTES / 8],
            }),
            context: Context::None,
            jump_tables: Vec::new(),
            functions: HashMap::new(),
            program: 0,
            leaked: false,
            run_start: (0, 0),
        };
        memory.seal();
        memory
    }

    /// Adds an object of `count` elements of `len` bytes and gives its number.
    ///
    /// The caller has checked that the bytes are few enough to allocate.
    pub(crate) fn add(&mut self, len: usize, count: usize, kind: Kind) -> u32 {
        let start = self.bytes.len().next_multiple_of(ALIGN) + ALIGN;
        let stride = len.next_multiple_of(8);
        self.bytes.resize(start + stride * count, 0);
        self.objects.push(Object { start, len, stride, kind, generation: 0 });
        (self.objects.len() - 1) as u32
    }

    /// Declares that all objects so far outlive a run.
    pub(crate) fn seal(&mut self) {
        self.run_start = (self.bytes.len(), self.objects.len());
    }

    /// Drops what belonged to the last run; the coming one is of this program.
    pub(crate) fn begin_run(&mut self, program: usize) {
        self.program = program;
        self.bytes.truncate(self.run_start.0);
        self.objects.truncate(self.run_start.1);
        self.context = Context::None;
        self.leaked = false;
    }

    /// Adds an object with these bytes for the coming run; gives a pointer to it.
    pub(crate) fn add_for_run(&mut self, bytes: &[u8], region: Region) -> Value {
        let object = self.add(bytes.len(), 1, Kind::Plain(region));
        let start = self.objects[object as usize].start;
        self.bytes[start..start + bytes.len()].copy_from_slice(bytes);
        self.pointer(object, 0)
    }

    /// The bytes of the first object that was added for this run.
    pub(crate) fn first_of_run(&self) -> &[u8] {
        self.element(self.run_start.1 as u32, 0)
    }

    /// Pointer to the start of an element.
    pub(crate) fn pointer(&self, object: u32, element: u32) -> Value {
        let start = self
            .objects
            .get(object as usize)
            .map_or(0, |o| o.start as u64 + o.stride as u64 * u64::from(element));
        Value { bits: BASE.wrapping_add(start), prov: Prov::pointer(object, element) }
    }

    /// The bytes of an element, as many as the object has.
    pub(crate) fn element(&self, object: u32, element: u32) -> &[u8] {
        self.range(object, element).and_then(|range| self.bytes.get(range)).unwrap_or_default()
    }

    pub(crate) fn element_mut(&mut self, object: u32, element: u32) -> &mut [u8] {
        match self.range(object, element) {
            Some(range) => self.bytes.get_mut(range).unwrap_or_default(),
            None => &mut [],
        }
    }

    fn range(&self, object: u32, element: u32) -> Option<std::ops::Range<usize>> {
        let object = self.objects.get(object as usize)?;
        let start = object.start + object.stride * element as usize;
        Some(start..start + object.len)
    }

    /// Starts a frame: nothing in it is initialised. Gives its frame pointer.
    pub(crate) fn enter_frame(&mut self, depth: usize) -> Value {
        let object = self.objects[depth];
        let word = depth * FRAME_STRIDE / 8;
        self.shadow.init[word..word + FRAME_SIZE / 8].fill(0);
        Value {
            bits: BASE + (object.start + FRAME_SIZE) as u64,
            prov: Prov::pointer(depth as u32, object.generation),
        }
    }

    /// Ends a frame: pointers into it are dead.
    pub(crate) fn leave_frame(&mut self, depth: usize) {
        let object = &mut self.objects[depth];
        object.generation = object.generation.wrapping_add(1);
    }

    /// Where `size` bytes at `base + off` lie in the arena, and in what kind of object.
    #[inline(always)]
    fn locate(&self, base: Value, off: i64, size: usize) -> Result<(usize, Kind), TrapKind> {
        let Some(object) = self.objects.get(base.prov.object()) else {
            return Err(self.fault(base, off, size));
        };
        let index = base.bits.wrapping_add(off as u64).wrapping_sub(BASE) as usize;
        // The stride of a stack frame is 0: its selector is no element.
        let element = object.start + object.stride * base.prov.selector() as usize;
        let within = index.wrapping_sub(element);
        if !base.prov.is_pointer() || within > object.len || object.len - within < size {
            return Err(self.fault(base, off, size));
        }
        if object.kind == Kind::Stack && base.prov.selector() != object.generation {
            return Err(TrapKind::DeadFrame);
        }
        Ok((index, object.kind))
    }

    /// Loads `SIZE` bytes, zero-extended.
    #[inline(always)]
    pub(crate) fn load<const SIZE: usize>(&self, base: Value, off: i64) -> Result<Value, TrapKind> {
        let (index, kind) = self.locate(base, off, SIZE)?;
        let Some(bytes) = self.bytes.get(index..index + SIZE) else {
            return Err(self.fault(base, off, SIZE));
        };
        let mut word = [0; 8];
        word[..SIZE].copy_from_slice(bytes);
        let bits = u64::from_le_bytes(word);
        match kind {
            Kind::Stack => self.stack_prov::<SIZE>(index).map(|prov| Value { bits, prov }),
            Kind::Plain(_) | Kind::Values { read: true, .. } => Ok(Value::scalar(bits)),
            _ => self.load_special(base, off, SIZE, index, bits),
        }
    }

    /// Stores the low `SIZE` bytes of a value.
    #[inline(always)]
    pub(crate) fn store<const SIZE: usize>(
        &mut self,
        base: Value,
        off: i64,
        value: Value,
    ) -> Result<(), TrapKind> {
        let (index, kind) = self.locate(base, off, SIZE)?;
        match kind {
            Kind::Stack => self.stack_written::<SIZE>(index, value.prov),
            Kind::Plain(_) | Kind::Values { write: true, .. } => {
                self.leaked |= value.prov.is_address()
            }
            _ => return self.store_special(base, off, SIZE, value),
        }
        match self.bytes.get_mut(index..index + SIZE) {
            Some(bytes) => bytes.copy_from_slice(&value.bits.to_le_bytes()[..SIZE]),
            None => return Err(self.fault(base, off, SIZE)),
        }
        Ok(())
    }

    /// Provenance of stack bytes that are read.
    #[inline(always)]
    fn stack_prov<const SIZE: usize>(&self, index: usize) -> Result<Prov, TrapKind> {
        let word = index / 8;
        let mask = byte_mask::<SIZE>(index);
        if index % 8 + SIZE > 8 || word >= STACK_BYTES / 8 {
            return self.stack_range_prov(index, SIZE);
        }
        if self.shadow.init[word] & mask != mask {
            return Err(uninit_stack(index, SIZE));
        }
        let prov = self.shadow.prov[word];
        if SIZE == 8 && prov != Prov::SCALAR {
            return Ok(prov);
        }
        if self.shadow.tainted[word] & mask != 0 || prov != Prov::SCALAR {
            return Ok(Prov::TAINTED);
        }
        Ok(Prov::SCALAR)
    }

    #[cold]
    fn stack_range_prov(&self, index: usize, size: usize) -> Result<Prov, TrapKind> {
        let mut prov = Prov::SCALAR;
        for byte in index..index + size {
            let (word, bit) = (byte / 8, 1 << (byte % 8));
            if word >= STACK_BYTES / 8 || self.shadow.init[word] & bit == 0 {
                return Err(uninit_stack(index, size));
            }
            if self.shadow.prov[word] != Prov::SCALAR || self.shadow.tainted[word] & bit != 0 {
                prov = Prov::TAINTED;
            }
        }
        Ok(prov)
    }

    /// Notes that stack bytes were written with a value of this provenance.
    #[inline(always)]
    fn stack_written<const SIZE: usize>(&mut self, index: usize, prov: Prov) {
        let word = index / 8;
        if SIZE == 8 && index.is_multiple_of(8) && word < STACK_BYTES / 8 {
            self.shadow.init[word] = 0xff;
            let plain = prov == Prov::SCALAR || prov == Prov::TAINTED;
            self.shadow.prov[word] = if plain { Prov::SCALAR } else { prov };
            self.shadow.tainted[word] = if prov == Prov::TAINTED { 0xff } else { 0 };
        } else {
            for byte in index..index + SIZE {
                self.stack_byte_written(byte, prov.is_address());
            }
        }
    }

    /// Notes that one byte of stack was written. A pointer that it was part of is no more; what
    /// remains of it is bytes of an address.
    fn stack_byte_written(&mut self, byte: usize, address: bool) {
        let (word, bit) = (byte / 8, 1 << (byte % 8));
        if word >= STACK_BYTES / 8 {
            return;
        }
        if self.shadow.init[word] == 0 {
            self.shadow.prov[word] = Prov::SCALAR;
            self.shadow.tainted[word] = 0;
        } else if self.shadow.prov[word] != Prov::SCALAR {
            self.shadow.prov[word] = Prov::SCALAR;
            self.shadow.tainted[word] = 0xff;
        }
        self.shadow.init[word] |= bit;
        if address {
            self.shadow.tainted[word] |= bit;
        } else {
            self.shadow.tainted[word] &= !bit;
        }
    }

    #[cold]
    fn load_special(
        &self,
        base: Value,
        off: i64,
        size: usize,
        index: usize,
        bits: u64,
    ) -> Result<Value, TrapKind> {
        let object = &self.objects[base.prov.object()];
        match object.kind {
            Kind::Context => self.context.load(index - object.start, size),
            // check_map_mem_read() demands 8 bytes, check_ptr_alignment() their alignment.
            Kind::JumpTable { map } => {
                let within = index - object.start;
                if size != 8 || !within.is_multiple_of(8) {
                    let address = base.bits.wrapping_add(off as u64);
                    return Err(TrapKind::Misaligned { address, size: size as u64 });
                }
                let table = self.jump_tables.get(map as usize).and_then(|t| t.get(within / 8));
                match table {
                    Some(&slot) => Ok(Value { bits, prov: Prov::insn(slot) }),
                    None => Err(self.fault(base, off, size)),
                }
            }
            Kind::Guarded { lock, .. } => {
                self.beside_lock(base, index, size, lock)?;
                Ok(Value::scalar(bits))
            }
            Kind::Functions { map } => {
                let within = index - object.start;
                match self.functions.get(&map) {
                    Some(table) => table.read(self.program, within, size, bits),
                    None => Ok(Value::scalar(bits)),
                }
            }
            _ => Err(TrapKind::WriteOnly { object: self.describe(base) }),
        }
    }

    #[cold]
    fn store_special(
        &mut self,
        base: Value,
        off: i64,
        size: usize,
        value: Value,
    ) -> Result<(), TrapKind> {
        let object = self.objects[base.prov.object()];
        if object.kind == Kind::Context {
            let index = base.bits.wrapping_add(off as u64).wrapping_sub(BASE) as usize;
            self.leaked |= value.prov.is_address();
            return self.context.store(index.wrapping_sub(object.start), size, value.bits);
        }
        if let Kind::Guarded { lock, .. } = object.kind {
            let (index, _) = self.locate(base, off, size)?;
            self.beside_lock(base, index, size, lock)?;
            self.leaked |= value.prov.is_address();
            if let Some(bytes) = self.bytes.get_mut(index..index + size) {
                bytes.copy_from_slice(&value.bits.to_le_bytes()[..size]);
            }
            return Ok(());
        }
        Err(TrapKind::ReadOnly { object: self.describe(base) })
    }

    /// Offset of a place in the arena from the start of its element.
    fn in_element(&self, base: Value, index: usize) -> usize {
        let start = self.range(base.prov.object() as u32, base.prov.selector());
        index.wrapping_sub(start.map_or(0, |range| range.start))
    }

    /// Checks that an access does not touch the lock of its element: `check_map_access()`.
    fn beside_lock(
        &self,
        base: Value,
        index: usize,
        size: usize,
        lock: u32,
    ) -> Result<(), TrapKind> {
        let (within, lock) = (self.in_element(base, index), lock as usize);
        if within < lock + LOCK && lock < within + size {
            return Err(TrapKind::Lock { why: "is accessed directly" });
        }
        Ok(())
    }

    /// Whether a value is the address of the lock in an element of a map.
    pub(crate) fn is_lock(&self, value: Value) -> bool {
        match self.locate(value, 0, LOCK) {
            Ok((index, Kind::Guarded { lock, .. })) => {
                self.in_element(value, index) == lock as usize
            }
            _ => false,
        }
    }

    /// Copies out `size` bytes that a helper reads through a pointer argument.
    pub(crate) fn read_bytes(
        &self,
        base: Value,
        size: usize,
        out: &mut Vec<u8>,
    ) -> Result<bool, TrapKind> {
        let (index, kind) = self.locate(base, 0, size)?;
        let address = match kind {
            Kind::Stack => self.stack_range_prov(index, size)?.is_address(),
            Kind::Plain(_) | Kind::Values { read: true, .. } => false,
            Kind::Values { .. } => return Err(TrapKind::WriteOnly { object: self.describe(base) }),
            Kind::Guarded { lock, .. } => {
                self.beside_lock(base, index, size, lock)?;
                false
            }
            Kind::Functions { map } => {
                let within = index - self.objects[base.prov.object()].start;
                if let Some(table) = self.functions.get(&map) {
                    table.read_range(self.program, within, size)?;
                }
                false
            }
            Kind::JumpTable { .. } | Kind::Context => {
                return Err(TrapKind::Unsupported(
                    "helper that reads the context or a jump table".into(),
                ));
            }
        };
        out.clear();
        out.extend_from_slice(self.bytes.get(index..index + size).unwrap_or_default());
        Ok(address)
    }

    /// Says why an access does not lie in the object of its pointer.
    #[cold]
    pub(crate) fn fault(&self, base: Value, off: i64, size: usize) -> TrapKind {
        if !base.prov.is_pointer() {
            return TrapKind::NotAPointer { found: base.kind() };
        }
        let Some(object) = self.objects.get(base.prov.object()) else {
            return TrapKind::NotAPointer { found: base.kind() };
        };
        let size = size as u64;
        let address = base.bits.wrapping_add(off as u64);
        if object.kind == Kind::Stack {
            if base.prov.selector() != object.generation {
                return TrapKind::DeadFrame;
            }
            let top = BASE + (object.start + FRAME_SIZE) as u64;
            let offset = address.wrapping_sub(top) as i64;
            if offset < -(FRAME_SIZE as i64) {
                return TrapKind::StackOverflow { offset, size };
            }
            let object_name = self.describe(base);
            let offset = address.wrapping_sub(BASE + object.start as u64) as i64;
            return TrapKind::OutOfBounds {
                object: object_name,
                offset,
                size,
                len: FRAME_SIZE as u64,
            };
        }
        let start = object.start as u64 + object.stride as u64 * u64::from(base.prov.selector());
        TrapKind::OutOfBounds {
            object: self.describe(base),
            offset: address.wrapping_sub(BASE.wrapping_add(start)) as i64,
            size,
            len: object.len as u64,
        }
    }

    /// The object of a pointer in words.
    pub(crate) fn describe(&self, base: Value) -> Box<str> {
        let element = base.prov.selector();
        match self.objects.get(base.prov.object()).map(|object| object.kind) {
            Some(Kind::Stack) => format!("stack frame {}", base.prov.object()).into(),
            Some(Kind::Plain(Region::SyscallContext) | Kind::Context) => "the context".into(),
            Some(Kind::Plain(Region::Packet)) => "the packet".into(),
            Some(Kind::Plain(Region::Argument)) => "the memory".into(),
            Some(Kind::Values { map, .. } | Kind::Guarded { map, .. }) => {
                format!("element {element} of map {map}").into()
            }
            Some(Kind::Functions { map }) => format!("the data in map {map}").into(),
            Some(Kind::JumpTable { map }) => format!("the jump table in map {map}").into(),
            None => "no object".into(),
        }
    }
}

/// Bits of the bytes of an access inside its word; only meaningful if it does not leave the word.
#[inline(always)]
const fn byte_mask<const SIZE: usize>(index: usize) -> u8 {
    (((1u16 << SIZE) - 1) << (index % 8)) as u8
}

#[cold]
fn uninit_stack(index: usize, size: usize) -> TrapKind {
    let offset = (index % FRAME_STRIDE) as i64 - FRAME_SIZE as i64;
    TrapKind::UninitStack { offset, size: size as u64 }
}

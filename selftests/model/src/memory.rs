//! Memory: one arena, and a table of the objects in it.
//!
//! Every object lies in one byte vector, so its address is [`BASE`] plus its index there. That
//! makes addresses deterministic: they depend on the plan and the input alone. Objects lie apart,
//! but it is the provenance of a pointer, not the distance, that keeps it inside its object.
//!
//! The stack's frames come first. What is known of their bytes is in [`crate::shadow`].

use std::collections::BTreeMap;

use crate::context::Context;
use crate::functions::FunctionTable;
use crate::maps::LOCK;
use crate::shadow::Shadow;
use crate::trap::TrapKind;
use crate::value::{Prov, Value};

/// Address of the arena's first byte. It looks like the kernel's direct map.
pub(crate) const BASE: u64 = 0xffff_8880_0010_0000;
/// Frames that may be active at once (`MAX_BPF_KERNEL_STACK` by `BPF_JIT_FRAME_SIZE`,
/// `include/linux/bpf_verifier.h`).
pub(crate) const FRAMES: usize = 32;
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
    shadow: Box<Shadow<{ STACK_BYTES / 8 }>>,
    pub(crate) context: Context,
    /// Slots that each jump table's entries name, by map; empty for other maps.
    pub(crate) jump_tables: Vec<Vec<u32>>,
    /// The pointers in each map of the kind [`Kind::Functions`], by map.
    pub(crate) functions: BTreeMap<u32, FunctionTable>,
    /// Number of the program that runs.
    pub(crate) program: usize,
    /// An address was written to memory that outlives the run, so bytes of it are not comparable.
    pub(crate) leaked: bool,
    /// Where the objects of one run start: arena bytes and object number.
    run_start: (usize, usize),
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
            shadow: Box::new(Shadow::new()),
            context: Context::None,
            jump_tables: Vec::new(),
            functions: BTreeMap::new(),
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
    #[inline]
    pub(crate) fn enter_frame(&mut self, depth: usize) -> Value {
        let object = self.objects[depth];
        self.shadow.forget::<{ FRAME_SIZE / 8 }>(depth * FRAME_STRIDE / 8);
        Value {
            bits: BASE + (object.start + FRAME_SIZE) as u64,
            prov: Prov::pointer(depth as u32, object.generation),
        }
    }

    /// Bytes of stack that a frame has used so far: those above the lowest word that is written.
    #[inline]
    pub(crate) fn used_by_frame(&self, depth: usize) -> usize {
        self.shadow.used::<{ FRAME_SIZE / 8 }>(depth * FRAME_STRIDE / 8) * 8
    }

    /// Whether a frame has used more than 512 bytes less this many.
    #[inline]
    pub(crate) fn frame_uses_more_than_beside(&self, depth: usize, others: usize) -> bool {
        let first = depth * FRAME_STRIDE / 8;
        others > 0 && self.shadow.any(first..first + others.min(FRAME_SIZE) / 8)
    }

    /// Ends a frame: pointers into it are dead.
    #[inline]
    pub(crate) fn leave_frame(&mut self, depth: usize) {
        let object = &mut self.objects[depth];
        object.generation = object.generation.wrapping_add(1);
    }

    /// Where `size` bytes at `base + off` lie in the arena, and in what kind of object; none if
    /// they do not lie in the pointer's object, and [`Memory::fault`] says why.
    #[inline(always)]
    fn locate(&self, base: Value, off: i64, size: usize) -> Option<(usize, Kind)> {
        let object = self.objects.get(base.prov.object())?;
        let index = base.bits.wrapping_add(off as u64).wrapping_sub(BASE) as usize;
        // The stride of a stack frame is 0: its selector is no element.
        let element = object.start + object.stride * base.prov.selector() as usize;
        let within = index.wrapping_sub(element);
        if !base.prov.is_pointer() || within > object.len || object.len - within < size {
            return None;
        }
        if object.kind == Kind::Stack && base.prov.selector() != object.generation {
            return None;
        }
        Some((index, object.kind))
    }

    /// Loads `SIZE` bytes, zero-extended, where nothing speaks against it. In any other case none:
    /// [`Memory::load_special`] decides what it is.
    #[inline(always)]
    pub(crate) fn load_simply<const SIZE: usize>(&self, base: Value, off: i64) -> Option<Value> {
        let (index, kind) = self.locate(base, off, SIZE)?;
        let mut word = [0; 8];
        word[..SIZE].copy_from_slice(self.bytes.get(index..index + SIZE)?);
        let bits = u64::from_le_bytes(word);
        let prov = match kind {
            Kind::Stack => self.shadow.read::<SIZE>(index)?,
            Kind::Plain(_) | Kind::Values { read: true, .. } => Prov::SCALAR,
            Kind::JumpTable { map } if SIZE == 8 => {
                Prov::insn(self.jump_table_entry(base, index, map)?)
            }
            _ => return None,
        };
        Some(Value { bits, prov })
    }

    /// Loads `SIZE` bytes, zero-extended.
    #[inline(always)]
    pub(crate) fn load<const SIZE: usize>(&self, base: Value, off: i64) -> Result<Value, TrapKind> {
        match self.load_simply::<SIZE>(base, off) {
            Some(value) => Ok(value),
            None => self.load_special(base, off, SIZE),
        }
    }

    /// Stores the low `SIZE` bytes of a value, where nothing speaks against it; says whether it
    /// has. If not, [`Memory::store_special`] decides what it is.
    #[inline(always)]
    pub(crate) fn store_simply<const SIZE: usize>(
        &mut self,
        base: Value,
        off: i64,
        value: Value,
    ) -> bool {
        let Some((index, kind)) = self.locate(base, off, SIZE) else { return false };
        let Some(bytes) = self.bytes.get_mut(index..index + SIZE) else { return false };
        match kind {
            Kind::Stack => self.shadow.write::<SIZE>(index, value.prov),
            Kind::Plain(_) | Kind::Values { write: true, .. } => {
                self.leaked |= value.prov.is_address()
            }
            _ => return false,
        }
        bytes.copy_from_slice(&value.bits.to_le_bytes()[..SIZE]);
        true
    }

    /// Stores the low `SIZE` bytes of a value.
    #[inline(always)]
    pub(crate) fn store<const SIZE: usize>(
        &mut self,
        base: Value,
        off: i64,
        value: Value,
    ) -> Result<(), TrapKind> {
        if self.store_simply::<SIZE>(base, off, value) {
            return Ok(());
        }
        self.store_special(base, off, SIZE, value)
    }

    /// The slot that an aligned entry of a jump table names.
    #[inline(always)]
    fn jump_table_entry(&self, base: Value, index: usize, map: u32) -> Option<u32> {
        let within = index - self.objects.get(base.prov.object())?.start;
        let entry = within.is_multiple_of(8).then_some(within / 8)?;
        self.jump_tables.get(map as usize)?.get(entry).copied()
    }

    /// The `SIZE` bytes at an address, if they are a number in memory that can simply be read.
    #[inline]
    pub(crate) fn number<const SIZE: usize>(&self, base: Value) -> Option<u64> {
        // What is no such memory is an address where it can be read simply.
        let value = self.load_simply::<SIZE>(base, 0)?;
        (value.prov == Prov::SCALAR).then_some(value.bits)
    }

    /// Loads `size` bytes, zero-extended, whatever they are.
    #[inline(never)]
    pub(crate) fn load_special(
        &self,
        base: Value,
        off: i64,
        size: usize,
    ) -> Result<Value, TrapKind> {
        let Some((index, kind)) = self.locate(base, off, size) else {
            return Err(self.fault(base, off, size));
        };
        let object = &self.objects[base.prov.object()];
        let Some(bytes) = self.bytes.get(index..index + size) else {
            return Err(self.fault(base, off, size));
        };
        let mut word = [0; 8];
        word[..size].copy_from_slice(bytes);
        let bits = u64::from_le_bytes(word);
        match kind {
            Kind::Stack => match self.shadow.read_range(index, size) {
                Some(prov) => Ok(Value { bits, prov }),
                None => Err(uninit_stack(index, size)),
            },
            Kind::Plain(_) | Kind::Values { read: true, .. } => Ok(Value::scalar(bits)),
            Kind::Context => self.context.load(index - object.start, size),
            // check_map_mem_read() demands 8 bytes, check_ptr_alignment() their alignment.
            Kind::JumpTable { map } => {
                if size != 8 || !(index - object.start).is_multiple_of(8) {
                    let address = base.bits.wrapping_add(off as u64);
                    return Err(TrapKind::Misaligned { address, size: size as u64 });
                }
                match self.jump_table_entry(base, index, map) {
                    Some(slot) => Ok(Value { bits, prov: Prov::insn(slot) }),
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
            Kind::Values { .. } => Err(TrapKind::WriteOnly { object: self.describe(base) }),
        }
    }

    /// Stores the low `size` bytes of a value to what is no simple memory.
    #[inline(never)]
    pub(crate) fn store_special(
        &mut self,
        base: Value,
        off: i64,
        size: usize,
        value: Value,
    ) -> Result<(), TrapKind> {
        let Some((index, kind)) = self.locate(base, off, size) else {
            return Err(self.fault(base, off, size));
        };
        let start = self.objects[base.prov.object()].start;
        match kind {
            Kind::Context => {
                self.leaked |= value.prov.is_address();
                self.context.store(index.wrapping_sub(start), size, value.bits)
            }
            Kind::Guarded { lock, .. } => {
                self.beside_lock(base, index, size, lock)?;
                self.leaked |= value.prov.is_address();
                if let Some(bytes) = self.bytes.get_mut(index..index + size) {
                    bytes.copy_from_slice(&value.bits.to_le_bytes()[..size]);
                }
                Ok(())
            }
            _ => Err(TrapKind::ReadOnly { object: self.describe(base) }),
        }
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
            Some((index, Kind::Guarded { lock, .. })) => {
                self.in_element(value, index) == lock as usize
            }
            _ => false,
        }
    }

    /// Provenance of a byte of stack, if it was written; by its index in the arena.
    pub(crate) fn written(&self, index: usize) -> Option<Prov> {
        self.shadow.read_range(index, 1)
    }

    /// Provenance of eight aligned bytes of stack, if all were written; by their index in the arena.
    pub(crate) fn written_word(&self, index: usize) -> Option<Prov> {
        self.shadow.read::<8>(index)
    }

    /// Copies out `size` bytes that a helper reads through a pointer argument.
    pub(crate) fn read_bytes(
        &self,
        base: Value,
        size: usize,
        out: &mut Vec<u8>,
    ) -> Result<bool, TrapKind> {
        let Some((index, kind)) = self.locate(base, 0, size) else {
            return Err(self.fault(base, 0, size));
        };
        let address = match kind {
            Kind::Stack => match self.shadow.read_range(index, size) {
                Some(prov) => prov.is_address(),
                None => return Err(uninit_stack(index, size)),
            },
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

#[cold]
fn uninit_stack(index: usize, size: usize) -> TrapKind {
    let offset = (index % FRAME_STRIDE) as i64 - FRAME_SIZE as i64;
    TrapKind::UninitStack { offset, size: size as u64 }
}

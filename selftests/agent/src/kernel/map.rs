//! Maps, through the commands of `bpf(2)` and through `mmap(2)`.

#![expect(unsafe_code, reason = "bpf(2) takes addresses as numbers, mmap(2) gives one")]

use std::num::NonZero;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use nix::sys::mman::{self, MapFlags, ProtFlags};

use super::bpf::{CallError, RawErrno, address, address_mut, bpf, bpf_fd, number, object_name};
use super::uapi::{
    ARENA, MapBatch, MapCreate, MapElem, PER_CPU_MAPS, PERF_EVENT_ARRAY, QUEUES, RINGBUF, cmd,
};
use super::{buffer, cpus};

/// Limit for bytes of a map read at once.
const MAX_READ: usize = 64 << 20;

/// Keys and values.
type Elements = Vec<(Vec<u8>, Vec<u8>)>;

/// The arguments for creating a map.
#[derive(Clone, Debug)]
pub(crate) struct MapSpec {
    /// Name, truncated to 15 bytes.
    pub(crate) name: String,
    /// `enum bpf_map_type`.
    pub(crate) map_type: u32,
    /// Bytes of a key.
    pub(crate) key_size: u32,
    /// Bytes of a value.
    pub(crate) value_size: u32,
    /// Number of entries. 0 in an array of perf events: one for each possible CPU.
    pub(crate) max_entries: u32,
    /// `BPF_F_*`.
    pub(crate) flags: u32,
    /// `map_extra`.
    pub(crate) extra: u64,
    /// Node of memory.
    pub(crate) numa_node: u32,
    /// Descriptor of a map like those that a map of maps holds.
    pub(crate) inner: Option<RawFd>,
    /// Descriptor of the BTF, and the ids of the types of key and value in it.
    pub(crate) btf: Option<(RawFd, u32, u32)>,
}

/// A map, with the sizes that the kernel uses for its elements.
#[derive(Debug)]
pub(crate) struct Map {
    fd: OwnedFd,
    spec: MapSpec,
    /// Copies of a value in what user space reads and writes: one per possible CPU in per-CPU maps.
    copies: usize,
    /// The pages of an arena: programs can use one only where it has an address in user space.
    _arena: Option<buffer::Mapping>,
}

impl AsRawFd for Map {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

impl AsFd for Map {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Map {
    /// `BPF_MAP_CREATE`.
    pub(crate) fn create(mut spec: MapSpec) -> Result<Self, CallError> {
        if spec.map_type == PERF_EVENT_ARRAY && spec.max_entries == 0 {
            let possible = cpus::possible().map_err(CallError::Misuse)?;
            spec.max_entries = u32::try_from(possible).unwrap_or(u32::MAX);
        }
        let per_cpu = PER_CPU_MAPS.contains(&spec.map_type);
        let copies = if per_cpu { cpus::possible().map_err(CallError::Misuse)? } else { 1 };
        let (btf_fd, btf_key_type_id, btf_value_type_id) = spec.btf.unwrap_or_default();
        let mut attr = MapCreate {
            btf_fd: btf_fd.cast_unsigned(),
            btf_key_type_id,
            btf_value_type_id,
            map_type: spec.map_type,
            key_size: spec.key_size,
            value_size: spec.value_size,
            max_entries: spec.max_entries,
            map_flags: spec.flags,
            inner_map_fd: spec.inner.map_or(0, RawFd::cast_unsigned),
            numa_node: spec.numa_node,
            map_extra: spec.extra,
            map_name: object_name(&spec.name),
            ..MapCreate::default()
        };
        // SAFETY: the attribute holds no address.
        let fd = unsafe { bpf_fd(cmd::MAP_CREATE, &mut attr)? };
        let pages = spec.max_entries as usize;
        let arena = match spec.map_type {
            ARENA if spec.extra == 0 => {
                Some(buffer::Mapping::new(&fd, pages * buffer::PAGE, true, 0)?)
            }
            _ => None,
        };
        Ok(Self { fd, spec, copies, _arena: arena })
    }

    /// Number of entries that the map was created with.
    pub(crate) fn max_entries(&self) -> u32 {
        self.spec.max_entries
    }

    fn elem(&self, key: &[u8]) -> Result<MapElem, CallError> {
        self.check("key", key.len(), self.spec.key_size)?;
        Ok(MapElem { map_fd: number(self), key: address(key), ..MapElem::default() })
    }

    fn check(&self, what: &str, given: usize, size: u32) -> Result<(), CallError> {
        if given == size as usize {
            return Ok(());
        }
        Err(CallError::Misuse(format!(
            "{what} of {given} bytes for map {}, whose {what}s have {size}",
            self.spec.name
        )))
    }

    /// Distance in bytes between the values of two CPUs (`bpf_map_value_size()` of
    /// `kernel/bpf/syscall.c`); if there is only one value, its size.
    fn stride(&self) -> usize {
        let size = self.spec.value_size as usize;
        if PER_CPU_MAPS.contains(&self.spec.map_type) { size.next_multiple_of(8) } else { size }
    }

    /// `BPF_MAP_UPDATE_ELEM`. In a per-CPU map every CPU gets the value.
    pub(crate) fn update(&self, key: &[u8], value: &[u8], flags: u64) -> Result<(), CallError> {
        self.check("value", value.len(), self.spec.value_size)?;
        let mut one = value.to_vec();
        one.resize(self.stride(), 0);
        let values = one.repeat(self.copies);
        let mut attr = MapElem { value: address(&values), flags, ..self.elem(key)? };
        // SAFETY: the key has the map's size, and there is a value for every CPU.
        unsafe { bpf(cmd::MAP_UPDATE_ELEM, &mut attr)? };
        Ok(())
    }

    /// `BPF_MAP_DELETE_ELEM`.
    pub(crate) fn delete(&self, key: &[u8]) -> Result<(), CallError> {
        let mut attr = self.elem(key)?;
        // SAFETY: the key has the map's size.
        unsafe { bpf(cmd::MAP_DELETE_ELEM, &mut attr)? };
        Ok(())
    }

    /// `BPF_MAP_LOOKUP_ELEM`. For a per-CPU map, returns the value of CPU 0, the guest's only one.
    pub(crate) fn lookup(&self, key: &[u8]) -> Result<Vec<u8>, CallError> {
        let mut attr = self.elem(key)?;
        let mut value = vec![0; self.stride() * self.copies];
        attr.value = address_mut(&mut value);
        // SAFETY: the key has the map's size, and there is room for every CPU's value.
        unsafe { bpf(cmd::MAP_LOOKUP_ELEM, &mut attr)? };
        value.truncate(self.spec.value_size as usize);
        Ok(value)
    }

    /// `BPF_MAP_GET_NEXT_KEY`: the first key for `None`; `ENOENT` at the end.
    pub(crate) fn next_key(&self, key: Option<&[u8]>) -> Result<Vec<u8>, CallError> {
        let mut attr = match key {
            Some(key) => self.elem(key)?,
            None => MapElem { map_fd: number(self), ..MapElem::default() },
        };
        let mut next = vec![0; self.spec.key_size as usize];
        attr.value = address_mut(&mut next);
        // SAFETY: both keys have the map's size.
        unsafe { bpf(cmd::MAP_GET_NEXT_KEY, &mut attr)? };
        Ok(next)
    }

    /// All elements by `BPF_MAP_LOOKUP_BATCH`, in one call.
    pub(crate) fn lookup_batch(&self) -> Result<Elements, CallError> {
        let MapSpec { key_size, value_size, max_entries, .. } = self.spec;
        if PER_CPU_MAPS.contains(&self.spec.map_type) {
            return Err(CallError::Misuse(format!(
                "map {} has a value for each CPU; such maps are read element by element",
                self.spec.name
            )));
        }
        let (keys_len, values_len) = (self.all(key_size)?, self.all(value_size)?);
        let (mut keys, mut values) = (vec![0; keys_len], vec![0; values_len]);
        // The kernel writes the last element's key here, whatever its size.
        let mut last = vec![0; key_size as usize];
        let mut attr = MapBatch {
            out_batch: address_mut(&mut last),
            keys: address_mut(&mut keys),
            values: address_mut(&mut values),
            count: max_entries,
            map_fd: number(self),
            ..MapBatch::default()
        };
        // SAFETY: keys and values have room for the given number of elements.
        match unsafe { bpf(cmd::MAP_LOOKUP_BATCH, &mut attr) } {
            // All elements were read.
            Ok(_) | Err(RawErrno(libc::ENOENT)) => {}
            Err(errno) => return Err(errno.into()),
        }
        let keys = keys.chunks_exact(key_size.max(1) as usize).map(<[u8]>::to_vec);
        let values = values.chunks_exact(value_size.max(1) as usize).map(<[u8]>::to_vec);
        Ok(keys.zip(values).take(attr.count as usize).collect())
    }

    /// Bytes of `size` for every entry.
    fn all(&self, size: u32) -> Result<usize, CallError> {
        let bytes = u64::from(size) * u64::from(self.spec.max_entries);
        usize::try_from(bytes).ok().filter(|&bytes| bytes <= MAX_READ).ok_or_else(|| {
            CallError::Misuse(format!(
                "{bytes} bytes of map {} are more than the {MAX_READ} that are read at once",
                self.spec.name
            ))
        })
    }

    /// The values as user space sees them through `mmap(2)`, read-only: an array's elements are
    /// padded to multiples of 8 bytes.
    pub(crate) fn mapped(&self) -> Result<Vec<u8>, CallError> {
        let len = self.all(self.spec.value_size.next_multiple_of(8))?;
        let size = NonZero::new(len).ok_or_else(|| {
            CallError::Misuse(format!("map {} has no bytes to map", self.spec.name))
        })?;
        // SAFETY: the kernel chooses an unused address.
        let place = unsafe {
            mman::mmap(None, size, ProtFlags::PROT_READ, MapFlags::MAP_SHARED, &self.fd, 0)?
        };
        // SAFETY: this many bytes are mapped, and no program is running that could change them.
        let bytes =
            unsafe { std::slice::from_raw_parts(place.cast::<u8>().as_ptr(), len) }.to_vec();
        // SAFETY: nothing refers to the mapping any more.
        unsafe { mman::munmap(place, len)? };
        Ok(bytes)
    }

    /// Opens an event for each CPU in an array of perf events, so that programs can write there.
    pub(crate) fn open_events(&self) -> Result<Vec<buffer::Event>, CallError> {
        let cpus = cpus::possible().map_err(CallError::Misuse)?;
        let cpus = u32::try_from(cpus).unwrap_or(u32::MAX).min(self.spec.max_entries);
        let mut events = Vec::new();
        for cpu in 0..cpus {
            let event = buffer::Event::open(cpu.cast_signed())?;
            self.update(&cpu.to_ne_bytes(), &number(&event).to_ne_bytes(), 0)?;
            events.push(event);
        }
        Ok(events)
    }

    /// Takes out what programs have put into a ring buffer, a queue or a stack.
    pub(crate) fn drain(&self) -> Result<Vec<Vec<u8>>, CallError> {
        match self.spec.map_type {
            RINGBUF => buffer::ring(self, self.spec.max_entries as usize),
            kind if QUEUES.contains(&kind) => self.pop_all(),
            kind => Err(CallError::Misuse(format!(
                "map {} of type {kind} has no records to take out",
                self.spec.name
            ))),
        }
    }

    /// `BPF_MAP_LOOKUP_AND_DELETE_ELEM` until there is nothing left.
    fn pop_all(&self) -> Result<Vec<Vec<u8>>, CallError> {
        let mut values = Vec::new();
        for _ in 0..self.spec.max_entries {
            let mut value = vec![0; self.spec.value_size as usize];
            let place = address_mut(&mut value);
            let mut attr = MapElem { map_fd: number(self), value: place, ..MapElem::default() };
            // SAFETY: the map has no keys, and there is room for a value.
            match unsafe { bpf(cmd::MAP_LOOKUP_AND_DELETE_ELEM, &mut attr) } {
                Ok(_) => values.push(value),
                Err(RawErrno(libc::ENOENT)) => break,
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(values)
    }

    /// `BPF_MAP_FREEZE`.
    pub(crate) fn freeze(&self) -> Result<(), CallError> {
        let mut attr = MapElem { map_fd: number(self), ..MapElem::default() };
        // SAFETY: the attribute holds no address.
        unsafe { bpf(cmd::MAP_FREEZE, &mut attr)? };
        Ok(())
    }
}

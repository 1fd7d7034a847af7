//! Maps, by the commands of `bpf(2)` and by `mmap(2)`.

#![expect(unsafe_code, reason = "bpf(2) takes addresses as numbers, mmap(2) gives one")]

use std::num::NonZero;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use nix::sys::mman::{self, MapFlags, ProtFlags};

use super::bpf::{CallError, RawErrno, address, address_mut, bpf, bpf_fd, number, object_name};
use super::uapi::{MapBatch, MapCreate, MapElem, PER_CPU_MAPS, cmd};

/// Most bytes of a map that are read at once.
const MAX_READ: usize = 64 << 20;

/// Keys and values.
type Elements = Vec<(Vec<u8>, Vec<u8>)>;

/// What a map is to look like.
#[derive(Clone, Debug)]
pub(crate) struct MapSpec {
    /// Name, cut to 15 bytes.
    pub(crate) name: String,
    /// `enum bpf_map_type`.
    pub(crate) map_type: u32,
    /// Bytes of a key.
    pub(crate) key_size: u32,
    /// Bytes of a value.
    pub(crate) value_size: u32,
    /// Number of entries.
    pub(crate) max_entries: u32,
    /// `BPF_F_*`.
    pub(crate) flags: u32,
    /// Descriptor of the BTF, and the ids of the types of key and value in it.
    pub(crate) btf: Option<(RawFd, u32, u32)>,
}

/// A map, with the sizes that the kernel uses for its elements.
#[derive(Debug)]
pub(crate) struct Map {
    fd: OwnedFd,
    spec: MapSpec,
}

impl AsRawFd for Map {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

impl Map {
    /// `BPF_MAP_CREATE`.
    pub(crate) fn create(spec: MapSpec) -> Result<Self, CallError> {
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
            map_name: object_name(&spec.name),
            ..MapCreate::default()
        };
        // SAFETY: the attribute holds no address.
        let fd = unsafe { bpf_fd(cmd::MAP_CREATE, &mut attr)? };
        Ok(Self { fd, spec })
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
        if PER_CPU_MAPS.contains(&self.spec.map_type) {
            return Err(CallError::Misuse(format!(
                "map {} has a value for each CPU (type {}), which the agent neither reads nor writes",
                self.spec.name, self.spec.map_type
            )));
        }
        if given == size as usize {
            return Ok(());
        }
        Err(CallError::Misuse(format!(
            "{what} of {given} bytes for map {}, whose {what}s have {size}",
            self.spec.name
        )))
    }

    /// `BPF_MAP_UPDATE_ELEM`.
    pub(crate) fn update(&self, key: &[u8], value: &[u8], flags: u64) -> Result<(), CallError> {
        self.check("value", value.len(), self.spec.value_size)?;
        let mut attr = MapElem { value: address(value), flags, ..self.elem(key)? };
        // SAFETY: key and value are as long as the map's.
        unsafe { bpf(cmd::MAP_UPDATE_ELEM, &mut attr)? };
        Ok(())
    }

    /// `BPF_MAP_DELETE_ELEM`.
    pub(crate) fn delete(&self, key: &[u8]) -> Result<(), CallError> {
        let mut attr = self.elem(key)?;
        // SAFETY: the key is as long as the map's.
        unsafe { bpf(cmd::MAP_DELETE_ELEM, &mut attr)? };
        Ok(())
    }

    /// `BPF_MAP_LOOKUP_ELEM`.
    pub(crate) fn lookup(&self, key: &[u8]) -> Result<Vec<u8>, CallError> {
        let mut attr = self.elem(key)?;
        let mut value = vec![0; self.spec.value_size as usize];
        attr.value = address_mut(&mut value);
        // SAFETY: key and value are as long as the map's.
        unsafe { bpf(cmd::MAP_LOOKUP_ELEM, &mut attr)? };
        Ok(value)
    }

    /// `BPF_MAP_GET_NEXT_KEY`: the first key for `None`; no key is `ENOENT`.
    pub(crate) fn next_key(&self, key: Option<&[u8]>) -> Result<Vec<u8>, CallError> {
        let mut attr = match key {
            Some(key) => self.elem(key)?,
            None => MapElem { map_fd: number(self), ..MapElem::default() },
        };
        let mut next = vec![0; self.spec.key_size as usize];
        attr.value = address_mut(&mut next);
        // SAFETY: both keys are as long as the map's.
        unsafe { bpf(cmd::MAP_GET_NEXT_KEY, &mut attr)? };
        Ok(next)
    }

    /// All elements by `BPF_MAP_LOOKUP_BATCH`, in one call.
    pub(crate) fn lookup_batch(&self) -> Result<Elements, CallError> {
        let MapSpec { key_size, value_size, max_entries, .. } = self.spec;
        self.check("key", key_size as usize, key_size)?;
        let (keys_len, values_len) = (self.all(key_size)?, self.all(value_size)?);
        let (mut keys, mut values) = (vec![0; keys_len], vec![0; values_len]);
        // The kernel writes the key of the last element here, whatever its size.
        let mut last = vec![0; key_size as usize];
        let mut attr = MapBatch {
            out_batch: address_mut(&mut last),
            keys: address_mut(&mut keys),
            values: address_mut(&mut values),
            count: max_entries,
            map_fd: number(self),
            ..MapBatch::default()
        };
        // SAFETY: keys and values have room for as many elements as told.
        match unsafe { bpf(cmd::MAP_LOOKUP_BATCH, &mut attr) } {
            // There are no more elements than were read.
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

    /// The values as user space sees them through `mmap(2)`, read-only: an array's elements lie in
    /// multiples of 8 bytes.
    pub(crate) fn mapped(&self) -> Result<Vec<u8>, CallError> {
        let len = self.all(self.spec.value_size.next_multiple_of(8))?;
        let size = NonZero::new(len).ok_or_else(|| {
            CallError::Misuse(format!("map {} has no bytes to map", self.spec.name))
        })?;
        // SAFETY: the kernel chooses a place where nothing is.
        let place = unsafe {
            mman::mmap(None, size, ProtFlags::PROT_READ, MapFlags::MAP_SHARED, &self.fd, 0)?
        };
        // SAFETY: so many bytes are mapped, and no program runs that would change them.
        let bytes =
            unsafe { std::slice::from_raw_parts(place.cast::<u8>().as_ptr(), len) }.to_vec();
        // SAFETY: nothing refers to the place any more.
        unsafe { mman::munmap(place, len)? };
        Ok(bytes)
    }

    /// `BPF_MAP_FREEZE`.
    pub(crate) fn freeze(&self) -> Result<(), CallError> {
        let mut attr = MapElem { map_fd: number(self), ..MapElem::default() };
        // SAFETY: the attribute holds no address.
        unsafe { bpf(cmd::MAP_FREEZE, &mut attr)? };
        Ok(())
    }
}

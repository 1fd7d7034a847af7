//! Names of `enum bpf_map_type` of `include/uapi/linux/bpf.h`.

/// `BPF_MAP_TYPE_INSN_ARRAY`: the map type of jump tables.
pub const MAP_TYPE_INSN_ARRAY: u32 = 34;

/// `BPF_MAP_TYPE_PROG_ARRAY`: programs for tail calls.
pub const MAP_TYPE_PROG_ARRAY: u32 = 3;

/// Index: `enum bpf_map_type`.
const NAMES: [&str; 36] = [
    "unspec",
    "hash",
    "array",
    "prog_array",
    "perf_event_array",
    "percpu_hash",
    "percpu_array",
    "stack_trace",
    "cgroup_array",
    "lru_hash",
    "lru_percpu_hash",
    "lpm_trie",
    "array_of_maps",
    "hash_of_maps",
    "devmap",
    "sockmap",
    "cpumap",
    "xskmap",
    "sockhash",
    "cgroup_storage",
    "reuseport_sockarray",
    "percpu_cgroup_storage",
    "queue",
    "stack",
    "sk_storage",
    "devmap_hash",
    "struct_ops",
    "ringbuf",
    "inode_storage",
    "task_storage",
    "bloom_filter",
    "user_ringbuf",
    "cgrp_storage",
    "arena",
    "insn_array",
    "rhash",
];

/// The kernel's name of a map type in lower case, without its prefix.
pub fn map_type_name(map_type: u32) -> Option<&'static str> {
    NAMES.get(usize::try_from(map_type).ok()?).copied()
}

/// The map type for a name as returned by [`map_type_name`].
pub fn map_type_by_name(name: &str) -> Option<u32> {
    (0..).zip(NAMES).find(|&(_, known)| known == name).map(|(map_type, _)| map_type)
}

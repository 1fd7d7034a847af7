//! Layouts of `union bpf_attr` and `struct bpf_prog_info`, from `include/uapi/linux/bpf.h`.
//!
//! Each struct is a prefix of the union's member for one command, up to the last field that is
//! needed: the kernel accepts a shorter attribute and treats the rest as 0 (`__sys_bpf()`). Padding
//! is explicit, so that every byte that the kernel reads is initialised.

/// `enum bpf_cmd`.
pub(super) mod cmd {
    pub(crate) const MAP_CREATE: u32 = 0;
    pub(crate) const MAP_LOOKUP_ELEM: u32 = 1;
    pub(crate) const MAP_UPDATE_ELEM: u32 = 2;
    pub(crate) const MAP_DELETE_ELEM: u32 = 3;
    pub(crate) const MAP_GET_NEXT_KEY: u32 = 4;
    pub(crate) const PROG_LOAD: u32 = 5;
    pub(crate) const PROG_TEST_RUN: u32 = 10;
    pub(crate) const PROG_GET_NEXT_ID: u32 = 11;
    pub(crate) const MAP_GET_NEXT_ID: u32 = 12;
    pub(crate) const OBJ_GET_INFO_BY_FD: u32 = 15;
    pub(crate) const BTF_LOAD: u32 = 18;
    pub(crate) const MAP_LOOKUP_AND_DELETE_ELEM: u32 = 21;
    pub(crate) const MAP_FREEZE: u32 = 22;
    pub(crate) const BTF_GET_NEXT_ID: u32 = 23;
    pub(crate) const MAP_LOOKUP_BATCH: u32 = 24;
}

/// `enum bpf_prog_type`: its test run uses one buffer for the context in and out.
pub(super) const BPF_PROG_TYPE_RAW_TRACEPOINT: u32 = 17;
pub(super) const BPF_PROG_TYPE_SYSCALL: u32 = 31;

/// `enum bpf_map_type`: maps whose values have one copy per possible CPU in user space.
/// `PERCPU_HASH`, `PERCPU_ARRAY`, `LRU_PERCPU_HASH`, `PERCPU_CGROUP_STORAGE`.
pub(super) const PER_CPU_MAPS: [u32; 4] = [5, 6, 10, 21];

/// Maps of records that programs write: `PERF_EVENT_ARRAY`, `QUEUE`, `STACK`, `RINGBUF`.
pub(super) const PERF_EVENT_ARRAY: u32 = 4;
pub(super) const QUEUES: [u32; 2] = [22, 23];
pub(super) const RINGBUF: u32 = 27;
/// `BPF_MAP_TYPE_ARENA`.
pub(super) const ARENA: u32 = 33;

/// `BPF_OBJ_NAME_LEN`.
pub(super) const NAME_LEN: usize = 16;

/// `BPF_MAP_CREATE`.
#[repr(C)]
#[derive(Debug, Default)]
pub(super) struct MapCreate {
    pub(super) map_type: u32,
    pub(super) key_size: u32,
    pub(super) value_size: u32,
    pub(super) max_entries: u32,
    pub(super) map_flags: u32,
    pub(super) inner_map_fd: u32,
    pub(super) numa_node: u32,
    pub(super) map_name: [u8; NAME_LEN],
    pub(super) map_ifindex: u32,
    pub(super) btf_fd: u32,
    pub(super) btf_key_type_id: u32,
    pub(super) btf_value_type_id: u32,
    pub(super) btf_vmlinux_value_type_id: u32,
    pub(super) map_extra: u64,
}

/// `struct perf_event_attr` of `include/uapi/linux/perf_event.h`, as of its first version.
#[repr(C)]
#[derive(Debug, Default)]
pub(super) struct PerfEventAttr {
    pub(super) event_type: u32,
    pub(super) size: u32,
    pub(super) config: u64,
    pub(super) sample_period: u64,
    pub(super) sample_type: u64,
    pub(super) read_format: u64,
    pub(super) flags: u64,
    pub(super) wakeup_events: u32,
    pub(super) bp_type: u32,
    pub(super) config1: u64,
}

impl PerfEventAttr {
    /// What `bpf_perf_event_output()` writes to: `PERF_TYPE_SOFTWARE`, `PERF_COUNT_SW_BPF_OUTPUT`,
    /// each sample with its bytes, `PERF_SAMPLE_RAW`.
    pub(super) fn bpf_output() -> Self {
        Self {
            event_type: 1,
            size: size_of::<Self>() as u32,
            config: 10,
            sample_period: 1,
            sample_type: 1 << 10,
            wakeup_events: 1,
            ..Self::default()
        }
    }
}

/// `BPF_MAP_*_BATCH`.
#[repr(C)]
#[derive(Debug, Default)]
pub(super) struct MapBatch {
    pub(super) in_batch: u64,
    pub(super) out_batch: u64,
    pub(super) keys: u64,
    pub(super) values: u64,
    /// In and out: number of elements.
    pub(super) count: u32,
    pub(super) map_fd: u32,
    pub(super) elem_flags: u64,
    pub(super) flags: u64,
}

/// `BPF_MAP_*_ELEM`, `BPF_MAP_GET_NEXT_KEY` and `BPF_MAP_FREEZE`.
#[repr(C)]
#[derive(Debug, Default)]
pub(super) struct MapElem {
    pub(super) map_fd: u32,
    pub(super) pad: u32,
    pub(super) key: u64,
    /// The value, or the buffer for the next key.
    pub(super) value: u64,
    pub(super) flags: u64,
}

/// `BPF_*_GET_NEXT_ID`.
#[repr(C)]
#[derive(Debug, Default)]
pub(super) struct GetId {
    pub(super) start_id: u32,
    /// Out: the next id.
    pub(super) next_id: u32,
    pub(super) open_flags: u32,
}

/// `BPF_PROG_LOAD`.
#[repr(C)]
#[derive(Debug, Default)]
pub(super) struct ProgLoad {
    pub(super) prog_type: u32,
    pub(super) insn_cnt: u32,
    pub(super) insns: u64,
    pub(super) license: u64,
    pub(super) log_level: u32,
    pub(super) log_size: u32,
    pub(super) log_buf: u64,
    pub(super) kern_version: u32,
    pub(super) prog_flags: u32,
    pub(super) prog_name: [u8; NAME_LEN],
    pub(super) prog_ifindex: u32,
    pub(super) expected_attach_type: u32,
    pub(super) prog_btf_fd: u32,
    pub(super) func_info_rec_size: u32,
    pub(super) func_info: u64,
    pub(super) func_info_cnt: u32,
    pub(super) line_info_rec_size: u32,
    pub(super) line_info: u64,
    pub(super) line_info_cnt: u32,
    pub(super) attach_btf_id: u32,
    pub(super) attach_prog_fd: u32,
    pub(super) core_relo_cnt: u32,
    pub(super) fd_array: u64,
    pub(super) core_relos: u64,
    pub(super) core_relo_rec_size: u32,
    /// Out: size of the whole log, with the final NUL.
    pub(super) log_true_size: u32,
}

/// `BPF_PROG_TEST_RUN`.
#[repr(C)]
#[derive(Debug, Default)]
pub(super) struct TestRun {
    pub(super) prog_fd: u32,
    pub(super) retval: u32,
    pub(super) data_size_in: u32,
    pub(super) data_size_out: u32,
    pub(super) data_in: u64,
    pub(super) data_out: u64,
    pub(super) repeat: u32,
    pub(super) duration: u32,
    pub(super) ctx_size_in: u32,
    pub(super) ctx_size_out: u32,
    pub(super) ctx_in: u64,
    pub(super) ctx_out: u64,
}

/// `BPF_OBJ_GET_INFO_BY_FD`.
#[repr(C)]
#[derive(Debug, Default)]
pub(super) struct InfoByFd {
    pub(super) bpf_fd: u32,
    pub(super) info_len: u32,
    pub(super) info: u64,
}

/// `BPF_BTF_LOAD`.
#[repr(C)]
#[derive(Debug, Default)]
pub(super) struct BtfLoad {
    pub(super) btf: u64,
    pub(super) btf_log_buf: u64,
    pub(super) btf_size: u32,
    pub(super) btf_log_size: u32,
    pub(super) btf_log_level: u32,
    pub(super) btf_log_true_size: u32,
}

/// `struct bpf_prog_info`, whole.
#[repr(C)]
#[derive(Debug, Default)]
pub(super) struct ProgInfo {
    pub(super) kind: u32,
    pub(super) id: u32,
    pub(super) tag: [u8; 8],
    pub(super) jited_prog_len: u32,
    pub(super) xlated_prog_len: u32,
    pub(super) jited_prog_insns: u64,
    pub(super) xlated_prog_insns: u64,
    pub(super) load_time: u64,
    pub(super) created_by_uid: u32,
    pub(super) nr_map_ids: u32,
    pub(super) map_ids: u64,
    pub(super) name: [u8; NAME_LEN],
    pub(super) ifindex: u32,
    pub(super) gpl_compatible: u32,
    pub(super) netns_dev: u64,
    pub(super) netns_ino: u64,
    pub(super) nr_jited_ksyms: u32,
    pub(super) nr_jited_func_lens: u32,
    pub(super) jited_ksyms: u64,
    pub(super) jited_func_lens: u64,
    pub(super) btf_id: u32,
    pub(super) func_info_rec_size: u32,
    pub(super) func_info: u64,
    pub(super) nr_func_info: u32,
    pub(super) nr_line_info: u32,
    pub(super) line_info: u64,
    pub(super) jited_line_info: u64,
    pub(super) nr_jited_line_info: u32,
    pub(super) line_info_rec_size: u32,
    pub(super) jited_line_info_rec_size: u32,
    pub(super) nr_prog_tags: u32,
    pub(super) prog_tags: u64,
    pub(super) run_time_ns: u64,
    pub(super) run_cnt: u64,
    pub(super) recursion_misses: u64,
    pub(super) verified_insns: u32,
    pub(super) attach_btf_obj_id: u32,
    pub(super) attach_btf_id: u32,
    pub(super) pad: u32,
}

#[cfg(test)]
mod tests {
    use std::mem::{offset_of, size_of};

    use super::*;

    /// Numbers from a C program that includes `linux/bpf.h` of 7.3 and prints `offsetof`.
    #[test]
    fn offsets_are_those_of_the_header() {
        assert_eq!(offset_of!(MapCreate, map_flags), 16);
        assert_eq!(offset_of!(MapCreate, map_name), 28);
        assert_eq!(offset_of!(MapElem, key), 8);
        assert_eq!(offset_of!(MapElem, value), 16);
        assert_eq!(offset_of!(MapElem, flags), 24);
        assert_eq!(offset_of!(ProgLoad, log_buf), 32);
        assert_eq!(offset_of!(ProgLoad, prog_name), 48);
        assert_eq!(offset_of!(ProgLoad, expected_attach_type), 68);
        assert_eq!(offset_of!(ProgLoad, func_info), 80);
        assert_eq!(offset_of!(ProgLoad, line_info), 96);
        assert_eq!(offset_of!(ProgLoad, fd_array), 120);
        assert_eq!(offset_of!(ProgLoad, log_true_size), 140);
        assert_eq!(offset_of!(TestRun, data_in), 16);
        assert_eq!(offset_of!(TestRun, ctx_size_in), 40);
        assert_eq!(offset_of!(TestRun, ctx_in), 48);
        assert_eq!(offset_of!(TestRun, ctx_out), 56);
        assert_eq!(offset_of!(MapCreate, btf_fd), 48);
        assert_eq!(offset_of!(MapCreate, map_extra), 64);
        assert_eq!(offset_of!(MapBatch, count), 32);
        assert_eq!(offset_of!(MapBatch, elem_flags), 40);
        assert_eq!(offset_of!(InfoByFd, info), 8);
        assert_eq!(offset_of!(BtfLoad, btf_size), 16);
        assert_eq!(offset_of!(BtfLoad, btf_log_true_size), 28);
        assert_eq!(offset_of!(ProgInfo, jited_prog_insns), 24);
        assert_eq!(offset_of!(ProgInfo, name), 64);
        assert_eq!(offset_of!(ProgInfo, netns_dev), 88);
        assert_eq!(offset_of!(ProgInfo, func_info), 136);
        assert_eq!(offset_of!(ProgInfo, prog_tags), 184);
        assert_eq!(offset_of!(ProgInfo, verified_insns), 216);
    }

    /// Implicit padding would pass uninitialised stack memory to the kernel.
    #[test]
    fn no_struct_ends_in_padding() {
        assert_eq!(size_of::<MapCreate>(), 72);
        assert_eq!(size_of::<PerfEventAttr>(), 64);
        assert_eq!(size_of::<MapBatch>(), 56);
        assert_eq!(size_of::<MapElem>(), 32);
        assert_eq!(size_of::<ProgLoad>(), 144);
        assert_eq!(size_of::<TestRun>(), 64);
        assert_eq!(size_of::<InfoByFd>(), 16);
        assert_eq!(size_of::<BtfLoad>(), 32);
        assert_eq!(size_of::<ProgInfo>(), 232);
    }
}

//! The messages: `bpf(2)` steps requested by the host, and the kernel's results.
//!
//! A batch is executed in order, without interaction. The maps, BTF objects and programs that it
//! creates are numbered from 0 in the order of their steps and are closed when the batch ends.

use serde::{Deserialize, Serialize};

use crate::mode::Mode;

/// Bumped whenever a message changes; host and agent must agree on it.
pub const PROTOCOL_VERSION: u32 = 7;

/// Host to agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Execute a batch; answered by [`Response::Batch`]. Further requests may be sent before that
    /// and are queued.
    Batch(Batch),
    /// Load a kernel module and unload it again; answered by [`Response::Module`], after any number
    /// of [`Response::Log`] with what the kernel logs meanwhile.
    LoadModule {
        /// Name of the case, written to `/dev/kmsg` like that of a [`Batch`].
        name: String,
        /// The module file.
        #[serde(with = "serde_bytes")]
        image: Vec<u8>,
        /// Parameters, as for `insmod`.
        params: String,
        /// How to execute classic and extended BPF meanwhile.
        mode: Mode,
        /// Capabilities (bit numbers of `linux/capability.h`) to drop while loading.
        #[serde(with = "serde_bytes")]
        without_caps: Vec<u8>,
    },
    /// Read a file, such as one under `/sys` or `/proc`; answered by [`Response::File`].
    ReadFile {
        /// Absolute path.
        path: String,
    },
    /// Execute the steps of some batches in a bare loop, to measure the time of the kernel itself;
    /// answered by [`Response::Looped`]. No marker, no log, no dump, nothing read back. A failing
    /// step is answered by [`Response::Trouble`].
    Loop {
        /// Mode to set before the first step.
        mode: Mode,
        /// The steps of each batch.
        batches: Vec<Vec<Step>>,
    },
    /// Count the guest's resources; answered by [`Response::Resources`].
    Resources,
    /// Power the machine off; not answered.
    PowerOff,
}

/// Agent to host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Response {
    /// First record after startup, with sequence number 0.
    Ready(GuestInfo),
    /// Sent every [`HEARTBEAT_MS`] while executing or waiting for a request.
    Heartbeat,
    /// Results of a [`Request::Batch`].
    Batch(BatchReport),
    /// Lines that the kernel logged while loading a module, with timestamps and newlines, as on the
    /// console. Lines are complete, and the first is the case's marker.
    Log(String),
    /// Result of a [`Request::LoadModule`]: 0 or an errno.
    Module {
        /// `errno` of `init_module(2)`, 0 on success.
        errno: i32,
    },
    /// Result of a [`Request::ReadFile`]: the content, or an errno.
    File(Result<Vec<u8>, i32>),
    /// A [`Request::Loop`] is finished, and everything that it created is closed.
    Looped,
    /// Result of a [`Request::Resources`].
    Resources(Resources),
    /// The agent could not execute the request; not the fault of the kernel under test.
    Trouble(String),
}

/// Milliseconds between two heartbeats. The host gives up after missing several.
pub const HEARTBEAT_MS: u64 = 1000;

/// What the agent found at startup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestInfo {
    /// [`PROTOCOL_VERSION`] of the agent.
    pub protocol: u32,
    /// `uname -r`.
    pub kernel_release: String,
    /// `uname -v`.
    pub kernel_version: String,
    /// Nanoseconds since the kernel started (`CLOCK_BOOTTIME`).
    pub uptime_ns: u64,
}

/// The guest's resources, counted between two batches. The kernel frees a batch's resources
/// asynchronously (RCU, workqueues), so the figures lag behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resources {
    /// Open descriptors of the agent (`/proc/self/fd`), without the one used for counting.
    pub descriptors: u32,
    /// Programs in the kernel (`BPF_PROG_GET_NEXT_ID`).
    pub programs: u32,
    /// Maps in the kernel (`BPF_MAP_GET_NEXT_ID`).
    pub maps: u32,
    /// BTF objects in the kernel (`BPF_BTF_GET_NEXT_ID`).
    pub btfs: u32,
    /// `MemAvailable` of `/proc/meminfo`; in KiB, like the following.
    pub available_kib: u64,
    /// `Slab`: leaks of the verifier, small maps, the bookkeeping of programs and maps.
    pub slab_kib: u64,
    /// `VmallocUsed`: programs, machine code, large maps.
    pub vmalloc_kib: u64,
    /// `Percpu`: per-CPU maps, statistics of programs.
    pub percpu_kib: u64,
}

/// The text of a case's marker after `bpf-indirect: case `: `<name> <mode>`, truncated to fit into
/// one line of the kernel log.
pub fn marker(name: &str, mode: Mode) -> String {
    let name: String =
        name.chars().map(|c| if c.is_control() { '?' } else { c }).take(200).collect();
    format!("{} {}", name.trim(), mode.name())
}

/// Steps to execute in one mode.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// Name of the case, written to `/dev/kmsg` before the first step so that a crash can be
    /// attributed to it.
    pub name: String,
    /// Mode to set before the first step.
    pub mode: Mode,
    /// The steps. The batch ends at the first failure.
    pub steps: Vec<Step>,
}

/// One step of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// `BPF_BTF_LOAD`; adds a BTF object. Answered by [`Output::Done`].
    LoadBtf {
        /// The raw BTF.
        #[serde(with = "serde_bytes")]
        data: Vec<u8>,
    },
    /// `BPF_MAP_CREATE`; adds a map. Answered by [`Output::Done`].
    CreateMap(Box<MapCreate>),
    /// `BPF_MAP_UPDATE_ELEM`. Answered by [`Output::Done`].
    UpdateElem {
        /// Index of the map.
        map: u32,
        /// Key.
        #[serde(with = "serde_bytes")]
        key: Vec<u8>,
        /// Value.
        #[serde(with = "serde_bytes")]
        value: Vec<u8>,
        /// `BPF_ANY`, `BPF_NOEXIST`, `BPF_EXIST`.
        flags: u64,
    },
    /// `BPF_MAP_DELETE_ELEM`. Answered by [`Output::Done`].
    DeleteElem {
        /// Index of the map.
        map: u32,
        /// Key.
        #[serde(with = "serde_bytes")]
        key: Vec<u8>,
    },
    /// `BPF_MAP_UPDATE_ELEM` of the entry `key` (u32) of a prog array with a program.
    UpdateProgArray {
        /// Index of the prog array.
        map: u32,
        /// Entry.
        key: u32,
        /// Index of the program.
        prog: u32,
    },
    /// `BPF_MAP_UPDATE_ELEM` of the entry `key` (u32) of a map of maps with a map.
    UpdateMapOfMaps {
        /// Index of the map of maps.
        map: u32,
        /// Entry.
        key: u32,
        /// Index of the map that becomes the entry.
        held: u32,
    },
    /// Opens an event for each CPU in an array of perf events, so that programs can write there.
    /// Answered by [`Output::Done`].
    OpenEvents {
        /// Index of the map.
        map: u32,
    },
    /// Takes out what programs have written into a ring buffer, an array of perf events, a queue or
    /// a stack. Answered by [`Output::Records`].
    Drain {
        /// Index of the map.
        map: u32,
    },
    /// `BPF_MAP_FREEZE`. Answered by [`Output::Done`].
    Freeze {
        /// Index of the map.
        map: u32,
    },
    /// `BPF_PROG_LOAD`; adds a program. Answered by [`Output::Loaded`].
    LoadProgram(Box<ProgramLoad>),
    /// Closes a program's descriptor; its number is not reused. Answered by [`Output::Done`].
    CloseProgram {
        /// Index of the program.
        prog: u32,
    },
    /// Gets the line information and maps of a program. Answered by [`Output::Described`].
    DescribeProgram {
        /// Index of the program.
        prog: u32,
    },
    /// `BPF_PROG_TEST_RUN`. Answered by [`Output::Ran`].
    TestRun {
        /// Index of the program.
        prog: u32,
        /// Packet data in; empty for program types without.
        #[serde(with = "serde_bytes")]
        data: Vec<u8>,
        /// Context in; empty for none.
        #[serde(with = "serde_bytes")]
        ctx: Vec<u8>,
        /// Bytes of packet data to return, 0 for none.
        data_out: u32,
        /// Whether to return the context (same size as the input).
        ctx_out: bool,
    },
    /// Reads every element of a map with `BPF_MAP_GET_NEXT_KEY` and `BPF_MAP_LOOKUP_ELEM`.
    /// Answered by [`Output::Elements`].
    DumpMap {
        /// Index of the map.
        map: u32,
    },
    /// `BPF_MAP_LOOKUP_ELEM`. Answered by [`Output::Elements`] with one element.
    LookupElem {
        /// Index of the map.
        map: u32,
        /// Key.
        #[serde(with = "serde_bytes")]
        key: Vec<u8>,
    },
    /// Reads every element of a map with one `BPF_MAP_LOOKUP_BATCH`. Answered by
    /// [`Output::Elements`].
    LookupBatch {
        /// Index of the map.
        map: u32,
    },
    /// Reads all values of an array through `mmap(2)`, in multiples of 8 bytes each. Answered by
    /// [`Output::Bytes`].
    ReadMapped {
        /// Index of the map.
        map: u32,
    },
    /// Executes a step whose failure does not end the batch. Answered by [`Output::Attempted`].
    Attempt(Box<Step>),
    /// Executes a step without some capabilities (bit numbers of `linux/capability.h`), in addition
    /// to those that a [`ProgramLoad`] drops itself. Answered like the step.
    Without(Vec<u8>, Box<Step>),
    /// Misbehaves, to test the harness. Answered by [`Output::Done`] if the guest survives it.
    Fault(Fault),
}

/// The arguments of `BPF_MAP_CREATE`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MapCreate {
    /// Name; the agent passes the first 15 characters, those that the kernel refuses as `_`.
    pub name: String,
    /// `enum bpf_map_type`.
    pub map_type: u32,
    /// Bytes of a key.
    pub key_size: u32,
    /// Bytes of a value.
    pub value_size: u32,
    /// Number of entries. 0 in an array of perf events: one for each possible CPU.
    pub max_entries: u32,
    /// `BPF_F_*`.
    pub flags: u32,
    /// `map_extra`.
    pub extra: u64,
    /// Node of memory.
    pub numa_node: u32,
    /// A map like those that a map of maps holds.
    pub inner: Option<Box<MapCreate>>,
    /// Types of key and value, if any.
    pub btf: Option<MapBtf>,
}

/// The types of a map's key and value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MapBtf {
    /// Index of the BTF object.
    pub btf: u32,
    /// `btf_key_type_id`.
    pub key: u32,
    /// `btf_value_type_id`.
    pub value: u32,
}

/// The arguments of `BPF_PROG_LOAD`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramLoad {
    /// Name; the agent passes the first 15 characters, those that the kernel refuses as `_`.
    pub name: String,
    /// `enum bpf_prog_type`.
    pub prog_type: u32,
    /// `enum bpf_attach_type`.
    pub expected_attach_type: u32,
    /// `BPF_F_*`.
    pub flags: u32,
    /// License.
    pub license: String,
    /// Little-endian instruction slots.
    #[serde(with = "serde_bytes")]
    pub insns: Vec<u8>,
    /// `(slot, map)`: the slot's immediate becomes the map's descriptor.
    pub map_refs: Vec<(u32, u32)>,
    /// Index of the BTF object, if any.
    pub btf: Option<u32>,
    /// `struct bpf_func_info` records, 8 bytes each.
    #[serde(with = "serde_bytes")]
    pub func_info: Vec<u8>,
    /// `struct bpf_line_info` records, 16 bytes each.
    #[serde(with = "serde_bytes")]
    pub line_info: Vec<u8>,
    /// `BPF_LOG_*`; 0 loads without a log.
    pub log_level: u32,
    /// Capabilities (bit numbers of `linux/capability.h`) to drop while loading.
    #[serde(with = "serde_bytes")]
    pub without_caps: Vec<u8>,
    /// Whether to return the xlated instructions and the JITed image.
    pub dump: bool,
}

/// Results of the executed steps of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchReport {
    /// One per executed step; all but the last are `Ok`.
    pub steps: Vec<Result<Output, Failure>>,
    /// `net.core.bpf_jit_enable`, read back after the batch.
    pub jit_enable: u32,
    /// `net.core.bpf_jit_harden`, read back after the batch.
    pub jit_harden: u32,
}

/// Output of a successful step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Output {
    /// No output.
    Done,
    /// A program was loaded.
    Loaded {
        /// Verifier log, empty without a log level.
        log: String,
        /// `bpf_prog_info.jited_prog_len`: bytes of machine code, 0 for the interpreter.
        jited_len: u32,
        /// `bpf_prog_info.xlated_prog_len`: bytes of xlated instructions.
        xlated_len: u32,
        /// `bpf_prog_info.verified_insns`.
        verified_insns: u32,
        /// Xlated instructions, if requested and the kernel exposes them.
        #[serde(with = "serde_bytes")]
        xlated: Vec<u8>,
        /// Machine code of all functions, concatenated, if requested and the kernel exposes it.
        #[serde(with = "serde_bytes")]
        jited: Vec<u8>,
        /// The functions in `jited`, in order: address and length in bytes.
        jited_funcs: Vec<(u64, u32)>,
    },
    /// More of what the kernel knows about a program (`struct bpf_prog_info`).
    Described {
        /// The lines that it was loaded with, if their instructions still exist; sorted by slot.
        lines: Vec<ProgramLine>,
        /// Ids of its maps, in the order of the first references in its instructions.
        maps: Vec<u32>,
    },
    /// A program ran.
    Ran {
        /// Return value: the low 32 bits of r0.
        retval: u32,
        /// Packet data afterwards.
        #[serde(with = "serde_bytes")]
        data: Vec<u8>,
        /// Context afterwards.
        #[serde(with = "serde_bytes")]
        ctx: Vec<u8>,
    },
    /// Elements of a map as `(key, value)`.
    Elements(Vec<(Vec<u8>, Vec<u8>)>),
    /// What programs have written, in order.
    Records(Vec<Vec<u8>>),
    /// Bytes of memory.
    Bytes(#[serde(with = "serde_bytes")] Vec<u8>),
    /// A step was attempted; its failure, if any.
    Attempted(Option<Failure>),
}

/// Location of a source line of a program in its code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramLine {
    /// First slot of the line in the xlated instructions.
    pub xlated: u32,
    /// `bpf_line_info.line_col`, as loaded.
    pub line_col: u32,
    /// Address of the line's machine code; 0 if there is none.
    pub jited: u64,
}

/// Failure of a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// `errno`, positive.
    pub errno: i32,
    /// Verifier log, empty if there is none.
    pub log: String,
}

/// Ways to misbehave, to test the harness.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fault {
    /// Crash the kernel with its lkdtm (`CONFIG_DEBUG_FS`, `CONFIG_LKDTM`): the name of a crash
    /// type of `drivers/misc/lkdtm`, such as `WARNING`, `PANIC` or `SOFTLOCKUP`.
    Lkdtm(String),
    /// Have the kernel log a line, such as `BUG: …`, at level `err`.
    Log(String),
    /// Exit the agent with status 1; as it is init, the kernel panics.
    AgentExits,
    /// Kill the agent with a signal, as after a bug of its own.
    AgentKilled,
    /// Stop every thread of the agent, like `SIGSTOP`, which init ignores.
    AgentStopped,
    /// Send [`Response::Trouble`].
    Trouble,
    /// Send bytes that are not a record, then nothing.
    Garbage,
    /// Send the first half of a record, then nothing.
    Truncated,
    /// Fill the guest's memory.
    OutOfMemory,
}

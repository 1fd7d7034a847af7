//! The messages: steps of `bpf(2)` that the host asks for, and what the kernel answered.
//!
//! A batch is executed in order, in one go. Maps, BTF objects and programs that it creates are
//! numbered from 0 in the order of their steps and are closed when the batch ends.

use serde::{Deserialize, Serialize};

use crate::mode::Mode;

/// Bumped whenever a message changes shape; host and agent must agree on it.
pub const PROTOCOL_VERSION: u32 = 6;

/// Host to agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Execute a batch; answered by [`Response::Batch`]. Further requests may be sent before that: they
    /// wait for their turn.
    Batch(Batch),
    /// Load a kernel module and unload it again; answered by [`Response::Module`]. What the kernel
    /// logs meanwhile comes before that, in any number of [`Response::Log`].
    LoadModule {
        /// Name of the case, written to `/dev/kmsg` as that of a [`Batch`] is.
        name: String,
        /// The module's file, whole.
        #[serde(with = "serde_bytes")]
        image: Vec<u8>,
        /// Parameters as `insmod` takes them.
        params: String,
        /// How to execute classic and extended BPF meanwhile.
        mode: Mode,
        /// Capabilities (bit numbers of `linux/capability.h`) to do without while loading.
        #[serde(with = "serde_bytes")]
        without_caps: Vec<u8>,
    },
    /// Read a file, such as one under `/sys` or `/proc`; answered by [`Response::File`].
    ReadFile {
        /// Absolute path.
        path: String,
    },
    /// Take the steps of some batches in a loop with nothing around it, to measure what the kernel
    /// itself takes; answered by [`Response::Looped`]. No marker, no log, no dump, nothing read back.
    /// A step that fails is trouble.
    Loop {
        /// Mode to set before the first step.
        mode: Mode,
        /// The steps of each batch.
        batches: Vec<Vec<Step>>,
    },
    /// Count what the guest holds; answered by [`Response::Resources`].
    Resources,
    /// Power the machine off; not answered.
    PowerOff,
}

/// Agent to host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Response {
    /// First record after start, with sequence number 0.
    Ready(GuestInfo),
    /// Sent every [`HEARTBEAT_MS`] while a request is being executed or awaited.
    Heartbeat,
    /// Results of a [`Request::Batch`].
    Batch(BatchReport),
    /// Lines that the kernel logged while a module was being loaded, each with its time and
    /// its end, as on the console. A line is whole, and the first is the marker of the case.
    Log(String),
    /// Result of a [`Request::LoadModule`]: 0 or an errno.
    Module {
        /// `errno` of `init_module(2)`, 0 on success.
        errno: i32,
    },
    /// Result of a [`Request::ReadFile`]: the content, or an errno.
    File(Result<Vec<u8>, i32>),
    /// A [`Request::Loop`] is over, and all that it created is closed.
    Looped,
    /// Result of a [`Request::Resources`].
    Resources(Resources),
    /// The agent could not do what was asked, by no fault of the kernel under test.
    Trouble(String),
}

/// Milliseconds between two heartbeats. The host gives up after several were missed.
pub const HEARTBEAT_MS: u64 = 1000;

/// What the agent found when it started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestInfo {
    /// [`PROTOCOL_VERSION`] that the agent was built with.
    pub protocol: u32,
    /// `uname -r`.
    pub kernel_release: String,
    /// `uname -v`.
    pub kernel_version: String,
    /// Nanoseconds since the kernel started (`CLOCK_BOOTTIME`).
    pub uptime_ns: u64,
}

/// What the guest holds at a moment, between two batches. What a batch has let go is given back by
/// the kernel in its own time (RCU, workqueues), so that the figures lag behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resources {
    /// Descriptors that the agent has open (`/proc/self/fd`), the one for counting left out.
    pub descriptors: u32,
    /// Programs in the kernel (`BPF_PROG_GET_NEXT_ID`).
    pub programs: u32,
    /// Maps in the kernel (`BPF_MAP_GET_NEXT_ID`).
    pub maps: u32,
    /// BTF objects in the kernel (`BPF_BTF_GET_NEXT_ID`).
    pub btfs: u32,
    /// `MemAvailable` of `/proc/meminfo`, in KiB as the others: what could still be had.
    pub available_kib: u64,
    /// `Slab`: the verifier's leavings, small maps, the bookkeeping of programs and maps.
    pub slab_kib: u64,
    /// `VmallocUsed`: programs, machine code, large maps.
    pub vmalloc_kib: u64,
    /// `Percpu`: per-CPU maps, statistics of programs.
    pub percpu_kib: u64,
}

/// What the marker of a case says after `bpf-indirect: case `: `<name> <mode>`, without what would not
/// fit into one line of the kernel's log.
pub fn marker(name: &str, mode: Mode) -> String {
    let name: String =
        name.chars().map(|c| if c.is_control() { '?' } else { c }).take(200).collect();
    format!("{} {}", name.trim(), mode.name())
}

/// Steps to execute in one mode.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// Name of the case, written to `/dev/kmsg` before the first step so that a crash can be
    /// blamed on it.
    pub name: String,
    /// Mode to set before the first step.
    pub mode: Mode,
    /// The steps. The first one that fails ends the batch.
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
    CreateMap {
        /// Name, of which the agent passes the first 15 bytes.
        name: String,
        /// `enum bpf_map_type`.
        map_type: u32,
        /// Bytes of a key.
        key_size: u32,
        /// Bytes of a value.
        value_size: u32,
        /// Number of entries.
        max_entries: u32,
        /// `BPF_F_*`.
        flags: u32,
        /// Types of key and value, if any.
        btf: Option<MapBtf>,
    },
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
    /// `BPF_MAP_FREEZE`. Answered by [`Output::Done`].
    Freeze {
        /// Index of the map.
        map: u32,
    },
    /// `BPF_PROG_LOAD`; adds a program. Answered by [`Output::Loaded`].
    LoadProgram(Box<ProgramLoad>),
    /// Closes a program's descriptor, its number stays taken. Answered by [`Output::Done`].
    CloseProgram {
        /// Index of the program.
        prog: u32,
    },
    /// Asks where a program's lines and maps are. Answered by [`Output::Described`].
    DescribeProgram {
        /// Index of the program.
        prog: u32,
    },
    /// `BPF_PROG_TEST_RUN`. Answered by [`Output::Ran`].
    TestRun {
        /// Index of the program.
        prog: u32,
        /// Packet data in; empty for program types that take none.
        #[serde(with = "serde_bytes")]
        data: Vec<u8>,
        /// Context in; empty for none.
        #[serde(with = "serde_bytes")]
        ctx: Vec<u8>,
        /// Bytes of packet data to take back, 0 for none.
        data_out: u32,
        /// Whether to take the context back (as many bytes as went in).
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
    /// Takes a step whose refusal does not end the batch. Answered by [`Output::Attempted`].
    Attempt(Box<Step>),
    /// Takes a step without some capabilities (bit numbers of `linux/capability.h`), beside those
    /// that a [`ProgramLoad`] does without by itself. Answered as the step is.
    Without(Vec<u8>, Box<Step>),
    /// Misbehaves, so that the harness can be tested. Answered by [`Output::Done`] where the guest
    /// survives it.
    Fault(Fault),
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

/// What `BPF_PROG_LOAD` is given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramLoad {
    /// Name, of which the agent passes the first 15 bytes.
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
    /// `(slot, map)`: write the descriptor of the map into the slot's immediate.
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
    /// Whether to take the translated instructions and the JITed image back.
    pub dump: bool,
}

/// Outcome of the steps of a batch, as many as were executed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchReport {
    /// One for each step executed; all but the last are `Ok`.
    pub steps: Vec<Result<Output, Failure>>,
    /// `net.core.bpf_jit_enable` as read back when the batch was over.
    pub jit_enable: u32,
    /// `net.core.bpf_jit_harden` as read back when the batch was over.
    pub jit_harden: u32,
}

/// What a step that worked gave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Output {
    /// Nothing to tell.
    Done,
    /// A program was loaded.
    Loaded {
        /// Verifier log, empty without log level.
        log: String,
        /// `bpf_prog_info.jited_prog_len`: bytes of machine code, 0 for the interpreter.
        jited_len: u32,
        /// `bpf_prog_info.xlated_prog_len`: bytes of translated instructions.
        xlated_len: u32,
        /// `bpf_prog_info.verified_insns`.
        verified_insns: u32,
        /// Translated instructions, if asked for and the kernel hands them out.
        #[serde(with = "serde_bytes")]
        xlated: Vec<u8>,
        /// Machine code of all functions, one behind the other, if asked for and the kernel hands
        /// it out.
        #[serde(with = "serde_bytes")]
        jited: Vec<u8>,
        /// The functions of `jited` in their order: address and length in bytes.
        jited_funcs: Vec<(u64, u32)>,
    },
    /// What the kernel keeps of a program beside its code (`struct bpf_prog_info`).
    Described {
        /// The lines that it was loaded with, as far as their instructions are still there, by
        /// ascending slot.
        lines: Vec<ProgramLine>,
        /// Ids of its maps, in the order in which its instructions first refer to them.
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
    /// Bytes of memory.
    Bytes(#[serde(with = "serde_bytes")] Vec<u8>),
    /// A step was attempted; how the kernel refused it, if it did.
    Attempted(Option<Failure>),
}

/// Where a line that a program was loaded with is in its code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramLine {
    /// First slot of the line in the translated instructions.
    pub xlated: u32,
    /// `bpf_line_info.line_col`, as it was given.
    pub line_col: u32,
    /// Address of the line's machine code; 0 where there is none.
    pub jited: u64,
}

/// What a step that did not work gave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// `errno`, positive.
    pub errno: i32,
    /// Verifier log, empty where there is none.
    pub log: String,
}

/// Ways to misbehave, for tests of the harness.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fault {
    /// Have the kernel's lkdtm crash it (`CONFIG_DEBUG_FS`, `CONFIG_LKDTM`): the name of a crash
    /// type of `drivers/misc/lkdtm`, such as `WARNING`, `PANIC` or `SOFTLOCKUP`.
    Lkdtm(String),
    /// Have the kernel log a line, such as `BUG: …`, as it logs what is no emergency to it.
    Log(String),
    /// Exit the agent with status 1; as it is init, the kernel panics.
    AgentExits,
    /// Have the agent killed by a signal, as by a fault of its own.
    AgentKilled,
    /// Stop every thread of the agent, as `SIGSTOP` would any other process: init takes none.
    AgentStopped,
    /// Have the agent say that it is in trouble.
    Trouble,
    /// Send bytes that are no record, then nothing.
    Garbage,
    /// Send the first half of a record, then nothing.
    Truncated,
    /// Fill the guest's memory.
    OutOfMemory,
}

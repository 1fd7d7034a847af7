//! Functions that read-only data points to.
//!
//! The notation has no data sections yet: each case defines an array map, and `table` fills it with
//! byte offsets of functions, by their names, and freezes it.

use bpf_object::{LoadPlan, MapElement};

use crate::builder::{accepts, cap, errno, load_flag, rejects};
use crate::{Case, RejectedAt};

/// A 64-bit word of the map: a function's byte offset, or a number.
enum Word {
    Func(&'static str),
    Data(u64),
}

fn table(plan: &mut LoadPlan, words: &[Word]) {
    let program = &plan.programs[0];
    let value = words
        .iter()
        .flat_map(|word| match word {
            Word::Data(data) => data.to_le_bytes(),
            Word::Func(name) => program
                .functions
                .iter()
                .find(|function| function.name == *name)
                .map_or(0, |function| function.slot as u64 * 8)
                .to_le_bytes(),
        })
        .collect();
    let map = &mut plan.maps[0];
    map.contents = vec![MapElement { key: vec![0; 4], value }];
    map.frozen = true;
}

fn a_b(plan: &mut LoadPlan) {
    table(plan, &[Word::Func("a"), Word::Func("b")]);
}

fn vtable(plan: &mut LoadPlan) {
    use Word::{Data, Func};
    table(plan, &[Data(1000), Func("a"), Data(2000), Func("b")]);
}

/// The functions, and a reference to each, so that they get into the program.
const FUNCTIONS: &str = "
    refs:
        r1 = a ll
        r1 = b ll
        r0 = 99
        exit
    .func a
        r0 = r1
        r0 += 1
        exit
    .func b
        r0 = r1
        r0 += 100
        exit
    .map T array key=4 value=SIZE entries=1 flags=128
";

fn source(body: &str, size: usize) -> String {
    format!(
        "r6 = *(u64 *)(r1 +0)\nif r6 == 77 goto refs\n{body}\n{}",
        FUNCTIONS.replace("SIZE", &size.to_string())
    )
}

/// The cases.
#[expect(clippy::too_many_lines, reason = "a list of programs")]
pub(super) fn cases() -> Vec<Case> {
    vec![
        accepts(
            "callx/data_constant_index",
            "a function from a table",
            source("r2 = T ll\nr2 = *(u64 *)(r2 +8)\nr1 = r6\ncallx r2\nexit", 16),
        )
        .adjust(a_b)
        .runs(&[(0, 100), (5, 105)])
        .into(),
        accepts(
            "callx/data_middle",
            "the address of an element in the middle",
            source("r2 = T + 8 ll\nr2 = *(u64 *)(r2 +0)\nr1 = r6\ncallx r2\nexit", 16),
        )
        .adjust(a_b)
        .runs(&[(0, 100), (5, 105)])
        .into(),
        accepts(
            "callx/data_variable_index",
            "one function of a table by index",
            source(
                "r3 = r6\nr3 &= 1\nr3 <<= 3\nr2 = T ll\nr2 += r3\nr2 = *(u64 *)(r2 +0)\nr1 = r6\n\
                 callx r2\nexit",
                16,
            ),
        )
        .adjust(a_b)
        .flags(load_flag::TEST_STATE_FREQ)
        .runs(&[(0, 1), (1, 101), (4, 5)])
        .into(),
        accepts(
            "callx/data_array_of_structs",
            "data next to the functions, with a variable index",
            source(
                "r3 = r6\nr3 &= 1\nr3 <<= 4\nr7 = T ll\nr7 += r3\nr1 = *(u64 *)(r7 +0)\n\
                 r2 = *(u64 *)(r7 +8)\ncallx r2\nexit",
                32,
            ),
        )
        .adjust(vtable)
        .runs(&[(0, 1001), (1, 2100)])
        .into(),
        accepts(
            "callx/data_stays_constant",
            "data next to a function is known: the division by it is not checked for 0",
            source(
                "r7 = T ll\nr1 = *(u64 *)(r7 +0)\nif r1 == 1000 goto good\nr0 = *(u64 *)(r1 +0)\n\
                 good:\nr2 = *(u64 *)(r7 +8)\ncallx r2\nexit",
                32,
            ),
        )
        .adjust(vtable)
        .runs(&[(0, 1001)])
        .into(),
        accepts(
            "callx/data_no_branch_on_byte_offset",
            "constant folding: the pointer is not the number that the map holds",
            source(
                "r2 = T ll\nr2 = *(u64 *)(r2 +0)\nr3 = 0xffffffff ll\nr0 = 5\n\
                 if r2 > r3 goto big\nr0 = 6\nexit\nbig:\nr1 = r6\ncallx r2\nexit",
                16,
            ),
        )
        .adjust(a_b)
        .runs(&[(0, 1)])
        .into(),
        accepts(
            "callx/data_instructions_removed",
            "dead code in front of the functions moves what the table points to",
            source(
                "r7 = 1\nif r7 == 1 goto on\nr6 = 5\nr6 = 6\nr6 = 7\non:\nr2 = T ll\n\
                 r2 = *(u64 *)(r2 +8)\nr1 = r6\ncallx r2\nexit",
                16,
            ),
        )
        .adjust(a_b)
        .runs(&[(0, 100)])
        .into(),
        rejects(
            "callx/data_narrow_read",
            "four bytes of a pointer",
            source("r2 = T ll\nr0 = *(u32 *)(r2 +0)\ncallx r0\nexit", 16),
        )
        .adjust(a_b)
        .errno(errno::EACCES)
        .log("read of 4 bytes at offset 0 overlaps with a pointer to a function")
        .into(),
        rejects(
            "callx/data_misaligned_read",
            "parts of two pointers",
            source("r2 = T ll\nr0 = *(u64 *)(r2 +4)\ncallx r0\nexit", 16),
        )
        .adjust(a_b)
        .errno(errno::EACCES)
        .log("read of 8 bytes at offset 4 overlaps with a pointer to a function")
        .into(),
        rejects(
            "callx/data_pointer_or_data",
            "the index selects pointer or data",
            source(
                "r3 = r6\nr3 &= 1\nr3 <<= 3\nr2 = T ll\nr2 += r3\nr2 = *(u64 *)(r2 +0)\nr1 = r6\n\
                 callx r2\nexit",
                32,
            ),
        )
        .adjust(vtable)
        .errno(errno::EACCES)
        .log("read of 8 bytes at offset 0 overlaps with a pointer to a function")
        .into(),
        rejects(
            "callx/data_not_a_function",
            "data is no function",
            source("r2 = T ll\nr2 = *(u64 *)(r2 +0)\ncallx r2\nexit", 32),
        )
        .adjust(vtable)
        .log("R2 has type scalar, expected func")
        .into(),
        rejects(
            "callx/data_not_frozen",
            "user space could still change what is called",
            source("r2 = T ll\nr2 = *(u64 *)(r2 +0)\ncallx r2\nexit", 16),
        )
        .adjust(|plan| {
            a_b(plan);
            plan.maps[0].frozen = false;
        })
        .log("R2 has type scalar, expected func")
        .into(),
        rejects(
            "callx/data_without_cap_perfmon",
            "a pointer to a function is an address of the kernel",
            source("r2 = T ll\nr2 = *(u64 *)(r2 +0)\ncallx r2\nexit", 16),
        )
        .adjust(a_b)
        .without_caps(&[cap::SYS_ADMIN, cap::PERFMON])
        .errno(errno::EACCES)
        .log("requires CAP_PERFMON")
        .into(),
        rejects(
            "callx/data_through_the_map",
            "a look-up by a helper would find byte offsets",
            source(
                "*(u32 *)(r10 -4) = 0\nr1 = map T ll\nr2 = r10\nr2 += -4\ncall bpf_map_lookup_elem\n\
                 if r0 == 0 goto out\nr2 = *(u64 *)(r0 +0)\ncallx r2\nout:\nr0 = 0\nexit",
                16,
            ),
        )
        .adjust(a_b)
        .log("only read through the address of its value")
        .into(),
        rejects(
            "callx/data_read_by_helper",
            "a helper would copy the addresses",
            source(
                "r2 = T ll\nr2 = *(u64 *)(r2 +0)\ncallx r2\nr1 = r10\nr1 += -16\nr2 = 16\n\
                 r3 = T ll\nr1 = r3\nr2 = 16\nr3 = 0\nr4 = r10\nr4 += -8\ncall bpf_strtol\n\
                 r0 = 0\nexit",
                16,
            ),
        )
        .adjust(a_b)
        .errno(errno::EACCES)
        .log("overlaps with a pointer to a function")
        .into(),
        rejects(
            "callx/data_second_program",
            "the map belongs to the program whose functions it holds",
            format!(
                "{}\n.prog second syscall\nr1 = T ll\nr0 = *(u64 *)(r1 +0)\nexit",
                source("r2 = T ll\nr2 = *(u64 *)(r2 +0)\nr1 = r6\ncallx r2\nexit", 16)
            ),
        )
        .adjust(a_b)
        .at(RejectedAt::LoadProgram(1))
        .errno(errno::EBUSY)
        .log("holds pointers to functions of another program")
        .into(),
    ]
}

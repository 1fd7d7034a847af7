//! Data whose types say what points to functions: a number is not a pointer, whatever its value.

use bpf_object::BtfUse;

use crate::Case;
use crate::builder::{accepts, cap};
use crate::callx::shape::{VALUE_TYPE, typed_by};

/// Reads the first word of T and calls f, which starts at byte 64 and returns 1000.
const LIMIT: &str = "
        r6 = T ll
        r6 = *(u64 *)(r6 +0)
        r2 = f ll
        callx r2
        r0 += r6
        exit
    .func f
        r0 = 1000
        exit
";

pub(super) fn cases() -> Vec<Case> {
    vec![
        accepts(
            "callx/number_like_an_offset",
            "a limit that happens to be the offset of a function stays what it is",
            format!("{LIMIT}.data T .rodata: u64 64"),
        )
        .runs(&[(0, 1064)])
        .into(),
        accepts(
            "callx/pair_like_an_offset",
            "so do two numbers of 32 bits whose second is 0",
            format!("{LIMIT}.data T .rodata: u32 64, u32 0"),
        )
        .runs(&[(0, 1064)])
        .into(),
        accepts(
            "callx/size_beside_pointer_like_an_offset",
            "a vtable with a size in front of a pointer to the function with this offset",
            format!("{LIMIT}.data T .rodata: u64 64, f, u64 64"),
        )
        .runs(&[(0, 1064)])
        .into(),
        accepts(
            "callx/data_shared_by_programs",
            "numbers that are offsets of functions do not reserve the data for one program",
            format!("{LIMIT}.data T .rodata: u64 64\n.prog second syscall\n{}", LIMIT.replace(".func f", ".func h").replace("f ll", "h ll")),
        )
        .runs(&[(0, 1064)])
        .into(),
        accepts(
            "callx/data_of_another_program_read",
            "a program without indirect calls reads data that another program is called by",
            format!("{LIMIT}.data T .rodata: u64 7, f\n.prog second syscall\nr1 = T ll\nr0 = *(u64 *)(r1 +8)\nexit"),
        )
        .adjust(|plan| {
            // The linker makes a map for each program: let the second use the first's.
            let map = plan.programs[0].map_refs[0].map;
            plan.programs[1].map_refs[0].map = map;
        })
        .runs(&[(0, 1007)])
        .into(),
        accepts(
            "callx/numbers_without_cap_perfmon",
            "nothing is searched for without CAP_PERFMON: the word is a number",
            format!(".prog main socket\n{LIMIT}.data T .rodata: u64 64").replace("r0 += r6", "r0 = r6"),
        )
        .btf(BtfUse::Never)
        .without_caps(&[cap::SYS_ADMIN, cap::PERFMON])
        .run_packet(vec![0; 64], 64)
        .into(),
        accepts(
            "callx/typed_void_pointer",
            "a pointer to void may be one to a function, as C programmers cast",
            VALUE_TYPE,
        )
        .btf(BtfUse::Never)
        .adjust(|plan| typed_by(plan, |btf| btf.pointer(0)))
        .runs(&[(0, 5)])
        .into(),
        accepts(
            "callx/typed_pointer_to_prototype",
            "and so may a pointer to a prototype, in an array in a struct",
            VALUE_TYPE,
        )
        .btf(BtfUse::Never)
        .adjust(|plan| {
            typed_by(plan, |btf| {
                let int = btf.int("int", 4, true);
                let proto = btf.func_proto(int, &[]);
                let pointer = btf.pointer(proto);
                let array = btf.array(pointer, int, 1);
                btf.structure("ops", 8, &[("f", array, 0)])
            });
        })
        .runs(&[(0, 5)])
        .into(),
    ]
}

//! Which maps contain pointers to functions, and which of their words are pointers. All other reads
//! return numbers.

use bpf_object::LoadPlan;

use crate::builder::{errno, map_flag, rejects};
use crate::{Case, RejectedAt};

/// Calls the first function of a table. The code also refers to f, which starts at byte 56.
const FIRST: &str = "
        r3 = f ll
        r2 = T ll
        r2 = *(u64 *)(r2 +0)
        callx r2
        exit
    .func f
        r0 = 0
        exit
";

fn number(name: &str, about: &str, data: &str, change: Option<fn(&mut LoadPlan)>) -> Case {
    let case = rejects(name, about, format!("{FIRST}{data}"))
        .errno(errno::EACCES)
        .log("R2 has type scalar, expected func");
    match change {
        Some(change) => case.adjust(change).into(),
        None => case.into(),
    }
}

pub(super) fn cases() -> Vec<Case> {
    vec![
        number(
            "callx/table_holds_number",
            "a number beside a pointer",
            ".data T .rodata: 1000, f",
            None,
        ),
        number(
            "callx/table_holds_zero",
            "0 is the program's first instruction, which is no static function",
            ".data T .rodata: 0, f",
            None,
        ),
        number(
            "callx/table_holds_offset_in_function",
            "the offset of a function's second instruction",
            ".data T .rodata: u64 64, f",
            None,
        ),
        number(
            "callx/table_holds_odd_offset",
            "an offset that no instruction starts at",
            ".data T .rodata: u64 57, f",
            None,
        ),
        number(
            "callx/table_holds_slot",
            "the number of the instruction instead of its offset",
            ".data T .rodata: u64 7, f",
            None,
        ),
        number(
            "callx/table_holds_offset_outside",
            "an offset behind the program",
            ".data T .rodata: 0x123456780, f",
            None,
        ),
        number(
            "callx/table_writable_by_program",
            "a program could change what it calls: data without BPF_F_RDONLY_PROG",
            ".data T .data: f",
            None,
        ),
        number(
            "callx/table_not_frozen",
            "user space could still change what is called",
            ".data T .rodata: f",
            Some(|plan| plan.maps.iter_mut().for_each(|map| map.frozen = false)),
        ),
        number(
            "callx/table_frozen_but_writable_by_program",
            "frozen stops user space only",
            ".data T .rodata: f",
            Some(|plan| plan.maps.iter_mut().for_each(|map| map.flags &= !map_flag::RDONLY_PROG)),
        ),
        rejects(
            "callx/table_writable_and_nothing_else",
            "a function that only writable data points to cannot be called at all",
            "
                r2 = T ll
                r2 = *(u64 *)(r2 +0)
                callx r2
                exit
            .func f
                r0 = 0
                exit
            .data T .data: f
            ",
        )
        .errno(errno::EACCES)
        .log("R2 has type scalar, expected func")
        .into(),
        rejects(
            "callx/table_holds_global_function",
            "only static functions are recognised",
            "
                r2 = T ll
                r2 = *(u64 *)(r2 +0)
                r1 = 0
                callx r2
                r1 = 0
                call g
                exit
            .global g
                r0 = 0
                exit
            .data T .rodata: g
            ",
        )
        .errno(errno::EACCES)
        .log("the number of g(), which is global: make it static to call it by pointer")
        .log("R2 has type scalar, expected func")
        .into(),
        rejects(
            "callx/table_of_second_program",
            "a map belongs to the program whose functions it holds",
            format!("{FIRST}.data T .rodata: f\n.prog second syscall\nr1 = 0\nr0 = 0\nexit"),
        )
        .adjust(|plan| {
            // The linker makes a separate map for each program: let the second use the first's.
            let mut second = plan.programs[0].clone();
            second.name = "second".to_owned();
            plan.programs[1] = second;
        })
        .at(RejectedAt::LoadProgram(1))
        .errno(errno::EBUSY)
        .log("holds pointers to functions of another program")
        .into(),
    ]
}
